-- From version 2 to 3: access, webhooks, manifests in the blob store, work outside.
ALTER TABLE meta ADD COLUMN access INTEGER NOT NULL DEFAULT 0;
CREATE TABLE tenant (
  no INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE,
  limits TEXT NOT NULL,
  webhook TEXT, webhook_old TEXT,
  created_ms INTEGER NOT NULL
) STRICT;
INSERT INTO tenant (name, limits, created_ms) VALUES ('default', '', 0);
CREATE TABLE api_key (
  id TEXT PRIMARY KEY,
  tenant INTEGER NOT NULL,
  hash BLOB NOT NULL,
  name TEXT NOT NULL,
  scopes INTEGER NOT NULL,
  created_ms INTEGER NOT NULL, expires_ms INTEGER, revoked_ms INTEGER,
  used_ms INTEGER
) STRICT, WITHOUT ROWID;
CREATE TABLE token (
  id TEXT PRIMARY KEY, jobs INTEGER NOT NULL, expires_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX token_expiry ON token (expires_ms);
ALTER TABLE job ADD COLUMN first_turn INTEGER NOT NULL DEFAULT 0;
CREATE INDEX job_queued ON job (tenant, priority, first_turn) WHERE state = 0 AND ended_ms IS NULL;
CREATE INDEX job_busy ON job (tenant) WHERE ended_ms IS NULL;
ALTER TABLE usage ADD COLUMN urls INTEGER NOT NULL DEFAULT 0;
ALTER TABLE usage ADD COLUMN cpu_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE usage ADD COLUMN stored INTEGER NOT NULL DEFAULT 0;
ALTER TABLE meta ADD COLUMN id TEXT;
ALTER TABLE meta ADD COLUMN secret TEXT;
ALTER TABLE meta ADD COLUMN copy_of TEXT;
ALTER TABLE meta ADD COLUMN copying INTEGER NOT NULL DEFAULT 0;
CREATE TABLE manifest (
  blob TEXT PRIMARY KEY,
  job INTEGER NOT NULL,
  change INTEGER NOT NULL,
  due INTEGER NOT NULL,
  until_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX manifest_due ON manifest (until_ms) WHERE due = 1;
CREATE INDEX manifest_job ON manifest (job) WHERE job > 0;
CREATE TABLE reported (
  task INTEGER NOT NULL, lease INTEGER NOT NULL,
  next INTEGER NOT NULL, next_lease INTEGER NOT NULL,
  until_ms INTEGER NOT NULL,
  PRIMARY KEY (task, lease)
) STRICT, WITHOUT ROWID;
CREATE INDEX reported_until ON reported (until_ms);
CREATE INDEX task_ready_cuts ON task (turn, id) WHERE state = 0 AND kind = 2;
CREATE TABLE hook (
  job INTEGER PRIMARY KEY,
  url TEXT NOT NULL, host TEXT NOT NULL,
  events INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  open INTEGER NOT NULL,
  disabled INTEGER NOT NULL
) STRICT;
CREATE INDEX hook_open ON hook (job) WHERE open = 1;
CREATE TABLE delivery (
  no INTEGER PRIMARY KEY AUTOINCREMENT,
  tenant INTEGER NOT NULL,
  job INTEGER NOT NULL, seq INTEGER NOT NULL,
  type INTEGER NOT NULL, host TEXT NOT NULL,
  state INTEGER NOT NULL,
  tries INTEGER NOT NULL,
  step INTEGER NOT NULL,
  next_ms INTEGER NOT NULL,
  lent INTEGER NOT NULL,
  lease INTEGER NOT NULL,
  created_ms INTEGER NOT NULL, last_ms INTEGER,
  status INTEGER, detail TEXT,
  UNIQUE (job, seq)
) STRICT;
CREATE INDEX delivery_due ON delivery (host, next_ms) WHERE state = 0;
CREATE INDEX delivery_next ON delivery (next_ms) WHERE state = 0;
CREATE INDEX delivery_list ON delivery (tenant, no);
UPDATE meta SET version = 3;
