// --dispatch lambda:FUNCTION: whole jobs by a function that somebody else could have written
// (deploy/aws/node-worker), over a strict S3, and whatever Lambda does on a bad day. However often work
// is done, an item ends once.
import test, { after, before } from 'node:test';
import assert from 'node:assert/strict';
import { call, ended, fetched, get, items, log, run, until } from '../lib/harness.mjs';
import { check } from '../lib/checker.mjs';
import { sql } from '../lib/database.mjs';
import { done, nodeWorker, outside, report, two } from '../lib/outside.mjs';
import { cluster, missing as lacks, postgres } from '../lib/engines.mjs';
import { newBucket } from '../lib/bucket.mjs';
import { invocations } from '../lib/invocations.mjs';
import { origin } from '../lib/site.mjs';
import { lambda } from '../lib/lambda_api.mjs';
import { missing, swift } from '../lib/swift.mjs';

const needs = { skip: missing, timeout: 120000 };
const hooks = [];
let s3, node;

before(async () => {
  if (missing) return;
  const t = { after: (f) => hooks.push(f) };
  s3 = await swift(t);
  node = await nodeWorker(t, s3.env);
}, { timeout: 120000 });
after(async () => {
  for (const f of hooks.reverse()) await f();
});

const pngs = (n, first = 1) => Array.from({ length: n }, (_, i) => `/png?seed=${first + i}&w=64&h=48`);

/** Everything that must hold, whatever has happened: gap-free logs, one end each, blobs that are what was said. */
async function good(s, ids, { faults = [] } = {}) {
  await s.lambda.idle();
  const found = await check(s.base, ids);
  assert.deepEqual(found.faults ?? found, [], 'what the checker found');
  assert.deepEqual(s.lambda.faults, faults, 'requests to Lambda');
}

test('a job is done by a function, from its first picture to its last event', needs, async (t) => {
  const s = await outside(t, s3, { handler: node, args: ['--max-tries', '2'] });
  const id = await s.submit([...pngs(11), '/status/404', '/html', '/close']);
  const job = await ended(s.base, id);
  assert.equal(job.status, 'partial');
  assert.deepEqual([job.counts.succeeded, job.counts.failed], [11, 3]);
  assert.deepEqual(job.savings, { downloads: 0, encodes: 0, paid_calls: 0 }, 'all of it was work');
  const [it] = await items(s.base, id);
  assert.deepEqual(it.variants.map((v) => [v.name, v.format, v.width, v.height]), [['a', 'jpeg', 32, 24], ['b', 'webp', 16, 16]]);
  assert.equal(it.source.width, 64);
  assert.equal(it.cache, 'miss');
  for (const blob of [it.source, ...it.variants]) assert.equal((await fetched(blob.url)).bytes.length, blob.bytes);
  const failed = (await items(s.base, id)).filter((i) => i.status === 'failed');
  assert.deepEqual([failed[0].error.code, failed[0].error.source_status, failed[0].error.stage], ['fetch_status', 404, 'download']);
  assert.deepEqual(failed.map((i) => [i.error.code, i.tries]), [['fetch_status', 1], ['decode_corrupt', 1], ['fetch_connect', 2]]);
  assert.deepEqual(s.lambda.errors, []);
  const first = s.lambda.events[0];
  assert.equal(first.report_url, `${s.base}/v1/results`);
  assert.match(first.bucket.prefix, /^shop\/$/);
  assert.ok(first.tasks.every((x) => x.kind === 'fetch' && x.key_prefix.startsWith('shop/out/') && x.secret.startsWith('whsec_')));
  await good(s, [id]);
  await t.test('what it has made is there for the next job, and an unchanged source is asked for no bytes', async () => {
    const again = await s.submit(pngs(11));
    assert.equal((await ended(s.base, again)).counts.cached, 11);
    const sent = s.lambda.tasks().length;
    const fresh = await s.submit(pngs(2), { cache: 'reload' });
    await ended(s.base, fresh);
    assert.deepEqual((await items(s.base, fresh)).map((i) => i.cache), ['revalidated', 'revalidated']);
    assert.equal(s.lambda.tasks().length, sent + 2);
    assert.ok(s.lambda.tasks().at(-1).etag);
    await good(s, [again, fresh]);
  });
  await t.test('a variant that is wanted later is made of the kept original', async () => {
    const more = await s.submit(pngs(3), { variants: [{ name: 'c', width: 8, format: 'png' }] });
    await ended(s.base, more);
    const made = s.lambda.tasks().slice(-3);
    assert.ok(made.every((x) => x.kind === 'make' && x.source.key.startsWith('shop/') && x.variants.length === 1));
    await good(s, [more]);
  });
});

