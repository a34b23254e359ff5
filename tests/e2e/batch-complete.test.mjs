// manifest.json in the blob store: there when, and only when, all that it names is there.
import test from 'node:test';
import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { after, build, bulb, call, ended, get, items, post, run, sanitized, sha256, tempDir, until } from '../lib/harness.mjs';
import { ageBlobs, ageTrash, sql } from '../lib/database.mjs';
import { startOrigin } from '../lib/origin.mjs';
import { faulty } from '../lib/s3_faults.mjs';
import { missing, swift } from '../lib/swift.mjs';

const small = [{ name: 'a', width: 32, format: 'jpeg' }, { name: 'b', width: 16, format: 'webp' }];
const yes = ['--blob-manifests', 'yes'];
const fileOf = (data, job) => join(data, 'blobs', 'jobs', '1', job, 'manifest.json');
const read = (file) => (existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : null);
const none = (o) => JSON.parse(JSON.stringify(o), (k, v) => (k === 'url' && !/^http/.test(v ?? '') ? null : v));

async function origin(t) {
  const o = await startOrigin();
  after(t, () => o.close());
  return o;
}
const submit = async (server, body) => (await post(`${server.url}/v1/jobs`, { variants: small, ...body })).json;
/** The answer of GET …/manifest as it is kept: no token, and links that need no key. */
async function expected(server, job, blobUrl) {
  const m = (await get(`${server.url}/v1/jobs/${job}/manifest`)).json;
  delete m.job.events_url;
  for (const it of m.items) for (const v of [it.source, ...it.variants].filter(Boolean)) v.url = v.key && `${blobUrl}/${v.key}`;
  return m;
}

test('in a folder: it names what is there by links that hold wherever the folder goes, and goes with its job', { timeout: 60000 }, async (t) => {
  const source = await origin(t);
  const data = tempDir(t);
  const server = await bulb(t, data, yes);
  const job = await submit(server, { urls: [1, 2, 3].map((i) => `${source.url}/png?seed=${i}`).concat(`${source.url}/status/404`) });
  await ended(server.url, job.id);
  const file = fileOf(data, job.id);
  const manifest = await until('the manifest', () => read(file));
  assert.deepEqual(manifest, await expected(server, job.id, '../../..'));
  assert.doesNotMatch(readFileSync(file, 'utf8'), /token=|sig=/);
  const there = (v) => sha256(readFileSync(join(file, '..', v.url)));
  for (const it of manifest.items.filter((i) => i.status === 'succeeded')) for (const v of [it.source, ...it.variants]) assert.equal(there(v), v.sha256);

  const orphan = join(data, 'blobs', 'jobs', '1', 'nobody', 'manifest.json');
  mkdirSync(join(orphan, '..'), { recursive: true });
  writeFileSync(orphan, '{}');
  for (const f of [orphan, file]) utimesSync(f, 1, 1);
  for (let i = 0; i < 2; i++) {
    await ageTrash(data);
    assert.equal((await run(['gc', '--data', data])).code, 0);
  }
  assert.ok(!existsSync(orphan), 'one that no job has is an orphan');
  assert.ok(existsSync(file), 'and one that a job has is none');

  assert.equal((await call('DELETE', `${server.url}/v1/jobs/${job.id}`)).status, 204);
  await until('the manifest to go', () => !existsSync(file));
});

test('none is written where none was asked for', { timeout: 60000 }, async (t) => {
  const source = await origin(t);
  const data = tempDir(t);
  const server = await bulb(t, data);
  const job = await submit(server, { urls: [`${source.url}/png?seed=1`] });
  await ended(server.url, job.id);
  assert.deepEqual(await sql(data, 'SELECT * FROM manifest'), []);
  assert.ok(!existsSync(join(data, 'blobs', 'jobs')));
});

test('a retry writes it anew when it ends', { timeout: 60000 }, async (t) => {
  const source = await origin(t);
  const data = tempDir(t);
  const server = await bulb(t, data, [...yes, '--max-tries', '1']);
  const job = await submit(server, { urls: [`${source.url}/png?seed=1`, `${source.url}/flaky?fail=1`] });
  await ended(server.url, job.id);
  const file = fileOf(data, job.id);
  assert.equal((await until('the manifest', () => read(file))).job.status, 'partial');
  assert.equal((await post(`${server.url}/v1/jobs/${job.id}/retry`, {})).status < 300, true);
  assert.equal((await ended(server.url, job.id)).status, 'succeeded');
  const second = await until('the second', () => read(file).job.status === 'succeeded' && read(file));
  assert.deepEqual(second, await expected(server, job.id, '../../..'));
});

