-- From version 1 to 2: cut-outs and what they cost. Rows that are there have none of it.
ALTER TABLE job ADD COLUMN cuts_succeeded INTEGER NOT NULL DEFAULT 0;
ALTER TABLE job ADD COLUMN cuts_failed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE job ADD COLUMN cuts_none INTEGER NOT NULL DEFAULT 0;
ALTER TABLE job ADD COLUMN max_cost INTEGER NOT NULL DEFAULT 0;
ALTER TABLE job ADD COLUMN spent INTEGER NOT NULL DEFAULT 0;
ALTER TABLE job ADD COLUMN reserved INTEGER NOT NULL DEFAULT 0;
ALTER TABLE job ADD COLUMN unknown INTEGER NOT NULL DEFAULT 0;
ALTER TABLE job ADD COLUMN confirm INTEGER NOT NULL DEFAULT 0;
ALTER TABLE job ADD COLUMN confirm_all INTEGER NOT NULL DEFAULT 0;
ALTER TABLE item ADD COLUMN cut_state INTEGER NOT NULL DEFAULT 0;
ALTER TABLE item ADD COLUMN cut_task INTEGER;
ALTER TABLE item ADD COLUMN cut INTEGER;
ALTER TABLE item ADD COLUMN cut_reason INTEGER NOT NULL DEFAULT 0;
ALTER TABLE item ADD COLUMN cut_outcome TEXT;
ALTER TABLE item ADD COLUMN charge INTEGER;
ALTER TABLE result ADD COLUMN file BLOB;
CREATE INDEX item_cut_task ON item (cut_task) WHERE cut_task IS NOT NULL;
CREATE INDEX item_cut_failed ON item (job, n) WHERE state = 2 AND cut_state = 3;
CREATE INDEX item_cut ON item (cut) WHERE cut IS NOT NULL;
CREATE INDEX task_ready_plain ON task (turn, id) WHERE state = 0 AND kind < 2;
CREATE INDEX result_file ON result (scope, file) WHERE file IS NOT NULL;
CREATE TABLE charge (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  scope INTEGER NOT NULL, sha256 BLOB NOT NULL,
  digest BLOB NOT NULL,
  state INTEGER NOT NULL,
  tenant INTEGER NOT NULL, job INTEGER NOT NULL, item INTEGER NOT NULL,
  task INTEGER NOT NULL, lease INTEGER NOT NULL,
  cost INTEGER NOT NULL,
  before INTEGER,
  blob TEXT, media_type TEXT,
  asked_ms INTEGER NOT NULL, ended_ms INTEGER
) STRICT;
CREATE UNIQUE INDEX charge_live ON charge (scope, sha256, digest) WHERE state < 3;
CREATE INDEX charge_asked ON charge (task) WHERE state = 0;
CREATE INDEX charge_blob ON charge (blob) WHERE blob IS NOT NULL;
CREATE TABLE usage (
  tenant INTEGER NOT NULL, day INTEGER NOT NULL,
  jobs INTEGER NOT NULL, items INTEGER NOT NULL, downloads INTEGER NOT NULL,
  encodes INTEGER NOT NULL, cutouts INTEGER NOT NULL,
  bytes_in INTEGER NOT NULL, bytes_out INTEGER NOT NULL,
  paid_calls INTEGER NOT NULL, spent INTEGER NOT NULL,
  unknown INTEGER NOT NULL, unknown_calls INTEGER NOT NULL,
  saved_downloads INTEGER NOT NULL, saved_encodes INTEGER NOT NULL, saved_paid INTEGER NOT NULL,
  saved_cost INTEGER NOT NULL,
  PRIMARY KEY (tenant, day)
) STRICT, WITHOUT ROWID;
UPDATE meta SET version = 2;
