// How cut-outs go beside the variants: what is told when, what waits for what, what is remembered,
// and what becomes of them when a job is canceled, retried or deleted. Calls that the stand-in
// holds are cut-outs that take as long as the test likes.
import test from 'node:test';
import assert from 'node:assert/strict';
import { call, get, log, until } from '../lib/harness.mjs';
import { assertModels, collect, cut, cutSite, event, freeze, mattes, plainRoom, put, result, small, submit } from '../lib/cutouts.mjs';
import { composite, product } from '../lib/composites.mjs';
import { check, checkFolder } from '../lib/checker.mjs';

/** A mode of the stand-in that holds every call until release(). */
function hold(bg) {
  let release;
  const gate = new Promise((ok) => (release = ok));
  bg.mode = () => gate;
  return () => {
    bg.mode = 'ok';
    release();
  };
}
const remote = { engine: 'remote', max_cost: 1000 };
const types = async (s, id) => (await log(s.base, id)).events.map((e) => e.type);
const one = async (s, id) => (await result(s, id)).items[0];

test('item.progress comes exactly when the variants are there and the cut-out is awaited', { timeout: 60000 }, async (t) => {
  const s = await cutSite(t, { paid: {} });
  const release = hold(s.bg);
  const id = await submit(s, [`${s.origin.url}/png?seed=1`], remote);
  const [progress] = await event(s, id, 'item.progress');
  assert.equal(progress.data.status, 'processing');
  assert.deepEqual(progress.data.variants.map((v) => v.name), ['a']);
  assert.equal(progress.data.cutout.status, 'pending');
  assert.equal((await get(progress.data.variants[0].url)).status, 200, 'its variants can be had');
  await s.bg.received();
  const open = (await get(`${s.base}/v1/jobs/${id}`)).json;
  assert.equal(open.status, 'running');
  assert.deepEqual(open.counts.cutouts, { succeeded: 0, failed: 0, none: 0 });
  release();
  const item = await one(s, id);
  assert.equal(item.cutout.engine, 'remote:127.0.0.1');
  assert.equal(item.cutout.cost, 1);
  assert.deepEqual((await types(s, id)).filter((type) => type.startsWith('item.')), ['item.started', 'item.progress', 'item.succeeded']);
  assert.deepEqual(await check(s.base, [id]), []);
});

test('a cut-out that is there before the variants is told with them, once', { timeout: 60000 }, async (t) => {
  const s = await cutSite(t, { paid: {}, args: ['--darkrooms', '1'] });
  const release = hold(s.bg);
  const id = await submit(s, [`${s.origin.url}/png?seed=1`], { ...remote, apply: 'both' });
  await s.bg.received();
  const open = (await get(`${s.base}/v1/jobs/${id}/items`)).json.items[0];
  assert.deepEqual(open.variants, [], 'they wait, as they are made from it');
  release();
  const item = await one(s, id);
  assert.equal(item.variants.length, 1);
  assert.ok(!(await types(s, id)).includes('item.progress'), 'nothing was ready before the end');
});

test('the local cut-out may be there first: no item.progress then', { timeout: 60000 }, async (t) => {
  assertModels();
  const s = await cutSite(t, { args: ['--darkrooms', '1'] });
  await cut(s, [`${s.origin.url}/png?seed=1`], {}); // so that both darkrooms have their children
  const plain = plainRoom(s);
  const thaw = freeze(t, [plain.keeper, ...plain.children]);
  const c = await composite('pear', { width: 400, height: 300 });
  const id = await submit(s, [put(s, c.jpeg, 'jpg')], {});
  await until('the cut-out', async () => (await get(`${s.base}/v1/jobs/${id}/items`)).json.items[0].cutout.status === 'succeeded');
  assert.equal((await get(`${s.base}/v1/jobs/${id}`)).json.status, 'running');
  thaw();
  assert.equal((await one(s, id)).status, 'succeeded');
  assert.ok(!(await types(s, id)).includes('item.progress'));
  assert.deepEqual(await check(s.base, [id]), []);
});

