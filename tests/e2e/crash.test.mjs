// Whatever dies when: nothing accepted is lost, nothing ends twice, no log has a gap, and every
// result that is named is there. TEST_SOAK=1 kills ten times as often; TEST_SEED repeats a run's
// choices.
import test from 'node:test';
import assert from 'node:assert/strict';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { tempDir, bulb, run, post, get, call, ended, items, until } from '../lib/harness.mjs';
import { startOrigin } from '../lib/origin.mjs';
import { check, checkFolder } from '../lib/checker.mjs';
import { sql, ageBlobs, ageTrash } from '../lib/database.mjs';
import { alive, born, darkroom, ticks } from '../lib/processes.mjs';
import { random, seedOfRun } from '../lib/random.mjs';
import { storm, isGood } from '../lib/storm.mjs';
import { plants, catches } from '../lib/planted.mjs';

const soak = process.env.TEST_SOAK === '1';
const small = [{ name: 'a', width: 32, format: 'jpeg' }];
async function origin(t) {
  const o = await startOrigin();
  t.after(() => o.close());
  return o;
}

/** gc with nothing to wait for: afterwards rows and files agree. */
async function collectAll(data) {
  for (let i = 0; i < 2; i++) {
    ageBlobs(data);
    await ageTrash(data);
    const gc = await run(['gc', '--data', data, '--keep-results', '0']);
    assert.equal(gc.code, 0, gc.err);
  }
  await ageTrash(data);
  assert.equal((await run(['gc', '--data', data, '--keep-results', '0'])).code, 0);
}

const isProduct = (it) => /product/.test(it.url);
const how = (all) => Object.fromEntries(['succeeded', 'failed', 'none'].map((s) => [s, all.filter((it) => it.cutout?.status === s).length]));

const kills = soak ? 1000 : 100;
test(`${kills} kills at random moments lose nothing and repeat nothing`, { timeout: kills * 2000 }, async (t) => {
  const source = await origin(t);
  const data = tempDir(t);
  const seed = seedOfRun();
  t.diagnostic(`TEST_SEED=${seed}`);
  const hint = `; TEST_SEED=${seed} repeats it`;
  const s = await storm(t, data, source, { seed, count: kills });
  const base = s.server.url;
  t.diagnostic(`${JSON.stringify(s.kills)}, ${s.ids.length} jobs, ${s.gone.length} deleted, ${s.collections} collections, ${s.recovered} tasks were at work when a server died`);
  await until('all processes of killed servers to end', () => !s.victims.some(([pid, at]) => at && born(pid) === at && alive(pid)), 1000);
  assert.deepEqual(await check(base, s.ids, s), [], `faults${hint}`);
  for (const id of s.gone) assert.equal((await get(`${base}/v1/jobs/${id}`)).status, 404, `${id} was deleted${hint}`);

  const all = (await Promise.all(s.ids.map(async (id) => (await items(base, id)).map((it) => ({ ...it, job: id }))))).flat();
  const fell = all.filter((it) => it.status === 'failed' && isGood(it.url));
  for (const it of fell) assert.match(it.error.code, /^(decode_crashed|darkroom)$/, `${it.url}: ${it.error.detail}${hint}`);
  assert.ok(new Set(fell.map((it) => it.url)).size <= (s.kills.child + s.kills.keeper) / 2, `${fell.length} good pictures failed${hint}`);
  assert.ok(!all.some((it) => it.status === 'succeeded' && !isGood(it.url)));

  t.diagnostic(`cut-outs: ${JSON.stringify(how(all))}`);
  const lost = all.filter((it) => isProduct(it) && it.status === 'succeeded' && it.cutout.status !== (Number(/seed=(\d+)/.exec(it.url)[1]) % 5 ? 'succeeded' : 'none'));
  assert.deepEqual(lost.filter((it) => it.cutout.error?.code !== 'decode_crashed'), [], `cut-outs${hint}`);

  // What was made of originals is remembered: all of it comes again without asking anybody.
  source.reset();
  for (const variants of s.recipes) {
    const names = variants.map((v) => v.name).join();
    const urls = [...new Set(all.filter((it) => it.status === 'succeeded' && !isProduct(it) && it.variants.map((v) => v.name).join() === names).map((it) => it.url))];
    if (urls.length === 0) continue;
    const again = (await post(`${base}/v1/jobs`, { urls, variants, cache: 'only_if_cached' })).json;
    assert.equal((await ended(base, again.id)).counts.cached, urls.length, `cached results${hint}`);
    assert.deepEqual(await check(base, [again.id]), []);
  }
  assert.equal(source.seen.requests, 0);
  await collectAll(data);
  assert.deepEqual(await checkFolder(data), [], `the folder${hint}`);
  assert.deepEqual(await check(base, s.ids), [], `faults after a collection${hint}`);
});

test('the checker catches every planted bug, and nothing where none is', { timeout: 120000 }, async (t) => {
  const source = await origin(t);
  assert.deepEqual(await catches(t, source, {}), []);
  const found = await Promise.all(Object.entries(plants).map(async ([what, plant]) => {
    const faults = await catches(t, source, plant);
    assert.ok(faults.some((f) => plant.caught.test(f)), `${what} was not caught: ${JSON.stringify(faults)}`);
    return what;
  }));
  t.diagnostic(`caught ${found.length} of ${Object.keys(plants).length}`);
});

async function readyAfter(server, began) {
  await until('readiness', async () => (await get(`${server.url}/readyz`)).status === 200, 10000);
  return Date.now() - began;
}

