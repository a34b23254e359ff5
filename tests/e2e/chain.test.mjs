// The case that bulb was made for, whole, on one machine: a front end in Chromium, a proxy that gives up
// after 3 s, Amazon's API Gateway, a function on Lambda that dispatches to nobody but is called by both, the
// app server that keeps the record, and its socket back to the front end. Pictures lie in a strict S3.
//
//   page ── POST ─→ nginx (3 s) ─→ API Gateway /prod ─→ function ─→ app server ── Invoke ─→ function ─→ origin, S3
//    ↑                                                                 ↑  │                     │
//    └───────────────────────── WebSocket, pictures ───────────────────┼──┘←── POST /v1/results ┘
//
// What a gateway, a function and Lambda are, they are by lib/api_gateway.mjs, lib/fleet.mjs, lib/invocations.mjs.
import { randomUUID } from 'node:crypto';
import test, { after as atEnd, before } from 'node:test';
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { WebSocket } from '../lib/socket.mjs';
import { call, ended, freePort, get, items, log, nginx, photos, post, root, run, sha256, tempDir, until } from '../lib/harness.mjs';
import { writeFileSync } from 'node:fs';
import { apiGateway } from '../lib/api_gateway.mjs';
import { browser, page } from '../lib/browser.mjs';
import { keys } from '../lib/bucket.mjs';
import { check, compareBlobs, namedBlobs } from '../lib/checker.mjs';
import { ageTrash, sql } from '../lib/database.mjs';
import { fleet } from '../lib/fleet.mjs';
import { outside } from '../lib/outside.mjs';
import { random, seedOfRun } from '../lib/random.mjs';
import { faulty } from '../lib/s3_faults.mjs';
import { small } from '../lib/site.mjs';
import { missing, swiftOfFile } from '../lib/swift.mjs';

const soak = Boolean(process.env.TEST_SOAK);
const needs = { skip: missing, timeout: soak ? 900000 : 240000 };
const large = ['Bridge_by_Sander_Klootwijk', 'Dragonfly_by_Bolly', 'seeding_by_Clements_Engelhardt', 'sunset_by_Aitzol_Berasategi']; // 10 to 16 MP
const s3 = swiftOfFile(240000);
let chromium;

before(async () => {
  if (!missing) chromium = await browser();
}, { timeout: 60000 });
atEnd(() => chromium?.close());

/* ---- the front end ---------------------------------------------------------------------------- */

const FRONT = `<!doctype html><title>front end</title><link rel="icon" href="data:,"><script type="module">
import { createClient } from './client/index.js';
const bulb = createClient({ server: '/prod' });
const shown = (url) => new Promise((ok) => Object.assign(new Image(), { onload: ({ target }) => ok(target.naturalWidth), onerror: () => ok(0), src: url }));
globalThis.seen = [];
globalThis.batch = async (request) => {
  const began = performance.now();
  const job = globalThis.job = await bulb.submit(request);
  const answered = performance.now() - began;
  const w = bulb.watch(job), pictures = [];
  for await (const e of w) {
    globalThis.seen.push({ ...e, ms: performance.now() - began });
    if (e.type === 'item.succeeded') pictures.push(shown(e.data.variants[0].url));
  }
  return { job, answered, took: performance.now() - began, seen: globalThis.seen, widths: await Promise.all(pictures), transport: w.connection.transport,
    end: await bulb.job(job) };
};
globalThis.ready = true;
</script>`;

/**
 * All of it: { g, proxy, s, l, p, base }. g: the gateway, proxy: what stands before it, s: the app server and its Invoke
 * API, l: the function, p: the page. rest, ms: of the gateway; server: arguments; named: links are said by
 * --public-url and --events-url, and not made from what the gateway says of itself.
 */
