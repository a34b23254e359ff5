// Both halves at once: a server that dispatches to Lambda, and bulb lambda as the function, over a strict
// S3. However the function is interrupted, delivered twice or killed, an item ends once.
import test from 'node:test';
import assert from 'node:assert/strict';
import { ended, fetched, items, log, sha256, until } from '../lib/harness.mjs';
import { check } from '../lib/checker.mjs';
import { lambda } from '../lib/lambda_api.mjs';
import { outside } from '../lib/outside.mjs';
import { missing, swiftOfFile } from '../lib/swift.mjs';

const needs = { skip: missing, timeout: 180000 };
const s3 = swiftOfFile();

/** handle(event, f, n) does the n-th invocation of the function; else it is simply done. */
async function both(t, { args = [], function: of = {}, handle = (event, f) => f.invoke(event) } = {}) {
  let f, n = 0;
  const s = await outside(t, s3, { handler: (event) => handle(event, f, ++n), args });
  f = await lambda(t, { ...of, env: { ...s3.env, BULB_ALLOW_ADDRESS: '127.0.0.0/8', ...of.env } });
  return { s, f };
}

/** The log is whole, and says of each item and of the job once that it has ended. */
async function endedOnce(s, id) {
  const found = await check(s.base, [id]);
  assert.deepEqual(found.faults ?? found, []);
  const { events } = await log(s.base, id);
  const ends = events.filter((e) => /^item\.(succeeded|failed|canceled)$/.test(e.type)).map((e) => e.subject);
  assert.equal(ends.length, new Set(ends).size);
  assert.equal(events.filter((e) => /^job\.(succeeded|partial|failed|canceled)$/.test(e.type)).length, 1);
}

test('a job is done by the function, in the bucket that the server names', needs, async (t) => {
  const { s, f } = await both(t);
  const paths = Array.from({ length: 12 }, (_, i) => `/png?seed=${i}`);
  const id = await s.submit([...paths, '/status/404', '/html']);
  const job = await ended(s.base, id);
  assert.deepEqual([job.status, job.counts.succeeded, job.counts.failed], ['partial', 12, 2]);
  const all = await items(s.base, id);
  for (const item of all.slice(0, 3)) for (const blob of [item.source, ...item.variants]) assert.equal(sha256((await fetched(blob.url)).bytes), blob.sha256);
  assert.deepEqual(all.slice(12).map((i) => i.error.code), ['fetch_status', all[13].error.code]);
  await endedOnce(s, id);
  assert.doesNotMatch(f.log, /lambda_report_refused|lambda_failed/);
  assert.equal(f.starts, 1);
  // The same pictures again: what the server knows is not made twice.
  const again = await s.submit(paths.slice(0, 3));
  assert.equal((await ended(s.base, again)).counts.cached, 3);
});

test('a batch that takes longer than the function may goes on in further invocations', needs, async (t) => {
  const { s, f } = await both(t, { function: { limit: 4000, args: ['--per-host', '3'] }, args: ['--dispatch-batch', '30', '--dispatch-concurrency', '1'] });
  const id = await s.submit(Array.from({ length: 30 }, (_, i) => `/png?seed=${i}&delay=700`));
  const job = await ended(s.base, id, 120000);
  assert.equal(job.status, 'succeeded');
  await f.drain();
  await endedOnce(s, id);
  assert.ok(f.invokes?.length >= 1, 'it invoked itself');
  assert.equal(f.starts, 1, 'no invocation ran into its limit');
});

test('environments that are killed and events that come twice cost time only', needs, async (t) => {
  const { s, f } = await both(t, {
    args: ['--dispatch-batch', '2', '--dispatch-lease', '5s', '--dispatch-concurrency', '3'],
    handle: async (event, fn, n) => {
      const going = fn.invoke(event);
      if (n % 5 === 0) {
        await until('the invocation to run', () => fn.current?.text === JSON.stringify(event) || !fn.pending.length);
        await fn.kill();
      }
      await going;
      if (n % 10 === 1) await fn.invoke(event);
    },
  });
  const id = await s.submit(Array.from({ length: 30 }, (_, i) => `/png?seed=${i}&delay=50`));
  const job = await ended(s.base, id, 150000);
  assert.equal(job.status, 'succeeded');
  assert.ok(f.starts > 1, 'some were killed');
  await endedOnce(s, id);
});

test('a server that is away when the pictures are done finds the reports in the bucket', needs, async (t) => {
  let down;
  const { s, f } = await both(t, { function: { limit: 5000 }, args: ['--dispatch-lease', '8s', '--gc-every', '1s'],
    handle: async (event, fn) => {
      if (!down) {
        down = true;
        await s.server.stop('SIGKILL');
      }
      return fn.invoke(event);
    } });
  const id = await s.submit(['/png?seed=1']);
  await until('the reports to be left', () => /lambda_report_left/.test(f.log), 30000);
  const fetches = s.source.seen.requests;
  await s.begin();
  const job = await ended(s.base, id, 60000);
  assert.equal(job.status, 'succeeded');
  assert.equal(s.source.seen.requests, fetches, 'nothing is downloaded again');
  await endedOnce(s, id);
});
