// bulb copy: what was done in a folder goes on in a cluster, and nothing of it is lost, changed or done again.
import test from 'node:test';
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build, bulb, bulbBin, call, ended, fetched, get, items, log, post, run, sha256, start, tempDir, until } from '../lib/harness.mjs';
import { blobKeys, blobPath, sql, tearBlob } from '../lib/database.mjs';
import { missing as noPostgres, postgres } from '../lib/engines.mjs';
import { origin } from '../lib/site.mjs';
import { random, seedOfRun } from '../lib/random.mjs';
import { missing as noSwift, swift } from '../lib/swift.mjs';

const needsPostgres = { skip: noPostgres('initdb'), timeout: 120000 };
const needsBoth = { skip: noPostgres('initdb') || noSwift, timeout: 240000 };
const small = [{ name: 'a', width: 32, format: 'jpeg' }, { name: 'b', width: 16, format: 'webp' }];
const pictures = (source, n, seed = 1) => Array.from({ length: n }, (_, i) => `${source.url}/png?seed=${seed + i}`);
const copy = (from, to, env = {}, more = []) => run(['copy', ...[from].flat().flatMap((u) => ['--from', u]), ...[to].flat().flatMap((u) => ['--to', u]), ...more], { env });
async function good(from, to, env) {
  const r = await copy(from, to, env);
  assert.equal(r.code, 0, r.err + r.out);
  return r;
}
/** {table: {rows, written, removed}} */
const reported = (out) => Object.fromEntries([...out.matchAll(/^(\w+) +(\d+) rows, (\d+) written, (\d+) removed$/gm)]
  .map(([, name, rows, written, removed]) => [name, { rows: +rows, written: +written, removed: +removed }]));
const carried = (out) => Number(/^blobs +(\d+) copied/m.exec(out)?.[1]);
/** All that a user sees of these jobs, byte for byte but for what the links begin with and how long they live. */
async function seen(base, ids) {
  const all = {};
  for (const id of ids) {
    const text = (await get(`${base}/v1/jobs/${id}/manifest`)).text + JSON.stringify((await log(base, id)).events);
    all[id] = text.replaceAll(base.replace(/^http/, ''), '').replace(/\?(exp=\d+&sig=|token=)[\w.-]+/g, '');
  }
  return all;
}
const submit = async (base, body) => (await post(`${base}/v1/jobs`, { variants: small, ...body })).json;
/** The folder's own secret, as text. */
function secretOf(t, data) {
  const file = join(tempDir(t), 'secret');
  writeFileSync(file, `raw:${readFileSync(join(data, 'secret')).toString('hex')}\n`);
  return file;
}

/** A folder with some jobs in it: one done, one partly failed, one with headers and refs, one deleted. */
async function folder(t, source) {
  const data = tempDir(t);
  const server = await bulb(t, data);
  const jobs = [];
  for (const body of [{ urls: pictures(source, 12) },
    { urls: [...pictures(source, 3), `${source.url}/status/404`], metadata: { a: 'ü' }, tag: 'spring' },
    { urls: [{ url: `${source.url}/png?seed=99`, ref: 'sku-1', headers: { 'x-key': 'planted' } }] },
    { urls: pictures(source, 2, 50) }]) jobs.push((await submit(server.url, body)).id);
  for (const id of jobs) await ended(server.url, id);
  assert.equal((await call('DELETE', `${server.url}/v1/jobs/${jobs.pop()}`)).status, 204);
  const before = await seen(server.url, jobs);
  return { data, server, jobs, before };
}

