// Same work is done once, at four depths, and the job says what that saved.
import test from 'node:test';
import assert from 'node:assert/strict';
import { post, get, call, ended, items, log, sha256, until } from '../lib/harness.mjs';
import { site } from '../lib/site.mjs';
import { png } from '../lib/pictures.mjs';

const small = [{ name: 'a', width: 32, format: 'jpeg' }, { name: 'b', width: 16, format: 'webp' }];

async function submit(base, body, want = 202) {
  const r = await post(`${base}/v1/jobs`, body);
  assert.equal(r.status, want, r.text);
  return r.json;
}

test('a list with repeats makes one item each, in first order, with every ref', async (t) => {
  const { origin, base } = await site(t);
  const host = origin.url.replace('127.0.0.1', 'LOCALHOST'); // another spelling of another host name
  const port = new URL(origin.url).port;
  const urls = [
    { url: `${origin.url}/png?seed=1`, ref: 'one' },
    `${origin.url}/png?seed=2`,
    { url: `HTTP://127.0.0.1:${port}/x/../png?seed=1#part`, ref: 'two' },
    { url: `${origin.url}/%70ng?seed=1&X-Amz-Signature=abc&X-Amz-Date=2`, ref: 'three' },
    `${origin.url}/png?seed=2`,
    { url: `${origin.url}/png?seed=1`, ref: 'one' },
    { url: `${origin.url}/png?seed=9`, cache_key: 'k/9@1' },
    { url: `${origin.url}/png?seed=9&token=other`, cache_key: 'k/9@1' },
    { url: `${host}/png?seed=1`, ref: 'elsewhere' },
  ];
  const job = await submit(base, { urls, variants: small });
  assert.equal(job.counts.total, 4);
  assert.equal(job.counts.duplicates, 5);
  const end = await ended(base, job.id);
  assert.equal(end.status, 'succeeded', JSON.stringify(await items(base, job.id)));
  const all = await items(base, job.id);
  assert.deepEqual(all.map((i) => i.url), [urls[0].url, urls[1], urls[6].url, urls[8].url]);
  assert.deepEqual([...all[0].refs].sort(), ['one', 'three', 'two']);
  assert.deepEqual(all[3].refs, ['elsewhere']);
  const first = Object.entries(origin.seen.hits).filter(([p]) => /seed=1/.test(p));
  assert.equal(first.reduce((n, [, c]) => n + c, 0), 2, 'once for each host name');
  assert.equal(origin.seen.hits['/png?seed=2'], 1);
  assert.equal(all[0].source.sha256, all[3].source.sha256);
});

test('source is byte-equal to what the origin sent, also when decoding failed', async (t) => {
  const { origin, base } = await site(t);
  const job = await submit(base, { urls: [`${origin.url}/png?seed=3`, `${origin.url}/html`], variants: small });
  const end = await ended(base, job.id);
  assert.equal(end.status, 'partial');
  const [good, bad] = await items(base, job.id);
  const original = await get(good.source.url);
  assert.deepEqual(original.bytes, png(64, 48, 3));
  assert.equal(original.headers['content-type'], 'image/png');
  assert.equal(bad.status, 'failed');
  assert.equal(bad.error.code, 'fetch_not_image');
  const kept = await get(bad.source.url);
  assert.equal(kept.text, '<!doctype html><title>Not found</title>\n');
  assert.equal(bad.source.sha256, sha256(kept.bytes));
  assert.equal(kept.headers['content-security-policy'].includes('sandbox'), true);
});

test('one variant more asks the origin nothing and encodes exactly that one', async (t) => {
  const { origin, base } = await site(t);
  const urls = [1, 2, 3, 4, 5].map((i) => `${origin.url}/png?seed=${i}`);
  await ended(base, (await submit(base, { urls, variants: small })).id);
  origin.reset();
  const more = await submit(base, { urls, variants: [...small, { name: 'c', width: 24, format: 'png' }] });
  const end = await ended(base, more.id);
  assert.equal(end.status, 'succeeded');
  assert.equal(origin.seen.requests, 0);
  assert.deepEqual(end.savings, { downloads: 5, encodes: 10, paid_calls: 0 });
  assert.equal(end.counts.cached, 5);
  for (const it of await items(base, more.id)) assert.equal(it.cache, 'hit');
});