test('bulb\'s own function does the same, and goes on with what it holds', needs, async (t) => {
  const s = await outside(t, s3, { args: ['--max-tries', '2'] });
  const f = await lambda(t, { env: s3.env, args: ['--allow-address', '127.0.0.0/8', '--max-tries', '1'] });
  s.lambda.handler = (event) => f.invoke(event);
  const id = await s.submit([...pngs(8), ...pngs(2), '/status/404', '/html']);
  const job = await ended(s.base, id);
  assert.deepEqual([job.counts.succeeded, job.counts.failed, job.counts.duplicates], [8, 2, 2], f.log);
  const all = await items(s.base, id);
  assert.deepEqual(all.filter((i) => i.error).map((i) => i.error.code), ['fetch_status', 'fetch_not_image']);
  assert.ok(all[0].placeholder.thumbhash);
  assert.equal(s.lambda.tasks().length, 10, 'makes came with the answers');
  await good(s, [id]);
});

test('few pictures are spread over invocations, many are put together, and never more run than may', needs, async (t) => {
  const s = await outside(t, s3, { args: ['--dispatch-concurrency', '4', '--dispatch-batch', '10', '--dispatch-per-host', '0'] });
  let open;
  const gate = new Promise((ok) => { open = ok; });
  s.lambda.handler = async (event) => { await gate; await node(event); };
  const few = await s.submit(pngs(4));
  await until('four invocations', () => s.lambda.events.length === 4);
  assert.deepEqual(s.lambda.events.map((e) => e.tasks.length), [1, 1, 1, 1]);
  const many = await s.submit(pngs(24, 100));
  open();
  await ended(s.base, few);
  await ended(s.base, many);
  assert.ok(s.lambda.most <= 4 + 1, `${s.lambda.most} at a time`); // one may end its work before it ends itself
  assert.ok(s.lambda.events.some((e) => e.tasks.length >= 5), 'chunks');
  assert.ok(s.lambda.events.every((e) => e.tasks.length <= 10));
  await good(s, [few, many]);
});

test('one host gets no more than its share at a time', needs, async (t) => {
  const s = await outside(t, s3, { args: ['--dispatch-per-host', '3'] });
  let open;
  const gate = new Promise((ok) => { open = ok; });
  s.lambda.handler = async (event) => { await gate; await node(event); };
  const id = await s.submit(pngs(8));
  await until('three tasks', () => s.lambda.tasks().length === 3);
  await get(`${s.base}/v1/jobs/${id}?wait=1`);
  assert.equal(s.lambda.tasks().length, 3);
  open();
  await ended(s.base, id);
  await good(s, [id]);
});

test('an event stays below what Lambda takes, however long the URLs are', needs, async (t) => {
  const s = await outside(t, s3, { bad: () => 'lose', args: ['--dispatch-batch', '100', '--dispatch-concurrency', '3', '--dispatch-per-host', '0', '--dispatch-lease', '1h'] });
  const id = await s.submit(Array.from({ length: 250 }, (_, i) => `/png?seed=${i}&${'x'.repeat(3500)}`));
  await until('three events', () => s.lambda.events.length === 3);
  assert.ok(s.lambda.events.some((e) => e.tasks.length > 30));
  await call('POST', `${s.base}/v1/jobs/${id}/cancel`, {});
  await good(s, [id]);
});

test('Lambda that throttles or breaks is left alone for a while, and no item pays for it', needs, async (t) => {
  const bad = ['throttle', 'break', 'throttle', 'forbid'];
  const s = await outside(t, s3, { handler: node, bad: (n) => bad[n - 1] });
  const id = await s.submit(pngs(6));
  assert.equal((await ended(s.base, id)).status, 'succeeded');
  assert.equal(s.lambda.refused, bad.length);
  assert.ok((await items(s.base, id)).every((i) => i.tries === 1));
  assert.match(s.server.err, /dispatch_refused.*code=rate_limited/);
  await good(s, [id]);
});

