// The client library's reducer and its ThumbHash decoder: pure functions, no server.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { rgbaToThumbHash, thumbHashToRGBA, thumbHashToAverageRGBA, thumbHashToApproximateAspectRatio } from 'thumbhash';
import { createBatch, hasEnded, initialState, itemOf, progressOf, reduce, reduceAll } from '../../clients/js/src/state.js';
import { thumbHashColor, thumbHashRatio, thumbHashToRgba } from '../../clients/js/src/thumbhash.js';
import { sseParser } from '../../clients/js/src/sse.js';
import { backoff } from '../../clients/js/src/pause.js';
import { Address } from '../../clients/js/src/address.js';
import { random, seedOfRun } from '../lib/random.mjs';
import { until } from '../lib/harness.mjs';

const counts = (o = {}) => ({ total: 3, duplicates: 0, queued: 3, running: 0, succeeded: 0, failed: 0, canceled: 0, cached: 0,
  cutouts: { succeeded: 0, failed: 0, none: 0 }, ...o });
/** A log written as [type, data]: numbered from 1. */
const numbered = (list) => list.map(([type, data], i) => ({ specversion: '1.0', type, sequence: String(i + 1).padStart(12, '0'), source: '/v1/jobs/j', data }));
const item = (n, status, more = {}) => ({ id: `j.${n}`, url: `https://e/${n}.jpg`, refs: [], status, variants: [], run: 1, tries: 1, error: null, cutout: null, ...more });
const job = (status, o) => ({ id: 'j', status, counts: counts(o), links: {} });
const failure = { code: 'fetch_status', detail: 'it said 404' };

const story = numbered([
  ['job.created', job('queued')],
  ['job.started', job('running')],
  ['item.started', item(2, 'downloading')],
  ['item.started', item(1, 'downloading')],
  ['job.progress', { ...job('running', { queued: 1, running: 2 }), active: [{ id: 'j.1', stage: 'downloading', bytes: 5 }] }],
  ['item.succeeded', item(1, 'succeeded', { variants: [{ name: 'a' }] })],
  ['item.failed', item(2, 'failed', { error: failure })],
  ['item.succeeded', item(3, 'succeeded', { cutout: { status: 'failed' } })],
  ['job.partial', job('partial', { queued: 0, succeeded: 2, failed: 1 })],
]);

test('a log becomes a job, its items in their order, and counts', () => {
  const s = reduceAll(initialState(), story);
  assert.equal(s.after, 9);
  assert.equal(s.job.status, 'partial');
  assert.deepEqual(s.items.map((i) => [i.id, i.status]), [['j.1', 'succeeded'], ['j.2', 'failed'], ['j.3', 'succeeded']]);
  assert.equal(itemOf(s, 'j.2').error.code, 'fetch_status');
  assert.equal(itemOf(s, 'j.9'), undefined);
  assert.deepEqual([s.done, s.total, progressOf(s), hasEnded(s)], [3, 3, 1, true]);
});

test('one by one, all at once, and in any portions it is the same', () => {
  const whole = reduceAll(initialState(), story);
  assert.deepEqual(story.reduce(reduce, initialState()), whole);
  const { below } = random(seedOfRun());
  for (let round = 0; round < 50; round++) {
    let s = initialState();
    for (let at = 0; at < story.length;) {
      const next = at + 1 + below(4);
      s = reduceAll(s, story.slice(Math.max(0, at - below(3)), next)); // some come again
      at = next;
    }
    assert.deepEqual(s, whole);
  }
});

test('a replay changes nothing at all, and an old state stays what it was', () => {
  const states = [initialState()];
  for (const e of story) states.push(reduce(states.at(-1), e));
  const copies = states.map((s) => JSON.stringify(s));
  const last = states.at(-1);
  for (const e of story) assert.equal(reduce(last, e), last);
  assert.equal(reduceAll(last, story), last);
  assert.deepEqual(states.map((s) => JSON.stringify(s)), copies);
});

test('items that no event touched stay the same objects', () => {
  const before = reduceAll(initialState(), story.slice(0, 6));
  const now = reduce(before, story[6]);
  assert.equal(itemOf(now, 'j.1'), itemOf(before, 'j.1'));
  assert.notEqual(itemOf(now, 'j.2'), itemOf(before, 'j.2'));
  assert.equal(reduce(now, { connection: { phase: 'live', after: 1 } }).items, now.items);
});

test('counts go on between events of the job, and what is active ends with its item', () => {
  const s = reduceAll(initialState(), story.slice(0, 6));
  assert.deepEqual([s.counts.queued, s.counts.running, s.counts.succeeded, s.done], [1, 1, 1, 1]);
  assert.deepEqual(s.active, {});
  assert.deepEqual(Object.keys(reduceAll(initialState(), story.slice(0, 5)).active), ['j.1']);
});