test('a fully cached job ends without starting an item', async (t) => {
  const { origin, base } = await site(t);
  const body = { urls: [1, 2].map((i) => `${origin.url}/png?seed=${i}`), variants: small };
  await ended(base, (await submit(base, body)).id);
  const again = await submit(base, body);
  const end = await ended(base, again.id);
  assert.equal(end.counts.cached, 2);
  const { events } = await log(base, again.id);
  assert.ok(!events.some((e) => e.type === 'item.started'));
  assert.equal(events.filter((e) => e.type === 'item.succeeded').length, 2);
});

test('two jobs with the same URLs and different variants, started together, download once', async (t) => {
  const { origin, base } = await site(t);
  const urls = Array.from({ length: 100 }, (_, i) => `${origin.url}/png?seed=${i}&delay=20`);
  const [one, two] = await Promise.all([
    submit(base, { urls, variants: small }),
    submit(base, { urls, variants: [{ name: 'z', width: 20, format: 'png' }] }),
  ]);
  const ends = await Promise.all([ended(base, one.id), ended(base, two.id)]);
  assert.deepEqual(ends.map((e) => e.status), ['succeeded', 'succeeded']);
  const hits = Object.values(origin.seen.hits);
  assert.equal(hits.length, 100);
  assert.ok(hits.every((n) => n === 1), JSON.stringify(origin.seen.hits));
  assert.equal(ends[0].savings.downloads + ends[1].savings.downloads, 100);
  const caches = [...await items(base, one.id), ...await items(base, two.id)].map((i) => i.cache);
  assert.equal(caches.filter((c) => c === 'miss').length, 100);
  assert.equal(caches.filter((c) => c === 'coalesced' || c === 'hit').length, 100);
});

test('two URLs with equal bytes in flight are encoded once', async (t) => {
  const { origin, base } = await site(t);
  // Two addresses of one picture; the second is asked for while the first is being made.
  const urls = [`${origin.url}/png?seed=77&w=900&h=700`, `${origin.url}/png?w=900&h=700&seed=77`];
  const variants = [{ name: 'big', width: 800, format: 'avif', effort: 4 }];
  const end = await ended(base, (await submit(base, { urls, variants })).id);
  assert.equal(end.status, 'succeeded');
  assert.equal(origin.seen.requests, 2);
  assert.equal(end.savings.encodes, 1);
  const all = await items(base, end.id);
  assert.equal(all[0].variants[0].key, all[1].variants[0].key);
  assert.equal(all[0].source.key, all[1].source.key);
});

test('a job that shares a download gets its due when the first job is canceled', async (t) => {
  const { origin, base } = await site(t);
  const urls = [`${origin.url}/png?seed=5&delay=1500`];
  const one = await submit(base, { urls, variants: small });
  await until('the download to start', () => origin.seen.requests === 1);
  const two = await submit(base, { urls, variants: small });
  const canceled = await call('POST', `${base}/v1/jobs/${one.id}/cancel`);
  assert.equal(canceled.status, 200);
  assert.equal(canceled.json.status, 'canceled');
  const end = await ended(base, two.id);
  assert.equal(end.status, 'succeeded');
  assert.equal(origin.seen.requests, 1);
  assert.equal((await items(base, two.id))[0].cache, 'coalesced');
});