test('an invocation that nobody ever hears of is made again when its lease ends', needs, async (t) => {
  const s = await outside(t, s3, { handler: node, bad: (n) => (n <= 2 ? 'lose' : undefined), args: ['--dispatch-lease', '2s', '--dispatch-concurrency', '2'] });
  const id = await s.submit(pngs(6));
  assert.equal((await ended(s.base, id)).status, 'succeeded');
  const names = s.lambda.tasks().map((x) => x.task);
  assert.equal(new Set(names).size, names.length, 'each time under another lease');
  assert.ok(names.some((n) => n.endsWith('.2')));
  await good(s, [id]);
});

test('what is delivered twice, at the same time, is recorded once', needs, async (t) => {
  const s = await outside(t, s3, { handler: node, bad: () => 'twice' });
  const id = await s.submit(pngs(8));
  assert.equal((await ended(s.base, id)).status, 'succeeded');
  await s.lambda.idle();
  assert.match(String(await sql(s.data, 'SELECT count(*) FROM original')), /^8\b/);
  const usage = (await get(`${s.base}/v1/usage`)).json;
  assert.match(JSON.stringify(usage), /"downloads":8\b/);
  assert.match(JSON.stringify(usage), /"encodes":16\b/);
  await good(s, [id]);
});

test('what comes late changes nothing, and leaves nothing behind', needs, async (t) => {
  let open;
  const gate = new Promise((ok) => { open = ok; });
  const s = await outside(t, s3, { handler: node, bad: (n) => (n === 1 ? gate : undefined), args: ['--dispatch-lease', '1s', '--dispatch-concurrency', '1'] });
  const id = await s.submit(pngs(3));
  assert.equal((await ended(s.base, id)).status, 'succeeded');
  const before = await log(s.base, id);
  const kept = (await sql(s.data, 'SELECT count(*) AS n FROM trash'));
  open();
  await until('the late ones to be heard', () => /report_refused.*status=stale/.test(s.server.err));
  await s.lambda.idle();
  assert.deepEqual(await log(s.base, id), before);
  assert.notDeepEqual(await sql(s.data, 'SELECT count(*) AS n FROM trash'), kept, 'what it made is collected');
  await good(s, [id]);
});

test('a server that is killed while functions work goes on where it was', needs, async (t) => {
  let open;
  const gate = new Promise((ok) => { open = ok; });
  const s = await outside(t, s3, { args: ['--dispatch-lease', '60s', '--dispatch-concurrency', '3', '--dispatch-batch', '3'] });
  s.lambda.handler = async (event) => { await gate; await node(event); };
  const id = await s.submit(pngs(12));
  await until('three invocations', () => s.lambda.events.length === 3);
  await until('their leases', async () => /^3/m.test(String(await sql(s.data, "SELECT count(DISTINCT owner) FROM task WHERE owner LIKE 'outside:%'"))));
  await s.server.stop('SIGKILL');
  await s.begin();
  open();
  assert.equal((await ended(s.base, id)).status, 'succeeded');
  const names = s.lambda.tasks().map((x) => x.task);
  assert.equal(new Set(names.map((n) => n.split('.')[0])).size, names.length, 'nothing was done twice');
  await good(s, [id]);
});

test('servers killed again and again, functions lost, late and doubled: one end each', needs, async (t) => {
  let n = 0;
  const s = await outside(t, s3, { handler: node, args: ['--dispatch-lease', '2s', '--dispatch-concurrency', '4', '--dispatch-batch', '3'],
    bad: () => [undefined, 'twice', undefined, 'lose', 'break', undefined, 'throttle'][n++ % 7] });
  const ids = [await s.submit(pngs(12)), await s.submit(pngs(12, 7))];
  const rounds = process.env.TEST_SOAK ? 20 : 3;
  for (let i = 1; i <= rounds; i++) {
    await until('some more events', () => s.lambda.events.length >= i * 3);
    await s.server.stop('SIGKILL');
    await s.begin();
  }
  for (const id of ids) assert.equal((await ended(s.base, id)).status, 'succeeded');
  await good(s, ids);
});

