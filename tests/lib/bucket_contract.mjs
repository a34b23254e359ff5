// What our client and a bucket promise each other, whichever server it is: strict ones keep all of it, those
// for quick runs all but what is left out by name. And bulb over it, from picture to link.
import test from 'node:test';
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bulb, call, ended, fetched, get, items, post, run, sha256, tempDir, until } from './harness.mjs';
import { ageTrash, sql } from './database.mjs';
import { good, keys, newBucket, tool } from './bucket.mjs';
import { faulty } from './s3_faults.mjs';
import { origin } from './site.mjs';

const variants = [{ name: 'a', width: 32, format: 'jpeg' }, { name: 'b', width: 16, format: 'webp' }];
const promises = new Map();
const promise = (name, kept) => promises.set(name, kept);

/** Tests all of them but those in `without`, a list of [name, why]. s3: of swiftOfFile() or fauxqsOfFile();
 *  large: bytes of what goes in parts. */
export function bucketContract(s3, { needs, large, without = [] }) {
  for (const [name] of without) assert.ok(promises.has(name), name);
  for (const [name, kept] of promises)
    if (!without.some(([left]) => left === name)) test(name, needs, (t) => kept(t, { ...s3, large }));
}

// ---- the client ---------------------------------------------------------------------------------

promise('keys of every kind, and no bytes at all, go there and come back', async (t, s3) => {
  const url = await newBucket(s3.env, 'a prefix+=%//../ü');
  const file = join(tempDir(t), 'file');
  const odd = ['a b', 'a+b=c&d', '100%', '%41', 'x//y', '../up', 'käse/日本.png', `q?#;'"<>`, './dot/./', '~tilde-_.x', '*!()@:$,'];
  for (const key of odd) {
    writeFileSync(file, `bytes of ${key}`);
    await good(s3.env, url, 'put', key, file);
    assert.equal((await good(s3.env, url, 'get', key)).text, `bytes of ${key}`);
  }
  writeFileSync(file, '');
  await good(s3.env, url, 'put', 'empty', file);
  assert.equal((await good(s3.env, url, 'head', 'empty')).text, '0\n');
  assert.equal((await good(s3.env, url, 'get', 'empty')).out.length, 0);
  assert.deepEqual(await keys(s3.env, url), [...odd, 'empty'].sort());
  for (const key of [...odd, 'empty']) await good(s3.env, url, 'delete', key);
  assert.deepEqual(await keys(s3.env, url), []);
  assert.match((await tool(s3.env, url, 'get', 'a b')).err, /^blob_not_found/);
});

promise('a large one goes in parts, and a list of more than a page is whole', async (t, s3) => {
  const url = await newBucket(s3.env);
  const file = join(tempDir(t), 'file');
  const bytes = randomBytes(s3.large);
  writeFileSync(file, bytes);
  await good(s3.env, url, 'put', 'big', file);
  assert.equal(sha256((await good(s3.env, url, 'get', 'big')).out), sha256(bytes));
  await good(s3.env, url, 'fill', '1100', '10');
  assert.equal((await keys(s3.env, url)).length, 1102);
});

promise('an upload that fails leaves no parts, nor does one whose process died', async (t, s3) => {
  const url = await newBucket(s3.env);
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
  assert.deepEqual(await keys(s3.env, url), []);
});

