// What /metrics shows from the first moment, and that work adds no series that could have been known.
import test from 'node:test';
import assert from 'node:assert/strict';
import { WebSocket } from '../lib/socket.mjs';
import { tempDir, bulb, call, ended, get, log, post, until } from '../lib/harness.mjs';
import { origin, small } from '../lib/site.mjs';
import { darkroom } from '../lib/processes.mjs';

/** Name with labels → value, without the buckets of histograms and what depends on the request. */
async function series(server) {
  const { text } = await get(`${server.url}/metrics`);
  const lines = text.split('\n').filter((l) => l.startsWith('bulb_') && !/^bulb_(http_|\w+_bucket|build_info)/.test(l));
  return new Map(lines.map((l) => [l.slice(0, l.lastIndexOf(' ')), Number(l.slice(l.lastIndexOf(' ') + 1))]));
}

const closed = (ws) => new Promise((ok) => ws.once('close', ok));

test('series whose labels are known are there as 0 from the start, and no others come', { timeout: 60000 }, async (t) => {
  const source = await origin(t);
  const server = await bulb(t, tempDir(t));
  const before = await series(server);
  for (const name of ['bulb_jobs_total{status="partial"}', 'bulb_items_total{status="failed",cache="none"}', 'bulb_item_errors_total{code="fetch_status"}',
    'bulb_stage_duration_seconds_count{stage="process"}', 'bulb_readers{kind="sse"}', 'bulb_events_delivered_total{kind="many"}',
    'bulb_readers_dropped_total{reason="slow"}', 'bulb_darkroom_restarts_total{reason="killed"}', 'bulb_saved_total{what="encodes"}',
    'bulb_queue_items{priority="bulk"}', 'bulb_fetch_bytes_total'])
    assert.equal(before.get(name), 0, name);
  assert.equal(before.get('bulb_item_errors_total{code="request_malformed"}'), undefined, 'no item can have that');

  const urls = ['/png?seed=1', '/png?seed=2', '/status?code=404', '/nothing-here', '/text'].map((u) => source.url + u);
  const job = (await post(`${server.url}/v1/jobs`, { urls, variants: small })).json;
  await ended(server.url, job.id);
  const again = (await post(`${server.url}/v1/jobs`, { urls, variants: small })).json;
  await ended(server.url, again.id);
  const slow = (await post(`${server.url}/v1/jobs`, { urls: [`${source.url}/png?seed=9&delay=8000`], variants: small })).json;
  await until('its download to start', async () => (await log(server.url, slow.id)).events.length >= 2);
  const ws = new WebSocket(slow.events_url);
  await new Promise((ok) => ws.once('message', ok));
  ws.send('nobody asked'); // closed with 1008
  await closed(ws);
  const beyond = new WebSocket(`${slow.events_url}&after=999`);
  await closed(beyond);
  const cut = new WebSocket(slow.events_url);
  await new Promise((ok) => cut.once('message', ok));
  const gone = closed(cut);
  assert.equal((await call('DELETE', `${server.url}/v1/jobs/${slow.id}`)).status, 204);
  await gone;
  await (await fetch(`${server.url}/v1/jobs/${job.id}/events`, { headers: { accept: 'text/event-stream' } })).text();
  process.kill(darkroom(server.pid).children[0], 'SIGKILL');
  await ended(server.url, (await post(`${server.url}/v1/jobs`, { urls: [`${source.url}/png?seed=3`], variants: small })).json.id);

  const after = await series(server);
  assert.deepEqual([...after.keys()].filter((name) => !before.has(name)), []);
  assert.equal(after.get('bulb_readers_dropped_total{reason="message"}'), 1);
  assert.equal(after.get('bulb_readers_dropped_total{reason="gone"}'), 1);
  assert.equal(after.get('bulb_readers_dropped_total{reason="request_after"}'), 1);
  assert.ok(after.get('bulb_jobs_total{status="partial"}') >= 1);
});
