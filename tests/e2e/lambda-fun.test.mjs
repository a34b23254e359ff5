// bulb as the bootstrap of a package under npm's @vercel/fun, which is not ours and has its own idea of
// Lambda: a runtime API without extensions, and a deadline of 5000 that is none.
import { describe, test } from 'node:test';
import assert from 'node:assert/strict';
import { chmodSync, copyFileSync, mkdirSync, readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { after, bulbBin, call, ended, root, sha256, tempDir, until } from '../lib/harness.mjs';
import { newSecret, reports } from '../lib/lambda_api.mjs';
import { origin, site, small } from '../lib/site.mjs';

const { createFunction } = createRequire(join(root, 'tests/package.json'))('@vercel/fun');
const minute = { timeout: 120000 };

/** A function made of a folder with a bootstrap in it. invoke(event) → {json} or {error}. */
async function fun(t, variables, make = (dir) => {
  copyFileSync(bulbBin, join(dir, 'bootstrap'));
  chmodSync(join(dir, 'bootstrap'), 0o755);
}) {
  const dir = join(tempDir(t), 'task');
  mkdirSync(dir);
  make(dir);
  const fn = await createFunction({ Code: { Directory: dir }, Handler: 'bulb', Runtime: 'provided', MemorySize: 1024,
    Environment: { Variables: { BULB_ALLOW_ADDRESS: '127.0.0.0/8', ...variables } } });
  after(t, () => fn.destroy());
  const invoke = async (event) => {
    try {
      const r = await fn.invoke({ InvocationType: 'RequestResponse', Payload: typeof event === 'string' ? event : JSON.stringify(event) });
      const json = JSON.parse(String(r.Payload));
      return r.FunctionError ? { error: json, kind: r.FunctionError } : { json };
    } catch (e) {
      return { thrown: e };
    }
  };
  /** Processes of ours that run from the folder. */
  const pids = () => readdirSync('/proc').filter((p) => {
    try { return /^\d+$/.test(p) && readlinkSync(`/proc/${p}/exe`).startsWith(dir) && readFileSync(`/proc/${p}/cmdline`, 'latin1').split('\0')[1] !== 'darkroom'; } catch { return false; }
  }).map(Number);
  return { invoke, pids, dir };
}

describe('@vercel/fun', () => {
  test('every event without a server: a job, tasks, a queue, and what is none', minute, async (t) => {
    const blobs = tempDir(t);
    const source = await origin(t);
    const f = await fun(t, { BULB_BLOB: `file:${blobs}` });
    const urls = [`${source.url}/png?seed=1`, `${source.url}/status/404`];
    const job = await f.invoke({ job: { urls, variants: small } });
    assert.deepEqual(job.json.items.map((i) => i.status), ['succeeded', 'failed']);
    const [made] = job.json.items[0].variants;
    assert.equal(sha256(readFileSync(join(blobs, made.key))), made.sha256);

    const secrets = { '1.1': newSecret() };
    const server = await reports(t, { secrets });
    const task = { task: '1.1', secret: secrets['1.1'], kind: 'fetch', url: urls[0], key_prefix: 'out/1/', variants: [], deadline_ms: Date.now() + 60000 };
    assert.equal((await f.invoke({ report_url: server.url, tasks: [task] })).json.reported, 1);
    assert.deepEqual([server.results.map((r) => r.status), server.faults], [['fetched'], []]);

    const Records = [['m1', { job: { urls: [urls[0]], variants: small } }], ['m2', { job: 3 }]]
      .map(([messageId, body]) => ({ messageId, eventSource: 'aws:sqs', body: JSON.stringify(body) }));
    assert.deepEqual((await f.invoke({ Records })).json, { batchItemFailures: [{ itemIdentifier: 'm2' }] });

    const none = await f.invoke({ hello: 'world' });
    assert.equal(none.kind, 'Handled');
    assert.equal(none.error.errorType, 'Bulb.request_invalid');
    assert.equal((await f.invoke('no json')).error.errorType, 'Bulb.request_malformed');
    const schedule = await f.invoke({ 'detail-type': 'Scheduled Event', source: 'aws.events', detail: {} });
    assert.match(schedule.error.errorMessage, /BULB_STORE/);
    assert.equal(f.pids().length, 1, 'one environment did it all');
  });

  test('a gateway in front, a server behind', minute, async (t) => {
    const { base, origin: source } = await site(t, ['--trusted-proxy', '127.0.0.0/8']);
    const f = await fun(t, { BULB_SERVER: base });
    const body = JSON.stringify({ urls: [`${source.url}/png?seed=1`], variants: small });
    const headers = { 'Content-Type': 'application/json' };
    const v1 = (await f.invoke({ resource: '/{proxy+}', path: '/v1/jobs', httpMethod: 'POST', headers, multiValueHeaders: { 'Content-Type': ['application/json'] },
      pathParameters: { proxy: 'v1/jobs' }, requestContext: { path: '/prod/v1/jobs', stage: 'prod', domainName: 'gw.example.com', identity: { sourceIp: '192.0.2.1' } },
      body, isBase64Encoded: false })).json;
    assert.equal(v1.statusCode, 202, v1.body);
    assert.match(JSON.parse(v1.body).links.self, /^https:\/\/gw\.example\.com\/prod\/v1\/jobs\//);
    const context = { http: { method: 'POST', path: '/v1/jobs', sourceIp: '192.0.2.1' }, stage: '$default', domainName: 'gw.example.com' };
    const v2 = (await f.invoke({ version: '2.0', rawPath: '/v1/jobs', rawQueryString: '', headers, requestContext: context,
      body: Buffer.from(body).toString('base64'), isBase64Encoded: true })).json;
    assert.equal(v2.statusCode, 202, v2.body);
    for (const r of [v1, v2]) assert.equal((await ended(base, JSON.parse(r.body).id)).status, 'succeeded');
    assert.equal((await f.invoke({ job: { urls: [`${source.url}/png?seed=2`] } })).json.status, 'queued');
    assert.equal((await call('GET', `${base}/v1/jobs`)).json.jobs.length, 3);
  });

  test('a crash in mid-invocation, and on', minute, async (t) => {
    const blobs = tempDir(t);
    const source = await origin(t);
    const f = await fun(t, { BULB_BLOB: `file:${blobs}` });
    const going = f.invoke({ job: { urls: [`${source.url}/hang`] } });
    await until('the download', () => source.seen.requests > 0);
    for (const pid of f.pids()) process.kill(pid, 'SIGKILL');
    const crashed = await going;
    assert.ok(crashed.thrown || crashed.error, JSON.stringify(crashed));
    const r = await f.invoke({ job: { urls: [`${source.url}/png?seed=1`], variants: small } });
    assert.equal(r.json?.job.status, 'succeeded', JSON.stringify(r));
  });
});
