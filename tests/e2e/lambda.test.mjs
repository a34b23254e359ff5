// bulb lambda against our own stand-in for Lambda's runtime: every shape of event, what is reported and
// where it is left, the end of the time, the end of the environment.
import { describe, test } from 'node:test';
import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { bulb, call, ended, freePort, items, sha256, tempDir, until } from '../lib/harness.mjs';
import { httpServer, lambda, newSecret, reports, sign } from '../lib/lambda_api.mjs';
import { origin, site, small } from '../lib/site.mjs';

const near = ['--allow-address', '127.0.0.0/8'];
const minute = { timeout: 60000 };
const recipe = 'ab'.repeat(32);
const files = (dir, at = '') => (existsSync(join(dir, at)) ? readdirSync(join(dir, at), { withFileTypes: true }) : [])
  .flatMap((e) => (e.isDirectory() ? files(dir, join(at, e.name)) : [join(at, e.name)]));

/** A function that keeps its pictures in a folder, and an origin for them. */
async function alone(t, opts = {}) {
  const blobs = tempDir(t);
  const source = await origin(t);
  const f = await lambda(t, { ...opts, args: ['--blob', `file:${blobs}`, ...near, ...(opts.args ?? [])] });
  return { f, blobs, source };
}

/** A function whose jobs and requests go to a real server. */
async function served(t, opts = {}) {
  const s = await site(t, opts.server ?? []);
  const f = await lambda(t, { ...opts, env: { BULB_SERVER: s.base, ...opts.env } });
  return { ...s, f };
}

const fetchTask = (task, secret, url, more = {}) => ({ task, secret, kind: 'fetch', url, key_prefix: `out/${task.replace('.', '-')}/`,
  variants: [{ ...small[0], recipe }], deadline_ms: Date.now() + 600000, ...more });

/** Tasks, their secrets, and a server that answers each "fetched" with the make that follows. */
async function tasking(t, source, n, { picture = (i) => `${source.url}/png?seed=${i}`, ...opts } = {}) {
  const secrets = {};
  const tasks = [];
  for (let i = 1; i <= n; i++) {
    secrets[`${i}.1`] = newSecret();
    secrets[`${1000 + i}.1`] = newSecret();
    tasks.push(fetchTask(`${i}.1`, secrets[`${i}.1`], picture(i)));
  }
  const answer = (x) => {
    if (x.status !== 'fetched') return {};
    const task = `${1000 + Number.parseInt(x.task, 10)}.1`;
    return { next: { task, secret: secrets[task], kind: 'make', source: x.source, key_prefix: `out/${task.replace('.', '-')}/`,
      variants: [{ ...small[0], recipe }], deadline_ms: Date.now() + 600000 } };
  };
  const server = await reports(t, { secrets, answer, ...opts });
  return { server, secrets, tasks, event: { report_url: server.url, tasks } };
}
const recorded = (server, status) => server.results.filter((r) => r.status === status && r.verdict === 'recorded').map((r) => r.task).sort();

