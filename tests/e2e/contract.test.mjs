// What docs/http.md and docs/events.md promise and no other test asks: each test is one paragraph.
import test from 'node:test';
import assert from 'node:assert/strict';
import http from 'node:http';
import { WebSocket } from '../lib/socket.mjs';
import { post, get, call, ended, items, log, until } from '../lib/harness.mjs';
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

/* ---- requests ---- */

test('each limit of a request is refused with its number and place', async (t) => {
  const { base } = await site(t);
  const url = 'https://img.example.com/a.jpg';
  const headers = (n, v = 'x') => Object.fromEntries(Array.from({ length: n }, (_, i) => [`x-h${i}`, v]));
  for (const [body, pointer, says] of [
    [{ urls: [`https://img.example.com/${'a'.repeat(4096)}`] }, '/urls/0', /4096/],
    [{ urls: Array.from({ length: 10001 }, (_, i) => `${url}?${i}`) }, '/urls', /10001 .*10000/],
    [{ urls: Array.from({ length: 33 }, (_, i) => ({ url, ref: `r${i}` })) }, '/urls/32/ref', /32/],
    [{ urls: [{ url, ref: 'r'.repeat(129) }] }, '/urls/0/ref', /128/],
    [{ urls: [{ url, headers: headers(17) }] }, '/urls/0/headers', /17 .*16/],
    [{ urls: [{ url, headers: { 'x-h': 'v'.repeat(1024) } }] }, '/urls/0/headers/x-h', /1024/],
    [{ urls: [url], metadata: { a: 'm'.repeat(4096) } }, '/metadata', /4096/],
    [{ urls: [{ url, metadata: { a: 'm'.repeat(4096) } }] }, '/urls/0/metadata', /4096/],
  ]) {
    const r = await post(`${base}/v1/jobs`, body);
    assert.equal(r.status, 422, r.text.slice(0, 300));
    assert.equal(r.json.code, 'request_limit', r.text.slice(0, 300));
    assert.equal(r.json.errors[0].pointer, pointer);
    assert.match(r.json.errors[0].detail, says);
  }
});

test('what is refused before it is read is a problem too, with a page that can be followed', async (t) => {
  const { base } = await site(t, ['--max-body', '1k']);
  const json = { 'content-type': 'application/json' };
  for (const [answer, status, code] of [
    [await call('POST', `${base}/v1/jobs`, { body: ' '.repeat(1025), headers: json }), 413, 'request_too_large'],
    [await get(`${base}/v1/jobs?${'x'.repeat(8192)}`), 414, 'request_uri_too_long'],
    [await get(`${base}/v1/jobs`, { headers: { 'x-long': 'x'.repeat(16384) } }), 431, 'request_headers_too_large'],
    [await call('POST', `${base}/v1/jobs`, { body: '{}', headers: { ...json, expect: 'a-miracle' } }), 417, 'request_expectation'],
  ]) {
    assert.equal(answer.status, status);
    assert.equal(answer.json.code, code);
    assert.equal(answer.headers['content-type'], 'application/problem+json');
    assert.ok(answer.headers['x-request-id']);
    assert.match((await get(answer.json.type)).text, new RegExp(code));
  }
});

test('headers that bulb sets itself, and what would break a request, are refused', async (t) => {
  const { base } = await site(t);
  for (const name of ['Host', 'Connection', 'Transfer-Encoding', 'TE', 'Upgrade', 'Keep-Alive', 'Trailer', 'Proxy-Authorization',
    'Range', 'If-None-Match', 'If-Range', 'Cookie', 'Accept-Encoding', 'Content-Length', 'bad name']) {
    const r = await post(`${base}/v1/jobs`, { urls: [{ url: 'https://a.example/', headers: { [name]: 'x' } }] });
    assert.equal(r.status, 422, name);
    assert.equal(r.json.errors[0].pointer, `/urls/0/headers/${name}`);
  }
  for (const value of ['a\r\nHost: b', 'a\nb', 'a\rb']) {
    const r = await post(`${base}/v1/jobs`, { urls: [{ url: 'https://a.example/', headers: { 'x-a': value } }] });
    assert.equal(r.status, 422, JSON.stringify(value));
  }
});

