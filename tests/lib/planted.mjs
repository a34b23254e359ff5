// Bugs that are planted to prove the checker. The product has no code for them: triggers in the
// database of a running server make it lose, repeat and miscount what the real bug would, a copy of
// the database brought back undoes a commit that was promised, and a truncated file is what a power
// cut leaves of one that was not synced.
import { tempDir, bulb, run, post, ended } from './harness.mjs';
import { check, checkFolder } from './checker.mjs';
import { sql, snapshot, ageBlobs, ageTrash, tearBlob } from './database.mjs';

// Numbers of enum event_type.
const JOB_SUCCEEDED = 3, ITEM_STARTED = 8, ITEM_SUCCEEDED = 10, ITEM_FAILED = 11;
const itemEnded = `(SELECT type FROM event WHERE job = NEW.no AND seq = NEW.seq) IN (${ITEM_SUCCEEDED}, ${ITEM_FAILED})`;
const once = 'NOT EXISTS (SELECT 1 FROM planted)';

export const plants = {
  'an answer that goes out before the commit': { undone: true, caught: /accepted, but answers 404/ },
  'a sequence number given twice': {
    caught: /has no terminal event/,
    sql: `CREATE TRIGGER planted_1 AFTER UPDATE OF seq ON job WHEN ${once} AND ${itemEnded} BEGIN
        INSERT INTO planted VALUES (0, 0); UPDATE job SET seq = seq - 1 WHERE no = NEW.no; END;
      CREATE TRIGGER planted_2 BEFORE INSERT ON event BEGIN
        DELETE FROM event WHERE job = NEW.job AND seq = NEW.seq; END`,
  },
  'an event that is not written': {
    caught: /stands at place/,
    sql: `CREATE TRIGGER planted AFTER INSERT ON event WHEN NEW.type = ${ITEM_STARTED} BEGIN
        DELETE FROM event WHERE job = NEW.job AND seq = NEW.seq; END`,
  },
  'a terminal event written twice': {
    caught: /ended twice/,
    sql: `CREATE TRIGGER planted AFTER UPDATE OF seq ON job WHEN ${itemEnded} BEGIN
        INSERT INTO event SELECT job, seq + 1, type, item, at_ms, data FROM event WHERE job = NEW.no AND seq = NEW.seq;
        UPDATE job SET seq = seq + 1 WHERE no = NEW.no; END`,
  },
  'a task that is settled again, without asking whether its item is still open': {
    caught: /ended twice/,
    sql: `CREATE TABLE planted_task AS SELECT * FROM task WHERE 0;
      CREATE TRIGGER planted_1 BEFORE DELETE ON task BEGIN INSERT INTO planted_task SELECT * FROM task WHERE id = OLD.id; END;
      CREATE TRIGGER planted_2 AFTER UPDATE OF state ON item WHEN OLD.state = 1 AND NEW.state IN (2, 3) AND ${once} BEGIN
        INSERT INTO planted VALUES (OLD.task, 1);
        INSERT INTO task SELECT * FROM planted_task WHERE id = OLD.task; UPDATE task SET state = 0 WHERE id = OLD.task;
        UPDATE item SET state = 1, task = OLD.task WHERE job = NEW.job AND n = NEW.n; END`,
  },
  'counts that do not follow the items': {
    caught: /counts.*succeeded/,
    sql: `CREATE TRIGGER planted AFTER UPDATE OF ended_ms ON job WHEN OLD.ended_ms IS NULL AND NEW.succeeded > 0 BEGIN
        UPDATE job SET succeeded = succeeded - 1, failed = failed + 1 WHERE no = NEW.no; END`,
  },
  'a job that ends before its last item': {
    caught: /after the end of the job/,
    sql: `CREATE TRIGGER planted AFTER UPDATE OF seq ON job WHEN ${once} AND ${itemEnded} AND NEW.ended_ms IS NULL BEGIN
        INSERT INTO planted VALUES (0, 0);
        INSERT INTO event SELECT job, NEW.seq + 1, ${JOB_SUCCEEDED}, NULL, at_ms, data FROM event WHERE job = NEW.no AND seq = 1;
        UPDATE job SET seq = seq + 1, state = 2, ended_ms = created_ms WHERE no = NEW.no; END`,
  },
  'a job whose end is not told': {
    caught: /its log has no end/,
    sql: `CREATE TRIGGER planted AFTER INSERT ON event WHEN NEW.type BETWEEN ${JOB_SUCCEEDED} AND 6 BEGIN
        DELETE FROM event WHERE job = NEW.job AND seq = NEW.seq; END`,
  },
  'an item that is forgotten when it has ended': {
    caught: /data\/url must be string/, // nobody knows it any more
    sql: `CREATE TRIGGER planted AFTER UPDATE OF state ON item WHEN NEW.n = 2 AND NEW.state > 1 BEGIN
        DELETE FROM item WHERE job = NEW.job AND n = 2; END`,
  },
  'a result that names a deleted blob': {
    caught: /variant .* answers 404/,
    sql: `CREATE TRIGGER planted AFTER INSERT ON result BEGIN INSERT INTO trash VALUES (NEW.blob, 0);
        UPDATE result SET blob = 'gone/' || id WHERE id = NEW.id; END`,
  },
  'a blob that is not durable when its result is': { torn: true, caught: /variant .* has other bytes/ },
  'an idempotency key that is forgotten': {
    caught: /its Idempotency-Key again gives/,
    sql: 'CREATE TRIGGER planted AFTER INSERT ON idempotency BEGIN DELETE FROM idempotency WHERE key = NEW.key; END',
  },
};

async function submit(base, source, key) {
  const urls = ['/png?seed=1', '/png?seed=2', '/status/404', '/png?seed=3&delay=20', '/html', '/png?seed=4&delay=60'].map((p) => source.url + p);
  const body = { urls, variants: [{ name: 'a', width: 32, format: 'jpeg' }] };
  const r = await post(`${base}/v1/jobs`, body, { headers: { 'idempotency-key': key } });
  return { key, body, id: r.json.id };
}

/** A small day's work under this bug, a kill in the middle; resolves with what the checker found. */
export async function catches(t, source, plant) {
  const data = tempDir(t);
  let server = await bulb(t, data, ['--per-host', '2']);
  await sql(data, `CREATE TABLE planted (task INTEGER, times INTEGER); ${plant.sql ?? ''}`);
  const keys = [];
  let undo;
  if (plant.undone) {
    await server.stop('SIGKILL');
    undo = snapshot(data, tempDir(t));
    server = await bulb(t, data);
  }
  for (const key of ['one', 'two']) keys.push(await submit(server.url, source, key));
  const ids = keys.map((k) => k.id);
  await server.stop('SIGKILL');
  undo?.();
  server = await bulb(t, data);
  const limit = plant.sql ? 8000 : 20000; // a planted bug may keep a job open for ever
  await Promise.all(ids.map((id) => ended(server.url, id, limit).catch(() => {})));
  ageBlobs(data);
  await run(['gc', '--data', data]);
  await ageTrash(data);
  await run(['gc', '--data', data]);
  if (plant.torn) tearBlob(data, (await sql(data, 'SELECT blob FROM result LIMIT 1'))[0][0]);
  return [...await check(server.url, ids, { keys }), ...await checkFolder(data)];
}