describe('a job without a server', () => {
  test('is worked off into the blobs and answered with its manifest', minute, async (t) => {
    const { f, blobs, source } = await alone(t);
    const r = await f.invoke({ job: { urls: [`${source.url}/png?seed=1`, `${source.url}/png?seed=2`, `${source.url}/png?seed=1`, `${source.url}/status/404`],
      variants: small, tag: 'spring' } });
    assert.equal(r.json.job.id, r.id);
    assert.equal(r.json.job.status, 'partial');
    assert.equal(r.json.job.tag, 'spring');
    assert.deepEqual({ ...r.json.job.counts, cutouts: 0 },
      { total: 3, duplicates: 1, queued: 0, running: 0, succeeded: 2, failed: 1, canceled: 0, cached: 0, cutouts: 0 });
    assert.deepEqual(r.json.items.map((i) => i.status), ['succeeded', 'succeeded', 'failed']);
    assert.equal(r.json.items[2].error.code, 'fetch_status');
    for (const item of r.json.items.slice(0, 2))
      for (const blob of [item.source, ...item.variants]) assert.equal(sha256(readFileSync(join(blobs, blob.key))), blob.sha256);
    const stored = JSON.parse(readFileSync(join(blobs, 'jobs', '1', r.id, 'manifest.json')));
    assert.deepEqual(stored, r.json);
  });

  test('is done once however often it is delivered', minute, async (t) => {
    const { f, blobs, source } = await alone(t);
    const event = { job: { urls: [`${source.url}/png?seed=1`, `${source.url}/png?seed=2`], variants: small } };
    const first = await f.invoke(event, { id: 'a-request' });
    const before = files(blobs);
    const second = await f.invoke(event, { id: 'a-request' });
    assert.deepEqual(second.json, first.json);
    assert.deepEqual(files(blobs), before);
    assert.equal(source.seen.requests, 2);
  });

  test('is told what is wrong with it', minute, async (t) => {
    const { f } = await alone(t);
    const wrong = await f.invoke({ job: { urls: ['http://example.com/a.png'], variants: [{ name: 'a', widht: 3 }] } });
    assert.equal(wrong.type, 'Bulb.request_unknown_member');
    assert.match(wrong.error.errorMessage, /\/job\/variants\/0\/widht.*width/);
    const hook = await f.invoke({ job: { urls: ['http://example.com/a.png'], webhook: { url: 'https://example.com/' } } });
    assert.match(hook.error.errorType, /^Bulb\.request_/);
    assert.equal(f.starts, 1);
  });

  test('needs to know where its pictures go', minute, async (t) => {
    const f = await lambda(t);
    const r = await f.invoke({ job: { urls: ['http://example.com/a.png'] } });
    assert.equal(r.type, 'Bulb.usage');
    assert.match(r.error.errorMessage, /BULB_BLOB/);
  });

  test('whose manifest is over 6 MB is answered with where that lies', minute, async (t) => {
    const { f, blobs, source } = await alone(t, { maxAnswer: 4000 });
    const urls = Array.from({ length: 8 }, (_, i) => `${source.url}/png?seed=${i}`);
    const r = await f.invoke({ job: { urls, variants: small } });
    assert.equal(r.json.job.status, 'succeeded');
    assert.equal(r.json.items, undefined);
    assert.equal(r.json.manifest.blob, `file:${blobs}`);
    const manifest = JSON.parse(readFileSync(join(blobs, r.json.manifest.key)));
    assert.equal(manifest.items.length, 8);
  });

  test('goes on in further invocations when the time is over', { timeout: 120000 }, async (t) => {
    const { f, blobs, source } = await alone(t, { args: ['--per-host', '2'] });
    const urls = Array.from({ length: 12 }, (_, i) => `${source.url}/png?seed=${i}&delay=700`);
    const first = await f.invoke({ job: { urls, variants: small } }, { ms: 3000, id: 'batch' });
    assert.equal(first.json.job.status, 'running');
    assert.equal(first.json.continued, true);
    assert.equal(f.invokes[0].name, 'f');
    assert.equal(f.invokes[0].headers['x-amz-invocation-type'], 'Event');
    assert.match(f.invokes[0].headers.authorization, /^AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE\/\d{8}\/us-east-1\/lambda\/aws4_request,/);
    f.limit = 3000;
    await f.drain();
    assert.ok(f.async.length >= 1);
    assert.equal(f.lastExit, undefined, 'no environment was killed at its deadline');
    const manifest = JSON.parse(readFileSync(join(blobs, 'jobs', '1', 'batch', 'manifest.json')));
    assert.equal(manifest.job.status, 'succeeded');
    assert.deepEqual(manifest.items.map((i) => i.url), urls);
    assert.equal(new Set(manifest.items.map((i) => i.id)).size, urls.length);
    for (const item of manifest.items) assert.equal(sha256(readFileSync(join(blobs, item.variants[0].key))), item.variants[0].sha256);
    assert.equal(existsSync(join(blobs, 'jobs', '1', 'batch', 'rest.json')), false);
  });

  test('that no time limit is long enough for ends with failed items', { timeout: 120000 }, async (t) => {
    const { f, source } = await alone(t);
    const urls = [`${source.url}/png?seed=1`, `${source.url}/hang`];
    f.limit = 2500;
    await f.invoke({ job: { urls, variants: small } }, { id: 'stuck' });
    const rest = await f.drain();
    const last = rest.at(-1).json;
    assert.equal(last.job.status, 'partial');
    assert.deepEqual(last.items.map((i) => i.error?.code ?? null), [null, 'deadline']);
  });
});

