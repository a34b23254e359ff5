// Blobs in a bucket: the client against a real, strict server (OpenStack Swift), `bulb serve` over it
// from picture to link, and what a bucket does on a bad day.
import test from 'node:test';
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bulb, call, ended, fetched, get, items, post, run, sha256, tempDir, until } from '../lib/harness.mjs';
import { ageTrash, sql } from '../lib/database.mjs';
import { good, keys, newBucket, tool } from '../lib/bucket.mjs';
import { startOrigin } from '../lib/origin.mjs';
import { faulty } from '../lib/s3_faults.mjs';
import { random, seedOfRun } from '../lib/random.mjs';
import { missing, swiftOfFile } from '../lib/swift.mjs';

const needs = { skip: missing, timeout: 180000 };
const small = [{ name: 'a', width: 32, format: 'jpeg' }, { name: 'b', width: 16, format: 'webp' }];
const s3 = swiftOfFile();

const bucket = (prefix) => newBucket(s3.env, prefix);
const keysIn = (url) => keys(s3.env, url);

async function origin(t) {
  const o = await startOrigin();
  t.after(() => o.close());
  return o;
}

// ---- the client ---------------------------------------------------------------------------------

test('keys of every kind, and no bytes at all, go there and come back', needs, async (t) => {
  const url = await bucket('a prefix+=%//../ü');
  const file = join(tempDir(t), 'file');
  const keys = ['a b', 'a+b=c&d', '100%', '%41', 'x//y', '../up', 'käse/日本.png', `q?#;'"<>`, './dot/./', '~tilde-_.x', '*!()@:$,'];
  for (const key of keys) {
    writeFileSync(file, `bytes of ${key}`);
    await good(s3.env, url, 'put', key, file);
    assert.equal((await good(s3.env, url, 'get', key)).text, `bytes of ${key}`);
  }
  writeFileSync(file, '');
  await good(s3.env, url, 'put', 'empty', file);
  assert.equal((await good(s3.env, url, 'head', 'empty')).text, '0\n');
  assert.equal((await good(s3.env, url, 'get', 'empty')).out.length, 0);
  assert.deepEqual(await keysIn(url), [...keys, 'empty'].sort());
  for (const key of [...keys, 'empty']) await good(s3.env, url, 'delete', key);
  assert.deepEqual(await keysIn(url), []);
  assert.match((await tool(s3.env, url, 'get', 'a b')).err, /^blob_not_found/);
});

test('100 MB go in parts, and a list of more than a page is whole', needs, async (t) => {
  const url = await bucket();
  const file = join(tempDir(t), 'file');
  const bytes = randomBytes(100_000_000);
  writeFileSync(file, bytes);
  await good(s3.env, url, 'put', 'big', file);
  assert.equal(sha256((await good(s3.env, url, 'get', 'big')).out), sha256(bytes));
  await good(s3.env, url, 'fill', '1100', '10');
  assert.equal((await keysIn(url)).length, 1102);
});

test('an upload that fails leaves no parts, nor does one whose process died', needs, async (t) => {
  const url = await bucket();
  const proxy = await faulty(t, s3.port);
  const env = { ...s3.env, AWS_ENDPOINT_URL_S3: proxy.url };
  const file = join(tempDir(t), 'file');
  writeFileSync(file, randomBytes(50_000_000));
  proxy.next = (req) => (/partNumber=3/.test(req.url) ? 'denied' : null);
  const failed = await tool(env, url, 'put', 'big', file);
  assert.match(failed.err, /^blob_io: S3 PUT .*403 AccessDenied/);
  assert.equal((await good(env, url, 'uploads')).text.trim(), '', 'none is left');

  proxy.next = (req) => (/partNumber=2/.test(req.url) || req.method === 'DELETE' ? 'denied' : null);
  assert.equal((await tool(env, url, 'put', 'big', file)).code, 1);
  assert.notEqual((await good(env, url, 'uploads')).text.trim(), '', 'the way to give up was barred');
  proxy.next = () => null;
  await good(env, url, 'abort-old', String(Date.now() - 3600_000));
  assert.notEqual((await good(env, url, 'uploads')).text.trim(), '', 'too young to be abandoned');
  await good(env, url, 'abort-old', String(Date.now() + 3600_000));
  assert.equal((await good(env, url, 'uploads')).text.trim(), '');
  assert.deepEqual(await keysIn(url), []);
});