test('a server with 100,000 open items is ready again within two seconds of its start', { timeout: 120000 }, async (t) => {
  const source = await origin(t);
  const data = tempDir(t);
  const first = await bulb(t, data, ['--workers', '4']);
  const ids = [];
  for (let j = 0; j < 10; j++) {
    const urls = Array.from({ length: 10000 }, (_, i) => `${source.url}/hang?n=${j * 10000 + i}`);
    const r = await post(`${first.url}/v1/jobs`, { urls, variants: small });
    assert.equal(r.status, 202, r.text);
    ids.push(r.json.id);
  }
  await until('work to begin', () => source.seen.open >= 1);
  await first.stop('SIGKILL');
  const began = Date.now();
  const second = await bulb(t, data, ['--workers', '4']);
  const ms = await readyAfter(second, began);
  t.diagnostic(`ready after ${ms} ms`);
  assert.ok(ms <= 2000, `ready after ${ms} ms`);
  for (const id of ids) {
    const { counts } = (await get(`${second.url}/v1/jobs/${id}`)).json;
    assert.equal(counts.queued + counts.running, 10000);
  }
});

const large = [{ name: 'big', width: 1600, format: 'avif', effort: 4 }];

/** Resolves with the child that has been at one picture for some time. */
const busyChild = (server) => until('a child to be busy', () => darkroom(server.pid).children.find((p) => ticks(p) >= 15), 20000);

test('a server killed five times under one picture still delivers it', { timeout: 60000 }, async (t) => {
  const source = await origin(t);
  const data = tempDir(t);
  let server = await bulb(t, data);
  const { id } = (await post(`${server.url}/v1/jobs`, { urls: [`${source.url}/png?seed=1&w=900&h=600`], variants: large })).json;
  for (let i = 0; i < 5; i++) {
    await busyChild(server);
    await server.stop('SIGKILL');
    server = await bulb(t, data);
  }
  const end = await ended(server.url, id);
  assert.equal(end.status, 'succeeded');
  assert.equal(source.seen.requests, 1, 'the original was kept');
  assert.deepEqual(await check(server.url, [id]), []);
});

test('a picture whose decoder dies three times ends as decode_crashed, and the others go on', { timeout: 60000 }, async (t) => {
  const source = await origin(t);
  const server = await bulb(t, tempDir(t), ['--darkrooms', '2']);
  const killer = (await post(`${server.url}/v1/jobs`, { urls: [`${source.url}/png?seed=1&w=900&h=600`, { url: `${source.url}/png?seed=2`, variants: small }], variants: large })).json;
  const others = [];
  for (let i = 0; i < 3; i++) {
    const child = await busyChild(server);
    const urls = [1, 2, 3].map((k) => `${source.url}/png?seed=${100 * i + k}`);
    others.push((await post(`${server.url}/v1/jobs`, { urls, variants: small })).json.id);
    process.kill(child, 'SIGKILL');
    await until('the child to end', () => !alive(child));
  }
  assert.equal((await ended(server.url, killer.id)).status, 'partial');
  const [crashed, good] = await items(server.url, killer.id);
  assert.equal(crashed.error.code, 'decode_crashed');
  assert.equal(crashed.tries, 3);
  assert.equal(good.status, 'succeeded');
  for (const id of others) assert.equal((await ended(server.url, id)).status, 'succeeded');
  assert.deepEqual(await check(server.url, [killer.id, ...others]), []);
});

test('a server killed while it takes in a large job has all of it or nothing', { timeout: 60000 }, async (t) => {
  const source = await origin(t);
  const data = tempDir(t);
  const rnd = random(seedOfRun());
  const urls = Array.from({ length: 10000 }, (_, i) => `${source.url}/hang?n=${i}`);
  const headers = { 'idempotency-key': 'large' };
  let told;
  for (let i = 0; i < 5; i++) {
    const server = await bulb(t, data, ['--workers', '1']);
    const asked = post(`${server.url}/v1/jobs`, { urls, variants: small }, { headers }).catch(() => null);
    await pause(rnd.between(20, 250));
    await server.stop('SIGKILL');
    const answer = await asked;
    if (answer) assert.equal(told ?? answer.json.id, answer.json.id);
    told ??= answer?.json.id;
  }
  const server = await bulb(t, data, ['--workers', '1']);
  const { id } = (await post(`${server.url}/v1/jobs`, { urls, variants: small }, { headers })).json;
  assert.equal(told ?? id, id);
  assert.equal((await call('POST', `${server.url}/v1/jobs/${id}/cancel`)).status, 200);
  await ended(server.url, id);
  assert.deepEqual(await check(server.url, [id], { blobs: false }), []);
  await until('what was half built to be dropped', async () => (await sql(data, 'SELECT count(*) FROM job'))[0][0] === '1');
  assert.deepEqual(await sql(data, 'SELECT count(*) FROM item'), [['10000']]);
});

test('only the server that holds the folder makes its secret', async (t) => {
  const data = tempDir(t);
  const secret = join(data, 'secret');
  assert.equal((await run(['gc', '--data', data])).code, 0);
  assert.ok(!existsSync(secret), 'gc needs none');
  await bulb(t, data);
  rmSync(secret);
  const second = await run(['serve', '--listen', '127.0.0.1:0', '--data', data]);
  assert.match(second.err, /store_in_use/);
  assert.ok(!existsSync(secret), 'a server that is refused writes none');
});