test('what is not there yet is refused, and said to be so', async (t) => {
  const { base } = await site(t);
  const urls = ['https://img.example.com/a.jpg'];
  for (const [body, pointer] of [
    [{ urls, webhook: { url: 'https://h.example/' } }, '/webhook'],
  ]) {
    const r = await post(`${base}/v1/jobs`, body);
    assert.equal(r.status, 422);
    assert.equal(r.json.code, 'request_unsupported');
    assert.deepEqual(r.json.errors.map((e) => e.pointer), [pointer]);
  }
  assert.equal((await post(`${base}/v1/jobs`, { urls, dry_run: false, background: null }, {})).status, 202);
});

test('cache_key stands for the URL; signatures of presigned URLs do not count', async (t) => {
  const { origin, base } = await site(t);
  const end = await ended(base, (await submit(base, { variants: small, urls: [
    { url: `${origin.url}/png?seed=1&v=1`, cache_key: 'shop/1', ref: 'a' },
    { url: `${origin.url}/png?seed=1&v=2`, cache_key: 'shop/1', ref: 'b' },
    `${origin.url}/png?seed=2&X-Amz-Signature=one&X-Amz-Date=1`,
    `${origin.url}/png?seed=2&X-Amz-Signature=two&X-Amz-Date=2`,
    `${origin.url}/png?seed=2&X-Goog-Signature=three#part`,
  ] })).id);
  assert.equal(end.counts.total, 2);
  assert.equal(end.counts.duplicates, 3);
  const all = await items(base, end.id);
  assert.deepEqual(all.map((i) => i.refs), [['a', 'b'], []]);
  assert.match(all[0].url, /v=1$/);
  assert.match(all[1].url, /Signature=one/);
  const again = await ended(base, (await submit(base, { variants: small, urls: [{ url: `${origin.url}/else?`, cache_key: 'shop/1' }] })).id);
  assert.equal(again.counts.cached, 1);
});

test('an entry may have variants, a preset and metadata of its own', async (t) => {
  const { origin, base } = await site(t);
  const url = `${origin.url}/png?seed=3`;
  const end = await ended(base, (await submit(base, { variants: small, metadata: { of: 'job' }, urls: [
    url, { url, variants: other }, { url, preset: 'web' }, { url, metadata: { of: 'item' } }, { url, variants: small },
  ] })).id);
  assert.equal(end.status, 'succeeded');
  assert.deepEqual(end.metadata, { of: 'job' });
  assert.equal(end.counts.duplicates, 1, 'own variants that are the job\'s are none');
  assert.equal(origin.seen.requests, 1);
  const all = await items(base, end.id);
  assert.deepEqual(all.map((i) => i.variants.map((v) => v.name)), [['a'], ['b'], ['thumb', 'small', 'medium', 'large', 'xl'], ['a']]);
  assert.deepEqual(all[3].metadata, { of: 'item' });
});

test('keep_source false drops the original once its variants stand', async (t) => {
  const { origin, base } = await site(t);
  const urls = [`${origin.url}/png?seed=4`];
  const end = await ended(base, (await submit(base, { urls, variants: small, keep_source: false })).id);
  const dropped = await until('the original to be dropped', async () => {
    const [it] = await items(base, end.id);
    return it.source.key === null && it;
  });
  assert.equal(dropped.source.url, null);
  assert.match(dropped.source.sha256, /^[0-9a-f]{64}$/);
  assert.equal((await get(dropped.variants[0].url)).status, 200);
  // What is not kept is fetched again for another variant.
  const more = await ended(base, (await submit(base, { urls, variants: other })).id);
  assert.equal(more.status, 'succeeded');
  assert.equal(origin.seen.requests, 2);
});

test('an Idempotency-Key remembers accepted requests only', async (t) => {
  const { origin, base } = await site(t);
  const headers = { 'idempotency-key': 'k' };
  assert.equal((await post(`${base}/v1/jobs`, { urls: [] }, { headers })).status, 422);
  const body = { urls: [`${origin.url}/png?seed=1`], variants: small };
  const first = await submit(base, body, { headers });
  assert.equal((await submit(base, { variants: small, urls: body.urls }, { headers })).id, first.id, 'members in another order are the same');
  assert.equal((await post(`${base}/v1/jobs`, body, { headers: { 'idempotency-key': '' } })).status, 422);
});

/* ---- jobs ---- */