test('variants of thirty items do not wait for the queue of cut-outs, nor those of another job', { timeout: 60000 }, async (t) => {
  const s = await cutSite(t, { paid: {}, args: ['--workers', '8'] });
  const release = hold(s.bg);
  const id = await submit(s, Array.from({ length: 30 }, (_, i) => `${s.origin.url}/png?seed=${i}`), remote);
  await event(s, id, 'item.progress', 30);
  await s.bg.received(1);
  assert.ok(s.bg.calls.length < 8, 'cut-outs do not take every lane');
  const other = await cut(s, Array.from({ length: 10 }, (_, i) => `${s.origin.url}/png?seed=${100 + i}`), { remove: false });
  assert.equal(other.job.status, 'succeeded', 'while all cut-outs are held');
  release();
  const { job } = await result(s, id);
  assert.deepEqual(job.counts.cutouts, { succeeded: 30, failed: 0, none: 0 });
  assert.equal(s.bg.spent, 30);
  const all = await types(s, id);
  assert.ok(all.lastIndexOf('item.progress') < all.indexOf('item.succeeded'), 'all were ready before the first cut-out was');
  assert.deepEqual(await check(s.base, [id]), []);
});

test('the same with the model: no cut-out is made while its process stands still, the variants are', { timeout: 60000 }, async (t) => {
  assertModels();
  const s = await cutSite(t);
  const c = await composite('leaf', { width: 400, height: 300 });
  await cut(s, [put(s, c.png)], {});
  assert.equal(mattes(s).length, 1);
  const thaw = freeze(t, mattes(s));
  const id = await submit(s, Array.from({ length: 5 }, (_, i) => `${s.origin.url}/png?seed=${i}&w=200&h=150`), {});
  await event(s, id, 'item.progress', 5);
  thaw();
  const { job } = await result(s, id);
  assert.equal(job.counts.succeeded, 5);
  assert.deepEqual(await check(s.base, [id]), []);
});

test('a failed cut-out makes the job partial, and retry reaches it and nothing else', { timeout: 60000 }, async (t) => {
  const s = await cutSite(t, { paid: {}, args: ['--max-tries', '1'] });
  s.bg.mode = 400;
  const urls = [1, 2, 3].map((seed) => `${s.origin.url}/png?seed=${seed}`);
  const id = await submit(s, [...urls, { url: `${s.origin.url}/png?seed=4`, background: { remove: false } }], remote);
  const { job, items: before } = await result(s, id);
  assert.equal(job.status, 'partial');
  assert.deepEqual(job.counts.cutouts, { succeeded: 0, failed: 3, none: 0 });
  assert.equal(job.counts.succeeded, 4);
  for (const it of before.slice(0, 3)) {
    assert.equal(it.status, 'succeeded');
    assert.equal(it.cutout.error.code, 'matte_provider');
    assert.equal(it.variants.length, 1);
  }
  s.bg.mode = 'ok';
  const asked = s.origin.seen.requests;
  assert.equal((await call('POST', `${s.base}/v1/jobs/${id}/retry`)).status, 202);
  const again = await result(s, id);
  assert.equal(again.job.status, 'succeeded');
  assert.deepEqual(again.job.counts.cutouts, { succeeded: 3, failed: 0, none: 0 });
  assert.deepEqual(again.items.map((it) => it.run), [2, 2, 2, 1]);
  assert.equal(s.origin.seen.requests, asked, 'nothing was fetched again');
  assert.deepEqual(again.items.map((it) => it.variants[0].key), before.map((it) => it.variants[0].key), 'nothing was made again');
  assert.equal(s.bg.spent, 3);
  assert.deepEqual(await check(s.base, [id]), []);
  assert.equal((await call('POST', `${s.base}/v1/jobs/${id}/retry`)).status, 200, 'nothing has failed any more');
});

test('the same bytes under another URL cost nothing', { timeout: 60000 }, async (t) => {
  assertModels();
  const s = await cutSite(t, { paid: {} });
  const c = await composite('fish', { width: 400, height: 300 });
  for (const background of [{ engine: 'local' }, remote]) {
    const first = await cut(s, [put(s, c.png)], background);
    const again = await cut(s, [put(s, c.png)], background);
    const [a, b] = [first.items[0].cutout, again.items[0].cutout];
    assert.equal(a.key, b.key, 'it is the same cut-out');
    assert.equal(again.job.savings.paid_calls, background === remote ? 1 : 0);
    assert.equal(b.status, 'succeeded');
    assert.deepEqual(await check(s.base, [first.id, again.id]), []);
  }
  const auto = await cut(s, [put(s, c.png)], { engine: 'auto' });
  assert.ok(auto.items[0].cutout.status === 'succeeded');
  assert.equal(s.bg.calls.length, 1);
  const other = await cut(s, [put(s, c.png)], { engine: 'local', crop: true });
  assert.notEqual(other.items[0].cutout.sha256, (await cut(s, [put(s, c.png)], {})).items[0].cutout.sha256, 'other options are another cut-out');
});