describe('events', () => {
  test('of no known shape are refused with the shapes that there are', minute, async (t) => {
    const { f } = await alone(t);
    for (const event of [{ what: 1 }, [], 'null', '17', '"text"', { Records: [{ eventSource: 'aws:s3', s3: {} }] }, { requestContext: {} }]) {
      const r = await f.invoke(event);
      assert.equal(r.type, 'Bulb.request_invalid', JSON.stringify(event));
      assert.match(r.error.errorMessage, /"job".*"tasks".*API Gateway.*function URL.*SQS.*EventBridge/);
      assert.deepEqual(r.error.stackTrace, []);
    }
    assert.equal((await f.invoke('{"job":')).type, 'Bulb.request_malformed');
    assert.equal(f.starts, 1);
  });

  test('of a schedule drop what nothing needs, where a store is named', minute, async (t) => {
    const event = { version: '0', id: 'x', 'detail-type': 'Scheduled Event', source: 'aws.events', resources: [], detail: {} };
    const without = await lambda(t);
    const r = await without.invoke(event);
    assert.equal(r.type, 'Bulb.usage');
    assert.match(r.error.errorMessage, /BULB_STORE/);
    const { data } = await site(t);
    const f = await lambda(t, { args: ['--store', `sqlite:${data}/bulb.db`, '--blob', `file:${data}/blobs`] });
    for (const e of [event, { gc: true }])
      assert.deepEqual((await f.invoke(e)).json, { jobs: 0, originals: 0, results: 0, blobs: 0, orphans: 0 });
  });

  test('of a queue fail message by message', minute, async (t) => {
    const { f, source } = await alone(t);
    const record = (messageId, body) => ({ messageId, receiptHandle: 'r', body: typeof body === 'string' ? body : JSON.stringify(body),
      attributes: { ApproximateReceiveCount: '1' }, eventSource: 'aws:sqs', eventSourceARN: 'arn:aws:sqs:us-east-1:1:q' });
    const job = (seed) => ({ job: { urls: [`${source.url}/png?seed=${seed}`], variants: small } });
    const r = await f.invoke({ Records: [record('good', job(1)), record('bad', { job: { urls: [] } }), record('no-json', '{'),
      record('other', { gc: true }), record('task', { tasks: [fetchTask('1.1', newSecret(), `${source.url}/png?seed=3`)] }),
      record('bad-task', { tasks: [{ task: '1.1' }] })] });
    assert.deepEqual(r.json.batchItemFailures.map((x) => x.itemIdentifier).sort(), ['bad', 'bad-task', 'no-json', 'other']);
    assert.deepEqual((await f.invoke({ Records: [record('good', job(1))] })).json, { batchItemFailures: [] });
    assert.equal(source.seen.requests, 2, 'a message that comes again is not worked off again');
  });

  test('of a queue that need longer go back to it, and go on where they were', { timeout: 120000 }, async (t) => {
    const { f, blobs, source } = await alone(t, { args: ['--per-host', '1'] });
    const urls = [1, 2, 3, 4].map((i) => `${source.url}/png?seed=${i}&delay=600`);
    const event = { Records: [{ messageId: 'm', eventSource: 'aws:sqs', body: JSON.stringify({ job: { urls, variants: small } }) }] };
    let n = 0;
    for (let failures = 1; failures; n++) failures = (await f.invoke(event, { ms: 3000 })).json.batchItemFailures.length;
    assert.ok(n > 1);
    assert.equal(JSON.parse(readFileSync(join(blobs, 'jobs', '1', 'm', 'manifest.json'))).job.status, 'succeeded');
    assert.ok(source.seen.requests < urls.length * n);
  });
});

describe('a job with a server', () => {
  test('is created there once, under the invocation\'s id', minute, async (t) => {
    const { f, origin: source, base } = await served(t);
    const event = { job: { urls: [`${source.url}/png?seed=1`], variants: small } };
    const first = await f.invoke(event, { id: 'one' });
    assert.equal(first.json.status, 'queued');
    assert.equal((await f.invoke(event, { id: 'one' })).json.id, first.json.id);
    assert.notEqual((await f.invoke(event, { id: 'two' })).json.id, first.json.id);
    assert.equal((await ended(base, first.json.id)).status, 'succeeded');
    const queued = { Records: [{ messageId: 'one', eventSource: 'aws:sqs', body: JSON.stringify(event) }] };
    assert.deepEqual((await f.invoke(queued)).json, { batchItemFailures: [] });
    assert.equal((await call('GET', `${base}/v1/jobs`)).json.jobs.length, 2);
  });

  test('fails with the server\'s own reason', minute, async (t) => {
    const { f } = await served(t);
    const r = await f.invoke({ job: { urls: ['http://example.com/a.png'], varaints: [] } });
    assert.equal(r.type, 'Bulb.request_unknown_member');
    assert.match(r.error.errorMessage, /422.*\/varaints.*variants/);
  });

  test('waits for a server that is away, and fails in time when it stays away', minute, async (t) => {
    let down = 2;
    const server = await httpServer(t, () => (down-- > 0 ? { status: 503, headers: { 'retry-after': '0' }, body: { code: 'shutting_down', detail: 'soon' } }
      : { status: 202, body: { id: 'j', status: 'queued' } }));
    const f = await lambda(t, { env: { BULB_SERVER: server.url, BULB_KEY: 'a-key' } });
    assert.equal((await f.invoke({ job: { urls: ['http://example.com/a'] } }, { id: 'r1' })).json.id, 'j');
    assert.equal(server.seen.length, 3);
    for (const s of server.seen) {
      assert.equal(s.headers['idempotency-key'], 'r1');
      assert.equal(s.headers.authorization, 'Bearer a-key');
    }
    down = Infinity;
    const r = await f.invoke({ job: { urls: ['http://example.com/a'] } }, { ms: 2500 });
    assert.equal(r.type, 'Bulb.shutting_down');
    assert.equal(f.starts, 1);
  });
});

