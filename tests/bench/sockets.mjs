// What 5,000 WebSockets on one job cost: memory each after a full replay to each, and deliveries a
// second of 200-byte events from one core (the room http alone, with shared frames), next to the ws
// package doing the same in the same run.
import { readFileSync, mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { start, bulbBin, build, post, call, ended } from '../lib/harness.mjs';
import { startOrigin } from '../lib/origin.mjs';
import { cpuSeconds, machine, privateBytes, row } from '../lib/bench.mjs';

const N = Number(process.env.BENCH_SOCKETS ?? 5000);
const dir = mkdtempSync(join(tmpdir(), 'bulb-bench-'));

/** N sockets that count bytes; resolves when all have sent their handshake and got the answer. */
function connectAll(url, onData, n = N) {
  const u = new URL(url);
  const head = `GET ${u.pathname}${u.search} HTTP/1.1\r\nHost: ${u.host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n`;
  const one = (i) => new Promise((ok, fail) => {
    const s = net.connect({ host: u.hostname, port: u.port, localAddress: `127.0.0.${2 + (i % 20)}` });
    s.on('error', fail);
    s.write(head);
    s.once('data', (d) => {
      if (!d.toString('latin1').startsWith('HTTP/1.1 101')) return fail(new Error(d.toString('latin1').slice(0, 200)));
      const rest = d.subarray(d.indexOf('\r\n\r\n') + 4);
      if (rest.length) onData(s, rest);
      s.on('data', (more) => onData(s, more));
      ok(s);
    });
  });
  return (async () => {
    const all = [];
    for (let i = 0; i < n; i += 100) all.push(...await Promise.all(Array.from({ length: Math.min(100, n - i) }, (_, k) => one(i + k))));
    return all;
  })();
}

/** Until nothing has come for a second: every socket has read all there is. */
async function quiet(bytes) {
  for (let seen = -1; seen !== bytes();) {
    seen = bytes();
    await new Promise((r) => setTimeout(r, 1000));
  }
}

async function memory(origin) {
  const server = await start(null, bulbBin, ['serve', '--listen', '127.0.0.1:0', '--data', join(dir, 'data'), '--workers', '2',
    '--allow-address', '127.0.0.1', '--log-level', 'warn'], { ready: /^listening on (\S+)/ });
  const urls = Array.from({ length: 100 }, (_, i) => `${origin.url}/hang?n=${i}`);
  const done = (await post(`${server.url}/v1/jobs`, { urls })).json;
  await call('POST', `${server.url}/v1/jobs/${done.id}/cancel`);
  await ended(server.url, done.id);
  // A job that stays open keeps its readers: one long item waits for its origin behind the others.
  const open = (await post(`${server.url}/v1/jobs`, { urls: [...urls.map((u) => `${u}&b`)] })).json;
  // The first thousand touch what is there once for all (stacks, arenas, the log's frames): what a
  // socket costs is what each of the others adds.
  const first = Math.min(1000, N / 2);
  let bytes = 0;
  const count = (_, d) => (bytes += d.length);
  const sockets = await connectAll(open.events_url, count, first);
  await quiet(() => bytes);
  const before = privateBytes(server.pid);
  const began = performance.now();
  sockets.push(...await connectAll(open.events_url, count, N - first));
  const seconds = (performance.now() - began) / 1000;
  await quiet(() => bytes);
  const each = (privateBytes(server.pid) - before) / (N - first);
  row(`${N} WebSockets watching, memory of the server each`, `${Math.round(each)} B`, '≤ 1024 B', each <= 1024);
  row('connections with upgrade and replay', `${Math.round((N - first) / seconds)}/s`);
  sockets.forEach((s) => s.destroy());
  await server.stop('SIGKILL');
}

async function deliveries(name, cmd, args, path, publish) {
  const server = await start(null, 'taskset', ['-c', '0', cmd, ...args], { ready: /^listening on (\S+)/ });
  let bytes = 0;
  const sockets = await connectAll(`${server.url}${path}`, (_, d) => (bytes += d.length));
  const events = 100;
  const frame = 204; // 200 bytes and a header of 4
  const before = cpuSeconds(server.pid);
  const began = performance.now();
  for (let i = 0; i < events; i++) await publish(server.url);
  while (bytes < events * N * frame) {
    if (performance.now() - began > 120000) throw new Error(`${name}: ${bytes} of ${events * N * frame} bytes`);
    await new Promise((r) => setTimeout(r, 5));
  }
  const wall = (performance.now() - began) / 1000;
  const cpu = cpuSeconds(server.pid) - before;
  sockets.forEach((s) => s.destroy());
  await server.stop('SIGKILL');
  return { wall: (events * N) / wall, core: (events * N) / cpu };
}

try {
  console.log(`Sockets. ${machine()}, open files ${/Max open files\s+(\d+)/.exec(readFileSync('/proc/self/limits', 'utf8'))[1]}`);
  const origin = await startOrigin();
  await memory(origin);
  const text = 'x'.repeat(200);
  const publish = (base) => call('POST', `${base}/publish`, { body: text });
  const ours = await deliveries('bulb', join(build, 'tests/unit/http/http_echo'), [], '/feed', publish);
  const peer = await deliveries('ws', process.execPath, [new URL('ws-peer.mjs', import.meta.url).pathname], '/feed', publish);
  row('200-byte events to all: deliveries/s (wall, one core)', Math.round(ours.wall), '≥ 50,000', ours.wall >= 50000);
  row('200-byte events to all: deliveries per CPU second', Math.round(ours.core));
  row('the same with node and ws, wall', Math.round(peer.wall));
  row('ratio of deliveries per CPU second, bulb to ws', (ours.core / peer.core).toFixed(2));
  origin.close();
} finally {
  rmSync(dir, { recursive: true, force: true });
}
process.exit(0);
