// One thing fails, once for every place where it can: tests/lib/torture.c makes it fail, this runs a
// program under it and looks at what is left. Used by tests/e2e/torture.test.mjs.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { build, bulbBin, call, ended, post, sha256, start } from './harness.mjs';
import { check } from './checker.mjs';
import { png } from './pictures.mjs';

const library = join(build, 'tests', 'libtorture.so');
const LIMIT_MS = 60000; /* a program that takes longer hangs */

/** The environment in which the nth of its kind fails. */
export const torture = (kind, n, log) => ({ LD_PRELOAD: library, TORTURE: `${kind}:${n}`, TORTURE_LOG: log });

/** What failed, or null when the program ended before it came to that. */
export function struck(log) {
  const text = existsSync(log) ? readFileSync(log, 'utf8').trim() : '';
  return text === '' || text.startsWith('end ') ? null : text;
}

function bulb(args, env) {
  return new Promise((done) => {
    const proc = spawn(bulbBin, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
    const r = { out: '', err: '', hung: false };
    const timer = setTimeout(() => {
      r.hung = true;
      proc.kill('SIGKILL');
    }, LIMIT_MS);
    proc.stdout.on('data', (d) => (r.out += d));
    proc.stderr.on('data', (d) => (r.err += d));
    proc.on('close', (code, signal) => {
      clearTimeout(timer);
      done({ ...r, code, signal });
    });
  });
}

/** What a manifest says is there must be there, with those bytes. */
function wrongFiles(out) {
  const path = join(out, 'manifest.json');
  if (!existsSync(path)) return null;
  const faults = [];
  for (const it of JSON.parse(readFileSync(path)).items) {
    for (const v of it.variants) {
      if (!existsSync(join(out, v.url))) faults.push(`${v.url} is named and not there`);
      else if (sha256(readFileSync(join(out, v.url))) !== v.sha256) faults.push(`${v.url} has other bytes`);
    }
  }
  return faults;
}

function judge(r, out) {
  const faults = wrongFiles(out);
  if (r.hung) return [`it hung; ${r.err}`];
  if (r.signal) return [`ended by ${r.signal}: ${r.err}`];
  if (![0, 1, 2, 64, 71].includes(r.code)) return [`ended with ${r.code}: ${r.err}`];
  if (r.code === 0 && faults === null) return ['it succeeded without a manifest'];
  if ([1, 64, 71].includes(r.code) && !/^bulb: ..../m.test(r.err)) return [`ended with ${r.code} and no reason: ${r.err}`];
  if (r.code === 2 && !/"code":"/.test(r.out)) return [`ended with 2 and no error in its events: ${r.out}`];
  return faults ?? [];
}

/** `bulb run` on two small pictures with one failure, then without. { at, faults }; at: what failed. */
export async function tortureRun(kind, n) {
  const dir = mkdtempSync(join(process.env.TMPDIR ?? tmpdir(), 'bulb-torture-'));
  const [out, log] = [join(dir, 'out'), join(dir, 'log')];
  const files = [1, 2].map((i) => join(dir, `p${i}.png`));
  files.forEach((f, i) => writeFileSync(f, png(40, 30, i)));
  const args = ['run', '--json', '--workers', '1', '--darkrooms', '1', '-o', out, '--variant', 'a width=16 format=png', ...files];
  const first = await bulb(args, torture(kind, n, log));
  const at = struck(log);
  const faults = judge(first, out);
  if (!at && first.code !== 0) faults.push(`nothing failed, and it ended with ${first.code}: ${first.err}`);
  const second = first.code === 0 ? first : await bulb(args, {});
  if (second.code !== 0) faults.push(`afterwards, without a failure, it ends with ${second.code ?? second.signal}: ${second.err}`);
  faults.push(...judge(second, out).map((f) => `afterwards: ${f}`));
  rmSync(dir, { recursive: true, force: true });
  return { at, faults };
}

const within = (ms, promise) => Promise.race([promise, new Promise((_, no) => setTimeout(() => no(new Error(`no answer in ${ms} ms`)), ms).unref())]);

function serve(data, env) {
  return start(null, bulbBin, ['serve', '--listen', '127.0.0.1:0', '--data', data, '--workers', '1', '--darkrooms', '1',
    '--allow-address', '127.0.0.1', '--log-level', 'warn', '--drain', '2s'], { ready: /^listening on (http:\/\/\S+)/, env, ms: LIMIT_MS });
}

/** A server and its end, asked for politely. Resolves with what is wrong with that end. */
async function stop(server) {
  const timer = setTimeout(() => server.stop('SIGKILL'), LIMIT_MS);
  const { code, signal } = await server.stop('SIGTERM');
  clearTimeout(timer);
  return signal || ![0, 1, 71].includes(code) ? [`the server ended with ${signal ?? code}: ${server.err}`] : [];
}

/** Hands in a job; resolves with its id when the server said that it has it. */
async function handIn(base, body, key, faults) {
  let r;
  try {
    r = await within(LIMIT_MS, call('POST', `${base}/v1/jobs`, { json: body, headers: { 'idempotency-key': key } }));
  } catch (e) {
    if (/no answer/.test(e.message)) faults.push(`POST: ${e.message}`);
    return undefined; /* the connection broke: the client knows nothing */
  }
  if (r.status === 202) return r.json.id;
  if (r.status < 500) faults.push(`POST: ${r.status} ${r.text}`);
  return undefined;
}

/** `bulb serve` with one failure, a job handed in, and the same folder served again without. */
export async function tortureServe(source, kind, n) {
  const dir = mkdtempSync(join(process.env.TMPDIR ?? tmpdir(), 'bulb-torture-'));
  const log = join(dir, 'log');
  const faults = [];
  const body = { urls: [1, 2].map((i) => `${source.url}/png?seed=${i}`), variants: [{ name: 'a', width: 16, format: 'png' }] };
  let id;
  try {
    const first = await serve(join(dir, 'data'), torture(kind, n, log));
    id = await handIn(first.url, body, 'once', faults);
    if (id) await ended(first.url, id, 5000).catch(() => {}); /* it may be unable to */
    faults.push(...await stop(first));
  } catch (e) {
    if (!/bulb: ..../.test(e.message) || /SIG/.test(e.message)) faults.push(e.message);
  }
  const at = struck(log);
  const second = await serve(join(dir, 'data'), {});
  const again = await post(`${second.url}/v1/jobs`, body, { headers: { 'idempotency-key': 'once' } });
  if (id && again.json.id !== id) faults.push(`${id} was accepted; its key again gives ${again.status} ${again.text}`);
  const job = await ended(second.url, again.json.id);
  if (!at && job.status !== 'succeeded') faults.push(`nothing failed, and the job is ${job.status}`);
  faults.push(...await check(second.url, [again.json.id]), ...await stop(second));
  rmSync(dir, { recursive: true, force: true });
  return { at, faults };
}

/** How many of a kind a run has. */
export async function countOf(kind) {
  const dir = mkdtempSync(join(process.env.TMPDIR ?? tmpdir(), 'bulb-torture-'));
  const log = join(dir, 'log');
  const file = join(dir, 'p.png');
  writeFileSync(file, png(40, 30, 1));
  await bulb(['run', '--json', '--workers', '1', '-o', join(dir, 'out'), file], torture(kind, 1e9, log));
  const n = Number(readFileSync(log, 'utf8').replace('end ', ''));
  rmSync(dir, { recursive: true, force: true });
  return n;
}

/**
 * Calls one(n) for n = first, first + step, …, `lanes` at a time, until one says that nothing failed
 * any more or `until` (a time) has passed. Resolves with { runs, faults }, a fault with its n.
 */
export async function everyNth(one, { first = 1, step = 1, until = Infinity, lanes = availableParallelism() } = {}) {
  let n = first - step;
  let over = false;
  const sum = { runs: 0, faults: [], through: false };
  async function lane() {
    while (!over && Date.now() < until) {
      const mine = (n += step);
      const { at, faults } = await one(mine);
      sum.runs++;
      for (const f of faults) sum.faults.push(`${mine} (${at}): ${f}`);
      if (!at) over = sum.through = true;
    }
  }
  await Promise.all(Array.from({ length: lanes }, lane));
  return sum;
}