test('cancel, retry and delete say what they did, and may be said again', async (t) => {
  const { origin, base } = await site(t, ['--max-tries', '1']);
  const job = await submit(base, { urls: [`${origin.url}/hang`], variants: small });
  const at = (path, method = 'POST') => call(method, `${base}/v1/jobs/${job.id}${path}`);
  const early = await at('/retry');
  assert.equal(early.status, 409);
  assert.equal(early.json.code, 'job_not_ended');
  for (let i = 0; i < 2; i++) {
    const r = await at('/cancel');
    assert.equal(r.status, 200);
    assert.equal(r.json.status, 'canceled');
    assert.equal(r.json.counts.canceled, 1);
  }
  assert.equal((await items(base, job.id))[0].error.code, 'canceled');
  const nothing = await at('/retry');
  assert.equal(nothing.status, 200, 'nothing had failed');
  const typo = await at('?results=yes', 'DELETE');
  assert.equal(typo.status, 422, 'a typo is never ignored');
  assert.equal((await at('?results=true', 'DELETE')).status, 204);
  assert.equal((await at('', 'DELETE')).status, 404);
  assert.equal((await at('/cancel')).status, 404);
  assert.equal((await at('/retry')).status, 404);
});

test('DELETE ?results=true takes along what no other job refers to', async (t) => {
  const { origin, base } = await site(t);
  const body = (i) => ({ urls: [`${origin.url}/png?seed=${i}`, `${origin.url}/png?seed=9`], variants: small });
  const one = await ended(base, (await submit(base, body(1))).id);
  const two = await ended(base, (await submit(base, body(2))).id);
  assert.equal((await call('DELETE', `${base}/v1/jobs/${one.id}?results=true`)).status, 204);
  for (const it of await items(base, two.id)) assert.equal((await get(it.variants[0].url)).status, 200);
  origin.reset();
  const again = await until('the results to go', async () => {
    const end = await ended(base, (await submit(base, { ...body(1), cache: 'only_if_cached' })).id);
    return end.counts.failed === 1 && end;
  });
  assert.deepEqual((await items(base, again.id)).map((i) => i.status), ['failed', 'succeeded']);
  assert.equal(origin.seen.requests, 0);
});

test('a job past --keep is 404, one that has not ended never is', async (t) => {
  const { origin, base } = await site(t, ['--keep', '1s']);
  const open = await submit(base, { urls: [`${origin.url}/hang`], variants: small });
  const job = await ended(base, (await submit(base, { urls: [`${origin.url}/png?seed=1`], variants: small })).id);
  assert.equal(Date.parse(job.expires_at) - Date.parse(job.created_at), 1000);
  await until('it to expire', async () => (await get(`${base}/v1/jobs/${job.id}`)).status === 404);
  assert.equal((await get(`${base}/v1/jobs/${job.id}/events`)).status, 404);
  assert.ok(Date.now() > Date.parse(open.expires_at));
  assert.equal((await get(`${base}/v1/jobs/${open.id}`)).json.status, 'running');
});

test('filters without a value filter nothing; a status that does not exist is refused', async (t) => {
  const { origin, base } = await site(t);
  const job = await ended(base, (await submit(base, { urls: [`${origin.url}/png?seed=1`], variants: small })).id);
  const list = await get(`${base}/v1/jobs?status=&tag=&page_size=&page_token=`);
  assert.deepEqual(list.json.jobs.map((j) => j.id), [job.id]);
  assert.equal((await get(`${base}/v1/jobs/${job.id}/items?page_size=&page_token=&status=&ref=&url=`)).json.items.length, 1);
  assert.equal((await get(`${base}/v1/jobs/${job.id}/events?after=&wait=`)).status, 200);
  for (const q of ['jobs?status=done', `jobs/${job.id}/items?status=done`, 'jobs?page_size=1001', 'jobs?page_size=x', `jobs/${job.id}?wait=x`])
    assert.equal((await get(`${base}/v1/${q}`)).status, 422, q);
  assert.equal((await call('DELETE', `${base}/v1/jobs/${job.id}?results`)).status, 422);
});

test('a full queue is 429 with a time to come back', async (t) => {
  const { origin, base } = await site(t, ['--max-open-items', '2']);
  await submit(base, { urls: [`${origin.url}/hang`, `${origin.url}/hang?2`], variants: small });
  const r = await post(`${base}/v1/jobs`, { urls: [`${origin.url}/png?seed=1`], variants: small });
  assert.equal(r.status, 429);
  assert.equal(r.json.code, 'queue_full');
  assert.ok(Number(r.headers['retry-after']) > 0);
  assert.ok(r.headers.ratelimit && r.headers['ratelimit-policy']);
});

