// Requests: repeated, misdirected, behind proxies, malformed. Each gets what the contract says.
import test from 'node:test';
import assert from 'node:assert/strict';
import { bulb, nginx, post, get, call, ended, items } from '../lib/harness.mjs';
import { site, small } from '../lib/site.mjs';

test('50 concurrent POSTs with one Idempotency-Key make one job, also across a restart', async (t) => {
  const { origin, server, data, base } = await site(t);
  const body = { urls: [`${origin.url}/png?seed=1`], variants: small };
  const headers = { 'idempotency-key': 'order-17' };
  const answers = await Promise.all(Array.from({ length: 50 }, () => post(`${base}/v1/jobs`, body, { headers })));
  assert.deepEqual([...new Set(answers.map((r) => r.status))], [202]);
  assert.equal(new Set(answers.map((r) => r.json.id)).size, 1);
  await server.stop('SIGKILL');
  const second = await bulb(t, data);
  const after = await post(`${second.url}/v1/jobs`, body, { headers });
  assert.equal(after.json.id, answers[0].json.id);
  const other = await post(`${second.url}/v1/jobs`, { ...body, tag: 'x' }, { headers });
  assert.equal(other.status, 422);
  assert.equal(other.json.code, 'request_idempotency');
  assert.equal((await get(`${second.url}/v1/jobs`)).json.jobs.length, 1);
});

test('PUT with an id of one\'s own: 202, then 200, then 409 for another body', async (t) => {
  const { origin, base } = await site(t);
  const body = { urls: [`${origin.url}/png?seed=1`], variants: small };
  const put = (json) => call('PUT', `${base}/v1/jobs/my-job_1`, { json });
  const first = await put(body);
  assert.equal(first.status, 202, first.text);
  assert.equal(first.json.id, 'my-job_1');
  assert.equal((await put(body)).status, 200);
  const other = await put({ ...body, tag: 'x' });
  assert.equal(other.status, 409);
  assert.equal(other.json.code, 'job_exists');
  assert.equal((await call('PUT', `${base}/v1/jobs/${'x'.repeat(65)}`, { json: body })).status, 422);
});

test('reading an item twice gives the same links', async (t) => {
  const { origin, base } = await site(t);
  const job = (await post(`${base}/v1/jobs`, { urls: [`${origin.url}/png?seed=1`], variants: small })).json;
  await ended(base, job.id);
  const one = await items(base, job.id);
  const two = await items(base, job.id);
  assert.deepEqual(one, two);
  const v = one[0].variants[0];
  const range = await get(v.url, { headers: { range: 'bytes=0-9' } });
  assert.equal(range.status, 206);
  assert.equal(range.bytes.length, 10);
  const again = await get(v.url, { headers: { 'if-none-match': range.headers.etag } });
  assert.equal(again.status, 304);
  const forged = await get(v.url.replace(/sig=./, 'sig=!'));
  assert.equal(forged.status, 403);
  assert.equal(forged.json.code, 'blob_signature');
  const stale = await get(v.url.replace(/exp=\d+/, 'exp=1000'));
  assert.equal(stale.status, 403);
});

test('a keyless server answers only to its own names, on HTTP and WebSocket', async (t) => {
  const { base } = await site(t);
  const evil = await get(`${base}/v1/jobs`, { headers: { host: 'evil.example' } });
  assert.equal(evil.status, 421);
  assert.equal(evil.json.code, 'request_misdirected');
  const socket = await get(`${base}/v1/events`, { headers: { host: 'evil.example', connection: 'Upgrade',
    upgrade: 'websocket', 'sec-websocket-version': '13', 'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==' } });
  assert.equal(socket.status, 421);
  const port = new URL(base).port;
  for (const host of [`localhost:${port}`, `127.0.0.1:${port}`, `[::1]:${port}`])
    assert.equal((await get(`${base}/v1/jobs`, { headers: { host } })).status, 200, host);
});

