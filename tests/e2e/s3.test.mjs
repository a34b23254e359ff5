// Blobs in a bucket: the client and bulb against a real, strict server (OpenStack Swift), and what a bucket
// does on a bad day. s3-quick.test.mjs is the same in seconds, for somebody who is at work on it.
import test from 'node:test';
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bulb, ended, fetched, items, post, tempDir } from '../lib/harness.mjs';
import { good, newBucket, tool } from '../lib/bucket.mjs';
import { bucketContract } from '../lib/bucket_contract.mjs';
import { faulty } from '../lib/s3_faults.mjs';
import { origin, small } from '../lib/site.mjs';
import { random, seedOfRun } from '../lib/random.mjs';
import { missing, swiftOfFile } from '../lib/swift.mjs';

const needs = { skip: missing, timeout: 180000 };
const s3 = swiftOfFile();

bucketContract(s3, { needs, large: 100_000_000 });

// ---- bad days ---------------------------------------------------------------------------------------

for (const fault of ['error500', 'slowDown', 'reset', 'lost', 'error200', 'mixed']) {
  test(`a bucket that answers ${fault} now and then loses nothing`, needs, async (t) => {
    const seed = seedOfRun();
    t.diagnostic(`TEST_SEED=${seed}`);
    const dice = random(seed);
    const source = await origin(t);
    const url = await newBucket(s3.env);
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
  const url = await newBucket(s3.env);
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
  const url = await newBucket(s3.env);
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
  const url = await newBucket(s3.env);
  const proxy = await faulty(t, s3.port);
  await good({ ...s3.env, AWS_ENDPOINT_URL_S3: proxy.url }, url, 'fill', '50', '1000');
  assert.equal(proxy.connections, 1);
  assert.equal(proxy.requests, 52, '501 for If-None-Match was remembered');
});
