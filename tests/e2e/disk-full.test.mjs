// A data folder on a disk that is full, or takes no writes at all: what cannot be promised is refused
// with 503, what was promised stays, and when there is room again the same process goes on by itself.
// Root only, for a tmpfs of 8 MB.
import test from 'node:test';
import assert from 'node:assert/strict';
import { closeSync, fstatSync, ftruncateSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { tempDir, bulb, call, ended, get, log, until } from '../lib/harness.mjs';
import { startOrigin } from '../lib/origin.mjs';
import { startRemoveBg } from '../lib/removebg.mjs';
import { check } from '../lib/checker.mjs';
import { mounted, noLoopMounts, noTmpfs, sh, tmpfs } from '../lib/mounts.mjs';
import { random, seedOfRun } from '../lib/random.mjs';

const skip = noTmpfs();
const rounds = process.env.TEST_SOAK === '1' ? 60 : 6;
const small = [{ name: 'a', width: 32, format: 'jpeg' }];

async function siteOn(t, disk, { rnd = random(seedOfRun()), args = [] } = {}) {
  const source = await startOrigin();
  t.after(() => source.close());
  const server = await bulb(t, join(disk, 'data'), args);
  return { source, rnd, disk, server, base: server.url, ids: [], keys: [], refused: 0 };
}

/** Takes all room but so many bytes. */
function fill(disk, spare = 0) {
  const fd = openSync(join(disk, 'ballast'), 'a');
  for (let chunk = 65536; chunk >= 512;) {
    try {
      writeSync(fd, Buffer.alloc(chunk, 'x'));
    } catch (e) {
      assert.equal(e.code, 'ENOSPC');
      chunk /= 2;
    }
  }
  ftruncateSync(fd, Math.max(0, fstatSync(fd).size - spare));
  closeSync(fd);
}
const free = (disk) => rmSync(join(disk, 'ballast'), { force: true });

/** A job with a key; its answer is 202, or 503 in full form. */
async function submit(s, urls, more = {}) {
  const key = `key-${s.keys.length + s.refused}`;
  const body = { urls: urls.map((u) => s.source.url + u), variants: small, ...more };
  const r = await call('POST', `${s.base}/v1/jobs`, { json: body, headers: { 'idempotency-key': key } });
  if (r.status === 202) {
    s.ids.push(r.json.id);
    s.keys.push({ key, body, id: r.json.id });
    return r;
  }
  assert.equal(r.status, 503, r.text);
  assert.equal(r.json.code, 'store_unavailable', r.text);
  assert.equal(r.json.status, 503);
  assert.match(r.headers['content-type'], /^application\/problem\+json/);
  assert.match(r.headers['retry-after'], /^\d+$/);
  s.refused++;
  return r;
}
const pictures = (s) => Array.from({ length: s.rnd.between(1, 6) }, () => `/png?seed=${s.rnd.below(1e6)}&w=${s.rnd.between(40, 300)}`);

/** Rows without blobs: one picture under long names. The WAL may have some room of its own. */
const untilRefused = (s) => until('a job to be refused', async () => {
  const urls = Array.from({ length: 10 }, (_, i) => `/png?seed=1&pad=${s.keys.length}.${i}.${'p'.repeat(3000)}`);
  return (await submit(s, urls)).status === 503;
}, 10000);

async function unready(s) {
  const r = await until('/readyz to say so', async () => {
    const answer = await get(`${s.base}/readyz`);
    return answer.status === 503 && answer;
  }, 5000);
  assert.equal(r.json.status, 'unready');
  assert.match(r.json.failing, /^(store|blob)$/, r.text);
  assert.ok(r.json.detail.length > 0);
  assert.match(r.headers['retry-after'], /^\d+$/);
  assert.equal((await get(`${s.base}/healthz`)).status, 200);
  return r.json.failing;
}

/** The same process takes jobs again and finishes everything that it ever accepted. */
async function assertRecovered(s) {
  await until('readiness', async () => (await get(`${s.base}/readyz`)).status === 200, 10000);
  assert.equal((await submit(s, pictures(s))).status, 202);
  const jobs = await Promise.all(s.ids.map((id) => ended(s.base, id)));
  assert.deepEqual(jobs.filter((j) => j.status !== 'succeeded').map((j) => [j.id, j.counts]), []);
  assert.deepEqual(await check(s.base, s.ids, { keys: s.keys }), []);
  assert.equal(s.server.ended, null);
}

async function fullAtSomeMoment(t, rnd, hard) {
  const s = await siteOn(t, tmpfs(t, '8m'), { rnd });
  for (let n = rnd.between(1, 4); n > 0; n--) await submit(s, pictures(s));
  const events = rnd.below(5);
  await until('some work', async () => (await log(s.base, s.ids.at(-1))).events.length >= Math.min(events, 4), 10000);
  fill(s.disk, rnd.pick([0, 0, 4096, 20000, 100000]));
  for (let n = rnd.between(1, 4); n > 0; n--) await submit(s, pictures(s));
  if (hard) {
    await untilRefused(s);
    fill(s.disk);
    await unready(s);
  }
  for (const id of s.ids) assert.equal((await get(`${s.base}/v1/jobs/${id}`)).status, 200, 'what is there can be read');
  free(s.disk);
  await assertRecovered(s);
  await s.server.stop('SIGKILL');
  return s.refused;
}

test(`a disk that is full at ${rounds} random moments: 503, nothing lost, and on again without a restart`, { skip, timeout: rounds * 60000 }, async (t) => {
  const seed = seedOfRun();
  const rnd = random(seed);
  t.diagnostic(`TEST_SEED=${seed}`);
  let refused = 0;
  for (let i = 0; i < rounds; i++) refused += await fullAtSomeMoment(t, rnd, i % 2 === 0);
  t.diagnostic(`${refused} jobs refused`);
  assert.ok(refused > 0);
});

test('pictures that fill the disk wait for room, and no try is lost over it', { skip, timeout: 120000 }, async (t) => {
  const s = await siteOn(t, tmpfs(t, '8m'), { args: ['--max-tries', '1'] });
  const urls = Array.from({ length: 40 }, (_, i) => `/png?seed=${i}&w=400&h=300`);
  await submit(s, urls, { variants: [{ name: 'a', width: 400, format: 'png' }] });
  await until('the disk to be full', () => /blob_failed .*No space left/.test(s.server.err));
  const { counts } = (await get(`${s.base}/v1/jobs/${s.ids[0]}`)).json;
  assert.equal(counts.failed, 0);
  assert.ok(counts.queued + counts.running > 0);
  sh('mount', '-o', 'remount,size=64m', s.disk);
  await assertRecovered(s);
});

test('a disk that takes no writes at all: 503, and on again when it does', { skip: noLoopMounts(), timeout: 120000 }, async (t) => {
  const dir = tempDir(t);
  sh('truncate', '-s', '64M', `${dir}/disk.img`);
  sh('mkfs.ext4', '-q', `${dir}/disk.img`);
  await mounted(`${dir}/disk.img`, `${dir}/disk`, async (disk) => {
    const s = await siteOn(t, disk);
    // Immutable files refuse writes through descriptors that are open already, as a disk does that was
    // remounted read-only after an error; and then they can only be opened for reading. Not so the
    // -shm file: SQLite maps it, and a mapping that cannot be written is SIGBUS (docs/operations.md).
    // Nor what comes and goes in .tmp; nothing gets out of that folder.
    const immutable = (how) => sh('find', `${disk}/data`, '!', '-name', '*-shm', '!', '-path', '*/.tmp/*', '-exec', 'chattr', how, '{}', '+');
    try {
      await submit(s, [...pictures(s), '/png?seed=7&delay=500']);
      await until('some work', async () => (await log(s.base, s.ids[0])).events.length >= 4, 10000);
      immutable('+i');
      for (let i = 0; i < 3; i++) assert.equal((await submit(s, pictures(s))).status, 503);
      assert.equal(await unready(s), 'store');
      assert.equal((await get(`${s.base}/v1/jobs/${s.ids[0]}`)).status, 200, 'what is there can be read');
      await until('the delayed picture to come', () => s.source.seen.open === 0, 5000);
      assert.equal((await submit(s, pictures(s))).status, 503);
      immutable('-i');
      await assertRecovered(s);
    } finally {
      immutable('-i');
      await s.server.stop('SIGKILL');
    }
  });
});

test('an answer that was paid for waits until there is room, and is not bought again', { skip, timeout: 60000 }, async (t) => {
  const disk = tmpfs(t, '8m');
  const bg = await startRemoveBg();
  t.after(() => bg.close());
  const source = await startOrigin();
  t.after(() => source.close());
  const server = await bulb(t, join(disk, 'data'), ['--provider-url', bg.url], { BULB_PROVIDER_KEY: bg.key });
  let release;
  bg.mode = () => new Promise((ok) => (release = ok));
  const background = { remove: true, engine: 'remote', max_cost: 1 };
  const { json: { id } } = await call('POST', `${server.url}/v1/jobs`, { json: { urls: [`${source.url}/png?seed=1&w=400&h=300`], variants: small, background } });
  await until('the variants', async () => (await log(server.url, id)).events.some((e) => e.type === 'item.progress'));
  await bg.received();
  fill(disk);
  release('ok');
  await until('the answer to wait', () => /answer_waits/.test(server.err));
  assert.equal((await get(`${server.url}/v1/jobs/${id}`)).json.status, 'running');
  free(disk);
  assert.equal((await ended(server.url, id)).status, 'succeeded');
  assert.equal(bg.calls.length, 1);
  assert.deepEqual((await get(`${server.url}/v1/usage`)).json.credits.spent, 1);
  assert.deepEqual(await check(server.url, [id]), []);
});