/* ---- gateways --------------------------------------------------------------------------------- */

const rest = (method, path, { body, headers = {}, query, stage = 'prod', proxy = path.slice(1), ...more } = {}) => ({
  resource: '/{proxy+}', path, httpMethod: method, headers, multiValueHeaders: Object.fromEntries(Object.entries(headers).map(([k, v]) => [k, [].concat(v)])),
  queryStringParameters: null, multiValueQueryStringParameters: query ?? null, pathParameters: { proxy }, stageVariables: null,
  requestContext: { resourcePath: '/{proxy+}', httpMethod: method, path: `/${stage}${path}`, stage, domainName: 'abc.execute-api.us-east-1.amazonaws.com',
    requestId: 'gateway-1', identity: { sourceIp: '203.0.113.7' } },
  body: body ?? null, isBase64Encoded: false, ...more });
const http2 = (method, rawPath, { body, headers = {}, query = '', stage = '$default', cookies, domain = 'abc.lambda-url.us-east-1.on.aws', ...more } = {}) => ({
  version: '2.0', routeKey: '$default', rawPath, rawQueryString: query, headers, ...(cookies ? { cookies } : {}),
  requestContext: { http: { method, path: rawPath, protocol: 'HTTP/1.1', sourceIp: '203.0.113.7', userAgent: 'x' }, stage, domainName: domain, requestId: 'gateway-2' },
  ...(body === undefined ? {} : { body }), isBase64Encoded: false, ...more });

