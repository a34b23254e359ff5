// The client library's calls against the real server, and what it does where the server is not itself.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, ended, freePort, post } from '../lib/harness.mjs';
import { site, small } from '../lib/site.mjs';
import { createClient, ConnectionError, ProblemError } from '../../clients/js/src/index.js';

const quick = { base: 1, most: 5 };
const list = async (pages) => {
  const all = [];
  for await (const one of pages) all.push(one);
  return all;
};

/** A server that answers what `answers` say, in turn, and remembers what it was asked. */
async function scripted(t, ...answers) {
  const asked = [];
  const server = createServer((req, res) => {
    let body = '';
    req.on('data', (d) => (body += d));
    req.on('end', () => {
      asked.push({ method: req.method, url: req.url, headers: req.headers, body });
      const [status, doc, headers = {}] = answers[Math.min(asked.length, answers.length) - 1];
      if (status === 0) req.socket.destroy();
      else res.writeHead(status, { 'content-type': 'application/json', ...headers }).end(typeof doc === 'string' ? doc : JSON.stringify(doc));
    });
  });
  await new Promise((ok) => server.listen(0, '127.0.0.1', ok));
  after(t, () => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${server.address().port}`, asked };
}

test('a job from a list of URLs to its pictures', async (t) => {
  const { origin, base } = await site(t);
  const bulb = createClient({ server: base });
  const job = await bulb.submit({ urls: [1, 2, 3, 4, 5].map((i) => `${origin.url}/png?seed=${i}`), variants: small, tag: 'spring' }, { wait: 20 });
  assert.equal(job.status, 'succeeded');
  assert.equal((await bulb.job(job)).id, job.id);
  assert.equal((await bulb.job(job.id, { wait: 1 })).status, 'succeeded');
  const items = await list(bulb.items(job, { pageSize: 2 }));
  assert.deepEqual(items.map((i) => i.url), [1, 2, 3, 4, 5].map((i) => `${origin.url}/png?seed=${i}`));
  assert.equal((await bulb.item(job, items[3])).variants[0].name, 'a');
  assert.deepEqual((await list(bulb.items(job, { status: 'failed' }))), []);
  assert.deepEqual((await list(bulb.jobs({ tag: 'spring', pageSize: 1 }))).map((j) => j.id), [job.id]);
  assert.ok((await bulb.presets()));
  assert.equal((await bulb.manifest(job)).items.length, 5);
  const zip = new Uint8Array(await (await bulb.archive(job, { variant: 'a' })).arrayBuffer());
  assert.equal(String.fromCharCode(...zip.slice(0, 2)), 'PK');
  assert.equal((await bulb.usage()).totals.items, 5);
  assert.equal((await bulb.submit({ urls: [`${origin.url}/png?seed=9`], dry_run: true })).estimate.downloads, 1);
  await bulb.delete(job, { results: true });
  await assert.rejects(bulb.job(job), { name: 'ProblemError', code: 'not_found', status: 404 });
});

test('cancel and retry', async (t) => {
  const { origin, base } = await site(t);
  const bulb = createClient({ server: base });
  const slow = await bulb.submit([`${origin.url}/hang`]);
  assert.equal((await bulb.cancel(slow)).status, 'canceled');
  const job = await bulb.submit({ urls: [`${origin.url}/flaky?fail=1&status=404`], variants: small }, { wait: 20 });
  assert.equal(job.status, 'failed');
  await bulb.retry(job);
  assert.equal((await ended(base, job.id)).status, 'succeeded');
  const running = await bulb.submit([`${origin.url}/hang?2`]);
  await assert.rejects(bulb.retry(running), { code: 'job_not_ended', status: 409 });
});

test('the same key is the same job, an id of one\'s own too', async (t) => {
  const { origin, base } = await site(t);
  const bulb = createClient({ server: base });
  const urls = [`${origin.url}/png`];
  const one = await bulb.submit(urls, { idempotencyKey: 'k' });
  assert.equal((await bulb.submit(urls, { idempotencyKey: 'k' })).id, one.id);
  assert.notEqual((await bulb.submit(urls)).id, one.id);
  assert.equal((await bulb.submit(urls, { id: 'mine' })).id, 'mine');
  assert.equal((await bulb.submit(urls, { id: 'mine' })).id, 'mine');
  await assert.rejects(bulb.submit([`${origin.url}/other`], { id: 'mine' }), { code: 'job_exists' });
});

test('a refusal is an error with its code, its status and what each member did wrong', async (t) => {
  const { base } = await site(t);
  const bulb = createClient({ server: base });
  const e = await bulb.submit({ urls: ['https://e/a.jpg'], variants: [{ name: 'a', widht: 3 }] }).then(assert.fail, (err) => err);
  assert.ok(e instanceof ProblemError && e instanceof Error);
  assert.equal(e.status, 422);
  assert.match(e.code, /^request_/);
  assert.equal(e.errors[0].pointer, '/variants/0/widht');
  assert.match(e.type, new RegExp(`/errors/${e.code}$`));
  assert.ok(e.requestId);
});

test('a server under a prefix is asked there', async (t) => {
  const s = await scripted(t, [200, { jobs: [], id: 'x' }]);
  await createClient({ server: `${s.url}/prod` }).job('a/b');
  await createClient({ server: `${s.url}/prod/` }).delete('x', { results: true });
  assert.deepEqual(s.asked.map((a) => a.url), ['/prod/v1/jobs/a%2Fb', '/prod/v1/jobs/x?results=true']);
});

test('key and token go as Bearer, the wait as Prefer', async (t) => {
  const s = await scripted(t, [202, { id: 'x' }]);
  await createClient({ server: s.url, key: 'bulb_1_s' }).submit({ urls: [] }, { wait: 7 });
  await createClient({ server: s.url, token: 'T' }).cancel('x');
  assert.deepEqual(s.asked.map((a) => a.headers.authorization), ['Bearer bulb_1_s', 'Bearer T']);
  assert.equal(s.asked[0].headers.prefer, 'wait=7');
  assert.equal(s.asked[0].headers['content-type'], 'application/json');
});

test('handing in survives a broken connection, a gateway\'s page and a full queue, as one job', async (t) => {
  const s = await scripted(t, [0], [502, '<h1>Bad Gateway</h1>'], [429, { code: 'queue_full', status: 429 }, { 'retry-after': '0' }], [202, { id: 'x' }]);
  assert.equal((await createClient({ server: s.url, backoff: quick }).submit(['https://e/a.jpg'])).id, 'x');
  assert.equal(s.asked.length, 4);
  assert.equal(new Set(s.asked.map((a) => a.headers['idempotency-key'])).size, 1);
  assert.ok(s.asked[0].headers['idempotency-key'].length >= 32);
});

test('a function that died behind its gateway is asked again, a server that failed is not', async (t) => {
  const s = await scripted(t, [500, '{"message":"Internal Server Error"}'], [202, { id: 'x' }], [500, { code: 'internal', status: 500 }]);
  const client = createClient({ server: s.url, backoff: quick });
  assert.equal((await client.submit(['https://e/a.jpg'])).id, 'x');
  await assert.rejects(client.job('x'), { code: 'internal' });
  assert.equal(s.asked.length, 3);
});

test('a retry, which would run twice, is not repeated when nobody knows whether it was heard', async (t) => {
  const s = await scripted(t, [0], [202, { id: 'x' }]);
  await assert.rejects(createClient({ server: s.url, backoff: quick }).retry('x'), ConnectionError);
  assert.equal(s.asked.length, 1);
});

test('giving up: a gateway\'s page is an error like any other', async (t) => {
  const s = await scripted(t, [503, 'no', { 'retry-after': '0' }]);
  await assert.rejects(createClient({ server: s.url, retries: 1, backoff: quick }).job('x'), { name: 'ProblemError', code: 'http_503', status: 503, retryAfter: 0 });
  assert.equal(s.asked.length, 2);
  const nobody = `http://127.0.0.1:${await freePort()}`;
  await assert.rejects(createClient({ server: nobody, retries: 0 }).job('x'), ConnectionError);
});

