-- The tables of the store, in SQLite's words; schema_pg.c says them in PostgreSQL's. What stands in /*pg */
-- only PostgreSQL reads. Times are milliseconds since 1970 UTC, enums the
-- numbers of src/job/*.h. Other tables name a job by its internal `no`, never by its public id.
-- `scope` is who may share a cached thing: the tenant, or 0 where the operator shares sources.
-- Numbers that readers and lease holders keep (job, task, original, result) are never used twice:
-- AUTOINCREMENT.
CREATE TABLE meta (
  version INTEGER NOT NULL,     -- of this schema; a bulb refuses one newer than its own
  ping INTEGER NOT NULL,        -- written by store_ping: a commit of nothing that matters
  access INTEGER NOT NULL DEFAULT 0, -- counts the changes of tenant and api_key: who knows them looks here
  id TEXT,                      -- of this store, once somebody asked: a copy of it knows whose it is
  secret TEXT,                  -- fingerprint of the secret that its processes must share
  copy_of TEXT,                 -- id of the store that is or was copied here, until this one is used
  copying INTEGER NOT NULL DEFAULT 0 -- 1: and not all of it is here yet
) STRICT;
-- Who owns jobs, caches and usage. Number 1 is for who needs no key, and for the root key.
CREATE TABLE tenant (
  no INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE,
  limits TEXT NOT NULL,         -- limits_text(); shared by all its keys
  webhook TEXT, webhook_old TEXT, -- sealed secrets that sign: the newest, and the one before it for
                                -- as long as receivers need to change over
  created_ms INTEGER NOT NULL
) STRICT;
CREATE TABLE api_key (
  id TEXT PRIMARY KEY,
  tenant INTEGER NOT NULL,
  hash BLOB NOT NULL,           -- SHA-256 of the secret, which has 256 random bits
  name TEXT NOT NULL,
  scopes INTEGER NOT NULL,      -- bits of enum key_scope
  created_ms INTEGER NOT NULL, expires_ms INTEGER, revoked_ms INTEGER,
  used_ms INTEGER               -- last use, to a minute or so
) STRICT, WITHOUT ROWID;
-- Submit tokens that were used, and how often; the rest of a token is inside it, signed.
CREATE TABLE token (
  id TEXT PRIMARY KEY, jobs INTEGER NOT NULL, expires_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX token_expiry ON token (expires_ms);
CREATE TABLE job (
  no INTEGER PRIMARY KEY AUTOINCREMENT,
  tenant INTEGER NOT NULL,
  id TEXT NOT NULL,             -- public id; one that is being deleted has '~no' after it, so that
                                -- the caller may use it again at once
  state INTEGER NOT NULL,
  run INTEGER NOT NULL,         -- 1 + retries
  seq INTEGER NOT NULL,         -- number of the last event
  cancel TEXT,                  -- asked for: name of the error its open items end with
  hidden INTEGER NOT NULL,      -- 1: being deleted, 2: with its results, 3: still being submitted
  retrying INTEGER NOT NULL,    -- failed items are still being made fresh: it cannot end yet
  priority INTEGER NOT NULL, weight INTEGER NOT NULL, turn INTEGER NOT NULL,
  keep_source INTEGER NOT NULL, -- 0: the original goes once the variants stand
  total INTEGER NOT NULL, duplicates INTEGER NOT NULL,
  fresh INTEGER NOT NULL, waiting INTEGER NOT NULL, running INTEGER NOT NULL,
  succeeded INTEGER NOT NULL, failed INTEGER NOT NULL, canceled INTEGER NOT NULL,
  cached INTEGER NOT NULL,
  saved_downloads INTEGER NOT NULL, saved_encodes INTEGER NOT NULL, saved_paid INTEGER NOT NULL,
  cuts_succeeded INTEGER NOT NULL DEFAULT 0, cuts_failed INTEGER NOT NULL DEFAULT 0,
  cuts_none INTEGER NOT NULL DEFAULT 0,
  -- Money, in thousandths of a credit: what may be paid, what was, what open intents hold, and what
  -- may have been paid. Only charges.c writes it.
  max_cost INTEGER NOT NULL DEFAULT 0, spent INTEGER NOT NULL DEFAULT 0,
  reserved INTEGER NOT NULL DEFAULT 0, unknown INTEGER NOT NULL DEFAULT 0,
  confirm INTEGER NOT NULL DEFAULT 0,     -- unknown charges up to this number may be bought again
  confirm_all INTEGER NOT NULL DEFAULT 0, -- by every item, not only those that say so themselves
  progress_ms INTEGER NOT NULL, -- when job.progress was last written,
  progress_hash INTEGER NOT NULL, -- and what it said: the same is not said twice
  request TEXT NOT NULL,        -- request_settings_text()
  body_sha256 BLOB NOT NULL,    -- tells a repeated PUT from another job under the same id
  metadata TEXT, tag TEXT,      -- beside `request`, so that a list of jobs parses nothing
  base_url TEXT NOT NULL,
  created_ms INTEGER NOT NULL, ended_ms INTEGER, expires_ms INTEGER NOT NULL,
  deadline_ms INTEGER,
  first_turn INTEGER NOT NULL DEFAULT 0, -- the turn it came in at: its tenant's next one comes after it
  UNIQUE (tenant, id),
  CHECK (fresh >= 0 AND waiting >= 0 AND running >= 0),
  CHECK (fresh + waiting + running + succeeded + failed + canceled = total)
) STRICT /*pg WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02,
  autovacuum_vacuum_threshold = 1000, autovacuum_analyze_scale_factor = 0.05,
  autovacuum_vacuum_cost_delay = 0) */;
