// bulb doctor --policy: what it prints is what is asked of AWS, no less and no more.
import test from 'node:test';
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build, bulb, call, ended, post, run, tempDir, until } from '../lib/harness.mjs';
import { ageTrash } from '../lib/database.mjs';
import { faulty } from '../lib/s3_faults.mjs';
import { origin, small } from '../lib/site.mjs';
import { missing, swift } from '../lib/swift.mjs';

async function policy(args, env = { AWS_REGION: 'eu-west-1' }) {
  const r = await run(['doctor', '--policy', ...args], { env });
  assert.equal(r.code, 0, r.err);
  return JSON.parse(r.out);
}
const actions = (p) => p.Statement.flatMap((s) => s.Action).sort();

/** The action that AWS checks for a request ("Actions, resources, and condition keys for Amazon S3"). */
function action(method, path, query) {
  const object = path.split('/').filter(Boolean).length > 1;
  if (!object) return query.has('uploads') ? 's3:ListBucketMultipartUploads' : 's3:ListBucket';
  if (method === 'DELETE') return query.has('uploadId') ? 's3:AbortMultipartUpload' : 's3:DeleteObject';
  return method === 'PUT' || method === 'POST' ? 's3:PutObject' : 's3:GetObject';
}

test('it allows exactly what a server, doctor and gc ask of the bucket', { skip: missing, timeout: 240000 }, async (t) => {
  const source = await origin(t);
  const s3 = await swift(t);
  const proxy = await faulty(t, s3.port);
  const bucket = `bulb-${randomBytes(4).toString('hex')}`;
  const url = `s3://${bucket}/some/prefix`;
  const env = { ...s3.env, AWS_ENDPOINT_URL_S3: proxy.url };
  const tool = join(build, 'tests/unit/blob/s3_tool');
  assert.equal(spawnSync(tool, [url, 'make-bucket'], { env: { ...process.env, ...s3.env } }).status, 0);
  const p = await policy(['--blob', url], env);
  const asked = new Map();
  let refuse = null;
  proxy.next = (req) => {
    const at = new URL(req.url, proxy.url);
    const name = action(req.method, at.pathname, at.searchParams);
    const key = decodeURIComponent(at.pathname).slice(bucket.length + 2);
    asked.set(name, key);
    const resource = key ? `arn:aws:s3:::${bucket}/${key}` : `arn:aws:s3:::${bucket}`;
    assert.ok(p.Statement.some((s) => s.Action.includes(name) && (s.Resource === resource || (s.Resource.endsWith('*') && resource.startsWith(s.Resource.slice(0, -1))))), `${name} on ${resource}`);
    return refuse?.(req);
  };
  const data = tempDir(t);
  const server = await bulb(t, data, ['--blob', url], env);
  const job = (await post(`${server.url}/v1/jobs`, { urls: [`${source.url}/png?seed=1`], variants: small })).json;
  await ended(server.url, job.id);
  const more = (await post(`${server.url}/v1/jobs`, { from: { job: job.id }, variants: [{ name: 'b', width: 16 }] })).json; // reads the original
  await ended(server.url, more.id);
  assert.equal((await call('DELETE', `${server.url}/v1/jobs/${job.id}?results=true`)).status, 204);
  await until('the job\'s manifest to go', () => asked.has('s3:DeleteObject'));
  await server.stop();
  await ageTrash(data);
  assert.equal((await run(['gc', '--data', data, '--blob', url, '--keep-results', '0'], { env })).code, 0);
  await run(['doctor', '--data', data, '--blob', url, '--listen', '127.0.0.1:0'], { env });
  const big = join(data, 'big'); // in parts, the third of which is refused
  writeFileSync(big, randomBytes(50_000_000));
  refuse = (req) => (/partNumber=3/.test(req.url) ? 'denied' : null);
  const failed = await tooled(tool, env, url, 'put', 'big', big);
  assert.match(failed.err, /AccessDenied \(1 tries\); is it allowed\? s3:PutObject/);
  assert.deepEqual([...asked.keys()].sort(), actions(p));
});

function tooled(program, env, ...args) {
  const proc = spawn(program, args, { env: { ...process.env, ...env } });
  let err = '';
  proc.stderr.on('data', (d) => (err += d));
  return new Promise((done) => proc.on('close', (code) => done({ code, err })));
}

test('it names what the settings name, and no action has a wildcard', { timeout: 30000 }, async () => {
  const s3 = ['--blob', 's3://my-bucket/pictures'];
  const plain = await policy(s3);
  assert.equal(plain.Version, '2012-10-17');
  assert.deepEqual(plain.Statement.map((s) => s.Resource), ['arn:aws:s3:::my-bucket/pictures/*', 'arn:aws:s3:::my-bucket']);
  assert.deepEqual((await policy(['--blob', 's3://my-bucket'])).Statement[0].Resource, 'arn:aws:s3:::my-bucket/*');
  assert.equal((await policy(s3, { AWS_REGION: 'cn-north-1' })).Statement[0].Resource, 'arn:aws-cn:s3:::my-bucket/pictures/*');
  const both = await policy([...s3, '--s3-encryption', 'aws:kms', '--s3-kms-key', 'alias/pictures', '--dispatch', 'lambda:bulb:live']);
  assert.deepEqual(both.Statement[2], { Effect: 'Allow', Action: ['kms:GenerateDataKey', 'kms:Decrypt'], Resource: 'arn:aws:kms:eu-west-1:*:key/*',
    Condition: { 'ForAnyValue:StringEquals': { 'kms:ResourceAliases': 'alias/pictures' } } });
  assert.deepEqual(both.Statement[3], { Effect: 'Allow', Action: ['lambda:InvokeFunction'], Resource: 'arn:aws:lambda:eu-west-1:*:function:bulb:live' });
  const arn = 'arn:aws:lambda:us-east-1:1:function:x';
  assert.deepEqual((await policy(['--dispatch', `lambda:${arn}`])).Statement.map((s) => s.Resource), [arn]);
  for (const a of actions(both)) assert.match(a, /^[a-z0-9]+:[A-Za-z]+$/);
  const none = await run(['doctor', '--policy']);
  assert.equal(none.code, 64);
  assert.match(none.err, /nothing is asked of AWS/);
});
