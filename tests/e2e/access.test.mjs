// Who may do what: every route of the server's own table with no key, a wrong one, a revoked one, one that has
// expired, another tenant's and the right one, by HTTP, server-sent events and WebSockets; what ends when a
// key ends; what a token opens; and that nothing secret is written down anywhere.
import test from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import { after, bulb, bulbBin, call, ended, root, run, start, tempDir, until } from '../lib/harness.mjs';
import { addKey, bearer, folder, leaks, note, revoke, secrets, socket } from '../lib/access.mjs';
import { cluster, missing, postgres } from '../lib/engines.mjs';
import { origin, small } from '../lib/site.mjs';

const logs = [];
const folders = [];
async function guarded(t, args = [], data = tempDir(t)) {
  const server = await bulb(t, data, ['--log-level', 'debug', ...args]);
  after(t, async () => {
    await server.stop();
    logs.push(server.err);
    folders.push(folder(data));
  });
  return { base: server.url, data, server };
}
const ask = async (method, url, key, more = {}) => note(await call(method, url, { ...more, headers: { ...bearer(key), ...more.headers } }));
const submit = async (base, key, body, more) => ask('POST', `${base}/v1/jobs`, key, { json: { variants: small, ...body }, ...more });
async function finished(base, key, id) {
  return until('the job to end', async () => {
    const { json } = await ask('GET', `${base}/v1/jobs/${id}?wait=5`, key);
    return !['queued', 'running'].includes(json.status) && json;
  });
}

/** Six ways to come: name → key. */
async function visitors(data) {
  const right = await addKey(data, 'right');
  const other = await addKey(data, 'other');
  const revoked = await addKey(data, 'revoked', '--tenant', 'right');
  const expired = await addKey(data, 'expired', '--tenant', 'right', '--expires', '1ms');
  await revoke(data, revoked);
  const wrong = right.key.replace(/.$/, (c) => (c === 'x' ? 'y' : 'x'));
  return { none: null, wrong, revoked: revoked.key, expired: expired.key, other: other.key, right: right.key };
}
const refused = { none: 401, wrong: 401, revoked: 401, expired: 401 };

