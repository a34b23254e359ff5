// Our client of S3, asked from the command line (s3_tool.c): what tests do to a bucket, and see in it.
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { build } from './harness.mjs';

/** One call of the client. env: keys and endpoint. */
export function tool(env, ...args) {
  const proc = spawn(join(build, 'tests/unit/blob/s3_tool'), args, { env: { ...process.env, ...env } });
  const out = [];
  let err = '';
  proc.stdout.on('data', (d) => out.push(d));
  proc.stderr.on('data', (d) => (err += d));
  return new Promise((done) => proc.on('close', (code) => done({ code, out: Buffer.concat(out), err, text: Buffer.concat(out).toString() })));
}

/** Likewise, of one that must go well. */
export async function good(env, ...args) {
  const r = await tool(env, ...args);
  if (r.code !== 0) throw new Error(`${args.slice(1)}: ${r.err}`);
  return r;
}

export async function newBucket(env, prefix = '') {
  const url = `s3://bulb-${randomBytes(4).toString('hex')}`;
  await good(env, url, 'make-bucket');
  return prefix ? `${url}/${prefix}` : url;
}

export const keys = async (env, url) =>
  (await good(env, url, 'list')).text.trim().split('\n').filter(Boolean).map((l) => l.split(' ').slice(2).join(' ')).sort();