test('killed between the end of a job and its manifest: the next process writes it, and gc leaves it alone', { timeout: 60000 }, async (t) => {
  const source = await origin(t);
  const data = tempDir(t);
  mkdirSync(join(data, 'blobs'));
  writeFileSync(join(data, 'blobs', 'jobs'), 'a file where a folder has to be');
  const first = await bulb(t, data, [...yes, '--log-level', 'info']);
  const job = await submit(first, { urls: [`${source.url}/png?seed=1`] });
  assert.equal((await ended(first.url, job.id)).status, 'succeeded', 'nothing but the manifest waits');
  await until('the log to say so', () => /manifest_waits/.test(first.err));
  await first.stop('SIGKILL');
  rmSync(join(data, 'blobs', 'jobs'));
  const second = await bulb(t, data, ['--blob-manifests', 'no']);
  const manifest = await until('the manifest', () => read(fileOf(data, job.id)));
  assert.equal(manifest.job.status, 'succeeded');
  ageBlobs(data);
  await second.stop();
  assert.equal((await run(['gc', '--data', data])).code, 0);
  assert.ok(existsSync(fileOf(data, job.id)));
});

test('ten thousand items are written as they are read', { timeout: 200000 }, async (t) => {
  const data = tempDir(t);
  const server = await bulb(t, data, yes);
  const urls = Array.from({ length: 10000 }, (_, i) => `http://127.0.0.1:1/${i}/${'p'.repeat(500)}.jpg`);
  const job = await submit(server, { urls, cache: 'only_if_cached' });
  await ended(server.url, job.id, 120000);
  const file = fileOf(data, job.id);
  const size = await until('the manifest', () => existsSync(file) && statSync(file).size, 60000);
  assert.deepEqual(read(file), await expected(server, job.id, '../../..'));

  // Again, with nothing else to do: the process must not grow by what it writes.
  await sql(data, 'UPDATE manifest SET due = 1');
  rmSync(file);
  writeFileSync(`/proc/${server.pid}/clear_refs`, '5');
  const kb = (name) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(readFileSync(`/proc/${server.pid}/status`, 'utf8'))[1]);
  const before = kb('VmRSS');
  await until('it again', () => existsSync(file), 60000);
  const grown = (kb('VmHWM') - before) / 1024;
  t.diagnostic(`${(size / 1e6).toFixed(1)} MB, ${grown.toFixed(1)} MB more at the peak`);
  assert.ok(sanitized || grown < 6, `${grown} MB`);
});

test('in a bucket: written last, whatever the bucket answers, and told to caches as what it is', { skip: missing, timeout: 180000 }, async (t) => {
  const source = await origin(t);
  const s3 = await swift(t);
  const proxy = await faulty(t, s3.port);
  const url = `s3://bulb-${randomBytes(4).toString('hex')}/some/prefix`;
  const env = { ...s3.env, AWS_ENDPOINT_URL_S3: proxy.url };
  assert.equal(spawnSync(join(build, 'tests/unit/blob/s3_tool'), [url, 'make-bucket'], { env: { ...process.env, ...s3.env } }).status, 0);
  const data = tempDir(t);
  const puts = [];
  let refused = 0;
  proxy.next = (req) => {
    const key = decodeURIComponent(req.url.split('?')[0]).split('/some/prefix/')[1];
    if (req.method !== 'PUT') return null;
    if (/manifest\.json$/.test(key) && refused++ < 2) return refused === 1 ? 'slowDown' : 'lost';
    puts.push(key);
    return null;
  };
  const server = await bulb(t, data, ['--blob', url, '--blob-url', 'https://cdn.example/p'], env);
  const job = await submit(server, { urls: [1, 2, 3].map((i) => `${source.url}/png?seed=${i}`) });
  assert.equal((await ended(server.url, job.id)).status, 'succeeded');
  const key = `jobs/1/${job.id}/manifest.json`;
  await until('the manifest', () => puts.includes(key));
  const tool = (...args) => spawnSync(join(build, 'tests/unit/blob/s3_tool'), [url, ...args], { env: { ...process.env, ...s3.env }, encoding: 'utf8' }).stdout;
  const manifest = JSON.parse(await until('it to be readable', () => tool('get', key)));
  assert.deepEqual(none(manifest), none(await expected(server, job.id, 'https://cdn.example/p')));
  const named = manifest.items.flatMap((it) => [it.source, ...it.variants]).map((v) => v.key);
  assert.equal(named.length, 9);
  assert.deepEqual(named.filter((k) => puts.indexOf(k) < 0 || puts.indexOf(k) > puts.indexOf(key)), [], 'what it names was put before');
  assert.equal(refused, puts.filter((k) => k === key).length + 2);

  const link = tool('link', 'GET', key, '60', String(Date.now())).trim();
  assert.equal((await get(link)).headers['cache-control'], 'no-cache');
  assert.match((await get(link)).headers['content-type'], /json/);
  assert.equal((await call('DELETE', `${server.url}/v1/jobs/${job.id}`)).status, 204);
  await until('it to go', () => !tool('list').includes('manifest.json'));
  assert.equal((await run(['gc', '--data', data, '--blob', url], { env })).code, 0);
});
