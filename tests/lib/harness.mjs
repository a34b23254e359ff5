// What the end-to-end tests share: temporary folders, programs that are started and stopped by
// process id, bulb itself, nginx as a gateway, and small calls over HTTP. Nothing here sleeps: every
// wait is for an event, with a limit.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync, mkdirSync, chmodSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join, resolve, dirname } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { checkAnswer, checkEvent } from './api_documents.mjs';
import { freePort } from './free_port.mjs';

export const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
export const build = process.env.TEST_BUILD ?? join(root, 'build');
export const bulbBin = process.env.TEST_BIN ?? join(build, 'bulb');
export const photos = '/usr/share/backgrounds';

const undos = new WeakMap();
/** What is undone when the test ends, the last first: a folder goes when nobody writes to it any more.
 * One that fails does not keep the others. */
export function after(t, undo) {
  if (!undos.has(t)) {
    undos.set(t, []);
    t.after(async () => {
      let fault;
      for (let fn; (fn = undos.get(t).pop());) {
        try {
          await fn();
        } catch (e) {
          fault ??= e;
        }
      }
      if (fault) throw fault;
    });
  }
  undos.get(t).push(undo);
}

/** A folder that goes away with the test. */
export function tempDir(t) {
  const dir = mkdtempSync(join(process.env.TMPDIR ?? tmpdir(), 'bulb-test-'));
  chmodSync(dir, 0o755);
  after(t, () => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** Resolves when fn() is truthy; looks again every 10 ms, and gives up with what it waited for. */
export async function until(what, fn, ms = 20000) {
  const end = Date.now() + ms * slower;
  for (;;) {
    const v = await fn();
    if (v) return v;
    if (Date.now() > end) throw new Error(`waited ${ms} ms for ${what}`);
    await new Promise((r) => setTimeout(r, 10));
  }
}

/** In a build with sanitizers everything takes longer; a report of theirs fails the test. */
export const sanitized = (process.env.TEST_SANITIZE ?? 'none') !== 'none';
const slower = sanitized ? 5 : 1;
function noReport(cmd, err) {
  const at = err.search(/(Address|Leak|Thread)Sanitizer|runtime error: /);
  if (sanitized && at >= 0) throw new Error(`${cmd}: a sanitizer's report:\n${err.slice(at - 60, at + 8000)}`);
}

/** What no log may hold: the secret part of a key, tokens, signatures of links, webhook secrets. */
const secretish = /bulb_[0-9a-z]{12}_\w|\b[rs][12]\.[\w-]+\.[\w.-]{20,}|[?&](token|sig)=[\w%-]|whsec_\w|Bearer [\w.-]{8}/;
/** What a client prints on standard output are results, links included. */
function noSecret(cmd, [command], server) {
  if (cmd !== bulbBin) return;
  const log = ['serve', 'work'].includes(command) ? `${server.err}\n${server.out}` : server.err;
  const found = secretish.exec(log);
  if (found) throw new Error(`${cmd}: a secret in its log: ${log.slice(Math.max(0, found.index - 100), found.index + 40)}`);
}

/** Starts a program; resolves when `ready` matches a line of its standard output. */
export function start(t, cmd, args, { ready, env, cwd, ms = 20000 } = {}) {
  const proc = spawn(cmd, args, { env: { ...process.env, ...env }, cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  const server = { proc, pid: proc.pid, out: '', err: '', ended: null };
  server.exit = new Promise((done) => proc.on('close', (code, signal) => {
    server.ended = { code, signal };
    done(server.ended);
    noReport(cmd, server.err);
    noSecret(cmd, args, server);
  }));
  proc.stderr.on('data', (d) => (server.err = (server.err + d).slice(-200000)));
  server.stop = async (signal = 'SIGTERM') => {
    if (!server.ended) proc.kill(signal);
    return server.exit;
  };
  if (t) after(t, () => server.stop('SIGKILL'));
  if (!ready) return Promise.resolve(server);
  return new Promise((ok, fail) => {
    const timer = setTimeout(() => fail(new Error(`${cmd} was not ready in ${ms} ms: ${server.err}`)), ms * slower);
    createInterface({ input: proc.stdout }).on('line', (line) => {
      server.out += `${line}\n`;
      const m = ready.exec(line);
      if (m) {
        clearTimeout(timer);
        server.url = m[1];
        ok(server);
      }
    });
    server.exit.then((end) => {
      clearTimeout(timer);
      fail(new Error(`${cmd} ended with ${JSON.stringify(end)}: ${server.err}`));
    });
    proc.on('error', fail);
  });
}

/** bulb serve on a free port, with loopback sources allowed. */
export function bulb(t, data, args = [], env = {}) {
  return start(t, bulbBin, ['serve', '--listen', '127.0.0.1:0', '--data', data, '--allow-address', '127.0.0.0/8',
    '--log-level', 'warn', ...args], { ready: /^listening on (http:\/\/\S+)/, env });
}

/** Runs a bulb command to its end. */
export async function run(args, { env, cwd, input } = {}) {
  const proc = spawn(bulbBin, args, { env: { ...process.env, ...env }, cwd, stdio: ['pipe', 'pipe', 'pipe'] });
  let out = '';
  let err = '';
  proc.stdout.on('data', (d) => (out += d));
  proc.stderr.on('data', (d) => (err += d));
  proc.stdin.on('error', () => {});
  proc.stdin.end(input ?? '');
  const code = await new Promise((done) => proc.on('close', (c, s) => done(c ?? s)));
  noReport(args[0], err);
  return { code, out, err };
}

export { freePort };

/** nginx in front of `upstream`, giving up after `seconds`; more goes into location /, or beside it. */
export async function nginx(t, upstream, { seconds = 3, location = '', beside = '', prefix = '/', host = '$http_host' } = {}) {
  const dir = tempDir(t);
  const port = await freePort();
  mkdirSync(join(dir, 'tmp'));
  writeFileSync(join(dir, 'nginx.conf'), `daemon off; master_process off; pid ${dir}/pid; error_log ${dir}/error.log;
events { worker_connections 4096; }
http {
  access_log off;
  client_body_temp_path ${dir}/tmp/body; proxy_temp_path ${dir}/tmp/proxy; fastcgi_temp_path ${dir}/tmp/f;
  uwsgi_temp_path ${dir}/tmp/u; scgi_temp_path ${dir}/tmp/s;
  map $http_upgrade $connection_upgrade { default upgrade; '' close; }
  server {
    listen 127.0.0.1:${port};
    client_max_body_size 20m;
    location ${prefix} {
      proxy_pass ${upstream}/;
      proxy_http_version 1.1;
      proxy_set_header Host ${host};
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-Host $http_host;
      proxy_set_header X-Forwarded-Prefix ${prefix === '/' ? '""' : prefix.replace(/\/$/, '')};
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
      proxy_read_timeout ${seconds}s;
      proxy_next_upstream off;
      ${location}
    }
    ${beside}
  }
}`);
  const server = await start(t, 'nginx', ['-p', dir, '-c', join(dir, 'nginx.conf')]);
  server.url = `http://127.0.0.1:${port}`;
  await until('nginx to listen', () => listens(port));
  return server;
}

export function listens(port, host = '127.0.0.1') {
  return new Promise((done) => {
    const req = http.request({ host, port, method: 'OPTIONS', path: '/' }, (res) => {
      res.resume();
      done(true);
    });
    req.on('error', () => done(false));
    req.end();
  });
}

/** One HTTP call on a connection of its own. Any header may be set, Host too. What bulb answers is held to
 *  its documents; `foreign` is for calls to others. */
export function call(method, url, { headers = {}, body, json, ms, foreign = false } = {}) {
  const payload = json !== undefined ? JSON.stringify(json) : body;
  const all = { ...(json !== undefined ? { 'content-type': 'application/json' } : {}), ...headers };
  if (payload !== undefined) all['content-length'] = Buffer.byteLength(payload);
  return new Promise((ok, fail) => {
    const req = http.request(url, { method, headers: all, agent: false, signal: ms && AbortSignal.timeout(ms) }, (res) => {
      const parts = [];
      res.on('data', (d) => parts.push(d));
      res.on('error', fail);
      res.on('end', () => {
        const bytes = Buffer.concat(parts);
        const type = res.headers['content-type'] ?? '';
        const answer = { status: res.statusCode, headers: res.headers, bytes, text: bytes.toString() };
        if (/json/.test(type) && bytes.length) answer.json = JSON.parse(answer.text);
        try {
          if (!foreign) checkAnswer(method, url, answer);
          ok(answer);
        } catch (e) {
          fail(e);
        }
      });
    });
    req.on('error', fail);
    req.end(payload);
  });
}
export const get = (url, opts) => call('GET', url, opts);
export const post = (url, json, opts) => call('POST', url, { json, ...opts });
/** Of a blob, wherever its link leads. */
export async function fetched(url) {
  const first = await get(url);
  return first.status === 302 ? get(first.headers.location, { foreign: true }) : first;
}

export const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');

/** The whole event log of a job by JSON pages, so far. */
export async function log(base, job, after = 0) {
  const events = [];
  for (let next = after; ;) {
    const r = await get(`${base}/v1/jobs/${job}/events?after=${next}`);
    if (r.status !== 200) throw new Error(`events: ${r.status} ${r.text}`);
    r.json.events.forEach(checkEvent);
    events.push(...r.json.events);
    if (r.json.done || r.json.events.length === 0) return { events, done: r.json.done };
    next = r.json.next;
  }
}

/** Long-polls until the job has ended; resolves with the job. */
export async function ended(base, job, ms = 60000) {
  return until(`job ${job} to end`, async () => {
    const r = await get(`${base}/v1/jobs/${job}?wait=5`);
    if (r.status !== 200) throw new Error(`job: ${r.status} ${r.text}`);
    return ['queued', 'running'].includes(r.json.status) ? null : r.json;
  }, ms);
}

/** Every item of a job, page by page. */
export async function items(base, job, query = '') {
  const all = [];
  for (let token = ''; ;) {
    const r = await get(`${base}/v1/jobs/${job}/items?page_size=1000${query}${token && `&page_token=${encodeURIComponent(token)}`}`);
    if (r.status !== 200) throw new Error(`items: ${r.status} ${r.text}`);
    all.push(...r.json.items);
    token = r.json.next_page_token;
    if (!token) return all;
  }
}