test('every answer has its caching words and an X-Request-Id; HEAD is wherever GET is, and never streams', async (t) => {
  const { origin, base } = await site(t);
  const job = await submit(base, { urls: [`${origin.url}/png?seed=1`, `${origin.url}/hang`], variants: small });
  const [it] = await until('the first', async () => items(base, job.id, '&status=succeeded').then((l) => l.length && l));
  const v = new URL(it.variants[0].url);
  for (const [path, caching] of [[`/v1/jobs/${job.id}`, 'no-cache'], ['/v1/jobs', 'no-store'], [`/v1/jobs/${job.id}/items`, 'no-store'],
    [`/v1/jobs/${job.id}/items/${it.id}`, 'no-store'], [`/v1/jobs/${job.id}/manifest`, 'no-store'], [`/v1/jobs/${job.id}/events`, 'no-store'],
    ['/v1/presets', 'no-store'], ['/healthz', 'no-store'], ['/readyz', 'no-store'], ['/metrics', 'no-store'], ['/nothing', 'no-store'],
    [v.pathname + v.search, 'public, max-age=31536000, immutable'], ['/', 'no-cache'], ['/errors/not_found', 'no-cache'],
    ['/v1/events', 'no-store']]) {
    const g = await get(base + path, { headers: { 'x-request-id': 'r-1' } });
    assert.equal(g.headers['cache-control'], caching, path);
    assert.equal(g.headers['x-request-id'], 'r-1', path);
    assert.equal(g.headers['x-content-type-options'], 'nosniff', path);
    const h = await call('HEAD', base + path);
    assert.equal(h.status, g.status, path);
    assert.equal(h.bytes.length, 0, path);
    assert.match(h.headers['x-request-id'], /^\w+$/);
  }
  const sse = await call('HEAD', `${base}/v1/jobs/${job.id}/events`, { headers: { accept: 'text/event-stream' } });
  assert.equal(sse.status, 200);
  const odd = await get(`${base}/healthz`, { headers: { 'x-request-id': 'a b"<c>' } });
  assert.match(odd.headers['x-request-id'], /^[\w.:-]+$/);
});

/* ---- events ---- */

const sse = (url, headers = {}) => new Promise((ok, fail) => {
  const req = http.get(url, { agent: false, headers: { accept: 'text/event-stream', ...headers } }, (res) => {
    let text = '';
    res.on('data', (d) => (text += d));
    res.on('end', () => ok({ status: res.statusCode, headers: res.headers, text }));
  });
  req.on('error', fail);
});
/** Opens a socket; resolves with what came and how it was closed. */
const socket = (url, onOpen = () => {}) => new Promise((ok, fail) => {
  const ws = new WebSocket(url);
  const messages = [];
  ws.on('open', () => onOpen(ws, messages));
  ws.on('message', (m) => messages.push(JSON.parse(m)));
  ws.on('close', (code, reason) => ok({ code, reason: String(reason), messages }));
  ws.on('unexpected-response', (req, res) => { res.resume(); ok({ status: res.statusCode }); });
  ws.on('error', fail);
});

test('job.progress comes at most every 500 ms and names what is active; item.progress never comes', { timeout: 60000 }, async (t) => {
  const { origin, base } = await site(t, ['--per-host', '64', '--workers', '64']);
  const urls = Array.from({ length: 80 }, (_, i) => `${origin.url}/png?seed=${i}&delay=${i % 16 * 150}`);
  const end = await ended(base, (await submit(base, { urls, variants: small })).id);
  const { events } = await log(base, end.id);
  const progress = events.filter((e) => e.type === 'job.progress');
  assert.ok(progress.length >= 1, 'some came');
  progress.slice(1).forEach((e, i) => assert.ok(Date.parse(e.time) - Date.parse(progress[i].time) >= 500));
  for (const e of progress) {
    assert.ok(e.data.active.length <= 50);
    for (const a of e.data.active) {
      assert.deepEqual(Object.keys(a), ['id', 'stage', 'bytes', 'bytes_total']);
      assert.ok(['queued', 'downloading', 'processing', 'storing'].includes(a.stage), a.stage);
    }
    const { total, queued, running, succeeded, failed, canceled } = e.data.counts;
    assert.equal(queued + running + succeeded + failed + canceled, total);
  }
  assert.ok(!events.some((e) => e.type === 'item.progress'));
  for (const e of events) {
    assert.equal(e.data.events_url, undefined);
    assert.equal(e.specversion, '1.0');
    assert.equal(e.source, `/v1/jobs/${end.id}`);
    assert.equal(e.id, `${end.id}.${e.sequence}`);
    assert.equal(e.subject, e.type.startsWith('item.') ? e.data.id : undefined);
  }
  assert.deepEqual(events.map((e) => e.sequence), events.map((_, i) => String(i + 1).padStart(12, '0')));
});

