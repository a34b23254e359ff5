// A server whose work is done outside: bulb over a bucket, Lambda's Invoke call beside it, and what a
// worker outside does by hand: fetch, make, put, sign, report.
import { randomUUID } from 'node:crypto';
import { copyFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import sharp from 'sharp';
import { bulb, call, freePort, post, root, sha256, tempDir, until } from './harness.mjs';
import { newBucket } from './bucket.mjs';
import { invocations } from './invocations.mjs';
import { sign } from './lambda_api.mjs';
import { origin } from './site.mjs';

const SECRET = 'testing'; // of swift.mjs
export const two = [{ name: 'a', width: 32, format: 'jpeg' }, { name: 'b', width: 16, height: 16, format: 'webp' }];

/** The SDK's client of a Swift. */
export const client = (env) => new S3Client({ endpoint: env.AWS_ENDPOINT_URL_S3, region: env.AWS_REGION, forcePathStyle: true,
  credentials: { accessKeyId: env.AWS_ACCESS_KEY_ID, secretAccessKey: env.AWS_SECRET_ACCESS_KEY } });

/**
 * { server, base, lambda, source, bucket, env, begin() }. lambda: of invocations.mjs. A second begin() starts the server
 * anew, where the first was: functions know its address. dir: pictures that the origin has, too.
 */
export async function outside(t, s3, { args = [], handler, bad, prefix = 'shop', dir, port } = {}) {
  const lambda = await invocations(t, { secret: SECRET, handler, bad });
  const source = await origin(t, { dir });
  const bucket = await newBucket(s3.env, prefix);
  const data = tempDir(t);
  port ??= await freePort();
  const env = { ...s3.env, AWS_ENDPOINT_URL_LAMBDA: lambda.url };
  const s = { lambda, source, bucket, data, env, s3: client(s3.env), base: `http://127.0.0.1:${port}` };
  s.begin = async () => (s.server = await bulb(t, data, ['--blob', bucket, '--dispatch', 'lambda:f', '--workers', '0',
    '--listen', `127.0.0.1:${port}`, ...args], env));
  await s.begin();
  s.submit = async (paths, more = {}) => {
    const r = await post(`${s.base}/v1/jobs`, { urls: paths.map((p) => `${source.url}${p}`), variants: two, ...more });
    if (r.status !== 202) throw new Error(`${r.status}: ${JSON.stringify(r.json)}`);
    return r.json.id;
  };
  /** The n-th task that was sent to a function, from 1. */
  s.task = (n = 1) => until(`task ${n} to be sent`, () => lambda.tasks()[n - 1]);
  return s;
}

/** deploy/aws/node-worker's handler, with the packages of the tests. */
export async function nodeWorker(t, env) {
  const dir = tempDir(t);
  copyFileSync(join(root, 'deploy/aws/node-worker/index.mjs'), join(dir, 'index.mjs'));
  symlinkSync(join(root, 'tests/node_modules'), join(dir, 'node_modules'));
  Object.assign(process.env, env);
  return (await import(pathToFileURL(join(dir, 'index.mjs')))).handler;
}

/** An object in the event's bucket: what a report says of it. */
export async function put(s, task, bytes, format, more = {}) {
  const key = more.key ?? `${task.key_prefix}${randomUUID()}.${format}`;
  await s.s3.send(new PutObjectCommand({ Bucket: task.event.bucket.name, Key: key, Body: bytes, ContentType: `image/${format}` }));
  return { key, format, bytes: bytes.length, sha256: sha256(bytes), ...more };
}

/** The work of a task, done: what a report says. `only`: how many of its variants. */
export async function done(s, task, only = Infinity) {
  const url = task.url ?? `${s.source.url}/png?seed=1`;
  const bytes = Buffer.from(await (await fetch(url)).arrayBuffer());
  const variants = [];
  for (const v of task.variants.slice(0, only)) {
    const { data, info } = await sharp(bytes).resize({ ...v, withoutEnlargement: v.without_enlargement }).toFormat(v.format).toBuffer({ resolveWithObject: true });
    variants.push(await put(s, task, data, v.format, { name: v.name, recipe: v.recipe, width: info.width, height: info.height }));
  }
  const source = await put(s, task, bytes, 'png', { width: 64, height: 48 });
  return { task: task.task, status: 'succeeded', source, variants };
}

/**
 * Posts results, each signed with the secret of its own task. tasks: those of the results, in their order.
 * Options: what is sent in place of the right thing.
 */
export function report(s, results, tasks, { time = Math.floor(Date.now() / 1000), id = randomUUID(), headers = {}, signatures, sent } = {}) {
  const list = Array.isArray(results);
  const body = JSON.stringify(list ? { results } : results);
  const all = (list ? tasks : [tasks]).map((task) => sign(task.secret, id, String(time), body));
  return call('POST', `${s.base}/v1/results`, { body: sent ?? body, headers: { 'content-type': 'application/json', 'webhook-id': id,
    'webhook-timestamp': String(time), 'webhook-signature': signatures ?? all.join(' '), ...headers } });
}