test('a failure goes to those who wait for it, and is never cached', async (t) => {
  const { origin, base } = await site(t);
  const urls = [`${origin.url}/status/404?delay=500`];
  const one = await submit(base, { urls, variants: small });
  await until('the download to start', () => origin.seen.requests === 1);
  const two = await submit(base, { urls, variants: small });
  const ends = await Promise.all([ended(base, one.id), ended(base, two.id)]);
  assert.deepEqual(ends.map((e) => e.status), ['failed', 'failed']);
  assert.equal(origin.seen.requests, 1);
  for (const e of ends) {
    const [it] = await items(base, e.id);
    assert.equal(it.error.code, 'fetch_status');
    assert.equal(it.error.source_status, 404);
  }
  const three = await ended(base, (await submit(base, { urls, variants: small })).id);
  assert.equal(three.status, 'failed');
  assert.equal(origin.seen.requests, 2);
});

test('what is no longer fresh is revalidated; reload always asks; only_if_cached never', async (t) => {
  const { origin, base } = await site(t, ['--fresh', '0s']);
  const urls = [`${origin.url}/etag?v=1`, `${origin.url}/last-modified?v=1`];
  await ended(base, (await submit(base, { urls, variants: small })).id);
  const again = await ended(base, (await submit(base, { urls, variants: small })).id);
  assert.equal(again.status, 'succeeded');
  assert.equal(origin.seen.not_modified, 2);
  assert.deepEqual((await items(base, again.id)).map((i) => i.cache), ['revalidated', 'revalidated']);
  assert.deepEqual(again.savings, { downloads: 2, encodes: 4, paid_calls: 0 });
  origin.reset();
  const only = await ended(base, (await submit(base, { urls: [...urls, `${origin.url}/png?seed=4`], variants: small, cache: 'only_if_cached' })).id);
  assert.equal(origin.seen.requests, 0);
  assert.equal(only.status, 'partial');
  assert.equal((await items(base, only.id))[2].error.code, 'cache_miss');
});

test('retry runs what failed and nothing else, and reopens the same log', async (t) => {
  const { origin, base } = await site(t, ['--max-tries', '1']);
  const urls = [`${origin.url}/png?seed=1`, `${origin.url}/flaky?fail=1`];
  const job = await submit(base, { urls, variants: small });
  assert.equal((await ended(base, job.id)).status, 'partial');
  const r = await call('POST', `${base}/v1/jobs/${job.id}/retry`);
  assert.equal(r.status, 202, r.text);
  const end = await ended(base, job.id);
  assert.equal(end.status, 'succeeded');
  assert.equal(origin.seen.hits['/png?seed=1'], 1);
  const { events } = await log(base, job.id);
  events.forEach((e, i) => assert.equal(Number(e.sequence), i + 1));
  const types = events.map((e) => e.type);
  assert.equal(types.filter((x) => x === 'job.retried').length, 1);
  assert.equal(types.filter((x) => x === 'job.partial').length, 1);
  assert.equal(types.at(-1), 'job.succeeded');
  assert.equal(events.find((e) => e.type === 'item.succeeded' && /flaky/.test(e.data.url)).data.run, 2);
  const nothing = await call('POST', `${base}/v1/jobs/${job.id}/retry`);
  assert.equal(nothing.status, 200);
  assert.equal((await log(base, job.id)).events.length, events.length);
});

test('an item with headers of its own shares nothing with one without, and shows none', async (t) => {
  const { origin, base, data } = await site(t);
  const url = `${origin.url}/png?seed=8`;
  const urls = [url, { url, headers: { 'X-Api-Key': 'planted-secret-71' } }];
  const end = await ended(base, (await submit(base, { urls, variants: small })).id);
  assert.equal(end.counts.total, 2);
  assert.equal(origin.seen.hits['/png?seed=8'], 2);
  assert.ok(origin.seen.log.some((r) => r.headers['x-api-key'] === 'planted-secret-71'));
  const shown = JSON.stringify([await items(base, end.id), (await log(base, end.id)).events]);
  assert.ok(!shown.includes('planted-secret-71'));
  const { readFileSync, readdirSync } = await import('node:fs');
  for (const f of readdirSync(data).filter((n) => n.startsWith('bulb.db')))
    assert.ok(!readFileSync(`${data}/${f}`).includes('planted-secret-71'), `${f} holds the header in the clear`);
});