describe('a gateway', () => {
  const header = (answer, name) => answer.headers[name] ?? answer.multiValueHeaders?.[name]?.[0];

  test('gets 202 and links that lead back through it, from REST and HTTP APIs and function URLs', minute, async (t) => {
    const { f, origin: source, base } = await served(t, { server: ['--trusted-proxy', '127.0.0.0/8'] });
    const body = JSON.stringify({ urls: [`${source.url}/png?seed=1`], variants: small });
    const type = { 'content-type': 'application/json' };
    const events = [
      ['https://abc.execute-api.us-east-1.amazonaws.com/prod', rest('POST', '/v1/jobs', { body, headers: type })],
      ['https://pictures.example.com/shop', rest('POST', '/shop/v1/jobs', { body, headers: type, proxy: 'v1/jobs',
        requestContext: { path: '/shop/v1/jobs', stage: 'prod', domainName: 'pictures.example.com', identity: { sourceIp: '203.0.113.7' } } })],
      ['https://abc.execute-api.us-east-1.amazonaws.com/test', http2('POST', '/test/v1/jobs', { body, headers: type, stage: 'test', domain: 'abc.execute-api.us-east-1.amazonaws.com' })],
      ['https://abc.lambda-url.us-east-1.on.aws', http2('POST', '/v1/jobs', { body, headers: type })],
      ['https://abc.lambda-url.us-east-1.on.aws', http2('POST', '/v1/jobs', { body: Buffer.from(body).toString('base64'), isBase64Encoded: true, headers: type })],
    ];
    for (const [at, event] of events) {
      const r = (await f.invoke(event)).json;
      assert.equal(r.statusCode, 202, r.body);
      assert.equal(r.isBase64Encoded, false);
      const job = JSON.parse(r.body);
      assert.equal(header(r, 'location'), `${at}/v1/jobs/${job.id}`);
      assert.equal(job.links.self, `${at}/v1/jobs/${job.id}`);
      assert.ok(job.events_url.startsWith(`${at.replace('https', 'wss')}/v1/jobs/`), job.events_url);
      assert.equal((await ended(base, job.id)).status, 'succeeded');
      // Whatever a link says is what the gateway hands over again.
      const path = new URL(job.links.items).pathname;
      const again = event.version ? http2('GET', path, { stage: event.requestContext.stage, domain: event.requestContext.domainName })
        : rest('GET', event.requestContext.path === event.path ? path : path.replace('/prod', ''), { proxy: path.replace(/^\/(prod|shop)\//, ''),
          requestContext: { ...event.requestContext, path } });
      const got = (await f.invoke(again)).json;
      assert.equal(got.statusCode, 200, got.body);
      assert.equal(JSON.parse(got.body).items[0].status, 'succeeded');
    }
  });

  test('passes on what its client sent, and nothing that concerns one connection', minute, async (t) => {
    const server = await httpServer(t, () => ({ status: 200, headers: { 'set-cookie': ['a=1', 'b=2'], 'x-many': ['1', '2'], connection: 'keep-alive' }, body: Buffer.from([0, 255, 1]) }));
    const f = await lambda(t, { env: { BULB_SERVER: server.url } });
    const headers = { Host: 'evil.example.com', Connection: 'close, X-Private', 'X-Private': 'no', TE: 'trailers', Upgrade: 'websocket', 'X-Keep': 'yes',
      'X-Forwarded-For': '198.51.100.9, 203.0.113.7', 'X-Forwarded-Host': 'evil.example.com', 'X-Forwarded-Prefix': '/evil', Forwarded: 'host=evil', 'X-Request-Id': 'mine',
      Accept: 'text/event-stream' };
    const r = (await f.invoke(rest('GET', '/v1/jobs/a b/items', { headers, query: { page_token: ['a b&c', 'ü'], ref: ['x'] } }))).json;
    const seen = server.seen[0];
    assert.equal(seen.url, '/v1/jobs/a%20b/items?page_token=a%20b%26c&page_token=%C3%BC&ref=x');
    const { host, ...sent } = seen.headers;
    assert.equal(host, new URL(server.url).host);
    assert.deepEqual({ ...sent }, { accept: 'application/json', 'x-keep': 'yes', 'x-request-id': 'mine', 'x-forwarded-for': '198.51.100.9, 203.0.113.7',
      'x-forwarded-host': 'abc.execute-api.us-east-1.amazonaws.com', 'x-forwarded-proto': 'https', 'x-forwarded-prefix': '/prod' });
    assert.equal(r.isBase64Encoded, true);
    assert.deepEqual([...Buffer.from(r.body, 'base64')], [0, 255, 1]);
    assert.deepEqual(r.multiValueHeaders['set-cookie'], ['a=1', 'b=2']);
    assert.equal(r.multiValueHeaders.connection, undefined);
    const v2 = (await f.invoke(http2('GET', '/x', { cookies: ['s=1', 't=2'], query: 'a=%20&b', headers: { 'x-forwarded-for': '9.9.9.9' } }))).json;
    assert.equal(server.seen[1].headers.cookie, 's=1; t=2');
    assert.equal(server.seen[1].url, '/x?a=%20&b');
    assert.equal(server.seen[1].headers['x-forwarded-for'], '9.9.9.9, 203.0.113.7');
    assert.deepEqual(v2.cookies, ['a=1', 'b=2']);
    assert.equal(v2.headers['x-many'], '1, 2');
  });

  test('is told by a problem document that the server is away, silent, too long, or not there at all', minute, async (t) => {
    const server = await httpServer(t, (c) => (c.url === '/hang' ? null : { body: 'x'.repeat(7 << 20) }));
    const gone = `http://127.0.0.1:${await freePort()}`;
    const problem = async (env, event, opts) => {
      const f = await lambda(t, { env });
      const r = (await f.invoke(event, opts)).json;
      assert.equal(r.headers['content-type'], 'application/problem+json');
      return { at: r.statusCode, ...JSON.parse(r.body) };
    };
    const silent = await problem({ BULB_SERVER: server.url }, http2('GET', '/hang'), { ms: 2000 });
    assert.equal(silent.at, 504);
    assert.match(silent.detail, /did not answer in time/);
    assert.equal((await problem({ BULB_SERVER: gone }, http2('GET', '/v1/jobs'))).at, 502);
    const long = await problem({ BULB_SERVER: server.url }, rest('GET', '/long'));
    assert.deepEqual([long.at, long.code], [502, 'request_too_large']);
    const none = await problem({}, http2('GET', '/v1/jobs'));
    assert.deepEqual([none.at, none.code], [503, 'overloaded']);
    assert.match(none.detail, /BULB_SERVER/);
    assert.equal((await problem({ BULB_SERVER: gone }, { ...rest('GET', '/x'), httpMethod: 'G T' })).at, 400);
  });
});

/* ---- tasks ------------------------------------------------------------------------------------ */

describe('tasks', () => {
  test('are fetched, made and reported, each under its own prefix and signature', minute, async (t) => {
    const { f, blobs, source } = await alone(t);
    const { server, event } = await tasking(t, source, 6);
    const r = await f.invoke(event);
    assert.deepEqual(r.json, { tasks: 6, reported: 12, left: 0, refused: 0, continued: 0, returned: 0 });
    assert.deepEqual(server.faults, []);
    assert.equal(recorded(server, 'fetched').length, 6);
    assert.equal(recorded(server, 'succeeded').length, 6);
    for (const x of server.results) {
      const prefix = `out/${x.task.replace('.', '-')}/`;
      for (const blob of x.status === 'fetched' ? [x.source] : x.variants) {
        assert.ok(blob.key.startsWith(prefix), blob.key);
        assert.equal(sha256(readFileSync(join(blobs, blob.key))), blob.sha256);
      }
      if (x.status === 'succeeded') assert.deepEqual(x.variants.map((v) => [v.name, v.recipe, v.width]), [['a', recipe, 32]]);
    }
  });

  test('that end together share a report', minute, async (t) => {
    const { f, source } = await alone(t);
    const sizes = [];
    const { server, event } = await tasking(t, source, 20, { mode: async (c) => {
      sizes.push(JSON.parse(c.body).results.length);
      if (sizes.length === 1) await until('every download', () => source.seen.requests === 20);
      return undefined;
    } });
    await f.invoke(event);
    assert.equal(recorded(server, 'succeeded').length, 20);
    assert.ok(Math.max(...sizes) > 1 && server.posts < 40, `${server.posts} posts for 40 results: ${sizes}`);
  });

  test('whose bytes are known already need nothing more', minute, async (t) => {
    const { f, source } = await alone(t);
    const { server, event } = await tasking(t, source, 3, { answer: () => ({}) });
    const r = await f.invoke(event);
    assert.equal(r.json.reported, 3);
    assert.deepEqual(recorded(server, 'succeeded'), []);
  });

  test('that fail say why, those that may pass are tried again first', minute, async (t) => {
    const { f, source } = await alone(t);
    const paths = { 1: '/status/404', 2: '/flaky?fail=1', 3: '/html' };
    const { server, event } = await tasking(t, source, 3, { picture: (i) => `${source.url}${paths[i]}` });
    await f.invoke(event);
    assert.deepEqual(recorded(server, 'failed'), ['1.1', '1003.1']);
    assert.deepEqual(recorded(server, 'succeeded'), ['1002.1']);
    const failed = server.results.find((x) => x.task === '1.1');
    assert.equal(failed.error.code, 'fetch_status');
    assert.equal(failed.error.source_status, 404);
  });

  test('that ask for what has changed are told not_modified', minute, async (t) => {
    const { f, source } = await alone(t);
    const url = `${source.url}/png?seed=1`;
    const { headers } = await call('GET', url);
    const { server, secrets } = await tasking(t, source, 1, { answer: () => ({}) });
    await f.invoke({ report_url: server.url, tasks: [fetchTask('1.1', secrets['1.1'], url, { etag: headers.etag })] });
    assert.deepEqual(recorded(server, 'not_modified'), ['1.1']);
  });

  test('send the headers they were given', minute, async (t) => {
    const seen = [];
    const { f } = await alone(t);
    const source = await httpServer(t, (c) => { seen.push(c.headers); return { status: 404 }; });
    const { server, secrets } = await tasking(t, source, 1);
    await f.invoke({ report_url: server.url, tasks: [fetchTask('1.1', secrets['1.1'], `${source.url}/a`, { headers: { Authorization: 'Basic eDp5' } })] });
    assert.equal(seen[0].authorization, 'Basic eDp5');
    assert.doesNotMatch(f.log, /eDp5/);
  });

  test('without a server are answered with what was made', minute, async (t) => {
    const { f, blobs, source } = await alone(t);
    const r = await f.invoke({ tasks: [1, 2].map((i) => fetchTask(`${i}.1`, newSecret(), `${source.url}/png?seed=${i}`)) });
    assert.deepEqual(r.json.results.map((x) => x.status), ['succeeded', 'succeeded']);
    for (const x of r.json.results) for (const blob of [x.source, ...x.variants]) assert.equal(sha256(readFileSync(join(blobs, blob.key))), blob.sha256);
  });

  test('that make no sense are refused with the place of the fault', minute, async (t) => {
    const { f } = await alone(t);
    const task = fetchTask('1.1', newSecret(), 'http://example.com/');
    for (const [event, where] of [[{ tasks: 1 }, /\/tasks/], [{ tasks: [{ ...task, kind: 'cut' }] }, /\/tasks\/0\/kind/],
      [{ tasks: [{ ...task, key_prefix: '../../etc/' }] }, /key_prefix/], [{ tasks: [{ ...task, secret: 3 }] }, /secret/]])
      assert.match((await f.invoke(event)).error.errorMessage, where);
    assert.equal(f.starts, 1);
  });

  test('are reported again until the server answers', minute, async (t) => {
    const { f, source } = await alone(t);
    let left = 3;
    const { server, event } = await tasking(t, source, 2, { mode: () => (left-- > 0 ? { status: [500, 503, 429][left], body: {} } : undefined) });
    await f.invoke(event);
    assert.equal(recorded(server, 'succeeded').length, 2);
    assert.match(f.log, /lambda_report_waits/);
  });

  test('delivered twice change nothing the second time', minute, async (t) => {
    const { f, source } = await alone(t);
    const { server, event } = await tasking(t, source, 2);
    await f.invoke(event);
    const r = await f.invoke(event);
    assert.equal(r.json.refused, 0);
    assert.equal(recorded(server, 'succeeded').length, 2);
    assert.equal(server.results.filter((x) => x.verdict === 'repeated').length, 4);
  });

  test('with a stale lease leave no blobs', minute, async (t) => {
    const { f, blobs, source } = await alone(t);
    const { event } = await tasking(t, source, 3, { answer: () => ({ status: 'stale' }) });
    const r = await f.invoke(event);
    assert.deepEqual([r.json.reported, r.json.refused], [0, 3]);
    await until('the blobs to go', () => files(join(blobs, 'out')).length === 0);
  });

  test('that are forged are refused and not sent again', minute, async (t) => {
    const { f, source } = await alone(t);
    const { server, event, secrets } = await tasking(t, source, 1);
    secrets['1.1'] = newSecret();
    const r = await f.invoke(event);
    assert.equal(r.json.refused, 1);
    assert.equal(server.posts, 1);
    assert.match(f.log, /lambda_report_refused/);
  });

  test('whose server has stopped answering leave their reports beside the blobs, in time', minute, async (t) => {
    const { f, blobs, source } = await alone(t);
    const { event, secrets } = await tasking(t, source, 3, { mode: () => null });
    const r = await f.invoke(event, { ms: 5000 });
    assert.equal(r.json.left, 3);
    assert.equal(f.starts, 1);
    const left = files(join(blobs, 'reports'));
    const tasks = [];
    for (const name of left) {
      const { headers, body } = JSON.parse(readFileSync(join(blobs, 'reports', name)));
      const list = JSON.parse(body).results;
      list.forEach((x, i) => {
        assert.equal(headers['webhook-signature'].split(' ')[i], sign(secrets[x.task], headers['webhook-id'], headers['webhook-timestamp'], body));
        assert.equal(sha256(readFileSync(join(blobs, x.source.key))), x.source.sha256);
      });
      tasks.push(...list.map((x) => x.task));
      assert.equal(name, `${list[0].task.replace('.', '-')}.json`);
    }
    assert.deepEqual(tasks.sort(), ['1.1', '2.1', '3.1']);
  });

  test('that are not done in time go on in another invocation', { timeout: 120000 }, async (t) => {
    const { f, source } = await alone(t, { args: ['--per-host', '2'], limit: 3000 });
    const { server, event } = await tasking(t, source, 12, { picture: (i) => `${source.url}/png?seed=${i}&delay=600` });
    f.throttle = 1; // Lambda takes it at the second try
    const r = await f.invoke(event);
    assert.ok(r.json.continued > 0 && r.json.continued < 12, JSON.stringify(r.json));
    await f.drain();
    assert.equal(recorded(server, 'succeeded').length, 12);
    assert.equal(f.starts, 1, 'no invocation ran into its limit');
    assert.match(f.log, /lambda_continues/);
  });

  test('of an invocation that got nothing done are given back to the server', minute, async (t) => {
    const { f, source } = await alone(t);
    const { server, event } = await tasking(t, source, 2, { picture: () => `${source.url}/hang` });
    const r = await f.invoke(event, { ms: 2500 });
    assert.deepEqual([r.json.continued, r.json.returned], [0, 2]);
    assert.deepEqual(recorded(server, 'later'), ['1.1', '2.1']);
    assert.equal(f.invokes, undefined);
  });

  test('of a queue that are not done in time go back to it', minute, async (t) => {
    const { f, source } = await alone(t);
    const { server, tasks } = await tasking(t, source, 2, { picture: (i) => `${source.url}/${i === 1 ? 'png?seed=1' : 'hang'}` });
    const Records = tasks.map((x, i) => ({ messageId: `m${i + 1}`, eventSource: 'aws:sqs', body: JSON.stringify({ report_url: server.url, tasks: [x] }) }));
    assert.deepEqual((await f.invoke({ Records }, { ms: 3000 })).json, { batchItemFailures: [{ itemIdentifier: 'm2' }] });
    assert.deepEqual(recorded(server, 'succeeded'), ['1001.1']);
  });

  test('whose time is over before they came are left alone', minute, async (t) => {
    const { f, source } = await alone(t);
    const { server, secrets } = await tasking(t, source, 1);
    const r = await f.invoke({ report_url: server.url, tasks: [fetchTask('1.1', secrets['1.1'], `${source.url}/png?seed=1`, { deadline_ms: Date.now() - 1000 })] });
    assert.equal(r.json.reported, 0);
    assert.equal(source.seen.requests, 0);
  });

  test('go on after a crash in mid-invocation, in a new environment', minute, async (t) => {
    const { f, source } = await alone(t);
    const { server, event } = await tasking(t, source, 4, { picture: (i) => `${source.url}/png?seed=${i}${i === 4 ? '&delay=3000' : ''}` });
    const going = f.invoke(event);
    await until('some reports', () => recorded(server, 'succeeded').length >= 3);
    await f.kill();
    assert.equal((await going).crashed, true);
    const again = await f.invoke(event);
    assert.equal(f.starts, 2);
    assert.equal(again.json.refused, 0);
    assert.equal(recorded(server, 'succeeded').length, 4);
    assert.deepEqual(server.faults, []);
  });
});

/* ---- the environment -------------------------------------------------------------------------- */

describe('an environment', () => {
  test('registers an extension before its first event, and ends at once when it is told to', minute, async (t) => {
    const { f } = await alone(t);
    await f.invoke({ what: 1 });
    assert.equal(f.registered, 1);
    assert.ok(f.calls.findIndex((c) => c.includes('extension/register')) < f.calls.findIndex((c) => c.includes('invocation/next')));
    await until('the extension to be asked', () => f.calls.includes('GET /2020-01-01/extension/event/next'));
    assert.equal(f.extensionId, 'x1');
    await f.idle();
    assert.deepEqual(await f.terminate(), { code: 0, signal: null });
  });

  test('works where there are no extensions, and where the deadline makes no sense', minute, async (t) => {
    const { f, source } = await alone(t, { extensions: false, deadline: () => 5000 });
    const r = await f.invoke({ job: { urls: [`${source.url}/png?seed=1`], variants: small } });
    assert.equal(r.json.job.status, 'succeeded');
    assert.match(f.log, /extension=no/);
  });

  test('that is told to end at work hands on what it has', minute, async (t) => {
    const { f, source } = await alone(t);
    const { server, event } = await tasking(t, source, 3, { picture: (i) => `${source.url}/png?seed=${i}${i === 3 ? '&delay=20000' : ''}` });
    const going = f.invoke(event);
    await until('the quick ones', () => recorded(server, 'succeeded').length === 2);
    const end = await f.terminate();
    assert.deepEqual((await going).json, { tasks: 3, reported: 4, left: 0, refused: 0, continued: 1, returned: 0 });
    assert.deepEqual(end, { code: 0, signal: null });
    assert.deepEqual(f.invokes[0].event.tasks.map((x) => x.task), ['3.1']);
  });

  test('that cannot start says so', minute, async (t) => {
    for (const [args, env, why] of [[['--blob', 'ftp://x'], {}, /--blob|blob/], [[], { BULB_WORKRES: '3' }, /BULB_WORKERS/]]) {
      const f = await lambda(t, { args, env });
      f.start();
      const end = await f.exit();
      assert.notEqual(end.code, 0);
      assert.equal(f.initErrors.length, 1);
      assert.match(f.initErrors[0].errorMessage, why);
      assert.match(f.initErrors[0].type, /^Bulb\./);
      assert.ok(!f.calls.some((c) => c.includes('invocation/next')));
    }
  });

  test('is kept warm: one process, the same darkrooms, its connections', minute, async (t) => {
    const { f, source } = await alone(t, { args: ['--darkrooms', '1', '--log-level', 'debug'] });
    const children = () => readdirSync('/proc').filter((p) => /^\d+$/.test(p)).filter((p) => {
      try { return readFileSync(`/proc/${p}/cmdline`, 'latin1').includes('darkroom') && ancestors(p).includes(f.pid); } catch { return false; }
    }).sort().join();
    const ancestors = (p) => {
      const all = [];
      for (let at = Number(p); at > 1; all.push(at)) at = Number(/PPid:\s+(\d+)/.exec(readFileSync(`/proc/${at}/status`, 'utf8'))[1]);
      return all;
    };
    const { server, event } = await tasking(t, source, 1);
    await f.invoke(event);
    const first = children();
    assert.notEqual(first, '');
    const tasks = await tasking(t, source, 1);
    await f.invoke(tasks.event);
    assert.equal(children(), first);
    assert.equal(f.starts, 1);
    assert.equal(recorded(server, 'succeeded').length + recorded(tasks.server, 'succeeded').length, 2);
  });

  test('answers after any number of bad events as after none', minute, async (t) => {
    const { f, source } = await alone(t);
    for (let i = 0; i < 20; i++) await f.invoke(`{"tasks": [${'['.repeat(i)}`);
    const r = await f.invoke({ job: { urls: [`${source.url}/png?seed=1`], variants: small } });
    assert.equal(r.json.job.status, 'succeeded');
    assert.equal(f.starts, 1);
  });
});