async function chain(t, { rest = false, ms = 29000, server = [], named = true, front = true, dispatch = {}, ...of } = {}) {
  let l;
  const g = await apiGateway(t, (event) => l.call(event), { rest, ms });
  const dir = tempDir(t);
  writeFileSync(join(dir, 'index.html'), FRONT);
  const types = 'types { text/html html; text/javascript js; }';
  const proxy = await nginx(t, g.origin, { seconds: 3, host: '$proxy_host', beside: `location /app/client/ { alias ${root}/clients/js/src/; ${types} }
    location /app/ { alias ${dir}/; ${types} }` });
  const port = await freePort();
  const links = named ? ['--public-url', `${proxy.url}/prod`, '--events-url', `http://127.0.0.1:${port}`] : ['--trusted-proxy', '127.0.0.0/8', '--report-url', `http://127.0.0.1:${port}`];
  const settings = Object.entries(dispatch).flatMap(([k, v]) => [`--dispatch-${k}`, String(v)]);
  const s = await outside(t, s3, { port, dir: photos, args: [...links, '--allow-origin', proxy.url, ...settings, ...server] });
  l = await fleet(t, { ...of, args: ['--darkrooms', '1', '--allow-address', '127.0.0.0/8', ...(of.args ?? [])],
    env: { ...s.env, BULB_SERVER: s.base }, rnd: random(seedOfRun()) });
  s.lambda.handler = l.event;
  const c = { g, proxy, s, l, named, base: s.base, url: named ? `${proxy.url}/prod` : g.url };
  if (!front) return c;
  c.p = await page(chromium);
  t.after(() => c.p.close());
  c.sockets = [];
  c.p.on('websocket', (ws) => c.sockets.push(ws.url()));
  await c.p.goto(`${proxy.url}/app/index.html`);
  await c.p.waitForFunction('globalThis.ready');
  return c;
}
const batch = (c, request) => c.p.evaluate((r) => globalThis.batch(r), request);
const pngs = (c, n, delay, first = 1) => Array.from({ length: n }, (_, i) => `${c.s.source.url}/png?seed=${first + i}&w=64&h=48&delay=${delay}`);

/** The page has seen each event once and in order, each item end once, and every picture. */
async function whole(c, r, n) {
  assert.equal(r.end.status, 'succeeded', JSON.stringify(r.end.counts));
  assert.deepEqual(r.seen.map((e) => Number(e.sequence)), r.seen.map((_, i) => i + 1));
  const ends = r.seen.filter((e) => /^item\.(succeeded|failed|canceled)$/.test(e.type)).map((e) => e.subject);
  assert.deepEqual([ends.length, new Set(ends).size], [n, n]);
  assert.equal(r.seen.filter((e) => /^job\.(succeeded|partial|failed|canceled)$/.test(e.type)).length, 1);
  assert.ok(r.widths.every((w) => w > 0), 'every picture is shown');
  const { events } = await log(c.base, r.job.id);
  assert.deepEqual(r.seen.map((e) => [e.sequence, e.id, e.type]), events.map((e) => [e.sequence, e.id, e.type]));
  if (c.named) {
    assert.ok(c.sockets.length > 0 && c.sockets.every((u) => u.startsWith(c.base.replace('http', 'ws'))), 'events came around the gateway');
    assert.equal(r.transport, 'websocket');
  }
  await c.l.idle();
  assert.deepEqual(await check(c.base, [r.job.id]), []);
  assert.deepEqual(c.s.lambda.faults, []);
}

/** After a collection that believes all to be old, the bucket holds what rows name, and nothing else. */
async function balanced(t, c) {
  await until('the manifest, which is written last', async () => (await keys(s3.env, c.s.bucket)).some((k) => k.endsWith('/manifest.json')));
  const old = await faulty(t, s3.port);
  old.next = (req) => (/list-type|uploads/.test(req.url) ? 'aged' : null);
  await ageTrash(c.s.data);
  const planted = `${c.s.bucket.split('/').pop()}/out/${'ab'.repeat(16)}/x.jpeg`;
  await c.s.s3.send(new PutObjectCommand({ Bucket: c.s.bucket.split('/')[2], Key: planted, Body: 'what somebody left' }));
  const gc = await run(['gc', '--data', c.s.data, '--blob', c.s.bucket], { env: { ...c.s.env, AWS_ENDPOINT_URL_S3: old.url } });
  assert.equal(gc.code, 0, gc.err);
  assert.match(gc.out, /, [1-9]\d* orphans$/m);
  t.diagnostic(gc.out.trim());
  const rows = await sql(c.s.data, namedBlobs((x) => `lower(hex(${x}))`, (x, f) => `json_extract(${x}, '$.${f}')`));
  assert.deepEqual(compareBlobs(rows, await keys(s3.env, c.s.bucket)), []);
}