test('after, with and without zeros, by page, stream and socket; at the end 204, beyond it 400 and 1008', async (t) => {
  const { origin, base } = await site(t);
  const end = await ended(base, (await submit(base, { urls: [`${origin.url}/png?seed=1`], variants: small })).id);
  const url = `${base}/v1/jobs/${end.id}/events`;
  const { events } = await log(base, end.id);
  const last = events.length;
  for (const after of ['2', '000000000002', '0002']) {
    const page = (await get(`${url}?after=${after}`)).json;
    assert.deepEqual(page.events, events.slice(2));
    assert.equal(page.next, String(last).padStart(12, '0'));
    assert.equal(page.done, true);
    const stream = await sse(`${url}?after=${after}`);
    assert.deepEqual([...stream.text.matchAll(/^data: (.*)$/gm)].map((m) => JSON.parse(m[1])), events.slice(2));
    assert.deepEqual([...stream.text.matchAll(/^id: (.*)$/gm)].map((m) => m[1]), events.slice(2).map((e) => e.sequence));
    const ws = await socket(`${end.events_url}&after=${after}`);
    assert.deepEqual([ws.code, ws.messages], [1000, events.slice(2)]);
  }
  assert.equal((await sse(url, { 'last-event-id': events.at(-1).sequence })).status, 204);
  assert.equal((await sse(url, { 'last-event-id': '000000000001' })).text.match(/^id:/gm).length, last - 1);
  assert.equal((await get(`${url}?after=${last}`)).json.events.length, 0);
  assert.equal((await get(`${url}?after=${last + 1}`)).json.code, 'request_after');
  assert.equal((await get(`${url}?after=-1`)).status, 422);
  const beyond = await socket(`${end.events_url}&after=${last + 1}`);
  assert.deepEqual([beyond.code, beyond.reason], [1008, 'request_after']);
});

test('events_url opens its job for reading and nothing else, and ends with --token-ttl', async (t) => {
  const { origin, base } = await site(t);
  const job = await ended(base, (await submit(base, { urls: [`${origin.url}/png?seed=1`], variants: small })).id);
  const second = await ended(base, (await submit(base, { urls: [`${origin.url}/png?seed=2`], variants: small })).id);
  const token = new URL(job.events_url).searchParams.get('token');
  const own = `${base}/v1/jobs/${job.id}`;
  for (const path of ['', '/items', `/items/${job.id}.1`, '/events', '/manifest']) {
    assert.equal((await get(`${own}${path}?token=${token}`)).status, 200, path);
    assert.equal((await get(own + path, { headers: { authorization: `Bearer ${token}` } })).status, 200, path);
  }
  const seen = (await get(`${own}?token=${token}`)).json;
  assert.equal(new URL(seen.events_url).searchParams.get('token'), token, 'a token does not beget a longer one');
  for (const [method, path] of [['POST', `/v1/jobs/${job.id}/cancel`], ['POST', `/v1/jobs/${job.id}/retry`], ['DELETE', `/v1/jobs/${job.id}`],
    ['GET', '/v1/jobs'], ['POST', '/v1/jobs'], ['PUT', `/v1/jobs/${job.id}`], ['GET', `/v1/jobs/${second.id}`], ['GET', `/v1/jobs/${second.id}/events`],
    ['GET', '/v1/presets'], ['GET', '/v1/events']]) {
    const r = await call(method, `${base}${path}?token=${token}`);
    assert.equal(r.status, 403, `${method} ${path}`);
    assert.equal(r.json.code, 'auth_forbidden');
  }
  const wrong = await get(`${own}/events?token=${token.slice(0, -1)}x`);
  assert.equal(wrong.status, 401);
  assert.equal(wrong.headers['www-authenticate'], 'Bearer error="invalid_token"');
  assert.equal((await socket(job.events_url.replace(/token=.*/, 'token=none'))).status, 401);
  assert.equal((await socket(job.events_url.replace(job.id, second.id))).status, 403);
});

