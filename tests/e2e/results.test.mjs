// POST /v1/results, said by hand: who may say what of a task, and what is believed. A function is sent
// tasks and does nothing; what it could have reported, and could not, is posted here.
import test from 'node:test';
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { ended, fetched, get, items, log, until } from '../lib/harness.mjs';
import { check } from '../lib/checker.mjs';
import { sql } from '../lib/database.mjs';
import { keys } from '../lib/bucket.mjs';
import { done, outside, put, report } from '../lib/outside.mjs';
import { sign } from '../lib/lambda_api.mjs';
import { missing, swiftOfFile } from '../lib/swift.mjs';

const needs = { skip: missing, timeout: 120000 };
const s3 = swiftOfFile();

const trash = async (s) => String(await sql(s.data, 'SELECT blob FROM trash ORDER BY blob'));
const state = (s, task) => sql(s.data, `SELECT state, lease, tries FROM task WHERE id = ${task.task.split('.')[0]}`).then(String);
/** A key as the database has it. */
const plain = (key) => key.replace(/^shop\//, '');

test('a result is recorded and pushed; said again it changes nothing', needs, async (t) => {
  const s = await outside(t, s3);
  const id = await s.submit(['/png?seed=1']);
  const task = await s.task();
  const whole = await done(s, task);
  const r = await report(s, whole, task);
  assert.equal(r.status, 200, r.text);
  assert.equal(r.json.results[0].status, 'recorded');
  assert.equal((await ended(s.base, id)).status, 'succeeded');
  const [it] = await items(s.base, id);
  assert.deepEqual(it.variants.map((v) => [v.name, v.sha256]), whole.variants.map((v) => [v.name, v.sha256]));
  assert.deepEqual((await fetched(it.variants[0].url)).bytes.length, it.variants[0].bytes);
  const { events } = await log(s.base, id);
  assert.deepEqual(events.map((e) => e.type), ['job.created', 'job.started', 'item.started', 'item.succeeded', 'job.succeeded']);

  await t.test('the same, another of the same lease, and one in a list', async () => {
    const other = await done(s, task);
    for (const [what, list] of [[whole, false], [other, false], [{ task: task.task, status: 'failed', error: { code: 'fetch_dns' } }, true]]) {
      const again = await report(s, list ? [what] : what, list ? [task] : task);
      assert.equal(again.status, 200, again.text);
      assert.equal(again.json.results[0].status, 'repeated');
    }
    assert.deepEqual((await log(s.base, id)).events, events);
    const gone = await trash(s);
    for (const { key } of [other.source, ...other.variants]) assert.ok(gone.includes(plain(key)), 'what nobody needs is collected');
    for (const { key } of [whole.source, ...whole.variants]) assert.ok(!gone.includes(plain(key)), 'what is needed is not');
  });
  assert.deepEqual((await check(s.base, [id])).faults ?? [], []);
});

test('what is forged is refused, and logged without a secret', needs, async (t) => {
  const s = await outside(t, s3, { args: ['--dispatch-concurrency', '2'] });
  const id = await s.submit(['/png?seed=1', '/png?seed=2']);
  const [task, other] = [await s.task(1), await s.task(2)];
  const whole = await done(s, task);
  const bad = { status: 401, code: 'auth_required' };
  const now = Math.floor(Date.now() / 1000);
  const cases = {
    'another task\'s secret': () => report(s, whole, other),
    'a secret of nobody': () => report(s, whole, { ...task, secret: `whsec_${Buffer.from(randomUUID()).toString('base64')}` }),
    'another body': () => report(s, whole, task, { sent: JSON.stringify({ ...whole, status: 'failed', error: { code: 'fetch_dns' } }) }),
    'another id': () => report(s, whole, task, { headers: { 'webhook-id': 'else' } }),
    'an old time': () => report(s, whole, task, { time: now - 301 }),
    'a time to come': () => report(s, whole, task, { time: now + 302 }),
    'a time that is another': () => report(s, whole, task, { headers: { 'webhook-timestamp': String(now - 5) } }),
    'no time': () => report(s, whole, task, { headers: { 'webhook-timestamp': 'soon' } }),
    'no signature': () => report(s, whole, task, { signatures: 'v1,' }),
    'a signature of another version': () => report(s, whole, task, { signatures: 'v2,AAAA' }),
    'a task that never was': () => report(s, { ...whole, task: '999999.1' }, task),
    'a lease to come': () => report(s, { ...whole, task: task.task.replace(/\d+$/, '9') }, task),
    'no name of a task': () => report(s, { ...whole, task: '../1' }, task),
    'all of a list': () => report(s, [whole, { ...whole, task: other.task }], [other, task]),
  };
  for (const [what, ask] of Object.entries(cases)) {
    const r = await ask();
    assert.deepEqual({ status: r.status, code: r.json.code }, bad, what);
  }
  assert.equal((await get(`${s.base}/v1/jobs/${id}`)).json.counts.running, 2, 'nothing has changed');
  assert.equal(await trash(s), '');
  assert.ok((s.server.err.match(/report_refused.*code=auth_required/g) ?? []).length >= 9, s.server.err);
  for (const x of [task, other]) assert.ok(!s.server.err.includes(x.secret.slice(6)));
  assert.ok(!s.server.err.includes('../1'));

  await t.test('one forged result in a list leaves the others alone', async () => {
    const second = await done(s, other);
    const r = await report(s, [whole, second], [task, task]);
    assert.equal(r.status, 200);
    assert.deepEqual(r.json.results.map((x) => [x.task, x.status]), [[task.task, 'recorded'], [other.task, 'refused']]);
    assert.equal((await report(s, second, other)).json.results[0].status, 'recorded');
    assert.equal((await ended(s.base, id)).status, 'succeeded');
  });
});

test('an old lease is refused, and what was made under it collected', needs, async (t) => {
  const s = await outside(t, s3, { args: ['--dispatch-lease', '1s', '--dispatch-concurrency', '1'] });
  const id = await s.submit(['/png?seed=1']);
  const old = await s.task(1);
  const late = await done(s, old);
  const task = await s.task(2);
  assert.equal(task.task, old.task.replace(/1$/, '2'));
  assert.notEqual(task.secret, old.secret);
  assert.notEqual(task.key_prefix, old.key_prefix);
  const r = await report(s, late, old);
  assert.deepEqual([r.status, r.json.code], [409, 'store_stale'], r.text);
  const inList = await report(s, [late], [old]);
  assert.equal(inList.json.results[0].status, 'stale');
  assert.match(s.server.err, /report_refused.*status=stale/);
  const gone = await trash(s);
  for (const { key } of [late.source, ...late.variants]) assert.ok(gone.includes(plain(key)));

  await t.test('but nothing that is not its own, whatever it names', async () => {
    const again = await until('a newer lease', () => s.lambda.tasks().at(-1));
    const fresh = await done(s, again);
    await report(s, { ...late, source: fresh.source, variants: fresh.variants }, old);
    const now = await trash(s);
    for (const { key } of [fresh.source, ...fresh.variants]) assert.ok(!now.includes(plain(key)), key);
  });
  s.lambda.handler = async (event) => { // at last somebody works
    for (const x of event.tasks) await report(s, await done(s, { ...x, event }), x);
  };
  assert.equal((await ended(s.base, id)).status, 'succeeded');
  assert.equal((await items(s.base, id)).length, 1);
  assert.deepEqual((await check(s.base, [id])).faults ?? [], []);
});

test('what cannot be is refused and counts as an attempt, so that nobody waits for the lease to end', needs, async (t) => {
  const s = await outside(t, s3, { args: ['--max-tries', '20', '--dispatch-concurrency', '1'] });
  const id = await s.submit(['/png?seed=1']);
  const change = (what) => async (task, whole) => ({ ...whole, ...what(whole, task) });
  const first = (whole, more) => ({ variants: [{ ...whole.variants[0], ...more }, ...whole.variants.slice(1)] });
  const cases = [
    ['key_prefix', change((w) => first(w, { key: 'shop/elsewhere/x.jpeg' }))],
    ['must begin with', change((w) => first(w, { key: 'another/x.jpeg' }))],
    ['key_prefix', change((w, task) => first(w, { key: `${task.key_prefix}../../x.jpeg` }))],
    ['there is no object', change((w, task) => first(w, { key: `${task.key_prefix}none.jpeg` }))],
    ['bytes, not', change((w) => first(w, { bytes: w.variants[0].bytes + 1 }))],
    ['its format is webp', change((w) => first(w, { format: 'webp' }))],
    ['it cannot be', change((w) => first(w, { width: 33 }))],
    ['one key', change((w) => first(w, { key: w.source.key }))],
    ['hex digits', change((w) => first(w, { sha256: 'ab' }))],
    ['/status', change(() => ({ status: 'done' }))],
    ['source', change(() => ({ source: undefined }))],
    ['unchanged', change(() => ({ status: 'not_modified', variants: undefined, source: undefined }))],
  ];
  for (const [i, [says, spoil]] of cases.entries()) {
    const task = await s.task(i + 1);
    const r = await report(s, await spoil(task, await done(s, task)), task);
    assert.deepEqual([r.status, r.json.code], [422, 'request_invalid'], `${says}: ${r.text}`);
    assert.ok(r.json.detail.includes(says), `${says}: ${r.json.detail}`);
    assert.equal((await state(s, task)).match(/\d+/g).at(-1), String(i + 1), 'tries');
  }
  const task = await s.task(cases.length + 1);
  assert.equal((await report(s, await done(s, task), task)).status, 200);
  assert.equal((await ended(s.base, id)).status, 'succeeded');
  const big = await report(s, { ...(await done(s, task)), filler: 'x'.repeat(1 << 20) }, task);
  assert.deepEqual([big.status, big.json.code], [413, 'request_too_large']);
  const many = await report(s, Array.from({ length: 101 }, () => ({ task: task.task, status: 'later' })), Array(101).fill(task));
  assert.deepEqual([many.status, many.json.code], [422, 'request_limit']);
  const none = await report(s, whatever(), task, { sent: '{"task":' });
  assert.equal(none.status, 400);
});
const whatever = () => ({ task: '1.1', status: 'later' });

test('an attempt that failed is made again, and the last one fails the item', needs, async (t) => {
  const s = await outside(t, s3, { args: ['--max-tries', '2', '--dispatch-concurrency', '1'] });
  const id = await s.submit(['/png?seed=1']);
  const error = { code: 'fetch_timeout', detail: 'slow today', stage: 'download' };
  let task = await s.task(1);
  assert.equal((await report(s, { task: task.task, status: 'later' }, task)).json.results[0].status, 'recorded');
  task = await s.task(2);
  const asked = Date.now();
  assert.equal((await report(s, { task: task.task, status: 'later', after: 1, error }, task)).status, 200);
  task = await s.task(3);
  assert.ok(Date.now() - asked >= 1000, 'not before its time');
  await report(s, { task: task.task, status: 'later', error }, task);
  assert.equal((await ended(s.base, id)).status, 'failed');
  const [it] = await items(s.base, id);
  assert.deepEqual([it.error.code, it.error.detail, it.error.stage, it.tries], ['fetch_timeout', 'slow today', 'download', 2]);
});

test('a part of the variants is taken, and the rest is asked for', needs, async (t) => {
  const s = await outside(t, s3, { args: ['--dispatch-concurrency', '1'] });
  const id = await s.submit(['/png?seed=1']);
  const task = await s.task(1);
  const spare = { ...(await put(s, task, Buffer.from('spare'), 'jpeg')), width: 5, height: 5, name: 'x', recipe: 'ab'.repeat(32) };
  const part = await done(s, task, 1);
  const r = await report(s, { ...part, variants: [...part.variants, spare] }, task);
  assert.equal(r.status, 200, r.text);
  assert.ok((await trash(s)).includes(plain(spare.key)), 'what nobody asked for');
  const make = await s.task(2);
  assert.deepEqual([make.kind, make.variants.map((v) => v.name), make.source.key], ['make', ['b'], part.source.key]);
  const { variants: [{ recipe, ...byName }] } = await done(s, make);
  assert.ok(recipe);
  assert.equal((await report(s, { task: make.task, status: 'succeeded', variants: [byName] }, make)).status, 200, 'a name will do for a make');
  assert.equal((await ended(s.base, id)).status, 'succeeded');
  assert.deepEqual((await check(s.base, [id])).faults ?? [], []);
});

test('a report that was left in the bucket is taken in, by a server that was away and before the lease ends', needs, async (t) => {
  const s = await outside(t, s3, { args: ['--dispatch-lease', '60s', '--dispatch-concurrency', '1', '--dispatch-batch', '1'] });
  const leave = async (task, result, secret = task.secret) => {
    const body = JSON.stringify({ results: [result] });
    const [id, time] = [randomUUID(), '1600000000']; // long ago
    const key = `${task.event.bucket.prefix}reports/${task.task.replace('.', '-')}.json`;
    const text = JSON.stringify({ headers: { 'webhook-id': id, 'webhook-timestamp': time, 'webhook-signature': sign(secret, id, time, body) }, body });
    await put(s, task, Buffer.from(text), 'json', { key });
  };
  const id = await s.submit(['/png?seed=1', '/png?seed=2']);
  const task = await s.task(1);
  const whole = await done(s, task);
  await until('its long lease', async () => Number(String(await sql(s.data, 'SELECT max(until_ms) FROM task'))) > Date.now() + 30000);
  await s.server.stop('SIGKILL');
  await leave(task, whole);
  await s.begin();
  const second = await s.task(2);
  assert.match(s.server.err, /^/);
  assert.equal((await get(`${s.base}/v1/jobs/${id}`)).json.counts.succeeded, 1, 'taken in at the start');
  await until('the object to go', async () => !(await keys(s3.env, s.bucket)).some((k) => k.startsWith('reports/')));

  await t.test('one that is forged is not', async () => {
    await leave(second, { task: second.task, status: 'failed', error: { code: 'fetch_dns' } }, task.secret);
    await s.server.stop('SIGKILL');
    await s.begin();
    await until('the object to go', async () => !(await keys(s3.env, s.bucket)).some((k) => k.startsWith('reports/')));
    assert.equal((await get(`${s.base}/v1/jobs/${id}`)).json.counts.failed, 0);
    await until('the log', () => /report_refused.*left=1 refused=1/.test(s.server.err));
  });
  assert.equal((await report(s, await done(s, second), second)).status, 200);
  assert.equal((await ended(s.base, id)).status, 'succeeded');
});

test('a report that nobody took is found when its lease is about to end', needs, async (t) => {
  const s = await outside(t, s3, { args: ['--dispatch-lease', '8s', '--dispatch-concurrency', '1'] });
  const id = await s.submit(['/png?seed=1']);
  const task = await s.task(1);
  const whole = await done(s, task);
  const body = JSON.stringify(whole);
  const key = `${task.event.bucket.prefix}reports/${task.task.replace('.', '-')}.json`;
  await put(s, task, Buffer.from(JSON.stringify({ body, headers: { 'webhook-id': 'x', 'webhook-timestamp': '1', 'webhook-signature': sign(task.secret, 'x', '1', body) } })), 'json', { key });
  assert.equal((await ended(s.base, id)).status, 'succeeded');
  assert.equal(s.lambda.events.length, 1, 'nobody did it again');
  await until('the object to go', async () => !(await keys(s3.env, s.bucket)).some((k) => k.startsWith('reports/')));
});