/** A call through it all, repeated as clients repeat it when something on the way gave up. */
async function ask(method, url, opts = {}) {
  const headers = { ...(method === 'POST' ? { 'idempotency-key': randomUUID() } : {}), ...opts.headers };
  return until(`an answer of ${url}`, async () => {
    const r = await call(method, url, { ...opts, headers });
    return [502, 503, 504].includes(r.status) ? null : r;
  }, 60000);
}

/* ---- links ------------------------------------------------------------------------------------ */

/** Every address in a document, with its place. */
function addresses(v, at = '') {
  if (typeof v === 'string') return /^(https?|wss?):\/\//.test(v) ? [[at, v]] : [];
  return v && typeof v === 'object' ? Object.entries(v).flatMap(([k, x]) => addresses(x, `${at}/${k}`)) : [];
}

/** Follows whatever an answer leads to, and what that leads to; resolves with {place in documents: how often}. */
async function followed(c, first, belongs) {
  const places = {}, known = new Set(), todo = [];
  const enter = (answer) => {
    const found = [...addresses(answer.json), ...(answer.headers.location ? [['/Location', answer.headers.location]] : [])];
    for (const [at, url] of found) {
      if (url.startsWith(c.s.source.url)) continue; // what was asked for
      const place = at.replace(/\/\d+(?=\/|$)/g, '');
      assert.ok(belongs(place, url), `${place} leads to ${url}`);
      places[place] = (places[place] ?? 0) + 1;
      if (!known.has(url)) todo.push([place, url]);
      known.add(url);
    }
  };
  enter(first);
  for (let next; (next = todo.shift());) {
    const [place, url] = next;
    const asks = { cancel: 'POST', retry: 'POST' }[place.split('/').pop()] ?? 'GET';
    const foreign = url.startsWith(s3.url);
    const r = await ask(asks, url.replace(/^ws/, 'http'), { foreign, json: asks === 'POST' ? {} : undefined });
    assert.ok([200, 202, 302].includes(r.status), `${place} ${url}: ${r.status} ${r.text.slice(0, 200)}`);
    assert.ok(r.bytes.length > 0 || r.status === 302, url);
    enter(foreign ? { headers: {} } : r);
  }
  return places;
}

test('every link in every answer leads to what it names', needs, async (t) => {
  for (const [name, o] of [['an HTTP API, said by settings', {}], ['a REST API, by what it says of itself', { rest: true, named: false }]]) {
    await t.test(name, async (u) => {
      const c = await chain(u, { ...o, front: false });
      const around = c.named ? c.base : c.g.url;
      const accepted = await ask('POST', `${c.url}/v1/jobs`, { json: { urls: [...pngs(c, 3, 0), `${c.s.source.url}/status/404`], variants: small } });
      assert.equal(accepted.status, 202, accepted.text);
      const job = accepted.json;
      assert.equal((await ended(c.base, job.id)).status, 'partial');
      const belongs = (place, url) => (/events_url$|\/(source|variants)\//.test(place) ? url.replace(/^ws/, 'http').startsWith(`${around}/v1/`)
        : url.startsWith(`${c.url}/`) || (place === '/Location' && url.startsWith(`${s3.url}/`))); // of a blob
      const places = await followed(c, accepted, belongs);
      for (const place of ['/Location', '/events_url', '/links/self', '/links/items', '/links/events', '/links/cancel', '/links/retry', '/items/source/url', '/items/variants/url', '/items/error/type'])
        assert.ok(places[place] > 0, `${place} is among ${Object.keys(places)}`);

      const zip = await ask('GET', `${c.url}/v1/jobs/${job.id}/archive`);
      assert.deepEqual([zip.status, zip.bytes.subarray(0, 2).toString()], [200, 'PK']);
      const [it] = await items(c.base, job.id);
      const direct = await ask('GET', `${c.url}${new URL(it.variants[0].url).pathname.replace(/^\/prod/, '')}${new URL(it.variants[0].url).search}`);
      assert.equal(sha256((await get(direct.headers.location, { foreign: true })).bytes), it.variants[0].sha256, 'a blob by the gateway');
      for (const [path, body, status] of [['/v1/jobs/none', undefined, 404], ['/v1/jobs', { urls: [] }, 422], ['/v1/jobs', { urls: ['http://x/'], varaints: [] }, 422]]) {
        const r = await ask(body ? 'POST' : 'GET', c.url + path, { json: body });
        assert.equal(r.status, status);
        await followed(c, r, (place, url) => place === '/type' && url.startsWith(`${c.url}/errors/`));
      }
      for (const path of ['/', '/openapi.json', '/asyncapi.json', '/v1/presets', '/v1/usage', '/page/app.js']) assert.equal((await ask('GET', c.url + path)).status, 200, path);
      assert.equal((await ask('HEAD', job.links.self)).status, 200);
      const same = await ask('GET', job.links.self);
      assert.equal((await ask('GET', job.links.self, { headers: { 'if-none-match': same.headers.etag } })).status, 304);
    });
  }
});