test('many jobs on one socket, each with its own position and end', async (t) => {
  const { origin, base } = await site(t);
  const job = await ended(base, (await submit(base, { urls: [`${origin.url}/png?seed=1`], variants: small })).id);
  const open = await submit(base, { urls: [`${origin.url}/hang`], variants: small });
  const token = new URL(job.events_url).searchParams.get('token');
  const { events } = await log(base, job.id);
  const r = await socket(`${base.replace('http', 'ws')}/v1/events`, (ws, messages) => {
    for (const m of [{ op: 'watch', job: job.id, after: '000000000001', token }, { op: 'watch', job: open.id, token }, { op: 'watch', job: 'no-such' },
      { op: 'watch', job: open.id, after: 999 }, { op: 'wach', job: open.id }, { op: 'watch', job: open.id, aftr: 1 }, { op: 'unwatch', job: open.id }])
      ws.send(JSON.stringify(m));
    ws.send('nonsense');
    until('all answers', () => messages.filter((m) => m.op).length === 9).then(() => ws.close(1000));
  });
  const answers = r.messages.filter((m) => m.op).map((m) => [m.op, m.job, m.code]);
  assert.ok(answers.some((a) => a[0] === 'done' && a[1] === job.id));
  assert.deepEqual(answers.filter((a) => a[0] !== 'done'), [['ok', job.id, null], ['error', open.id, 'auth_forbidden'],
    ['error', 'no-such', 'not_found'], ['error', open.id, 'request_after'], ['error', open.id, 'request_invalid'],
    ['error', open.id, 'request_unknown_member'], ['error', open.id, 'not_found'], ['error', null, 'request_malformed']]);
  assert.deepEqual(r.messages.filter((m) => m.source), events.slice(1));
});

test('a page of events waits for the first, and a heartbeat says where the log is', async (t) => {
  const { origin, base } = await site(t);
  const job = await submit(base, { urls: [`${origin.url}/hang`], variants: small });
  await until('it to run', async () => (await get(`${base}/v1/jobs/${job.id}`)).json.status === 'running');
  await until('quiet', async () => (await get(`${base}/v1/jobs/${job.id}/events?wait=1&after=${(await log(base, job.id)).events.length}`)).json.events.length === 0);
  const n = (await log(base, job.id)).events.length;
  const waiting = get(`${base}/v1/jobs/${job.id}/events?wait=20&after=${n}`);
  const beats = socket(`${job.events_url}&after=${n}&heartbeat=1`);
  await new Promise((ok) => {
    const ws = new WebSocket(`${job.events_url}&after=${n}&heartbeat=1`);
    ws.on('message', (m) => {
      assert.deepEqual(JSON.parse(m), { type: 'heartbeat', sequence: String(n).padStart(12, '0') });
      ws.close();
      ok();
    });
  });
  await call('POST', `${base}/v1/jobs/${job.id}/cancel`);
  const page = (await waiting).json;
  assert.ok(page.events.length >= 1);
  const all = await beats;
  assert.equal(all.code, 1000);
  assert.equal(all.messages.at(-1).type, 'job.canceled');
});

/* ---- addresses ---- */

test('--blob-url links are plain and for ever; --events-url serves sockets and blobs; --public-url the rest', async (t) => {
  const { origin, server } = await site(t, ['--public-url', 'https://api.example.com/prod/', '--events-url', 'https://live.example.com', '--blob-url', 'https://cdn.example.com/b']);
  const job = await ended(server.url, (await submit(server.url, { urls: [`${origin.url}/png?seed=1`], variants: small })).id);
  assert.equal(job.links.self, `https://api.example.com/prod/v1/jobs/${job.id}`);
  assert.ok(job.events_url.startsWith(`wss://live.example.com/v1/jobs/${job.id}/events?token=`));
  const [it] = await items(server.url, job.id);
  assert.equal(it.variants[0].url, `https://cdn.example.com/b/${it.variants[0].key}`);
  assert.equal(it.source.url, `https://cdn.example.com/b/${it.source.key}`);
  const bad = await post(`${server.url}/v1/jobs`, {});
  assert.equal(bad.json.type, 'https://api.example.com/prod/errors/request_invalid');
  const named = await get(`${server.url}/v1/jobs`, { headers: { host: 'live.example.com' } });
  assert.equal(named.status, 200);
});

