// How fast the server answers while it takes in jobs: p99 of POSTs at 50 jobs/s with full fsync, pong
// latency meanwhile, and how fast what is cached is delivered. The disk's own fdatasync, measured in
// the same run, is the floor that every durable answer stands on.
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WebSocket } from 'ws';
import { start, bulbBin, get, post, ended } from '../lib/harness.mjs';
import { startOrigin } from '../lib/origin.mjs';
import { machine, ms, percentile, row } from '../lib/bench.mjs';

const seconds = Number(process.env.BENCH_SECONDS ?? 20);
const dir = mkdtempSync(join(tmpdir(), 'bulb-bench-'));
const small = [{ name: 'a', width: 16, format: 'jpeg' }];
const serve = (data, args = []) => start(null, bulbBin, ['serve', '--listen', '127.0.0.1:0', '--data', join(dir, data),
  '--allow-address', '127.0.0.1', '--log-level', 'warn', '--max-open-items', '0', ...args], { ready: /^listening on (\S+)/ });

function syncFloor() {
  const fd = openSync(join(dir, 'floor'), 'w');
  const times = [];
  for (let i = 0; i < 200; i++) {
    const began = performance.now();
    writeSync(fd, Buffer.alloc(8192, i));
    fdatasyncSync(fd);
    times.push(performance.now() - began);
  }
  closeSync(fd);
  return times;
}

const agent = new http.Agent({ keepAlive: true, maxSockets: 200 });
function timedPost(base, body) {
  const began = performance.now();
  return new Promise((ok, fail) => {
    const req = http.request(`${base}/v1/jobs`, { method: 'POST', agent, headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) } }, (res) => {
      res.resume();
      res.on('end', () => (res.statusCode === 202 ? ok(performance.now() - began) : fail(new Error(`POST: ${res.statusCode}`))));
    });
    req.on('error', fail);
    req.end(body);
  });
}

function pinger(base) {
  const ws = new WebSocket(`${base.replace('http', 'ws')}/v1/events`);
  const times = [];
  let sent = 0;
  ws.on('pong', () => times.push(performance.now() - sent));
  const timer = setInterval(() => { sent = performance.now(); ws.ping(); }, 50);
  return new Promise((ok) => ws.on('open', () => ok({ times, stop: () => { clearInterval(timer); ws.terminate(); } })));
}

async function load(base, origin) {
  const list = (n, tag) => JSON.stringify({ urls: Array.from({ length: n }, (_, i) => `${origin}/png?seed=${tag}-${i}`), variants: small });
  const times = [];
  const large = [];
  const pending = [];
  const ping = await pinger(base);
  const began = performance.now();
  for (let i = 0; performance.now() - began < seconds * 1000; i++) {
    pending.push(timedPost(base, list(100, `${i}`)).then((v) => times.push(v)));
    if (i % 100 === 0) pending.push(timedPost(base, list(10000, `L${i}`)).then((v) => large.push(v)));
    await new Promise((r) => setTimeout(r, Math.max(0, began + (i + 1) * 20 - performance.now())));
  }
  await Promise.all(pending);
  ping.stop();
  return { times, large, pongs: ping.times };
}

function report(what, r, goals) {
  const p99 = percentile(r.times, 99);
  const pong = percentile(r.pongs, 99);
  const big = Math.max(...r.large);
  row(`${what}: POST of 100 URLs, p50`, ms(percentile(r.times, 50)));
  row(`${what}: POST of 100 URLs, p99`, ms(p99), goals && '≤ 25 ms', goals ? p99 <= 25 : undefined);
  row(`${what}: POST of 10,000 URLs, slowest of ${r.large.length}`, ms(big), '≤ 1 s', big <= 1000);
  row(`${what}: WebSocket pong, p99`, ms(pong), goals && '≤ 20 ms', goals ? pong <= 20 : undefined);
}

async function cached(origin) {
  const body = { urls: Array.from({ length: 1000 }, (_, i) => `${origin}/png?seed=${i}&w=32&h=24`), variants: small };
  let server = await serve('cached');
  await ended(server.url, (await post(`${server.url}/v1/jobs`, body)).json.id, 120000);
  for (const what of ['again', 'right after a restart']) {
    if (what !== 'again') {
      await server.stop();
      server = await serve('cached');
    }
    const began = performance.now();
    const r = await post(`${server.url}/v1/jobs`, body, { headers: { prefer: 'wait=20' } });
    const took = performance.now() - began;
    if (r.status !== 200 || r.json.counts.cached !== 1000) throw new Error(`not cached: ${r.text.slice(0, 300)}`);
    row(`a fully cached job of 1,000 URLs, ${what}`, ms(took), '≤ 1 s', took <= 1000);
  }
  await server.stop();
}

try {
  console.log(`Requests. ${machine()}`);
  const floor = syncFloor();
  row('this disk: write 8 KiB + fdatasync, p50 / p99', `${ms(percentile(floor, 50))} / ${ms(percentile(floor, 99))}`);
  const origin = await startOrigin();
  const idle = await serve('idle', ['--workers', '0']);
  report('--workers 0', await load(idle.url, origin.url), true);
  const commits = Number(/^bulb_store_commits_total (\d+)/m.exec((await get(`${idle.url}/metrics`)).text)?.[1]);
  row('--workers 0: commits in all', commits);
  await idle.stop('SIGKILL');
  const busy = await serve('busy');
  report('all lanes busy', await load(busy.url, origin.url), false);
  await busy.stop('SIGKILL');
  await cached(origin.url);
  origin.close();
} finally {
  agent.destroy();
  rmSync(dir, { recursive: true, force: true });
}
process.exit(0);