test('what the gateway does not let through is refused in a way that a client can use', needs, async (t) => {
  const c = await chain(t, { front: false });
  const big = await call('POST', `${c.url}/v1/jobs`, { body: `{"urls": ["${'x'.repeat(11 << 20)}"]}`, headers: { 'content-type': 'application/json' } });
  assert.equal(big.status, 413);
  const many = await ask('POST', `${c.url}/v1/jobs`, { json: { urls: Array.from({ length: 10000 }, (_, i) => `http://127.0.0.1:1/${'x'.repeat(300)}${i}`), cache: 'only_if_cached', variants: small } });
  assert.equal(many.status, 202, 'three megabytes are no trouble');
  const upgraded = await new Promise((ok) => {
    const ws = new WebSocket(`${c.url.replace('http', 'ws')}/v1/jobs/${many.json.id}/events`);
    ws.on('unexpected-response', (req, res) => ok(res.statusCode)).on('open', () => ok('open')).on('error', () => {});
  });
  assert.equal(upgraded, 200, 'nobody is upgraded: a page of events');
  const slow = await post(`${c.url}/v1/jobs`, { urls: pngs(c, 1, 60000), variants: small }, { headers: { prefer: 'wait=25' } });
  assert.equal(slow.status, 504, 'who waits is cut off');
});

test('a gateway whose own limit is over has lost an answer, and no job', needs, async (t) => {
  for (const [rest, status, message] of [[false, 503, 'Service Unavailable'], [true, 504, 'Endpoint request timed out']]) {
    const c = await chain(t, { rest, ms: 1500, front: false });
    const request = { json: { urls: pngs(c, 1, 60000), variants: small }, headers: { 'idempotency-key': 'once' } };
    const late = await call('POST', `${c.url}/v1/jobs`, { ...request, headers: { ...request.headers, prefer: 'wait=25' } });
    assert.deepEqual([late.status, late.json.message], [status, message]);
    const again = await ask('POST', `${c.url}/v1/jobs`, request);
    assert.equal(again.status, 202, again.text);
    assert.deepEqual((await get(`${c.base}/v1/jobs`)).json.jobs.map((j) => j.id), [again.json.id]);
    assert.equal((await ask('POST', again.json.links.cancel, { json: {} })).json.status, 'canceled');
  }
});

/* ---- batches ---------------------------------------------------------------------------------- */

test('half a minute of work and large pictures arrive whole, the first of them at once', needs, async (t) => {
  const AT_ONCE = 4, DELAY = 3000, n = soak ? 200 : 40;
  const c = await chain(t, { dispatch: { concurrency: AT_ONCE, 'per-host': AT_ONCE, batch: 4 } });
  const urls = [...pngs(c, 2, 0, 1000), ...large.map((f) => `${c.s.source.url}/${f}.jpg`), ...pngs(c, n, DELAY)];
  const r = await batch(c, { urls });
  await whole(c, r, urls.length);
  assert.ok(r.took >= (n / AT_ONCE) * DELAY, `${r.took} ms`);
  const first = r.seen.find((e) => e.type === 'item.succeeded');
  t.diagnostic(`answered after ${Math.round(r.answered)} ms, first picture after ${Math.round(first.ms)} ms, all after ${Math.round(r.took)} ms; ${c.l.deliveries} invocations in ${c.l.environments.length} environments`);
  const begun = r.seen.slice(0, r.seen.indexOf(first)).filter((e) => e.type === 'item.started').length;
  assert.ok(begun <= urls.length / 4, `${begun} of ${urls.length} were begun when the first arrived`);
  assert.ok(first.ms < r.took / 4, `the first of them after ${first.ms} ms of ${r.took}`);
  const sizes = (await items(c.base, r.job.id)).map((it) => it.source.width * it.source.height);
  assert.equal(sizes.filter((px) => px >= 10e6).length, large.length, String(sizes));
  assert.ok(c.l.most <= AT_ONCE + 2, 'invocations under way');
  assert.equal(c.l.killed + c.l.timeouts, 0);
});

