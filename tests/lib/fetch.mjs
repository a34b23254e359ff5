// Runs tests/lib/fetch_once.c: URLs in, one result each out.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { build } from './harness.mjs';

export const fetchOnce = join(build, 'tests/unit/fetch/fetch_once');

/** fetch_once with these arguments; `urls` go to its standard input. `wrap` runs it in another place. */
export async function fetchAll(urls, args = [], { wrap = [], env } = {}) {
  const [cmd, ...rest] = [...wrap, fetchOnce, ...args, '-'];
  const proc = spawn(cmd, rest, { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, ...env } });
  let out = '';
  let err = '';
  proc.stdout.on('data', (d) => (out += d));
  proc.stderr.on('data', (d) => (err += d));
  proc.stdin.on('error', () => {});
  proc.stdin.end(urls.map((u) => `${u}\n`).join(''));
  const code = await new Promise((done, fail) => {
    proc.on('error', fail);
    proc.on('close', (c, s) => done(c ?? s));
  });
  if (code !== 0) throw new Error(`fetch_once ended with ${code}: ${err}`);
  return out.trim().split('\n').map((line) => JSON.parse(line));
}

export const fetchUrl = async (url, args, opts) => (await fetchAll([url], args, opts))[0];