test('a retry takes back what failed, and no more', () => {
  const retried = numbered([...story.map((e) => [e.type, e.data]), ['job.retried', job('running', { queued: 2, succeeded: 1 })]]);
  const s = reduceAll(initialState(), retried);
  assert.deepEqual(s.items.map((i) => i.status), ['succeeded', 'queued', 'queued']);
  assert.equal(itemOf(s, 'j.2').error, null);
  assert.equal(hasEnded(s), false);
  const end = [...retried.map((e) => [e.type, e.data]), ['item.succeeded', item(2, 'succeeded', { run: 2 })],
    ['job.partial', job('partial', { queued: 0, succeeded: 3 })]];
  const over = reduceAll(s, numbered(end));
  assert.deepEqual(over.items.map((i) => [i.status, i.run]), [['succeeded', 1], ['succeeded', 2], ['succeeded', 1]]);
  assert.equal(itemOf(over, 'j.3').cutout.status, 'failed', 'whose charge was not confirmed is what it was');
  assert.equal(itemOf(over, 'j.3').before, undefined);
});

test('a canceled job has canceled items', () => {
  const s = reduceAll(initialState(), numbered([['job.created', job('queued')], ['item.canceled', item(1, 'canceled')],
    ['item.canceled', item(2, 'canceled')], ['item.canceled', item(3, 'canceled')], ['job.canceled', job('canceled', { queued: 0, canceled: 3 })]]));
  assert.deepEqual([s.job.status, s.done, s.items.map((i) => i.status).join()], ['canceled', 3, 'canceled,canceled,canceled']);
});

test('an event that was cut is filled in by the item, unless it ran again meanwhile', () => {
  const cut = item(1, 'succeeded', { variants: [{ name: 'a' }], truncated: true });
  const whole = item(1, 'succeeded', { variants: [{ name: 'a' }, { name: 'b' }] });
  const s = reduceAll(initialState(), numbered([['job.created', job('queued')], ['item.succeeded', cut]]));
  assert.equal(itemOf(s, 'j.1').truncated, true);
  const full = reduce(s, { whole: [whole] });
  assert.equal(itemOf(full, 'j.1').variants.length, 2);
  assert.equal(itemOf(full, 'j.1').truncated, undefined);
  assert.equal(itemOf(reduce(full, { whole: [item(1, 'succeeded')] }), 'j.1'), whole);
  const again = reduceAll(s, numbered([['', {}], ['', {}], ['item.started', item(1, 'downloading', { run: 2 })]]));
  assert.equal(itemOf(reduce(again, { whole: [whole] }), 'j.1').status, 'downloading');
});

test('ten thousand items are quick', () => {
  const list = [['job.created', job('queued', { total: 10000, queued: 10000 })]];
  for (let i = 1; i <= 10000; i++) list.push(['item.started', item(i, 'downloading')], ['item.succeeded', item(i, 'succeeded')]);
  const all = numbered(list);
  let s = initialState();
  const began = process.cpuUsage();
  for (let i = 0; i < all.length; i += 100) s = reduceAll(s, all.slice(i, i + 100));
  const { user } = process.cpuUsage(began);
  assert.equal(s.counts.succeeded, 10000);
  assert.ok(user / 200 < 25000, `${user / 200} us a portion`);
});

test('a batch watches while somebody looks, and goes on from where it was', async () => {
  const opened = [];
  const open = (url, { after }) => {
    const w = new EventTarget();
    opened.push({ url, after, w, closed: false });
    const mine = opened.at(-1);
    return { on: (type, fn) => w.addEventListener(type, (e) => fn(e.detail)), close: () => (mine.closed = true) };
  };
  class Told extends Event {
    constructor(type, detail) {
      super(type);
      this.detail = detail;
    }
  }
  const tell = (i, ...events) => events.forEach((e) => opened[i].w.dispatchEvent(new Told('event', e)));
  const batch = createBatch('ws://h/v1/jobs/j/events?token=1', { watch: open });
  assert.equal(opened.length, 0);
  let changes = 0;
  const leave = batch.subscribe(() => changes++);
  tell(0, ...story.slice(0, 4));
  await until('a change', () => batch.getState().after === 4);
  assert.equal(changes, 1, 'many events are one change');
  leave();
  const stay = batch.subscribe(() => changes++); // StrictMode
  await new Promise((ok) => setTimeout(ok));
  assert.deepEqual([opened.length, opened[0].closed], [1, false]);
  stay();
  tell(0, story[4]);
  await until('its end', () => opened[0].closed);
  assert.equal(batch.getState().after, 5, 'what came before the end is not lost');
  batch.setUrl('ws://h/v1/jobs/j/events?token=2');
  batch.subscribe(() => {});
  assert.deepEqual([opened[1].after, opened[1].url], [5, 'ws://h/v1/jobs/j/events?token=2']);
  tell(0, story[5]); // the old one has nothing to say any more
  tell(1, story[5], story[6]);
  await until('a change', () => batch.getState().after === 7);
  batch.close();
});