/** For each route: how it is called, and what the other tenant and the right one get. `all`: everybody gets this. */
const rows = {
  'POST /v1/jobs': { json: (c) => ({ urls: [c.url], variants: small }), other: 202, right: 202 },
  'GET /v1/jobs': { other: 200, right: 200, same: (r, who, c) => assert.equal(r.json.jobs.some((j) => j.id === c.id), who === 'right') },
  'PUT /v1/jobs/{id}': { json: (c) => c.body, path: () => '/v1/jobs/put', other: 202, right: 202 },
  'GET /v1/jobs/{id}': { other: 404, right: 200 },
  'DELETE /v1/jobs/{id}': { other: 404, right: 204, last: true },
  'GET /v1/jobs/{id}/items': { other: 404, right: 200 },
  'GET /v1/jobs/{id}/items/{item}': { other: 404, right: 200 },
  'GET /v1/jobs/{id}/manifest': { other: 404, right: 200 },
  'GET /v1/jobs/{id}/archive': { other: 404, right: 200 },
  'GET /v1/jobs/{id}/events': { other: 404, right: 200 },
  'POST /v1/jobs/{id}/cancel': { other: 404, right: 200 },
  'POST /v1/jobs/{id}/retry': { other: 404, right: 200 },
  'GET /v1/events': { other: 426, right: 426, none: 426 }, // each job that is watched over it brings its own token
  'POST /v1/results': { all: [401, 403, 404, 415, 422], json: () => ({}) }, // signed with the secret of a task
  'GET /v1/blobs/{*}': { all: [200], path: (c) => c.blob },
  'POST /v1/tokens': { json: (c) => ({ allow: 'read', job: c.id }), other: 404, right: 200 },
  'GET /v1/presets': { other: 200, right: 200 },
  'GET /v1/usage': { other: 200, right: 200 },
  'GET /v1/deliveries': { other: 200, right: 200, same: (r, who, c) => assert.equal(r.json.deliveries.some((d) => d.job === c.id), who === 'right') },
  'POST /v1/deliveries/{id}/redeliver': { path: (c) => `/v1/deliveries/${c.delivery}/redeliver`, other: 404, right: 202 },
  'GET /healthz': { all: [200] },
  'GET /readyz': { all: [200] },
  'GET /metrics': { other: 403, right: 403 },
  'GET /': { all: [200] },
  'GET /page/{*}': { all: [200, 404] },
  'GET /openapi.json': { all: [200] },
  'GET /asyncapi.json': { all: [200] },
  'GET /errors/{code}': { all: [200], path: () => '/errors/not_found' },
};
const table = readFileSync(join(root, 'src/api/api.c'), 'utf8');
const routes = [...table.matchAll(/\{ "([A-Z]+)", "([^"]+)",/g)].map(([, method, path]) => `${method} ${path}`);

/** A server with visitors, and a job of the right one's that has ended. */
async function stage(t, args) {
  const source = await origin(t);
  const data = tempDir(t);
  const who = await visitors(data);
  const { base, server } = await guarded(t, args, data);
  const url = `${source.url}/png?seed=1`;
  const body = { urls: [url], variants: small, webhook: { url: `${source.url}/status/204` } };
  const id = 'matrix';
  assert.equal((await ask('PUT', `${base}/v1/jobs/${id}`, who.right, { json: body })).status, 202);
  const job = await finished(base, who.right, id);
  const item = (await ask('GET', `${base}/v1/jobs/${id}/items`, who.right)).json.items[0];
  const delivery = await until('its webhook', async () => (await ask('GET', `${base}/v1/deliveries?job=${id}`, who.right)).json.deliveries[0]?.id);
  const blob = new URL(item.variants[0].url);
  return { source, data, who, base, server, c: { id, item: item.id, delivery, url, body, job, blob: blob.pathname + blob.search } };
}

test('the matrix: each route, each way to come', async (t) => {
  assert.ok(routes.length >= 20);
  assert.deepEqual(routes.filter((r) => !rows[r]), [], 'a route without a row: say who may use it');
  const { base, who, c } = await stage(t);
  const order = routes.slice().sort((a, b) => !!rows[a].last - !!rows[b].last);
  for (const route of order) {
    const row = rows[route];
    const [method, pattern] = route.split(' ');
    const path = row.path?.(c) ?? pattern.replace('{id}', c.id).replace('{item}', c.item).replace('{*}', 'app.js');
    const wanted = { ...refused, ...row };
    for (const [name, key] of Object.entries(who)) {
      const r = await ask(method, base + path, key, { json: row.json?.(c) });
      const what = `${route} with ${name}: ${r.status} ${r.text.slice(0, 200)}`;
      if (row.all) assert.ok(row.all.includes(r.status), what);
      else assert.equal(r.status, wanted[name], what);
      if (!row.all && r.status === 401) assert.match(r.headers['www-authenticate'] ?? '', /^Bearer/, what);
      if (r.status === 200) row.same?.(r, name, c);
    }
  }
});

test('whatever is wrong with a key, the answer is the same, and a job of another is as one that never was', async (t) => {
  const { base, who, c } = await stage(t);
  const plain = (r) => r.text.replace(/urn:request:\w+/, '').replaceAll(c.id, 'ID').replaceAll('never', 'ID');
  const bad = await Promise.all(['wrong', 'revoked', 'expired'].map((n) => ask('GET', `${base}/v1/jobs`, who[n])));
  bad.push(await ask('GET', `${base}/v1/jobs`, `bulb_000000000000_${'x'.repeat(43)}`), await ask('GET', `${base}/v1/jobs`, 'junk'));
  assert.equal(new Set(bad.map((r) => `${r.status}${r.headers['www-authenticate']}${plain(r)}`)).size, 1);
  for (const path of ['', '/items', '/events', '/manifest', '/archive', '/items/1']) {
    const [foreign, unknown] = [await ask('GET', `${base}/v1/jobs/${c.id}${path}`, who.other), await ask('GET', `${base}/v1/jobs/never${path}`, who.other)];
    assert.equal(foreign.status, 404);
    assert.equal(plain(foreign), plain(unknown), path);
  }
  const inUrl = await ask('GET', `${base}/v1/jobs?token=${who.right}`);
  assert.equal(inUrl.status, 401);
  assert.match(inUrl.json.detail, /header Authorization/);
});

test('the matrix by WebSocket and server-sent events', async (t) => {
  const { base, who, c } = await stage(t);
  for (const [name, key] of Object.entries(who)) {
    const want = { ...refused, other: 404, right: 200 }[name];
    const ws = await socket(`${base}/v1/jobs/${c.id}/events`, bearer(key));
    assert.equal(ws.status, want === 200 ? 101 : want, name);
    if (ws.ws) assert.equal((await ws.closed).code, 1000);
    const sse = await ask('GET', `${base}/v1/jobs/${c.id}/events`, key, { headers: { accept: 'text/event-stream' } });
    assert.equal(sse.status, want, name);
    // many jobs on one socket: by key, or each by its token
    const many = await socket(`${base}/v1/events`, bearer(key));
    assert.equal(many.status, name === 'none' ? 101 : want === 401 ? 401 : 101, name);
    if (!many.ws) continue;
    many.ws.send(JSON.stringify({ op: 'watch', job: c.id }));
    const said = await until('an answer', () => many.got.find((m) => m.op));
    assert.deepEqual([said.op, said.code], { none: ['error', 'auth_required'], other: ['error', 'not_found'], right: ['ok', null] }[name], name);
    many.ws.send(JSON.stringify({ op: 'watch', job: c.id, token: new URL(c.job.events_url).searchParams.get('token') }));
    await until('the log by token', () => many.got.some((m) => m.op === 'done'));
    many.ws.close();
  }
});

test('a page of another origin gets no socket, whatever it holds', async (t) => {
  const { base, who, c } = await stage(t, ['--allow-origin', 'https://app.example.com']);
  const evil = { origin: 'https://evil.example' };
  assert.equal((await socket(c.job.events_url, evil)).status, 403);
  assert.equal((await socket(`${base}/v1/jobs/${c.id}/events`, { ...evil, ...bearer(who.right) })).status, 403);
  assert.equal((await socket(`${base}/v1/events`, evil)).status, 403);
  assert.equal((await submit(base, who.right, { urls: [c.url] }, { headers: evil })).status, 403);
  const good = await socket(c.job.events_url, { origin: 'https://app.example.com' });
  assert.equal(good.status, 101);
});

test('revoking a key closes what it opened, and what its tokens opened, and nothing else', async (t) => {
  const source = await origin(t);
  const data = tempDir(t);
  const { base } = await guarded(t, [], data);
  const [first, second] = [await addKey(data, 'shop'), await addKey(data, 'shop2', '--tenant', 'shop')];
  const job = (await submit(base, first.key, { urls: [`${source.url}/hang`] })).json;
  const by = { key: await socket(`${base}/v1/jobs/${job.id}/events`, bearer(first.key)), token: await socket(job.events_url),
    many: await socket(`${base}/v1/events`, bearer(first.key)), nobody: await socket(`${base}/v1/events`) };
  by.nobody.ws.send(JSON.stringify({ op: 'watch', job: job.id, token: new URL(job.events_url).searchParams.get('token') }));
  await until('the token to open it', () => by.nobody.got.some((m) => m.op === 'ok'));
  const stays = await socket(`${base}/v1/jobs/${job.id}/events`, bearer(second.key));
  const sse = new Promise((done) => http.get(`${base}/v1/jobs/${job.id}/events`, { headers: { ...bearer(first.key), accept: 'text/event-stream' } },
    (res) => res.resume().on('close', done)));
  const waiting = ask('GET', `${base}/v1/jobs/${job.id}?wait=3`, first.key);
  await revoke(data, first);
  for (const name of ['key', 'token', 'many']) assert.deepEqual(await by[name].closed, { code: 1008, reason: 'auth_required' }, name);
  await until('its watching to end', () => by.nobody.got.some((m) => m.op === 'error' && m.code === 'auth_required'));
  await sse;
  assert.equal((await waiting).status, 401);
  assert.equal((await ask('GET', `${base}/v1/jobs/${job.id}`, first.key)).status, 401);
  assert.equal((await ask('GET', job.events_url.replace(/^ws/, 'http'))).status, 401);
  assert.equal((await ask('GET', `${base}/v1/jobs/${job.id}`, second.key)).status, 200);
  await ask('POST', `${base}/v1/jobs/${job.id}/cancel`, second.key);
  assert.equal((await stays.closed).code, 1000, 'the second key of the tenant saw it to its end');
  assert.equal((await submit(base, null, { urls: [`${source.url}/png`] })).status, 401, 'a server whose keys were revoked needs one still');
});

test('an answer that goes on for long ends with its key', { timeout: 60000 }, async (t) => {
  const source = await origin(t);
  const data = tempDir(t);
  const { base } = await guarded(t, [], data);
  const key = await addKey(data, 'shop');
  const urls = Array.from({ length: 40 }, (_, i) => `${source.url}/png?seed=${i}&w=600&h=600`);
  const { id } = (await submit(base, key.key, { urls })).json;
  await finished(base, key.key, id);
  const whole = (await ask('GET', `${base}/v1/jobs/${id}/archive?variant=original`, key.key)).bytes.length;
  assert.ok(whole > 15e6, `${whole} bytes: more than buffers on the way hold`);
  let got = 0;
  const end = new Promise((done) => {
    http.get(`${base}/v1/jobs/${id}/archive?variant=original`, { headers: bearer(key.key) }, (res) => {
      res.once('readable', async () => {
        await revoke(data, key);
        await until('it to be known', async () => (await ask('GET', `${base}/v1/jobs`, key.key)).status === 401);
        res.on('data', (d) => (got += d.length)).on('error', () => {}).on('close', () => done(res.complete));
      });
    });
  });
  assert.equal(await end, false);
  assert.ok(got < whole, `${got} of ${whole}`);
});

test('a key that expires ends as one that was revoked; nobody\'s socket is not for sitting on', { timeout: 60000 }, async (t) => {
  const source = await origin(t);
  const data = tempDir(t);
  const { base } = await guarded(t, [], data);
  const before = await socket(`${base}/v1/events`);
  const early = await socket((await submit(base, null, { urls: [`${source.url}/hang?0`] })).json.events_url);
  const key = await addKey(data, 'brief', '--expires', '3s');
  for (const s of [before, early]) assert.equal((await s.closed).code, 1008, 'opened before there was a key');
  const idle = await socket(`${base}/v1/events`);
  const job = (await submit(base, key.key, { urls: [`${source.url}/hang`] })).json;
  const ws = await socket(job.events_url);
  assert.equal(ws.status, 101);
  assert.equal((await ws.closed).code, 1008);
  assert.equal((await ask('GET', `${base}/v1/jobs/${job.id}`, key.key)).status, 401);
  assert.equal((await idle.closed).code, 1008);
});

test('scopes: what reads, what writes, what concerns the server', async (t) => {
  const source = await origin(t);
  const data = tempDir(t);
  const { base } = await guarded(t, [], data);
  const [reads, writes, admin] = [await addKey(data, 'r', '--scopes', 'read'), await addKey(data, 'w', '--tenant', 'r', '--scopes', 'write'), await addKey(data, 'a', '--scopes', 'admin')];
  const made = await submit(base, writes.key, { urls: [`${source.url}/png`] });
  assert.equal(made.status, 202);
  assert.equal((await submit(base, reads.key, { urls: [`${source.url}/png`] })).status, 403);
  assert.equal((await ask('GET', `${base}/v1/jobs`, writes.key)).status, 403);
  assert.equal((await finished(base, reads.key, made.json.id)).status, 'succeeded');
  assert.equal((await ask('POST', `${base}/v1/tokens`, reads.key, { json: { allow: 'submit' } })).status, 403);
  assert.equal((await ask('POST', `${base}/v1/tokens`, writes.key, { json: { allow: 'read', job: made.json.id } })).status, 403);
  assert.equal((await ask('GET', `${base}/metrics`, admin.key)).status, 200);
  const no = await ask('GET', `${base}/metrics`, reads.key);
  assert.equal(no.status, 403);
  assert.match(no.headers['www-authenticate'], /insufficient_scope/);
});

test('a submit token does what it names, as often as it says, for the origin it is for', async (t) => {
  const source = await origin(t);
  const data = tempDir(t);
  const { base } = await guarded(t, ['--allow-origin', 'https://app.example.com'], data);
  const { key, id } = await addKey(data, 'shop');
  const token = async (grant) => (await ask('POST', `${base}/v1/tokens`, key, { json: { allow: 'submit', ...grant } })).json.token;
  const post = (tok, body, headers = {}) => ask('POST', `${base}/v1/jobs`, tok, { json: body, headers });
  const web = { urls: [`${source.url}/png?seed=9`] };
  const thrice = await token({ max_jobs: 3 });
  const all = await Promise.all(Array.from({ length: 12 }, (_, i) => post(thrice, { urls: [`${source.url}/png?seed=${i}`] })));
  assert.deepEqual([202, 403].map((s) => all.filter((r) => r.status === s).length), [3, 9], 'twelve at once');
  const one = await token({ presets: ['web'], max_urls: 1, sources: [source.url], origin: 'https://app.example.com' });
  const page = { origin: 'https://app.example.com' };
  assert.equal((await post(one, web)).status, 403, 'no origin');
  assert.equal((await post(one, { ...web, variants: small }, page)).status, 403);
  assert.equal((await post(one, { urls: ['http://127.0.0.1:1/x'] }, page)).status, 403);
  assert.equal((await post(one, { ...web, background: { remove: true } }, page)).status, 403);
  assert.equal((await post(one, { urls: [...web.urls, `${source.url}/png?seed=10`] }, page)).status, 403);
  assert.equal((await post(one, { ...web, webhook: { url: 'https://x.example/' } }, page)).json.status >= 403, true);
  const made = await post(one, web, page);
  assert.equal(made.status, 202, 'what was refused did not count');
  assert.equal(made.headers['access-control-allow-origin'], 'https://app.example.com');
  const events = made.json.events_url.replace(/^ws/, 'http');
  await until('the job to end, seen by its token', async () => (await ask('GET', events)).json.done);
  assert.equal((await post(one, web, page)).status, 403, 'used up');
  for (const path of ['/v1/jobs', `/v1/jobs/${made.json.id}`, '/v1/usage']) assert.equal((await ask('GET', base + path, thrice)).status, 403, path);
  assert.equal((await ask('PUT', `${base}/v1/jobs/x`, thrice, { json: web })).status, 403);
  assert.equal((await ask('POST', `${base}/v1/tokens`, thrice, { json: { allow: 'submit' } })).status, 403);
  const cut = thrice.split('.');
  assert.equal((await post(`${cut[0]}.${Buffer.from(Buffer.from(cut[1], 'base64url').toString().replace('"max_jobs":3', '"max_jobs":9')).toString('base64url')}.${cut[2]}`, web)).status, 401);
  const late = await token({ max_jobs: 5 });
  await revoke(data, { id });
  await until('the token to end with its key', async () => (await post(late, web)).status === 401);
});

test('a read token opens its job and nothing else, until it expires', async (t) => {
  const { base, who, c } = await stage(t);
  const other = (await submit(base, who.right, { urls: [c.url] })).json.id;
  const { token, expires_at: at } = (await ask('POST', `${base}/v1/tokens`, who.right, { json: { allow: 'read', job: c.id, expires_in: 2 } })).json;
  for (const path of ['', '/items', '/events', '/manifest', `/items/${c.item}`]) assert.equal((await ask('GET', `${base}/v1/jobs/${c.id}${path}`, token)).status, 200, path);
  assert.equal((await ask('GET', `${base}/v1/jobs/${c.id}?token=${token}`)).status, 200);
  assert.equal((await ask('GET', `${base}/v1/jobs/${other}`, token)).status, 403);
  assert.equal((await ask('POST', `${base}/v1/jobs/${c.id}/cancel`, token)).status, 403);
  assert.equal((await ask('GET', `${base}/v1/jobs`, token)).status, 403);
  await until('it to expire', async () => Date.now() > Date.parse(at));
  assert.equal((await ask('GET', `${base}/v1/jobs/${c.id}`, token)).status, 401);
});

test('tenants share nothing that was cached, unless the operator says so, and then only without headers', async (t) => {
  const source = await origin(t);
  for (const share of [false, true]) {
    source.reset?.();
    const data = tempDir(t);
    const [a, b] = [await addKey(data, 'a'), await addKey(data, 'b')];
    const { base } = await guarded(t, share ? ['--share-cache'] : [], data);
    const open = `${source.url}/png?seed=77&share=${share}`;
    const closed = `${source.url}/png?seed=78&share=${share}`;
    const urls = [open, { url: closed, headers: { 'x-own': 'secret-of-a' } }];
    const items = [];
    for (const { key } of [a, b]) {
      const { id } = (await submit(base, key, { urls })).json;
      await finished(base, key, id);
      items.push((await ask('GET', `${base}/v1/jobs/${id}/items`, key)).json.items);
    }
    assert.deepEqual(items[1].map((i) => i.cache), [share ? 'hit' : 'miss', 'miss'], `share ${share}`);
    assert.equal(items[0][1].source.key === items[1][1].source.key, false);
    const miss = await submit(base, b.key, { urls: [`${source.url}/png?seed=79`], cache: 'only_if_cached' });
    assert.equal((await finished(base, b.key, miss.json.id)).status, 'failed');
    const jobs = await Promise.all([a, b].map(async ({ key }) => (await ask('GET', `${base}/v1/usage`, key)).json.totals.jobs));
    assert.deepEqual(jobs, [1, 2], 'usage is a tenant\'s own');
  }
  secrets.add('secret-of-a');
});

test('an Idempotency-Key and an id of one\'s own belong to a tenant', async (t) => {
  const { base, who, c } = await stage(t);
  const headers = { 'idempotency-key': 'same' };
  const mine = await submit(base, who.right, { urls: [c.url] }, { headers });
  const theirs = await submit(base, who.other, { urls: [`${c.url}&more`] }, { headers });
  assert.deepEqual([mine.status, theirs.status], [202, 202]);
  assert.notEqual(mine.json.id, theirs.json.id);
  assert.equal((await submit(base, who.right, { urls: [c.url] }, { headers })).json.id, mine.json.id);
});

test('a root key needs no command, and another root key ends what the first one opened', async (t) => {
  const dir = tempDir(t);
  const [first, second] = ['first'.padEnd(40, '1'), 'second'.padEnd(40, '2')];
  for (const k of [first, second]) secrets.add(k);
  writeFileSync(join(dir, 'root'), `${first}\n`);
  const data = tempDir(t);
  const open = () => bulb(t, data, ['--root-key-file', join(dir, 'root'), '--listen', '0.0.0.0:0', '--allow-host', '127.0.0.1']);
  let server = await open();
  const at = () => server.url.replace('0.0.0.0', '127.0.0.1');
  assert.equal((await ask('GET', `${at()}/v1/jobs`)).status, 401);
  assert.equal((await ask('GET', `${at()}/metrics`, first)).status, 200);
  const job = (await submit(at(), first, { urls: ['http://127.0.0.1:1/'] })).json;
  const path = new URL(job.events_url);
  assert.equal((await ask('GET', at() + path.pathname + path.search)).status, 200);
  await server.stop();
  writeFileSync(join(dir, 'root'), second);
  server = await open();
  assert.equal((await ask('GET', `${at()}/v1/jobs`, first)).status, 401);
  assert.equal((await ask('GET', at() + path.pathname + path.search)).status, 401, 'a token of the first');
  assert.equal((await ask('GET', `${at()}/v1/jobs/${job.id}`, second)).status, 200);
  logs.push(server.err);
  writeFileSync(join(dir, 'root'), 'short');
  const short = await start(null, bulbBin, ['serve', '--data', tempDir(t), '--listen', '127.0.0.1:0', '--root-key-file', join(dir, 'root')]);
  assert.equal((await short.exit).code, 64);
});

test('servers that share a database share keys, quotas and the end of a key', { timeout: 120000, skip: missing('initdb') }, async (t) => {
  const db = await postgres(t);
  const c = cluster(t, { store: db.url, bus: 'postgres:' });
  const on = ['--store', db.url, '--secret-file', join(c.dir, 'secret')];
  const made = await run(['key', 'add', 'shop', '--json', '--limits', 'jobs_per_day=7', ...on]);
  assert.equal(made.code, 0, made.err);
  const { key, id } = JSON.parse(made.out);
  const [a, b] = [await c.serve(), await c.serve()];
  const jobs = await Promise.all(Array.from({ length: 20 }, (_, i) => submit([a, b][i % 2].url, key, { urls: [`http://127.0.0.1:1/${i}`] })));
  assert.deepEqual([202, 429].map((s) => jobs.filter((r) => r.status === s).length), [7, 13], jobs.map((r) => r.text.slice(-90)).join('\n'));
  const job = jobs.find((r) => r.status === 202).json;
  const sockets = await Promise.all([a, b].map((s) => socket(`${s.url}/v1/jobs/${job.id}/events`, bearer(key))));
  assert.deepEqual(sockets.map((s) => s.status), [101, 101]);
  assert.equal((await run(['key', 'revoke', id, ...on])).code, 0);
  for (const s of sockets) assert.equal((await s.closed).code, 1008);
  for (const s of [a, b]) assert.equal((await ask('GET', `${s.url}/v1/jobs`, key)).status, 401);
});

test('a public address without a key is refused; with one it is served', async (t) => {
  const data = tempDir(t);
  const shut = await start(null, bulbBin, ['serve', '--data', data, '--listen', '0.0.0.0:0']);
  assert.equal((await shut.exit).code, 64);
  assert.match(shut.err, /no key protects this server.*bulb key add/s);
  const { key } = await addKey(data, 'k');
  const server = await bulb(t, data, ['--listen', '0.0.0.0:0', '--allow-host', '127.0.0.1']);
  assert.equal((await ask('GET', `${server.url.replace('0.0.0.0', '127.0.0.1')}/v1/jobs`, key)).status, 200);
});

test('commands take a key from the environment or a file, and never as an argument', async (t) => {
  const { base, who, data } = await stage(t);
  writeFileSync(join(data, 'key'), `${who.right}\n`);
  assert.equal((await run(['jobs', '--server', base], { env: { BULB_KEY: who.right } })).code, 0);
  assert.equal((await run(['jobs', '--server', base, '--key-file', join(data, 'key')])).code, 0);
  assert.match((await run(['jobs', '--server', base])).err, /auth_required/);
  const flag = await run(['jobs', '--server', base, '--key', who.right]);
  assert.equal(flag.code, 64);
  assert.deepEqual(leaks(flag.err + flag.out), []);
  writeFileSync(join(data, 'key'), '');
});

test('one line for each request that was refused: who, which key, why; behind a proxy the client\'s address', async (t) => {
  const data = tempDir(t);
  const key = await addKey(data, 'k', '--scopes', 'read');
  const server = await bulb(t, data, ['--log-level', 'info', '--trusted-proxy', '127.0.0.0/8']);
  await ask('GET', `${server.url}/v1/jobs`, null, { headers: { 'x-forwarded-for': '203.0.113.9' } });
  await submit(server.url, key.key, { urls: ['http://127.0.0.1:1/'] });
  await ask('GET', `${server.url}/v1/jobs`, key.key.replace(/.$/, '!'));
  const line = (re) => until(`a line ${re}`, () => re.test(server.err));
  await line(/request_refused client=203\.0\.113\.9 key=- code=auth_required method=GET route=\/v1\/jobs /);
  await line(new RegExp(`request_refused client=127\\.0\\.0\\.1 key=${key.id} code=auth_forbidden method=POST route=/v1/jobs `));
  await until('three lines', () => server.err.match(/request_refused/g).length === 3);
  logs.push(server.err);
});

test('nothing secret stands in a log, nor in the database', () => {
  assert.ok(secrets.size > 20 && logs.length > 8 && logs.join('').length > 10000 && folders.length > 8);
  assert.deepEqual(leaks(logs.join('\n')), []);
  assert.deepEqual(leaks(folders.join('\n')), []);
});
