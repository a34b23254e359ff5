// What docs/http.md and docs/events.md promise and no other test asks: each test is one paragraph.
import test from 'node:test';
import assert from 'node:assert/strict';
import { bulb, post, get, call, ended, items, log, until } from '../lib/harness.mjs';
import { site, small } from '../lib/site.mjs';

const other = [{ name: 'b', width: 24, format: 'png' }];
const submit = async (base, body, opts) => {
  const r = await post(`${base}/v1/jobs`, body, opts);
  assert.equal(r.status, 202, r.text);
  return r.json;
};

/* ---- from: a job made of another one's items ---- */

test('a job made of another\'s items asks no origin again and keeps refs, metadata and headers', async (t) => {
  const { origin, base } = await site(t);
  const secret = { 'x-api-key': 'planted-91' };
  const first = await ended(base, (await submit(base, { variants: small, urls: [
    { url: `${origin.url}/png?seed=1`, ref: 'one', metadata: { shop: 7 } },
    { url: `${origin.url}/png?seed=2`, headers: secret, variants: [{ name: 'own', width: 8, format: 'png' }] },
    { url: `${origin.url}/png?seed=3&signature=abc`, cache_key: 'shop/3' },
    `${origin.url}/status/404`,
  ] })).id);
  assert.equal(first.status, 'partial');
  origin.reset();
  const body = { from: { job: first.id, status: 'succeeded' }, variants: other, tag: 'again' };
  const made = await submit(base, body, { headers: { 'idempotency-key': 'k1' } });
  const end = await ended(base, made.id);
  assert.equal(end.status, 'succeeded');
  assert.equal(end.counts.total, 3);
  assert.equal(end.counts.cached, 3);
  assert.equal(origin.seen.requests, 0, 'every original was known');
  const all = await items(base, end.id);
  assert.deepEqual(all.map((i) => i.refs), [['one'], [], []]);
  assert.deepEqual(all[0].metadata, { shop: 7 });
  assert.deepEqual(all.map((i) => i.variants.map((v) => v.name)), [['b'], ['b'], ['b']]);
  assert.ok(!JSON.stringify(all).includes('planted-91'));
  // The header still goes with its item: revalidating asks with it.
  await ended(base, (await submit(base, { from: { job: first.id }, variants: small, cache: 'reload' })).id);
  assert.equal(origin.seen.log.find((r) => r.url === '/png?seed=2').headers['x-api-key'], 'planted-91');
  assert.equal(origin.seen.hits['/status/404'], 1);
  // Made is made: the same request again is answered when its model is gone.
  assert.equal((await call('DELETE', `${base}/v1/jobs/${first.id}`)).status, 204);
  assert.equal((await submit(base, body, { headers: { 'idempotency-key': 'k1' } })).id, made.id);
  const gone = await post(`${base}/v1/jobs`, body);
  assert.equal(gone.status, 404);
  assert.equal(gone.json.code, 'not_found');
  assert.deepEqual(gone.json.errors.map((e) => e.pointer), ['/from/job']);
});

test('what was wrong with from is named', async (t) => {
  const { origin, base } = await site(t, ['--max-urls', '2']);
  const job = await ended(base, (await submit(base, { urls: [1, 2].map((i) => `${origin.url}/png?seed=${i}`), variants: small })).id);
  for (const [body, status, code, pointer] of [
    [{ from: { job: 'never-was' } }, 404, 'not_found', '/from/job'],
    [{ from: { job: job.id, status: 'failed' } }, 422, 'request_invalid', '/from/status'],
    [{ from: { job: job.id, state: 'failed' } }, 422, 'request_unknown_member', '/from/state'],
    [{ from: { job: job.id }, urls: ['https://a.example/'] }, 422, 'request_invalid', '/from'],
    [{ from: job.id }, 422, 'request_invalid', '/from'],
  ]) {
    const r = await post(`${base}/v1/jobs`, body);
    assert.equal(r.status, status, r.text);
    assert.equal(r.json.code, code);
    assert.equal(r.json.errors[0].pointer, pointer);
  }
});