test('a function that may run for 5 s goes on in further invocations', needs, async (t) => {
  const n = soak ? 200 : 30;
  const c = await chain(t, { limit: 5000, args: ['--per-host', '2'], dispatch: { concurrency: 2, batch: 20, 'per-host': 0, lease: '2m' } });
  const r = await batch(c, { urls: pngs(c, n, 700), variants: small });
  await whole(c, r, n);
  const names = c.s.lambda.tasks().map((x) => x.task);
  assert.ok(names.length > new Set(names).size, 'the same tasks under the same lease, in another invocation');
  assert.match(c.l.said(), /lambda_continues/);
  assert.equal(c.l.timeouts, 0, 'nothing ran into its limit');
});

test('without a road for sockets the same events come through gateway and function, page by page', needs, async (t) => {
  const c = await chain(t, { rest: true, named: false });
  const r = await batch(c, { urls: pngs(c, 6, 500), variants: small });
  assert.equal(r.transport, 'poll');
  assert.ok(r.job.links.self.startsWith(`${c.g.url}/v1/`), 'another origin than the page has');
  await whole(c, r, 6);
});

test('the page of bulb\'s own works under the stage', needs, async (t) => {
  const c = await chain(t);
  await c.p.goto(`${c.url}/`);
  await c.p.locator('#preset option').first().waitFor({ state: 'attached' });
  await c.p.fill('#urls', pngs(c, 5, 300).join('\n'));
  await c.p.click('#composer .primary');
  await c.p.locator('#state[data-phase=complete]').waitFor();
  await until('five pictures', () => c.p.evaluate(() => [...document.querySelectorAll('.card[data-status=succeeded] img')].filter((i) => i.naturalWidth > 0).length === 5));
  assert.deepEqual(c.p.faults, []);
  assert.deepEqual(await c.p.evaluate(() => globalThis.violations), []);
});

test('every fifth invocation killed and every tenth delivered twice: one end each, and nothing is left behind', needs, async (t) => {
  const n = soak ? 400 : 48;
  const posts = (event) => event.requestContext?.http.method === 'POST';
  let first = true, late = false;
  const c = await chain(t, { limit: 5000, args: ['--per-host', '2'], dispatch: { concurrency: 4, batch: 3, 'per-host': 0, lease: '6s' }, again: () => ((late = !late) ? 7000 : 200), fate: (i, event, waits) => {
    if (i % 5 === 0 || (posts(event) && first)) return (first &&= !posts(event), 'kill');
    return i % 10 === 3 && !waits ? 'twice' : undefined;
  } });
  const asking = (async () => { // others use the function meanwhile
    for (let i = 0; i < 20; i++) await c.p.evaluate(() => fetch('/prod/v1/presets').then((r) => r.status));
  })();
  const r = await batch(c, { urls: [`${c.s.source.url}/${large[0]}.jpg`, ...pngs(c, n, 400)], variants: small });
  await asking;
  assert.ok(c.g.log.some((x) => x.method === 'POST' && x.status === 500), 'the page\'s own POST met a function that died');
  await whole(c, r, n + 1);
  t.diagnostic(`${c.l.deliveries} invocations, ${c.l.killed} killed, ${c.l.doubled} doubled, ${c.l.timeouts} over time; all after ${Math.round(r.took)} ms`);
  assert.ok(c.l.killed >= 3 && c.l.doubled >= 2, `${c.l.killed} killed, ${c.l.doubled} doubled`);
  assert.ok(c.s.lambda.tasks().some((x) => !x.task.endsWith('.1')), 'some leases ended before Lambda tried again');
  await balanced(t, c);
});