test('a blob: type, ranges, validators, and safe in any page', async (t) => {
  const { origin, base } = await site(t);
  const job = await ended(base, (await submit(base, { urls: [`${origin.url}/png?seed=1`, `${origin.url}/html`], variants: [...small, { name: 'w', width: 9, format: 'webp' }] })).id);
  const [it, html] = await items(base, job.id);
  for (const [v, type] of [[it.variants[0], 'image/jpeg'], [it.variants[1], 'image/webp'], [it.source, 'image/png'], [html.source, 'application/octet-stream']]) {
    const whole = await get(v.url, { headers: { origin: 'https://any.example' } });
    assert.equal(whole.headers['content-type'], type);
    assert.equal(whole.headers['access-control-allow-origin'], '*');
    assert.match(whole.headers['content-security-policy'], /sandbox/);
    assert.equal(whole.bytes.length, v.bytes);
    const head = await call('HEAD', v.url);
    assert.deepEqual([head.status, head.headers['content-length'], head.bytes.length], [200, String(v.bytes), 0]);
    const { etag } = whole.headers;
    for (const [headers, status, range] of [[{ range: 'bytes=-3' }, 206, `bytes ${v.bytes - 3}-${v.bytes - 1}/${v.bytes}`],
      [{ range: 'bytes=1-1' }, 206, `bytes 1-1/${v.bytes}`], [{ range: `bytes=${v.bytes}-` }, 416, `bytes */${v.bytes}`],
      [{ range: 'bytes=0-0,2-2' }, 200], [{ range: 'lines=1-2' }, 200], [{ range: 'bytes=0-0', 'if-range': etag }, 206, `bytes 0-0/${v.bytes}`],
      [{ range: 'bytes=0-0', 'if-range': '"other"' }, 200], [{ 'if-none-match': etag }, 304], [{ 'if-none-match': `W/${etag}, "x"` }, 304]]) {
      const r = await get(v.url, { headers });
      assert.equal(r.status, status, JSON.stringify(headers));
      assert.equal(r.headers['content-range'], range);
    }
  }
});

/* ---- figures ---- */

test('the metrics that are promised are there, counted once, with labels of our own', async (t) => {
  const { origin, base } = await site(t, ['--max-tries', '1']);
  const urls = [`${origin.url}/png?seed=1`, `${origin.url}/png?seed=1&`, `${origin.url}/status/404`];
  await ended(base, (await submit(base, { urls, variants: small })).id);
  const open = await submit(base, { urls: [`${origin.url}/hang`], variants: small, priority: 'bulk' });
  const ws = new WebSocket(open.events_url);
  await new Promise((ok) => ws.once('message', ok));
  await get(`${base}/v1/${'x'.repeat(30)}`);
  await call('BREW', `${base}/v1/jobs`).catch(() => {});
  const { text } = await get(`${base}/metrics`);
  ws.close();
  const value = (name) => Number(new RegExp(`^${name.replace(/[{}[\]()*+?.\\^$|]/g, '\\$&')} (\\S+)$`, 'm').exec(text)?.[1]);
  for (const [name, n] of [['bulb_jobs_total{status="partial"}', 1], ['bulb_item_errors_total{code="fetch_status"}', 1],
    ['bulb_items_total{status="failed",cache="none"}', 1], ['bulb_queue_items{priority="bulk"}', 1], ['bulb_queue_items{priority="normal"}', 0],
    ['bulb_readers{kind="websocket"}', 1], ['bulb_http_requests_total{method="POST",route="/v1/jobs",code="202"}', 2],
    ['bulb_http_requests_total{method="GET",route="other",code="404"}', 1]])
    assert.equal(value(name), n, name);
  const png = (await get(urls[0])).bytes.length;
  assert.equal(value('bulb_fetch_bytes_total') >= png && value('bulb_fetch_bytes_total') < 2 * png + 1000, true, `${value('bulb_fetch_bytes_total')} of ${png}`);
  for (const name of ['build_info', 'http_requests_total', 'http_request_duration_seconds', 'jobs_total', 'items_total', 'item_errors_total', 'stage_duration_seconds',
    'queue_items', 'queue_oldest_seconds', 'readers', 'events_delivered_total', 'readers_dropped_total', 'darkroom_restarts_total', 'saved_total'])
    assert.match(text, new RegExp(`^# TYPE bulb_${name} `, 'm'));
  assert.match(text, /^process_cpu_seconds_total /m);
  assert.ok(!text.includes('xxxx') && !text.includes('BREW') && !text.includes(open.id));
});