test('from a folder to PostgreSQL and a bucket: the same jobs, logs and blobs, all cache hits, and open jobs go on', needsBoth, async (t) => {
  const source = await origin(t);
  const [db, s3] = [await postgres(t), await swift(t)];
  const bucket = `s3://bulb-${randomBytes(4).toString('hex')}/moved`;
  assert.equal(spawnSync(join(build, 'tests/unit/blob/s3_tool'), [bucket, 'make-bucket'], { env: { ...process.env, ...s3.env } }).status, 0);
  const { data, server, jobs, before } = await folder(t, source);
  const open = await submit(server.url, { urls: [`${source.url}/hang`, ...pictures(source, 2, 70)] });
  await until('two of three', async () => (await get(`${server.url}/v1/jobs/${open.id}`)).json.counts.succeeded === 2);

  const busy = await copy(data, [db.url, bucket], s3.env);
  assert.equal(busy.code, 1);
  assert.match(busy.err, /--from: a server or another copy uses '.*bulb.db'; stop it \(store_in_use\)/);
  await server.stop('SIGKILL');
  const first = await good(data, [db.url, bucket], s3.env);
  assert.equal(reported(first.out).job.rows, 4);
  assert.equal(reported(first.out).item.rows, 12 + 4 + 1 + 3);
  assert.equal(carried(first.out), blobKeys(data).length);
  assert.match(first.out, /the secret: servers need that of/);

  const cluster = ['--store', db.url, '--blob', bucket, '--bus', 'postgres:', '--allow-address', '127.0.0.0/8', '--listen', '127.0.0.1:0', '--log-level', 'warn'];
  const serve = (secret) => start(t, bulbBin, ['serve', ...cluster, '--lease', '1s', '--fetch-timeout', '1s', '--max-tries', '1', '--secret-file', secret], { ready: /^listening on (http:\/\/\S+)/, env: s3.env, cwd: tempDir(t) });
  const wrong = join(tempDir(t), 'secret');
  writeFileSync(wrong, randomBytes(32).toString('hex'));
  await assert.rejects(serve(wrong), /another secret than this process has \(store_secret\)/);
  const there = await serve(secretOf(t, data));
  assert.deepEqual(await seen(there.url, jobs), before);
  for (const id of jobs) for (const it of (await items(there.url, id)).filter((i) => i.source)) for (const v of [it.source, ...it.variants]) assert.equal(sha256((await fetched(v.url)).bytes), v.sha256);

  assert.equal((await ended(there.url, open.id)).counts.succeeded, 2, 'the open one goes on, and ends');
  source.reset();
  const again = await submit(there.url, { urls: pictures(source, 12) });
  const end = await ended(there.url, again.id);
  assert.deepEqual([end.counts.cached, end.savings.downloads, end.savings.encodes], [12, 12, 24]);
  assert.equal(source.seen.requests, 0);
  const retried = await post(`${there.url}/v1/jobs/${jobs[1]}/retry`, {});
  assert.ok(retried.status < 300, retried.text);
  assert.equal((await ended(there.url, jobs[1])).counts.failed, 1);
  const [first3] = await items(there.url, jobs[2]);
  source.reset();
  await ended(there.url, (await submit(there.url, { from: { job: jobs[2] }, cache: 'reload', urls: undefined })).id);
  assert.equal(source.seen.log[0].headers['x-key'], 'planted', 'what was sealed there is opened here');
  assert.deepEqual(first3.refs, ['sku-1']);
  await there.stop();
  const late = await copy(data, [db.url, bucket], s3.env);
  assert.match(late.err, /not empty, and no copy of this source/);
  assert.equal(late.code, 64);
});

test('there and back: PostgreSQL to a folder, with the numbers going on', needsPostgres, async (t) => {
  const source = await origin(t);
  const db = await postgres(t);
  const { data, server, jobs, before } = await folder(t, source);
  await server.stop();
  const blobs = `file:${tempDir(t)}/blobs`;
  await good([`sqlite:${data}/bulb.db`, `file:${data}/blobs`], [db.url, blobs]);
  const back = tempDir(t);
  rmSync(back, { recursive: true });
  await good([db.url, blobs], back);
  writeFileSync(join(back, 'secret'), readFileSync(join(data, 'secret')));
  for (const table of ['job', 'item', 'original', 'result', 'event', 'usage', 'source', 'charge'])
    assert.deepEqual(await sql(back, `SELECT * FROM ${table}`), await sql(data, `SELECT * FROM ${table}`), table);
  assert.deepEqual(await sql(back, 'SELECT name, seq FROM sqlite_sequence ORDER BY 1'), await sql(data, 'SELECT name, seq FROM sqlite_sequence ORDER BY 1'));
  const there = await bulb(t, back);
  assert.deepEqual(await seen(there.url, jobs), before);
  const next = await submit(there.url, { urls: pictures(source, 1, 500) });
  assert.equal((await ended(there.url, next.id)).status, 'succeeded');
  assert.deepEqual(await sql(back, 'SELECT max(no) FROM job'), [['5']], 'the number of the one that was deleted is not given again');
});