CREATE INDEX job_list ON job (tenant, no);
CREATE INDEX job_tag ON job (tenant, tag, no) WHERE tag IS NOT NULL;
CREATE INDEX job_plan ON job (turn, no) WHERE fresh > 0 AND cancel IS NULL;
CREATE INDEX job_open ON job (no) WHERE ended_ms IS NULL;
CREATE INDEX job_queued ON job (tenant, priority, first_turn) WHERE state = 0 AND ended_ms IS NULL;
CREATE INDEX job_busy ON job (tenant) WHERE ended_ms IS NULL;
CREATE INDEX job_cancel ON job (no) WHERE cancel IS NOT NULL AND ended_ms IS NULL;
CREATE INDEX job_retry ON job (no) WHERE retrying = 1;
CREATE INDEX job_hidden ON job (no) WHERE hidden > 0;
CREATE INDEX job_deadline ON job (deadline_ms) WHERE deadline_ms IS NOT NULL AND ended_ms IS NULL;
CREATE INDEX job_expiry ON job (expires_ms) WHERE ended_ms IS NOT NULL AND hidden = 0;
CREATE TABLE item (
  job INTEGER NOT NULL, n INTEGER NOT NULL,
  url TEXT NOT NULL, source_key BLOB NOT NULL,
  extra TEXT,                   -- request_item_extra_text(): refs, sealed headers, own options
  state INTEGER NOT NULL, run INTEGER NOT NULL,
  started INTEGER NOT NULL,     -- item.started was written in this run
  task INTEGER,                 -- what it waits for while open
  cache INTEGER,                -- how its original comes; known once `original` is there
  original INTEGER,
  results TEXT,                 -- ids of results, one a variant, in the recipe's order: "[1,2]"
  outcome TEXT,                 -- outcome_json() of what happened so far
  tries INTEGER NOT NULL,
  made INTEGER NOT NULL,        -- variants that were encoded for it; the rest was saved
  planned_ms INTEGER, started_ms INTEGER,
  cut_state INTEGER NOT NULL DEFAULT 0,  -- enum cut_state; 0: no cut-out, and the rest is NULL
  cut_task INTEGER,                      -- the cut it waits for while open, beside `task`
  cut INTEGER,                           -- a result: the cut-out
  cut_reason INTEGER NOT NULL DEFAULT 0, -- enum cut_reason
  cut_outcome TEXT,                      -- outcome_json() of a cut that failed or found nothing
  charge INTEGER,                        -- the paid call that its job paid for it
  PRIMARY KEY (job, n)
) STRICT, WITHOUT ROWID /*pg WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02,
  autovacuum_vacuum_threshold = 1000, autovacuum_analyze_scale_factor = 0.05,
  autovacuum_vacuum_cost_delay = 0) */;
CREATE INDEX item_fresh ON item (job, n) WHERE state = 0;
CREATE INDEX item_open ON item (job, n) WHERE state = 1;
CREATE INDEX item_failed ON item (job, n) WHERE state = 3;
CREATE INDEX item_task ON item (task) WHERE task IS NOT NULL;
CREATE INDEX item_cut_task ON item (cut_task) WHERE cut_task IS NOT NULL;
-- who still needs an original or its results: asked by gc, keep_source and delete
CREATE INDEX item_original ON item (original) WHERE original IS NOT NULL;
CREATE INDEX item_cut ON item (cut) WHERE cut IS NOT NULL;
CREATE TABLE task (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  scope INTEGER NOT NULL, kind INTEGER NOT NULL,
  key BLOB NOT NULL,            -- SHA-256(scope, kind, subject, recipes): two alike are one task
  subject BLOB NOT NULL,        -- source key of a fetch, SHA-256 of the bytes else
  state INTEGER NOT NULL, turn INTEGER NOT NULL,
  host TEXT, input TEXT NOT NULL,
  step INTEGER NOT NULL, bytes INTEGER NOT NULL, bytes_total INTEGER NOT NULL,
  owner TEXT, lease INTEGER NOT NULL, until_ms INTEGER NOT NULL,
  tries INTEGER NOT NULL,       -- attempts that ended and were put back
  crashes INTEGER NOT NULL,     -- darkroom deaths that a living worker saw
  lost INTEGER NOT NULL,        -- owners that vanished
  outcome TEXT                  -- of a task that is being settled
) STRICT /*pg WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02,
  autovacuum_vacuum_threshold = 1000, autovacuum_analyze_scale_factor = 0.05,
  autovacuum_vacuum_cost_delay = 0) */;