test('a key that is refused is renewed once', async (t) => {
  const no = [401, { code: 'auth_required', status: 401 }];
  const s = await scripted(t, no, [200, { id: 'x' }], no);
  const bulb = createClient({ server: s.url, token: 'old', refresh: async ({ problem }) => `new-after-${problem.code}` });
  assert.equal((await bulb.job('x')).id, 'x');
  assert.deepEqual(s.asked.map((a) => a.headers.authorization), ['Bearer old', 'Bearer new-after-auth_required']);
  await assert.rejects(bulb.job('x'), { code: 'auth_required' });
  assert.equal(s.asked.length, 4);
});

test('an abort ends a call, and one that waits to be repeated', async (t) => {
  const { base } = await site(t);
  const reason = new Error('enough');
  await assert.rejects(createClient({ server: base }).job('x', { signal: AbortSignal.abort(reason) }), reason);
  const s = await scripted(t, [503, 'no', { 'retry-after': '60' }]);
  const stop = new AbortController();
  const call = createClient({ server: s.url }).job('x', { signal: stop.signal });
  setTimeout(() => stop.abort(reason), 50);
  await assert.rejects(call, reason);
});

test('a watch by id, by document, by URL', async (t) => {
  const { origin, base } = await site(t);
  const bulb = createClient({ server: base, WebSocket: null });
  const job = (await post(`${base}/v1/jobs`, { urls: [`${origin.url}/png`], variants: small })).json;
  for (const target of [job, job.id, job.events_url, new URL(job.events_url)]) {
    const types = (await list(bulb.watch(target))).map((e) => e.type);
    assert.deepEqual([types[0], types.at(-1)], ['job.created', 'job.succeeded']);
  }
});