test('a folder to a folder takes the secret along, and brings later what has changed since', { timeout: 60000 }, async (t) => {
  const source = await origin(t);
  const { data, server, jobs, before } = await folder(t, source);
  await server.stop();
  const to = join(tempDir(t), 'new');
  const first = await good(data, to);
  assert.deepEqual(readFileSync(join(to, 'secret')), readFileSync(join(data, 'secret')));
  const nothing = await good(data, to);
  for (const [table, r] of Object.entries(reported(nothing.out))) assert.deepEqual([table, r.written, r.removed], [table, 0, 0]);
  assert.equal(carried(nothing.out), 0);

  const again = await bulb(t, data);
  const more = await submit(again.url, { urls: pictures(source, 3, 300) });
  await ended(again.url, more.id);
  assert.equal((await call('DELETE', `${again.url}/v1/jobs/${jobs[0]}`)).status, 204);
  const now = await seen(again.url, [jobs[1], jobs[2], more.id]);
  await again.stop();
  const third = await good(data, to);
  assert.equal(carried(third.out), 9);
  assert.ok(reported(third.out).event.written < reported(first.out).event.written, 'only what is new');
  assert.ok(reported(third.out).item.removed >= 12);
  const there = await bulb(t, to);
  assert.deepEqual(await seen(there.url, [jobs[1], jobs[2], more.id]), now);
  assert.equal((await get(`${there.url}/v1/jobs/${jobs[0]}`)).status, 404);
  assert.deepEqual((await seen(there.url, [jobs[1]]))[jobs[1]], before[jobs[1]]);
});

test('a damaged blob and a lost one are named and left out, and made again when they are asked for', { timeout: 60000 }, async (t) => {
  const source = await origin(t);
  const { data, server, jobs } = await folder(t, source);
  const [one, two, three] = await items(server.url, jobs[0]);
  await server.stop();
  const flipped = readFileSync(blobPath(data, one.variants[0].key));
  flipped[flipped.length >> 1] ^= 1;
  const whole = readFileSync(blobPath(data, two.source.key));
  writeFileSync(blobPath(data, one.variants[0].key), flipped);
  tearBlob(data, two.source.key);
  rmSync(blobPath(data, three.variants[1].key));
  const to = join(tempDir(t), 'new');
  const r = await copy(data, to);
  assert.equal(r.code, 2, r.err);
  assert.match(r.err, new RegExp(`blob '${one.variants[0].key}' was left out: its bytes are not those that were stored \\(SHA-256\\)`));
  assert.match(r.err, new RegExp(`blob '${two.source.key}' was left out: it has another length`));
  assert.match(r.err, new RegExp(`blob '${three.variants[1].key}' was left out: it is not there`));
  assert.match(r.out, /^3 blobs were left out/m);

  writeFileSync(blobPath(data, two.source.key), whole); // from a backup
  const next = await copy(data, to);
  assert.equal(next.code, 2);
  assert.equal(carried(next.out), 1);
  assert.doesNotMatch(next.err, new RegExp(two.source.key));
  const there = await bulb(t, to);
  const job = await submit(there.url, { urls: pictures(source, 3) });
  assert.equal((await ended(there.url, job.id)).status, 'succeeded');
  for (const it of await items(there.url, job.id)) for (const v of [it.source, ...it.variants]) assert.equal(sha256((await fetched(v.url)).bytes), v.sha256);
});