test('placeholders are those of the reference, to one step of 255', () => {
  const { between, below, chance } = random(seedOfRun());
  let worst = 0;
  for (let round = 0; round < 300; round++) {
    const w = between(1, 100);
    const h = between(1, 100);
    const flat = chance(0.3);
    const alpha = chance(0.5);
    const rgba = new Uint8Array(w * h * 4);
    for (let i = 0; i < rgba.length; i++) rgba[i] = i % 4 === 3 ? (alpha ? below(256) : 255) : flat ? 90 : below(256) * ((i / rgba.length) ** (i % 3));
    const hash = rgbaToThumbHash(w, h, rgba);
    const want = thumbHashToRGBA(hash);
    const got = thumbHashToRgba(chance(0.5) ? hash : Buffer.from(hash).toString('base64'));
    assert.deepEqual([got.width, got.height], [want.w, want.h]);
    got.rgba.forEach((v, i) => (worst = Math.max(worst, Math.abs(v - want.rgba[i]))));
    assert.equal(thumbHashRatio(hash), thumbHashToApproximateAspectRatio(hash));
    for (const [c, v] of Object.entries(thumbHashToAverageRGBA(hash))) assert.ok(Math.abs(thumbHashColor(hash)[c] - v) < 1e-9, c);
  }
  assert.ok(worst <= 1, `off by ${worst}`);
});

test('bytes that are no hash at all give some picture', () => {
  for (const hash of [new Uint8Array(0), new Uint8Array(5), new Uint8Array(3).fill(255), new Uint8Array(60).fill(255)]) {
    const { width, height, rgba } = thumbHashToRgba(hash);
    assert.ok(width <= 32 && height <= 32 && rgba.length === width * height * 4);
  }
});

test('an event stream may be cut anywhere, and end its lines as it likes', () => {
  const text = 'retry: 2000\n\n: a comment\r\nid: 1\r\nevent: a\r\ndata: {"x":\r\ndata:1}\r\n\r\nid:2\rdata:two\r\revent: none\n\ndata: drei €\n\nid: 4\ndata: cut';
  const want = [{ id: '1', type: 'a', data: '{"x":\n1}' }, { id: '2', type: 'message', data: 'two' }, { id: '2', type: 'message', data: 'drei €' }];
  for (let size = 1; size < 40; size++) {
    const got = [];
    const feed = sseParser((e) => got.push(e));
    for (let i = 0; i < text.length; i += size) feed(text.slice(i, i + size));
    assert.deepEqual(got, want, `pieces of ${size}`);
  }
});

test('waits double up to their most, and differ', () => {
  const waits = Array.from({ length: 10 }, (_, n) => backoff(n, { base: 100, most: 1000, random: () => 1 }));
  assert.deepEqual(waits, [100, 200, 400, 800, 1000, 1000, 1000, 1000, 1000, 1000]);
  assert.equal(backoff(0, { base: 100, random: () => 0 }), 50);
  assert.ok(new Set(Array.from({ length: 20 }, () => backoff(3))).size > 10);
});

test('an events URL leads to a socket and to pages, with the same token and prefix', () => {
  const a = new Address('wss://h.example/prod/v1/jobs/j/events?token=T');
  assert.equal(a.socket({ after: 0, heartbeat: 15 }), 'wss://h.example/prod/v1/jobs/j/events?token=T&heartbeat=15');
  assert.equal(a.http({ after: 12, wait: 0 }), 'https://h.example/prod/v1/jobs/j/events?token=T&after=12');
  assert.equal(a.renewed('U').http({}), 'https://h.example/prod/v1/jobs/j/events?token=U');
  const other = new Address('wss://sockets.example/p/v1/jobs/j/events?token=T', 'https://api.example/v1/jobs/j/events');
  assert.equal(other.http({}), 'https://api.example/v1/jobs/j/events?token=T');
  assert.equal(other.renewed('U').http({}), 'https://api.example/v1/jobs/j/events?token=U');
  assert.equal(new Address('http://h:8080/v1/jobs/j/events').socket({}), 'ws://h:8080/v1/jobs/j/events');
});