test('two items of the same bytes in one job are one paid call', { timeout: 60000 }, async (t) => {
  const s = await cutSite(t, { paid: {} });
  const c = await product('bottle', [255, 255, 255]);
  const { id, job } = await cut(s, Array.from({ length: 6 }, () => put(s, c.png)), remote);
  assert.deepEqual(job.counts.cutouts, { succeeded: 6, failed: 0, none: 0 });
  assert.equal(s.bg.spent, 1);
  assert.deepEqual(await check(s.base, [id]), []);
});

test('a canceled job gives its places back, and an answer that was paid for is kept', { timeout: 60000 }, async (t) => {
  const s = await cutSite(t, { paid: {} });
  const release = hold(s.bg);
  const url = `${s.origin.url}/png?seed=1`;
  const id = await submit(s, [url], remote);
  await event(s, id, 'item.progress');
  await s.bg.received();
  assert.equal((await call('POST', `${s.base}/v1/jobs/${id}/cancel`)).status, 200);
  const { job, items: [item] } = await result(s, id);
  assert.equal(job.status, 'canceled');
  assert.equal(item.status, 'canceled');
  release();
  await until('the answer to be kept', async () => (await get(`${s.base}/v1/usage`)).json.credits.spent === 1);
  const again = await cut(s, [url], remote);
  assert.equal(again.items[0].cutout.status, 'succeeded');
  assert.equal(again.job.savings.paid_calls, 1);
  assert.equal(s.bg.calls.length, 1, 'what was bought is used');
  assert.deepEqual(await check(s.base, [id, again.id]), []);
});

test('a job that is deleted while its cut-outs are under way leaves nothing behind', { timeout: 60000 }, async (t) => {
  assertModels();
  const s = await cutSite(t, { paid: {} });
  const release = hold(s.bg);
  const c = await composite('kite', { width: 400, height: 300 });
  const doomed = await submit(s, [`${s.origin.url}/png?seed=1`, put(s, c.png)], remote);
  await s.bg.received(2);
  assert.equal((await call('DELETE', `${s.base}/v1/jobs/${doomed}?results=true`)).status, 204);
  release();
  const kept = await cut(s, [put(s, c.png), `${s.origin.url}/png?seed=2`], { engine: 'local', apply: 'both' });
  const gone = await cut(s, [put(s, (await product('fish', [255, 255, 255])).png)], { engine: 'flat' });
  assert.equal((await call('DELETE', `${s.base}/v1/jobs/${gone.id}?results=true`)).status, 204);
  assert.deepEqual(await check(s.base, [kept.id]), []);
  await collect(s);
  assert.deepEqual(await checkFolder(s.data), []);
  await s.serve();
  assert.deepEqual(await check(s.base, [kept.id]), []);
  const hit = await cut(s, [put(s, c.png)], { engine: 'local' });
  assert.equal(hit.items[0].cutout.key, kept.items[0].cutout.key, 'what is in use was kept');
});

test('a server killed while it cuts out goes on with it', { timeout: 60000 }, async (t) => {
  assertModels();
  const s = await cutSite(t);
  const made = await Promise.all(['pear', 'cat', 'bird'].map((shape) => composite(shape, { width: 400, height: 300 })));
  const id = await submit(s, made.map((c) => put(s, c.png)), {});
  await until('a process of the model', () => mattes(s).length > 0);
  await s.restart();
  const { job } = await result(s, id);
  assert.equal(job.status, 'succeeded');
  assert.equal(job.counts.cutouts.succeeded, 3);
  assert.deepEqual(await check(s.base, [id]), []);
});

test('only_if_cached takes a cut-out that is there', { timeout: 60000 }, async (t) => {
  const s = await cutSite(t, { paid: {} });
  const url = `${s.origin.url}/png?seed=1`;
  const plain = await cut(s, [url], { remove: false });
  assert.equal(plain.items[0].cutout, null);
  await cut(s, [url], remote);
  const hit = await cut(s, [url], remote, { cache: 'only_if_cached', variants: small });
  assert.equal(hit.items[0].cutout.status, 'succeeded');
  assert.equal(s.bg.calls.length, 1);
});