test('what it refuses, it refuses before anything is changed', { timeout: 60000 }, async (t) => {
  const source = await origin(t);
  const { data, server } = await folder(t, source);
  await server.stop();
  const other = tempDir(t);
  const busy = await bulb(t, other);
  const into = await copy(data, other);
  assert.equal(into.code, 1);
  assert.match(into.err, /--to: a server or another copy uses/);
  await ended(busy.url, (await submit(busy.url, { urls: pictures(source, 1) })).id);
  await busy.stop();
  const cases = [
    [data, other, /not empty, and no copy of this source/],
    [data, data, /store_in_use/],
    [join(data, 'nothing'), other, /there is no database/],
    [data, [`sqlite:${other}/new.db`], /neither, where they stay in place/],
    [[data, `file:${other}`], join(other, 'x'), /one store and one blob store/],
    [data, 'mysql://x:secret@y', /it is a data folder, sqlite:PATH/],
    [[`file:${data}/blobs`], join(other, 'x'), /a store is missing/],
  ];
  for (const [from, to, says] of cases) {
    const r = await copy(from, to);
    assert.match(r.err, says);
    assert.ok([1, 64].includes(r.code), `${r.code}`);
    assert.doesNotMatch(r.err, /secret@/);
  }
});

test('rows alone, where the blobs stay in place; and not beside servers of the database', needsPostgres, async (t) => {
  const source = await origin(t);
  const db = await postgres(t);
  const { data, server, jobs, before } = await folder(t, source);
  await server.stop();
  const r = await good(`sqlite:${data}/bulb.db`, db.url);
  assert.ok(Number.isNaN(carried(r.out)));
  const serve = () => start(t, bulbBin, ['serve', '--listen', '127.0.0.1:0', '--store', db.url, '--blob', `file:${data}/blobs`, '--secret-file', secretOf(t, data), '--log-level', 'warn'],
    { ready: /^listening on (http:\/\/\S+)/, cwd: tempDir(t) });
  const there = await serve();
  assert.deepEqual(await seen(there.url, jobs), before);
  const beside = await copy([db.url], [`sqlite:${tempDir(t)}/x.db`]);
  assert.match(beside.err, /--from: servers or workers are connected to this database; stop them all \(store_in_use\)/);
  await there.stop();
  await good([db.url], [`sqlite:${tempDir(t)}/x.db`]);
});

test('killed at any moment it goes on, and nobody is served half of it', { timeout: 120000 }, async (t) => {
  const rng = random(seedOfRun()).below;
  const source = await origin(t);
  const data = tempDir(t);
  const server = await bulb(t, data);
  const job = await submit(server.url, { urls: pictures(source, 150) });
  await ended(server.url, job.id);
  const before = await seen(server.url, [job.id]);
  await server.stop();
  const rounds = process.env.TEST_SOAK ? 200 : 3;
  let refused = 0;
  for (let round = 0; round < rounds; round++) {
    const to = join(tempDir(t), 'new');
    let cut = 0;
    for (let ms = rng(60) + 5; ; ms += rng(300)) {
      const proc = spawn(bulbBin, ['copy', '--from', data, '--to', to], { stdio: ['ignore', 'pipe', 'pipe'] });
      const timer = setTimeout(() => proc.kill('SIGKILL'), ms);
      const code = await new Promise((done) => proc.on('close', (c, s) => done(c ?? s)));
      clearTimeout(timer);
      if (code === 0) break;
      assert.equal(code, 'SIGKILL');
      cut++;
      if (refused < rounds && await sql(to, 'SELECT copying FROM meta').then(([[n]]) => n === '1', () => false)) {
        const r = await run(['serve', '--data', to, '--listen', '127.0.0.1:0']);
        assert.match(r.err, /not all has been copied into this store \(store_unfinished\)/);
        refused++;
      }
    }
    const there = await bulb(t, to);
    assert.deepEqual(await seen(there.url, [job.id]), before, `round ${round}, cut off ${cut} times`);
    await there.stop();
    assert.deepEqual(blobKeys(to).sort(), blobKeys(data).sort());
    for (const key of blobKeys(data)) assert.ok(readFileSync(blobPath(to, key)).equals(readFileSync(blobPath(data, key))), key);
  }
  t.diagnostic(`${refused} servers refused`);
  assert.ok(refused > 0);
});