promise('a link works until its end, and not a byte of it can be changed', async (t, s3) => {
  const url = await newBucket(s3.env, 'p');
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

promise('a wrong secret is refused and stands in no text', async (_, s3) => {
  const url = await newBucket(s3.env);
  const r = await tool({ ...s3.env, AWS_SECRET_ACCESS_KEY: 'quite-wrong' }, url, 'list');
  assert.match(r.err, /^blob_io: .*403 SignatureDoesNotMatch \(1 tries\)/);
  assert.doesNotMatch(r.err, /quite-wrong|testing/);
  const none = await tool({ AWS_ENDPOINT_URL_S3: s3.url, AWS_EC2_METADATA_DISABLED: 'true', HOME: '/nonexistent' }, url, 'list');
  assert.match(none.err, /^blob_io: .*no AWS keys/, 'a role that is away for a moment fails no item for good');
});

// ---- the server over it ---------------------------------------------------------------------------

promise('pictures go to the bucket, links lead there, and gc leaves neither orphans nor gaps', async (t, s3) => {
  const source = await origin(t);
  const url = await newBucket(s3.env, 'pictures');
  const data = tempDir(t);
  const proxy = await faulty(t, s3.port);
  proxy.next = (req) => (/list-type|uploads/.test(req.url) ? 'aged' : null);
  const env = { ...s3.env, AWS_ENDPOINT_URL_S3: proxy.url };
  const server = await bulb(t, data, ['--blob', url], env);
  const urls = [1, 2, 3, 4].map((i) => `${source.url}/png?seed=${i}`);
  const submit = async (body) => (await post(`${server.url}/v1/jobs`, { variants, ...body })).json;
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
    assert.equal((await get(it.source.url.replace(/sig=./, 'sig=!'))).status, 403);
  }
  const blobsIn = async () => (await keys(s3.env, url)).filter((k) => !k.startsWith('jobs/'));
  const manifests = async () => (await keys(s3.env, url)).filter((k) => k.startsWith('jobs/'));
  assert.equal((await blobsIn()).length, 15, '5 originals and 10 variants');

  source.reset();
  const again = await submit({ urls, variants: [...variants, { name: 'c', width: 8, format: 'png' }] });
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

promise('--blob-links direct puts the bucket\'s own links into answers, the same within the hour', async (t, s3) => {
  const source = await origin(t);
  const url = await newBucket(s3.env);
  const server = await bulb(t, tempDir(t), ['--blob', url, '--blob-links', 'direct'], s3.env);
  const job = (await post(`${server.url}/v1/jobs`, { urls: [`${source.url}/png?seed=1`], variants }, { headers: { prefer: 'wait=20' } })).json;
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

promise('--blob-key names what people look for in a bucket', async (t, s3) => {
  const source = await origin(t);
  const url = await newBucket(s3.env);
  const data = tempDir(t);
  const server = await bulb(t, data, ['--blob', url, '--blob-key', '{tenant}/{ref}/{variant}-{sha8}.{ext}'], s3.env);
  const job = (await post(`${server.url}/v1/jobs`, { urls: [{ url: `${source.url}/png?seed=1`, ref: 'Shoe 42' }], variants }, { headers: { prefer: 'wait=20' } })).json;
  const [it] = await items(server.url, job.id);
  for (const [name, v] of [['source', it.source], ...it.variants.map((x) => [x.name, x])]) {
    assert.match(v.key, new RegExp(`^\\d+/shoe-42/${name}-${v.sha256.slice(0, 8)}\\.[0-9a-z]{26}\\.`));
    assert.equal((await fetched(v.url)).bytes.length, v.bytes);
  }
  const bad = await run(['serve', '--data', tempDir(t), '--listen', '127.0.0.1:0', '--blob-key', '{ref}/{variant}.{ext}']);
  assert.equal(bad.code, 64, bad.err);
  assert.match(bad.err, /two results could meet/);
});

promise('doctor makes a round trip to the bucket and says what is wrong', async (t, s3) => {
  const url = await newBucket(s3.env);
  const data = tempDir(t);
  const well = await run(['doctor', '--data', data, '--blob', url], { env: s3.env });
  assert.match(well.out, /^ok +blob +s3:/m);
  assert.deepEqual(await keys(s3.env, url), []);
  const none = await run(['doctor', '--data', data, '--blob', 's3://no-such-bucket'], { env: s3.env });
  assert.match(none.out, /^FAIL +blob +S3 PUT no-such-bucket.*NoSuchBucket/m);
  assert.equal(none.code, 1);
});