CREATE UNIQUE INDEX task_live ON task (key) WHERE state < 3;
CREATE INDEX task_ready ON task (turn, id) WHERE state = 0;
CREATE INDEX task_ready_plain ON task (turn, id) WHERE state = 0 AND kind < 2; -- no cuts
CREATE INDEX task_ready_cuts ON task (turn, id) WHERE state = 0 AND kind = 2; -- nothing else
CREATE INDEX task_until ON task (until_ms) WHERE state IN (1, 2);
CREATE INDEX task_settle ON task (id) WHERE state >= 3;
CREATE TABLE source (
  scope INTEGER NOT NULL, key BLOB NOT NULL,
  original INTEGER NOT NULL, etag TEXT, last_modified TEXT, checked_ms INTEGER NOT NULL,
  PRIMARY KEY (scope, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX source_original ON source (original);
CREATE TABLE original (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  scope INTEGER NOT NULL, sha256 BLOB NOT NULL,
  blob TEXT,                    -- its key; NULL when it was dropped (keep_source false)
  data TEXT NOT NULL,           -- original_json()
  used_ms INTEGER NOT NULL,     -- last use, to the hour
  UNIQUE (scope, sha256)
) STRICT;
CREATE INDEX original_blob ON original (blob) WHERE blob IS NOT NULL;
-- One variant, or one cut-out, whose variants are rows with its file's digest as theirs. A job that is there protects what its items name (item_original), so a row needs no
-- time to live beside the time of its last use.
CREATE TABLE result (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  scope INTEGER NOT NULL, sha256 BLOB NOT NULL, recipe BLOB NOT NULL,
  blob TEXT NOT NULL, data TEXT NOT NULL, used_ms INTEGER NOT NULL,
  file BLOB,                    -- of a cut-out: SHA-256 of its own bytes
  UNIQUE (scope, sha256, recipe)
) STRICT;
CREATE INDEX result_blob ON result (blob);
CREATE INDEX result_file ON result (scope, file) WHERE file IS NOT NULL;
CREATE TABLE event (
  job INTEGER NOT NULL, seq INTEGER NOT NULL, type INTEGER NOT NULL, item INTEGER,
  at_ms INTEGER NOT NULL, data TEXT NOT NULL,
  PRIMARY KEY (job, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE idempotency (
  tenant INTEGER NOT NULL, key TEXT NOT NULL, body_sha256 BLOB NOT NULL,
  job INTEGER NOT NULL, expires_ms INTEGER NOT NULL,
  PRIMARY KEY (tenant, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_expiry ON idempotency (expires_ms);
CREATE TABLE trash (blob TEXT PRIMARY KEY, after_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX trash_due ON trash (after_ms);
-- A paid call, from the intent to what became of it. The provider's raw answer is kept, so that the
-- same bytes are never bought twice, however they are to be finished.
CREATE TABLE charge (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  scope INTEGER NOT NULL, sha256 BLOB NOT NULL, -- bytes that were sent
  digest BLOB NOT NULL,         -- cut_charge_digest()
  state INTEGER NOT NULL,       -- 0 asked, 1 answered, 2 unknown (paid or not), 3 unknown and bought
                                -- again, 4 closed: its answer is gone; 3 and 4 are counted only
  tenant INTEGER NOT NULL, job INTEGER NOT NULL, item INTEGER NOT NULL, -- who pays
  task INTEGER NOT NULL, lease INTEGER NOT NULL,                        -- who asks
  cost INTEGER NOT NULL,        -- reserved; once answered what it was
  before INTEGER,               -- the unknown one that this one was confirmed to buy again
  blob TEXT, media_type TEXT,   -- the answer
  asked_ms INTEGER NOT NULL, ended_ms INTEGER
) STRICT;
CREATE UNIQUE INDEX charge_live ON charge (scope, sha256, digest) WHERE state < 3;
CREATE INDEX charge_asked ON charge (task) WHERE state = 0;
CREATE INDEX charge_blob ON charge (blob) WHERE blob IS NOT NULL;
-- Work that was done and saved, by tenant and day (days since 1970 UTC).
CREATE TABLE usage (
  tenant INTEGER NOT NULL, day INTEGER NOT NULL,
  jobs INTEGER NOT NULL, items INTEGER NOT NULL, downloads INTEGER NOT NULL,
  encodes INTEGER NOT NULL, cutouts INTEGER NOT NULL,
  bytes_in INTEGER NOT NULL, bytes_out INTEGER NOT NULL,
  paid_calls INTEGER NOT NULL, spent INTEGER NOT NULL,
  unknown INTEGER NOT NULL, unknown_calls INTEGER NOT NULL,
  saved_downloads INTEGER NOT NULL, saved_encodes INTEGER NOT NULL, saved_paid INTEGER NOT NULL,
  saved_cost INTEGER NOT NULL,
  urls INTEGER NOT NULL DEFAULT 0,   -- of jobs that were accepted
  cpu_ms INTEGER NOT NULL DEFAULT 0, -- of processors, in darkrooms
  stored INTEGER NOT NULL DEFAULT 0, -- bytes put into the blob store less those dropped: the sum over
                                     -- all days is what there is
  /*pg shard INTEGER NOT NULL, -- one a connection or so: else all commits of a tenant wait in line */
  PRIMARY KEY (tenant, day /*pg , shard */)
) STRICT, WITHOUT ROWID;
-- The manifest of a job that has ended, a blob whose name is made of the job's: it may be used again. So what is done to it
-- is done in turn; whoever is at it has it until until_ms.
CREATE TABLE manifest (
  blob TEXT PRIMARY KEY,
  job INTEGER NOT NULL,         -- 0: the job is gone, and its manifest is to go
  change INTEGER NOT NULL,      -- counts the changes of what is to be there,
  due INTEGER NOT NULL,         -- and 1: it is not there yet
  until_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX manifest_due ON manifest (until_ms) WHERE due = 1;
CREATE INDEX manifest_job ON manifest (job) WHERE job > 0;
-- What somebody outside has said of a task: the same may be said twice.
CREATE TABLE reported (
  task INTEGER NOT NULL, lease INTEGER NOT NULL,
  next INTEGER NOT NULL, next_lease INTEGER NOT NULL, -- the make that was lent in answer; 0: none
  until_ms INTEGER NOT NULL,
  PRIMARY KEY (task, lease)
) STRICT, WITHOUT ROWID;
CREATE INDEX reported_until ON reported (until_ms);
-- Who is told of a job's events at a URL: a reader with a position in its log.
CREATE TABLE hook (
  job INTEGER PRIMARY KEY,
  url TEXT NOT NULL, host TEXT NOT NULL, -- host: with the port; those of one host wait for each other
  events INTEGER NOT NULL,      -- bits 1 << enum event_type
  seq INTEGER NOT NULL,         -- of events up to here there is a delivery, or none is wanted
  open INTEGER NOT NULL,        -- 1: more may come; 0: the job has ended, and all of it was read,
  disabled INTEGER NOT NULL     -- or it answered 410: nothing is read from there on
) STRICT;
CREATE INDEX hook_open ON hook (job) WHERE open = 1;
CREATE TABLE delivery (
  no INTEGER PRIMARY KEY AUTOINCREMENT,
  tenant INTEGER NOT NULL,
  job INTEGER NOT NULL, seq INTEGER NOT NULL, -- the event
  type INTEGER NOT NULL, host TEXT NOT NULL,
  state INTEGER NOT NULL,       -- enum delivery_state
  tries INTEGER NOT NULL,       -- that ended, all in all,
  step INTEGER NOT NULL,        -- and since it was asked for the last time
  next_ms INTEGER NOT NULL,     -- of a pending one: when it is tried next, or, while it is
  lent INTEGER NOT NULL,        -- being tried (1), when whoever does so is taken for dead
  lease INTEGER NOT NULL,
  created_ms INTEGER NOT NULL, last_ms INTEGER,
  status INTEGER, detail TEXT,  -- of the last try: what was answered, what was wrong
  UNIQUE (job, seq)
) STRICT;
CREATE INDEX delivery_due ON delivery (host, next_ms) WHERE state = 0;
CREATE INDEX delivery_next ON delivery (next_ms) WHERE state = 0;
CREATE INDEX delivery_list ON delivery (tenant, no);
/*pg
-- Who commits, and the last of its commits: whether one that was never answered took place.
CREATE TABLE committer (id TEXT PRIMARY KEY, commits INTEGER NOT NULL, at_ms INTEGER NOT NULL)
  WITH (fillfactor = 50);
*/
INSERT INTO meta (version, ping) VALUES (3, 0);
INSERT INTO tenant (name, limits, created_ms) VALUES ('default', '', 0);
