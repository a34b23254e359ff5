// Servers and workers as processes of their own, over one database: any server answers for any job,
// and what carries the hints may go.
import test from 'node:test';
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { WebSocket } from '../lib/socket.mjs';
import { ended, get, items, log, post, run, until } from '../lib/harness.mjs';
import { cluster, missing, nats, postgres } from '../lib/engines.mjs';
import { origin, small } from '../lib/site.mjs';

const skip = missing('initdb', 'nats-server');

async function submit(base, urls) {
  const r = await post(`${base}/v1/jobs`, { urls, variants: small });
  assert.equal(r.status, 202, r.text);
  return r.json;
}

/** Everything that a socket tells until it is closed. */
function watch(url) {
  const seen = [];
  const ws = new WebSocket(url);
  ws.on('message', (text) => {
    const e = JSON.parse(text);
    if (e.type !== 'heartbeat') seen.push(e);
  });
  const closed = new Promise((done, fail) => ws.on('close', (code) => done(code)).on('error', fail));
  return { seen, closed };
}

const at = (base, url) => url.replace(/^\w+:\/\/[^/]+/, base);
const metric = async (base, name) => Number(new RegExp(`^${name} (\\S+)$`, 'm').exec((await get(`${base}/metrics`)).text)?.[1]);
const pictures = (source, n, seed) => Array.from({ length: n }, (_, i) => `${source.url}/png?seed=${seed + i}`);

test('a client of one server sees every event of a job of another, done by a worker', { timeout: 120000, skip }, async (t) => {
  const [hints, source] = [await nats(t), await origin(t)];
  for (const bus of [hints.url, 'postgres:']) {
    const db = await postgres(t); // a cluster has a secret of its own, and its store remembers which
    const c = cluster(t, { store: db.url, bus });
    const [a, b] = [await c.serve(), await c.serve()];
    const w = await c.work();
    const job = await submit(b.url, [{ url: `${source.url}/png?seed=${bus.length}`, headers: { 'x-test': 'sealed' } },
      ...pictures(source, 20, 100 * bus.length)]);
    const there = watch(at(a.url.replace('http', 'ws'), job.events_url));
    const end = await ended(a.url, job.id);
    assert.equal(end.status, 'succeeded', JSON.stringify(await items(a.url, job.id)));
    assert.equal(await there.closed, 1000);
    const { events } = await log(b.url, job.id);
    assert.deepEqual(there.seen.map((e) => e.sequence), events.map((e) => e.sequence));
    assert.deepEqual(there.seen.map((e) => e.type), events.map((e) => e.type));
    assert.equal(source.seen.log.find((r) => r.headers['x-test'])?.headers['x-test'], 'sealed', 'sealed by b, opened by w');
    const [first] = await items(a.url, job.id); // signed there, opened here
    assert.equal((await get(at(b.url, first.variants[0].url ?? Object.values(first.variants)[0].url))).status, 200);
    for (const p of ['/healthz', '/readyz', '/metrics']) assert.equal((await get(`${w.url}${p}`)).status, 200, p);
    assert.equal((await get(`${w.url}/v1/jobs`)).status, 404);
    for (const at of [w.url, a.url]) assert.equal(await metric(at, 'bulb_bus_up'), 1);
    for (const s of [w, a, b]) assert.deepEqual(await s.stop(), { code: 0, signal: null }, s.err);
    assert.ok(!existsSync(`${c.dir}/bulb-data`), 'nothing is kept in a folder');
  }
});

test('without the bus news is a second late, and it comes back by itself', { timeout: 120000, skip }, async (t) => {
  const [db, hints, source] = [await postgres(t), await nats(t), await origin(t)];
  const c = cluster(t, { store: db.url, bus: hints.url });
  const [a, b] = [await c.serve(), await c.serve()];
  const w = await c.work();
  await hints.stop();
  for (const s of [a, b, w]) await until('the loss to be told', () => s.err.includes('bus_lost'));
  const job = await submit(b.url, pictures(source, 10, 1));
  const there = watch(at(a.url.replace('http', 'ws'), job.events_url));
  assert.equal(await there.closed, 1000);
  assert.equal((await ended(a.url, job.id)).counts.succeeded, 10);
  assert.equal((await get(`${w.url}/readyz`)).status, 200, 'a worker without the bus works');
  await hints.start();
  for (const s of [a, b, w]) await until('hints to travel', async () => await metric(s.url, 'bulb_bus_up') === 1);
});

test('a drained worker gives back what it holds, and another does it', { timeout: 120000, skip }, async (t) => {
  const [db, source] = [await postgres(t), await origin(t)];
  const c = cluster(t, { store: db.url, bus: 'postgres:' });
  const a = await c.serve();
  const w = await c.work(['--drain', '0s', '--lease', '600s']);
  const job = await submit(a.url, [`${source.url}/hang?once`, ...pictures(source, 3, 1)]);
  await until('the others', async () => (await get(`${a.url}/v1/jobs/${job.id}`)).json.counts.succeeded === 3);
  assert.deepEqual(await w.stop(), { code: 0, signal: null }, w.err);
  const second = await c.work(['--fetch-timeout', '500ms', '--max-tries', '1']);
  const end = await ended(a.url, job.id);
  assert.equal(end.counts.failed, 1, 'tried again at once, not after the lease');
  await second.stop();
});

test('what does not belong together is refused, and says how to mend it', { timeout: 60000, skip }, async (t) => {
  const db = await postgres(t);
  const c = cluster(t, { store: db.url, bus: 'postgres:' });
  for (const [args, says] of [
    [['work'], /joins a cluster.*postgres/],
    [['work', '--store', 'memory:'], /joins a cluster/],
    [['work', '--store', db.url], /--secret-file is needed/],
    [['serve', '--store', db.url, '--listen', '127.0.0.1:0'], /--secret-file is needed/],
    [['work', ...c.common, '--workers', '0'], /--workers 0/],
    [['serve', '--bus', 'postgres:', '--listen', '127.0.0.1:0'], /--bus postgres: goes with --store/],
    [['serve', '--bus', 'nats://me:secret@host', '--listen', '127.0.0.1:0'], /--bus-user-file/],
    [['serve', '--bus', 'nats://host/path', '--listen', '127.0.0.1:0'], /nats:\/\/HOST/],
    [['serve', '--bus', 'nats://host', '--bus-cert', 'c.pem', '--listen', '127.0.0.1:0'], /--bus-cert-key/],
    [['serve', '--bus', 'tls://host', '--bus-ca', 'none.pem', '--listen', '127.0.0.1:0'], /--bus-ca 'none.pem'/],
  ]) {
    const r = await run(args, { cwd: c.dir });
    assert.equal(r.code, 64, `${args}: ${r.err}`);
    assert.match(r.err, says);
    assert.ok(!r.err.includes('secret@'));
  }
});
