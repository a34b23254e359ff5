// What a store on PostgreSQL takes, with durable commits on the disk of the temporary folder: rows of new
// jobs, tasks that are lent, items of one job alone. Beside it what the database does with nothing around
// it: pgbench running one UPDATE that lends as many rows, and the same for single rows.
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { build } from '../lib/harness.mjs';
import { machine, percentile, row } from '../lib/bench.mjs';
import { missing, postgres } from '../lib/engines.mjs';

const run = promisify(execFile);
const hooks = [];
const t = { after: (f) => hooks.push(f) };
const rounds = Number(process.env.BENCH_ROUNDS ?? 5);
const [callers, batch, tasks] = [4, 200, 20000];

/** Three rates a second: rows inserted, items planned, tasks claimed (and ended). */
async function ours(url, ...args) {
  const { stdout } = await run(join(build, 'tests/bench/bench_store'), [url, ...args.map(String)]);
  const [inserted, planned, claimed] = [...stdout.matchAll(/(\d+)\/s/g)].map((m) => Number(m[1]));
  return { inserted, planned, claimed };
}

/** Tasks a second by one bare statement of `n` rows, from as many connections as a process of ours has. */
async function bare(db, dir, n, times) {
  await db.sql(`DROP TABLE IF EXISTS peer;
    CREATE TABLE peer (id BIGINT PRIMARY KEY, turn BIGINT, state BIGINT, owner TEXT, lease BIGINT, until_ms BIGINT, input TEXT)
      WITH (fillfactor = 70);
    INSERT INTO peer SELECT i, i, 0, NULL, 0, 0, repeat('x', 150) FROM generate_series(1, ${2 * callers * n * times}) i;
    CREATE INDEX peer_ready ON peer (turn, id) WHERE state = 0;
    CREATE INDEX peer_until ON peer (until_ms) WHERE state IN (1, 2); ANALYZE peer`);
  writeFileSync(join(dir, 'peer.sql'), `UPDATE peer SET state = 1, owner = 'peer', lease = lease + 1, until_ms = 1 WHERE id IN
    (SELECT id FROM peer WHERE state = 0 ORDER BY turn, id LIMIT ${n} FOR UPDATE SKIP LOCKED);\n`);
  const { stdout } = await run(join(db.bin, 'pgbench'), ['-n', '-c', callers, '-j', 2, '-t', times, '-M', 'prepared', '-f', join(dir, 'peer.sql'), db.url].map(String));
  return Number(/tps = ([\d.]+)/.exec(stdout)[1]) * n;
}

const dir = mkdtempSync(join(tmpdir(), 'bulb-bench-'));
const middle = (list, f) => Math.round(percentile(list.map(f), 50));
try {
  const none = missing('initdb', 'pgbench', 'psql');
  if (none) throw new Error(none);
  process.env.TEST_POSTGRES_PLACE = tmpdir();
  const db = await postgres(t);
  console.log(`PostgreSQL, durable commits, ${callers} connections, median of ${rounds} (${machine()}, load ${loadavg()[0].toFixed(1)} at the start)`);
  const many = [];
  const peer = [];
  const one = [];
  const whole = [];
  for (let i = 0; i < rounds; i++) { // in turns, so that all meet the same moods of the machine
    many.push(await ours(db.url, callers, 10, tasks / 10, batch));
    peer.push(await bare(db, dir, batch, tasks / batch / callers));
    // Alone means alone: no rows of the many jobs, which no vacuum has cleared away within seconds.
    one.push(await ours((await db.database(`fail${i}`)).url, 64, 1, 4000, 50, 'fail'));
    whole.push(await ours((await db.database(`done${i}`)).url, 64, 1, 2000, 50, 'done'));
  }
  const [inserted, claimed, alone] = [middle(many, (r) => r.inserted), middle(many, (r) => r.claimed), middle(one, (r) => r.claimed)];
  const pure = middle(peer, (r) => r);
  const single = Math.round(await bare(db, dir, 1, 500));
  row('new jobs: rows of items inserted', `${inserted}/s`, '≥ 20000/s', inserted >= 20000);
  row('planned', `${middle(many, (r) => r.planned)}/s`);
  row(`tasks claimed, ${batch} at a time, with their items and events`, `${claimed}/s`, '≥ 10000/s', claimed >= 10000);
  row('  rows lent by one bare UPDATE of as many (pgbench)', `${pure}/s`);
  row('  ours, of that', `${Math.round((100 * claimed) / pure)} %`);
  row('single rows by a bare UPDATE: what a commit costs here', `${single}/s`);
  row('one job in a database: items claimed and ended (404), 64 callers', `${alone}/s`, '≥ 2000/s', alone >= 2000);
  row('  likewise, downloaded and made: two ends an item', `${middle(whole, (r) => r.claimed)}/s`);
  console.log(`  load at the end: ${loadavg()[0].toFixed(1)}`);
} finally {
  for (const f of hooks.reverse()) await f();
  rmSync(dir, { recursive: true, force: true });
}