test('what is cut out stays here, and what is paid for never leaves', needs, async (t) => {
  const s = await outside(t, s3, { handler: node, args: ['--workers', '2', '--darkrooms', '1'] });
  const id = await s.submit(['/product?seed=1', '/product?seed=2', '/product?seed=3'], { background: { remove: true, engine: 'flat' } });
  const job = await ended(s.base, id);
  assert.equal(job.status, 'succeeded');
  assert.deepEqual(job.counts.cutouts, { succeeded: 3, failed: 0, none: 0 });
  assert.ok(s.lambda.tasks().every((x) => x.kind === 'fetch' && !('background' in x)));
  assert.equal(s.lambda.tasks().length, 3, 'and nothing else was done here');
  await good(s, [id]);
});

test('what needs headers is told them, and nobody else is', needs, async (t) => {
  const s = await outside(t, s3, { handler: node });
  const r = await call('POST', `${s.base}/v1/jobs`, { json: { urls: [{ url: `${s.source.url}/png?seed=5`, headers: { Authorization: 'Bearer planted-secret' } }], variants: two } });
  await ended(s.base, r.json.id);
  const [task] = s.lambda.tasks();
  assert.deepEqual(task.headers, { authorization: 'Bearer planted-secret' });
  assert.ok(!s.server.err.includes('planted-secret'));
  assert.ok(!s.server.err.includes(task.secret.slice(6)));
  await good(s, [r.json.id]);
});

test('in a cluster one process sends, another hears, and any tells', { ...needs, skip: missing || lacks('initdb') }, async (t) => {
  const db = await postgres(t);
  const aws = await invocations(t, { secret: s3.env.AWS_SECRET_ACCESS_KEY, handler: node });
  const env = { ...s3.env, AWS_ENDPOINT_URL_LAMBDA: aws.url };
  const source = await origin(t);
  const c = cluster(t, { store: db.url, bus: 'postgres:', blob: await newBucket(s3.env) });
  const [a, b] = [await c.serve([], env), await c.serve([], env)];
  await c.work(['--workers', '0', '--dispatch', 'lambda:f', '--report-url', a.url], env);
  const r = await call('POST', `${b.url}/v1/jobs`, { json: { urls: pngs(8).map((p) => `${source.url}${p}`), variants: two } });
  assert.equal((await ended(b.url, r.json.id)).status, 'succeeded');
  assert.deepEqual(aws.faults, []);
  assert.equal(aws.tasks().length, 8);
});

test('settings that cannot be are refused, with what would be', needs, async (t) => {
  const s = await outside(t, s3);
  for (const [args, says] of [
    [['--dispatch', 'lambda:'], /it is lambda:FUNCTION/],
    [['--dispatch', 'queue:f'], /it is lambda:FUNCTION/],
    [['--dispatch', 'lambda:f'], /--blob is s3:\/\/BUCKET/],
  ]) {
    const r = await run(['serve', '--listen', '127.0.0.1:0', '--data', `${s.data}/other`, ...args], { env: s.env });
    assert.equal(r.code, 64, r.err);
    assert.match(r.err, says);
  }
});

test('a function that goes on with what it holds is given the make, and both are counted as one', needs, async (t) => {
  const s = await outside(t, s3, { args: ['--dispatch-concurrency', '1'] });
  const id = await s.submit(pngs(1));
  const task = await s.task();
  const whole = await done(s, task, 0);
  const first = await report(s, { task: task.task, status: 'fetched', source: whole.source }, task);
  assert.equal(first.status, 200);
  const [{ status, next, source }] = first.json.results;
  assert.equal(status, 'recorded');
  assert.equal(source.key, whole.source.key);
  assert.equal(next.kind, 'make');
  assert.equal(next.source.key, whole.source.key);
  assert.deepEqual(next.variants.map((v) => v.name), ['a', 'b']);
  const another = await s.submit(pngs(1, 50));
  const made = await done(s, { ...next, event: task.event });
  assert.equal(s.lambda.events.length, 1, 'the invocation is still under way');
  const second = await report(s, { task: next.task, status: 'succeeded', variants: made.variants }, next);
  assert.equal(second.json.results[0].status, 'recorded');
  assert.equal((await ended(s.base, id)).status, 'succeeded');
  await s.task(2);
  s.lambda.handler = node;
  await call('POST', `${s.base}/v1/jobs/${another}/cancel`, {});
  await good(s, [id]);
});
