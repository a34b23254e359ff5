// Where AWS keys come from: each source against a stand-in of its own, in the order of Amazon's SDKs.
import test from 'node:test';
import assert from 'node:assert/strict';
import http from 'node:http';
import { once } from 'node:events';
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { writeFileSync, mkdirSync } from 'node:fs';
import { build, tempDir, until } from '../lib/harness.mjs';

const clean = { PATH: process.env.PATH, AWS_EC2_METADATA_DISABLED: 'true', ASAN_OPTIONS: process.env.ASAN_OPTIONS };
const tool = (env) => spawn(join(build, 'tests/unit/blob/s3_tool'), ['s3://bucket', 'keys'], { env: { ...clean, ...env } });

/** What the client would sign with: [access, secret, token, region], or what it says is wrong. */
async function keys(env) {
  const proc = tool(env);
  let out = '';
  let err = '';
  proc.stdout.on('data', (d) => (out += d));
  proc.stderr.on('data', (d) => (err += d));
  proc.stdin.end('\n');
  await once(proc, 'close');
  return out ? out.trim().split(' ') : err.trim();
}

async function service(t, answer) {
  const seen = [];
  const server = http.createServer((req, res) => {
    seen.push(`${req.method} ${req.url}`);
    answer(req, res);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => { server.closeAllConnections(); server.close(); });
  return { url: `http://127.0.0.1:${server.address().port}`, seen };
}

const inMs = (ms) => new Date(Date.now() + ms).toISOString().replace(/\.\d+Z/, 'Z');
const document = (n, ms = 3600_000) => JSON.stringify({ AccessKeyId: `access${n}`, SecretAccessKey: `secret${n}`, Token: `token${n}`, Expiration: inMs(ms) });

test('the environment goes first', async () => {
  assert.deepEqual(await keys({ AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 's', AWS_REGION: 'eu-west-1' }), ['a', 's', '-', 'eu-west-1']);
  assert.deepEqual(await keys({ AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 's', AWS_SESSION_TOKEN: 't', AWS_DEFAULT_REGION: 'eu-west-2' }), ['a', 's', 't', 'eu-west-2']);
  assert.match(await keys({ AWS_ACCESS_KEY_ID: 'a' }), /^usage: .*only one is set/);
});

test('the shared files come next, by profile', async (t) => {
  const home = tempDir(t);
  mkdirSync(join(home, '.aws'));
  writeFileSync(join(home, '.aws/credentials'), `# a comment
[default]
aws_access_key_id = a1
aws_secret_access_key=s1=/+
[other]\r
aws_access_key_id=a2\r
  aws_secret_access_key = nested
aws_secret_access_key = s2
aws_session_token = t2
`);
  writeFileSync(join(home, '.aws/config'), `[default]
region = ap-south-1
[profile other]
region=eu-north-1
[profile configured]
aws_access_key_id = a3
aws_secret_access_key = s3
`);
  assert.deepEqual(await keys({ HOME: home }), ['a1', 's1=/+', '-', 'ap-south-1']);
  assert.deepEqual(await keys({ HOME: home, AWS_PROFILE: 'other' }), ['a2', 's2', 't2', 'eu-north-1']);
  assert.deepEqual(await keys({ HOME: home, AWS_PROFILE: 'configured' }), ['a3', 's3', '-', 'us-east-1']);
  assert.match(await keys({ HOME: home, AWS_PROFILE: 'nobody' }), /^usage: no AWS keys/);
  const elsewhere = join(home, 'file');
  writeFileSync(elsewhere, '[default]\naws_access_key_id=a4\naws_secret_access_key=s4\n');
  assert.deepEqual((await keys({ HOME: home, AWS_SHARED_CREDENTIALS_FILE: elsewhere })).slice(0, 2), ['a4', 's4']);
  assert.match(await keys({ HOME: home, AWS_SHARED_CREDENTIALS_FILE: home }), /^usage: /);
});

test('a container\'s endpoint is asked with its token, which is read anew each time', async (t) => {
  const file = join(tempDir(t), 'token');
  writeFileSync(file, 'first\n');
  const s = await service(t, (req, res) => (req.headers.authorization === 'first' ? res.end(document(1)) : res.writeHead(401).end()));
  const env = { AWS_CONTAINER_CREDENTIALS_FULL_URI: `${s.url}/role`, AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: file };
  assert.deepEqual((await keys(env)).slice(0, 3), ['access1', 'secret1', 'token1']);
  writeFileSync(file, 'second');
  assert.match(await keys(env), /container's endpoint: it answered with 401/);
  assert.match(await keys({ AWS_CONTAINER_CREDENTIALS_FULL_URI: 'http://example.com/role' }), /^usage: AWS_CONTAINER_CREDENTIALS_FULL_URI/);
  assert.deepEqual(s.seen, ['GET /role', 'GET /role']);
});

test('an instance is asked as IMDSv2 wants it', async (t) => {
  const s = await service(t, (req, res) => {
    if (req.method === 'PUT') return res.end(req.headers['x-aws-ec2-metadata-token-ttl-seconds'] ? 'tok' : '');
    if (req.headers['x-aws-ec2-metadata-token'] !== 'tok') return res.writeHead(401).end();
    if (req.url.endsWith('/security-credentials/')) return res.end('my-role\n');
    return req.url.endsWith('/my-role') ? res.end(document(2)) : res.writeHead(404).end();
  });
  const env = { AWS_EC2_METADATA_DISABLED: 'false', AWS_EC2_METADATA_SERVICE_ENDPOINT: s.url };
  assert.deepEqual((await keys(env)).slice(0, 3), ['access2', 'secret2', 'token2']);
  assert.equal(s.seen[0], 'PUT /latest/api/token');
  assert.equal(s.seen.length, 3);
  assert.match(await keys({ ...env, AWS_EC2_METADATA_DISABLED: 'TRUE' }), /^usage: no AWS keys/);
});

test('keys are asked for again before they expire, and the old ones live through a failure', async (t) => {
  let n = 0;
  const s = await service(t, (req, res) => (++n === 2 ? res.writeHead(500).end() : res.end(document(n, 30_000))));
  const proc = tool({ AWS_CONTAINER_CREDENTIALS_FULL_URI: s.url });
  t.after(() => proc.kill('SIGKILL'));
  const lines = createInterface({ input: proc.stdout })[Symbol.asyncIterator]();
  const ask = async () => {
    proc.stdin.write('\n');
    return (await lines.next()).value.split(' ')[0];
  };
  assert.equal(await ask(), 'access1');
  assert.equal(await ask(), 'access1');
  assert.equal(n, 1, 'kept');
  await until('the keys to be renewed', async () => (await ask()) === 'access3', 40000);
  assert.equal(n, 3);
});

test('without any, all places are named', async () => {
  assert.match(await keys({}), /AWS_ACCESS_KEY_ID.*~\/\.aws.*container.*instance/);
});