test('a link works until its end, and not a byte of it can be changed', needs, async (t) => {
  const url = await bucket('p');
  const file = join(tempDir(t), 'file');
  writeFileSync(file, 'hello');
  await good(s3.env, url, 'put', 'a+b c', file);
  const link = async (method, seconds, at) => (await good(s3.env, url, 'link', method, 'a+b c', String(seconds), String(at))).text.trim();
  const now = Date.now();
  const right = await link('GET', 60, now);
  const answer = await get(right);
  assert.equal(answer.status, 200, answer.text);
  assert.equal(answer.text, 'hello');
  assert.equal(answer.headers['content-type'], 'application/x-test');
  assert.match(answer.headers['cache-control'], /immutable/);
  assert.equal(await link('GET', 60, now), right, 'the same moment gives the same link');
  assert.equal((await call('HEAD', await link('HEAD', 60, now))).status, 200);
  assert.equal((await get(await link('GET', 60, now - 120_000))).status, 403, 'expired');
  assert.equal((await call('PUT', right, { body: 'x' })).status, 403, 'another method');
  assert.equal((await get(right.replace('a%2Bb', 'a%2Bc'))).status, 403, 'another key');
  assert.equal((await get(right.replace('Expires=60', 'Expires=600'))).status, 403, 'a longer life');
  assert.equal((await get(right.replace(/.$/, (c) => (c === '0' ? '1' : '0')))).status, 403, 'another signature');
});

test('a wrong secret is refused and stands in no text', needs, async () => {
  const url = await bucket();
  const r = await tool({ ...s3.env, AWS_SECRET_ACCESS_KEY: 'quite-wrong' }, url, 'list');
  assert.match(r.err, /^blob_io: .*403 SignatureDoesNotMatch \(1 tries\)/);
  assert.doesNotMatch(r.err, /quite-wrong|testing/);
  const none = await tool({ AWS_ENDPOINT_URL_S3: s3.url, AWS_EC2_METADATA_DISABLED: 'true', HOME: '/nonexistent' }, url, 'list');
  assert.match(none.err, /^blob_io: .*no AWS keys/, 'a role that is away for a moment fails no item for good');
});

// ---- the server over it ---------------------------------------------------------------------------