test('a page of another origin may neither call nor open a socket', async (t) => {
  const { base } = await site(t, ['--allow-origin', 'https://app.example.com']);
  const ws = { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13', 'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==' };
  const refused = await get(`${base}/v1/events`, { headers: { ...ws, origin: 'https://evil.example' } });
  assert.equal(refused.status, 403);
  const plain = await get(`${base}/v1/jobs`, { headers: { origin: 'https://evil.example' } });
  assert.equal(plain.headers['access-control-allow-origin'], undefined);
  const good = await get(`${base}/v1/jobs`, { headers: { origin: 'https://app.example.com' } });
  assert.equal(good.headers['access-control-allow-origin'], 'https://app.example.com');
  const pre = await call('OPTIONS', `${base}/v1/jobs`, { headers: { origin: 'https://app.example.com',
    'access-control-request-method': 'POST', 'access-control-request-headers': 'content-type,idempotency-key' } });
  assert.equal(pre.status, 204);
  assert.match(pre.headers['access-control-allow-headers'], /Idempotency-Key/i);
});

/** Every absolute link in a document. */
function linksOf(doc, found = []) {
  for (const v of Object.values(doc ?? {})) {
    if (typeof v === 'string' && /^(http|ws)s?:/.test(v)) found.push(v);
    else if (typeof v === 'object') linksOf(v, found);
  }
  return found;
}

test('behind a proxy that adds a prefix and rewrites Host, every link can be followed', async (t) => {
  const { origin, server } = await site(t, ['--trusted-proxy', '127.0.0.1/32']);
  const proxy = await nginx(t, server.url, { prefix: '/prod/', host: 'internal.example', seconds: 30 });
  const base = `${proxy.url}/prod`;
  const accepted = await post(`${base}/v1/jobs`, { urls: [`${origin.url}/png?seed=1`], variants: small });
  assert.equal(accepted.status, 202, accepted.text);
  const job = await ended(base, accepted.json.id);
  const docs = [accepted.json, job, ...(await items(base, job.id)), (await get(`${base}/v1/jobs`)).json,
    (await get(`${base}/v1/jobs/${job.id}/events`)).json, (await get(`${base}/v1/jobs/${job.id}/manifest`)).json];
  const links = new Set([accepted.headers.location, ...docs.flatMap((d) => linksOf(d))]);
  const own = [...links].filter((l) => !l.startsWith(origin.url));
  assert.ok(own.length >= 6, own.join('\n'));
  for (const link of own) {
    assert.ok(link.startsWith(base) || link.startsWith(base.replace('http', 'ws')), link);
    const method = /\/(cancel|retry)$/.test(link) ? 'POST' : 'GET';
    const r = await call(method, link.replace(/^ws/, 'http'));
    assert.ok(r.status < 400, `${method} ${link}: ${r.status} ${r.text}`);
  }
});

test('unknown members, wrong values and limits are named with their place', async (t) => {
  const { base } = await site(t);
  const u = ['https://img.example.com/a.jpg'];
  for (const [body, code, pointer, says] of [
    [{ urls: u, variants: [{ name: 'a', width: 9, withoutEnlargement: true }] }, 'request_unknown_member', '/variants/0/withoutEnlargement', /without_enlargement/],
    [{ urls: u, prest: 'web' }, 'request_unknown_member', '/prest', /preset/],
    [{ urls: u, preset: 'nope' }, 'request_invalid', '/preset', /nope/],
    [{ urls: [] }, 'request_invalid', '/urls', /./],
    [{ urls: ['ftp://x.example/a'] }, 'request_invalid', '/urls/0', /http/],
    [{ urls: [{ url: u[0], headers: { Host: 'x' } }] }, 'request_invalid', '/urls/0/headers/Host', /./],
    [{ urls: u, variants: [{ name: 'a', width: 10, quality: 101 }] }, 'request_invalid', '/variants/0/quality', /100/],
    [{ urls: u, variants: [{ name: 'a', width: 9, format: 'gif' }] }, 'request_unsupported', '/variants/0/format', /jpeg/],
    [{ urls: u, tag: 'x'.repeat(65) }, 'request_limit', '/tag', /64/],
    [{ urls: u, variants: Array.from({ length: 21 }, (_, i) => ({ name: `v${i}`, width: 9 })) }, 'request_limit', '/variants', /20/],
  ]) {
    const r = await post(`${base}/v1/jobs`, body);
    assert.equal(r.status, 422, `${JSON.stringify(body).slice(0, 80)}: ${r.text}`);
    assert.equal(r.headers['content-type'], 'application/problem+json');
    assert.equal(r.json.code, code, r.text);
    assert.equal(r.json.errors[0].pointer, pointer, r.text);
    assert.match(r.json.errors[0].detail, says);
    assert.equal((await get(r.json.type)).status, 200, 'the page that explains the code');
  }
});

test('JSON that is none is 400, never a crash', async (t) => {
  const { base } = await site(t);
  const deep = `${'['.repeat(10000)}${']'.repeat(10000)}`;
  for (const body of ['', '{', '[1,2', '{"urls":["a"],"urls":["b"]}', deep, `{"urls":${deep}}`, '{"urls":["\\ud800"]}',
    '{"urls":["a\\u0000b"]}', '{"urls":[1e999999]}', '{"deadline":123456789012345678901234567890}',
    Buffer.from('7b2275726c73223a5b22ff225d7d', 'hex'), '{"urls":["x"]} trailing', 'nul', "{'urls':[]}"]) {
    const r = await call('POST', `${base}/v1/jobs`, { body, headers: { 'content-type': 'application/json' } });
    assert.ok(r.status === 400 || r.status === 422, `${String(body).slice(0, 40)}: ${r.status}`);
    assert.equal(r.status, 400, `${String(body).slice(0, 40)}: ${r.text}`);
    assert.equal(r.json.code, 'request_malformed');
  }
  const form = await call('POST', `${base}/v1/jobs`, { body: 'urls=x', headers: { 'content-type': 'application/x-www-form-urlencoded' } });
  assert.equal(form.status, 415);
  assert.match(form.json.detail + form.json.title, /curl|application\/json/);
  assert.equal((await get(`${base}/healthz`)).status, 200);
});

test('paths, methods, HEAD, request ids and caching headers', async (t) => {
  const { origin, base } = await site(t);
  const job = (await post(`${base}/v1/jobs`, { urls: [`${origin.url}/png?seed=1`], variants: small })).json;
  await ended(base, job.id);
  assert.equal((await get(`${base}/v1/nothing`)).status, 404);
  const wrong = await call('DELETE', `${base}/v1/jobs`);
  assert.equal(wrong.status, 405);
  assert.match(wrong.headers.allow, /GET/);
  const head = await call('HEAD', `${base}/v1/jobs/${job.id}`);
  assert.equal(head.status, 200);
  assert.equal(head.bytes.length, 0);
  const one = await get(`${base}/v1/jobs/${job.id}`, { headers: { 'x-request-id': 'abc-1' } });
  assert.equal(one.headers['x-request-id'], 'abc-1');
  assert.equal(one.headers['cache-control'], 'no-cache');
  assert.equal((await get(`${base}/v1/jobs/${job.id}`, { headers: { 'if-none-match': one.headers.etag } })).status, 304);
  assert.equal((await get(`${base}/v1/jobs`)).headers['cache-control'], 'no-store');
  assert.equal((await get(`${base}/v1/jobs/${job.id}/events?after=999999`)).json.code, 'request_after');
  const gone = await call('DELETE', `${base}/v1/jobs/${job.id}`);
  assert.equal(gone.status, 204);
  assert.equal((await call('DELETE', `${base}/v1/jobs/${job.id}`)).status, 404);
  assert.equal((await get(`${base}/v1/jobs/${job.id}`)).status, 404);
});

test('Prefer: wait and ?wait answer when the job has ended', async (t) => {
  const { origin, base } = await site(t);
  const body = (seed, ms) => ({ urls: [`${origin.url}/png?seed=${seed}&delay=${ms}`], variants: small });
  const done = await post(`${base}/v1/jobs`, body(1, 300), { headers: { prefer: 'wait=10' } });
  assert.equal(done.status, 200);
  assert.equal(done.json.status, 'succeeded');
  assert.match(done.headers['preference-applied'], /wait/);
  const slow = await post(`${base}/v1/jobs`, body(2, 3000), { headers: { prefer: 'wait=1' } });
  assert.equal(slow.status, 202);
  const change = await get(`${base}/v1/jobs/${slow.json.id}?wait=20`);
  assert.equal(change.json.status, 'succeeded');
});

test('pages: every job once, newest first; every item once, in order', async (t) => {
  const { origin, base } = await site(t);
  const ids = [];
  for (let i = 0; i < 7; i++) {
    const urls = [`${origin.url}/png?seed=${i}`];
    ids.push((await post(`${base}/v1/jobs`, { urls, variants: small, tag: i % 2 ? 'odd' : 'even' })).json.id);
  }
  const seen = [];
  for (let token = ''; ;) {
    const r = await get(`${base}/v1/jobs?page_size=3${token && `&page_token=${encodeURIComponent(token)}`}`);
    seen.push(...r.json.jobs.map((j) => j.id));
    token = r.json.next_page_token;
    if (!token) break;
  }
  assert.deepEqual(seen, [...ids].reverse());
  assert.equal((await get(`${base}/v1/jobs?tag=odd`)).json.jobs.length, 3);
  assert.equal((await get(`${base}/v1/jobs?page_size=0`)).status, 422);
  assert.equal((await get(`${base}/v1/jobs?page_token=nonsense`)).status, 422);
});