test('pictures go to the bucket, links lead there, and gc leaves neither orphans nor gaps', needs, async (t) => {
  const source = await origin(t);
  const url = await bucket('pictures');
  const data = tempDir(t);
  const proxy = await faulty(t, s3.port);
  proxy.next = (req) => (/list-type|uploads/.test(req.url) ? 'aged' : null);
  const env = { ...s3.env, AWS_ENDPOINT_URL_S3: proxy.url };
  const server = await bulb(t, data, ['--blob', url], env);
  const urls = [1, 2, 3, 4].map((i) => `${source.url}/png?seed=${i}`);
  const submit = async (body) => (await post(`${server.url}/v1/jobs`, { variants: small, ...body })).json;
  const job = await submit({ urls });
  const other = await submit({ urls: [`${source.url}/png?seed=9`] });
  assert.equal((await ended(server.url, job.id)).status, 'succeeded', JSON.stringify(await items(server.url, job.id)));
  await ended(server.url, other.id);

  const all = await items(server.url, job.id);
  for (const it of all) {
    for (const v of [it.source, ...it.variants]) {
      const way = await get(v.url);
      assert.equal(way.status, 302);
      assert.match(way.headers.location, /X-Amz-Signature=/);
      assert.match(way.headers['cache-control'], /private/);
      assert.equal((await get(v.url)).headers.location, way.headers.location, 'one URL within the hour');
      const bytes = await get(way.headers.location);
      assert.equal(bytes.status, 200);
      assert.equal(bytes.bytes.length, v.bytes);
      assert.equal(sha256(bytes.bytes), v.sha256 ?? sha256(bytes.bytes));
      assert.match(bytes.headers['content-type'], /^image\//);
    }
    assert.equal((await call('HEAD', it.source.url)).status, 302);
    assert.equal((await get(it.source.url.replace(/sig=./, 'sig=_'))).status, 403);
  }
  const blobsIn = async () => (await keysIn(url)).filter((k) => !k.startsWith('jobs/'));
  const manifests = async () => (await keysIn(url)).filter((k) => k.startsWith('jobs/'));
  assert.equal((await blobsIn()).length, 15, '5 originals and 10 variants');

  source.reset();
  const again = await submit({ urls, variants: [...small, { name: 'c', width: 8, format: 'png' }] });
  assert.equal((await ended(server.url, again.id)).status, 'succeeded');
  assert.equal(source.seen.requests, 0, 'made from the kept originals');
  assert.equal((await blobsIn()).length, 19);
  await until('three manifests', async () => (await manifests()).length === 3);

  const file = join(data, 'orphan');
  writeFileSync(file, 'nobody names me');
  await good(s3.env, url, 'put', 'zz/orphan.bin', file);
  assert.equal((await call('DELETE', `${server.url}/v1/jobs/${other.id}`)).status, 204);
  for (let i = 0; i < 3; i++) {
    await ageTrash(data);
    const gc = await run(['gc', '--data', data, '--blob', url, '--keep-results', '0'], { env });
    assert.equal(gc.code, 0, gc.err);
  }
  const named = (await sql(data, "SELECT json_extract(data, '$.key') FROM result UNION SELECT json_extract(data, '$.key') FROM original"))
    .map(([k]) => k).filter(Boolean).sort();
  const left = await blobsIn();
  assert.ok(!left.includes('zz/orphan.bin'));
  assert.deepEqual(await manifests(), [job.id, again.id].map((id) => `jobs/1/${id}/manifest.json`).sort());
  if (named.length) assert.deepEqual(left, named, 'what is named is there, and nothing else');
  for (const it of await items(server.url, again.id))
    for (const v of [it.source, ...it.variants]) assert.equal((await fetched(v.url)).status, 200);
});

test('--blob-links direct puts the bucket\'s own links into answers, the same within the hour', needs, async (t) => {
  const source = await origin(t);
  const url = await bucket();
  const server = await bulb(t, tempDir(t), ['--blob', url, '--blob-links', 'direct'], s3.env);
  const job = (await post(`${server.url}/v1/jobs`, { urls: [`${source.url}/png?seed=1`], variants: small }, { headers: { prefer: 'wait=20' } })).json;
  const [first] = await items(server.url, job.id);
  const [second] = await items(server.url, job.id);
  assert.match(first.variants[0].url, new RegExp(`^${s3.url}/bulb-[0-9a-f]+/.*X-Amz-Expires=\\d+.*X-Amz-Signature=`));
  const signedAt = /X-Amz-Date=(\d{8}T\d\d)(\d{4})Z/.exec(first.variants[0].url);
  assert.equal(signedAt[2], '0000', 'signed at the hour\'s begin');
  assert.ok(Number(/Expires=(\d+)/.exec(first.variants[0].url)[1]) <= 7 * 86400);
  if (/X-Amz-Date=(\d{8}T\d\d)/.exec(second.variants[0].url)[1] === signedAt[1]) assert.deepEqual(second.variants, first.variants);
  assert.equal((await get(first.variants[0].url)).bytes.length, first.variants[0].bytes);
  const page = await get(server.url);
  assert.ok(page.headers['content-security-policy'].includes(s3.url), 'the page may show them');
});

test('--blob-key names what people look for in a bucket', needs, async (t) => {
  const source = await origin(t);
  const url = await bucket();
  const data = tempDir(t);
  const server = await bulb(t, data, ['--blob', url, '--blob-key', '{tenant}/{ref}/{variant}-{sha8}.{ext}'], s3.env);
  const job = (await post(`${server.url}/v1/jobs`, { urls: [{ url: `${source.url}/png?seed=1`, ref: 'Shoe 42' }], variants: small }, { headers: { prefer: 'wait=20' } })).json;
  const [it] = await items(server.url, job.id);
  for (const [name, v] of [['source', it.source], ...it.variants.map((x) => [x.name, x])]) {
    assert.match(v.key, new RegExp(`^\\d+/shoe-42/${name}-${v.sha256.slice(0, 8)}\\.[0-9a-z]{26}\\.`));
    assert.equal((await fetched(v.url)).bytes.length, v.bytes);
  }
  const bad = await run(['serve', '--data', tempDir(t), '--listen', '127.0.0.1:0', '--blob-key', '{ref}/{variant}.{ext}']);
  assert.equal(bad.code, 64, bad.err);
  assert.match(bad.err, /two results could meet/);
});

test('doctor makes a round trip to the bucket and says what is wrong', needs, async (t) => {
  const url = await bucket();
  const data = tempDir(t);
  const well = await run(['doctor', '--data', data, '--blob', url], { env: s3.env });
  assert.match(well.out, /^ok +blob +s3:/m);
  assert.deepEqual(await keysIn(url), []);
  const none = await run(['doctor', '--data', data, '--blob', 's3://no-such-bucket'], { env: s3.env });
  assert.match(none.out, /^FAIL +blob +S3 PUT no-such-bucket.*NoSuchBucket/m);
  assert.equal(none.code, 1);
});

// ---- bad days ---------------------------------------------------------------------------------------

for (const fault of ['error500', 'slowDown', 'reset', 'lost', 'error200', 'mixed']) {
  test(`a bucket that answers ${fault} now and then loses nothing`, needs, async (t) => {
    const seed = seedOfRun();
    t.diagnostic(`TEST_SEED=${seed}`);
    const dice = random(seed);
    const source = await origin(t);
    const url = await bucket();
    const proxy = await faulty(t, s3.port);
    const kinds = fault === 'mixed' ? ['error500', 'slowDown', 'reset', 'lost', 'error200'] : [fault];
    const server = await bulb(t, tempDir(t), ['--blob', url, '--workers', '8'], { ...s3.env, AWS_ENDPOINT_URL_S3: proxy.url });
    proxy.next = () => (dice.chance(0.3) ? dice.pick(kinds) : null);
    const job = (await post(`${server.url}/v1/jobs`, { urls: Array.from({ length: 12 }, (_, i) => `${source.url}/png?seed=${i}`), variants: small })).json;
    const end = await ended(server.url, job.id, 120000);
    proxy.next = () => null;
    assert.ok(proxy.seen.length > 3, `${proxy.seen.length} faults`);
    assert.equal(end.status, 'succeeded', JSON.stringify((await items(server.url, job.id)).map((it) => it.error)));
    for (const it of await items(server.url, job.id))
      for (const v of [it.source, ...it.variants]) assert.equal((await fetched(v.url)).bytes.length, v.bytes);
  });
}

test('an answer that comes a byte a second is given up and asked for again', needs, async (t) => {
  const url = await bucket();
  const proxy = await faulty(t, s3.port);
  const env = { ...s3.env, AWS_ENDPOINT_URL_S3: proxy.url };
  const file = join(tempDir(t), 'file');
  writeFileSync(file, randomBytes(20000));
  await good(env, url, 'put', 'k', file);
  let once = true;
  proxy.next = () => (once ? ((once = false), 'drip') : null);
  assert.equal((await good(env, url, 'get', 'k')).out.length, 20000);
  assert.deepEqual(proxy.seen, ['drip GET']);
});

test('a document in place of a blob is no blob', needs, async (t) => {
  const url = await bucket();
  const proxy = await faulty(t, s3.port);
  const env = { ...s3.env, AWS_ENDPOINT_URL_S3: proxy.url };
  const file = join(tempDir(t), 'file');
  writeFileSync(file, 'the bytes');
  await good(env, url, 'put', 'k', file);
  let left = 2;
  proxy.next = () => (left-- > 0 ? 'error200' : null);
  assert.equal((await good(env, url, 'get', 'k')).text, 'the bytes');
  left = 100;
  assert.match((await tool(env, url, 'get', 'k')).err, /^blob_io: .*200 InternalError \(6 tries\)/);
});

test('one connection serves many requests', needs, async (t) => {
  const url = await bucket();
  const proxy = await faulty(t, s3.port);
  await good({ ...s3.env, AWS_ENDPOINT_URL_S3: proxy.url }, url, 'fill', '50', '1000');
  assert.equal(proxy.connections, 1);
  assert.equal(proxy.requests, 52, '501 for If-None-Match was remembered');
});
