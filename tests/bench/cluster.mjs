// Servers and workers as processes of their own over PostgreSQL: what a second worker adds where tasks
// wait and use no processor, and how long an event takes from the worker that commits it to a client of
// another server, by each bus. The client is the ws package in this process, where a browser would be. An
// event's time is that of the transaction that wrote it; so that what counts is the way from the commit
// on, and not the disk's, that database is in memory.
import { loadavg, tmpdir } from 'node:os';
import WebSocket from 'ws';
import { ended, log, post } from '../lib/harness.mjs';
import { machine, ms, percentile, row } from '../lib/bench.mjs';
import { cluster, missing, nats, postgres } from '../lib/engines.mjs';
import { startOrigin } from '../lib/origin.mjs';

const hooks = [];
const t = { after: (f) => hooks.push(f) };
const [jobs, urls, lanes, wait] = [8, 150, 4, 20];
const rounds = Number(process.env.BENCH_ROUNDS ?? 3);
let serial = 0;

async function submit(base, source, n) {
  const r = await post(`${base}/v1/jobs`, { urls: Array.from({ length: n }, () => `${source.url}/status/404?delay=${wait}&n=${serial++}`) });
  if (r.status !== 202) throw new Error(r.text);
  return r.json;
}

/** Items a second, from the first event of work to the last, of 8 jobs at once. */
async function rate(base, source) {
  const all = [];
  for (let i = 0; i < jobs; i++) all.push(await submit(base, source, urls));
  const times = [];
  for (const j of all) {
    await ended(base, j.id, 300000);
    times.push(...(await log(base, j.id)).events.filter((e) => /^item/.test(e.type)).map((e) => Date.parse(e.time)));
  }
  times.sort((a, b) => a - b);
  return (jobs * urls * 1000) / (times.at(-1) - times[0]);
}

async function scaling(c, a, source) {
  const rates = [[], []];
  for (let i = 0; i < rounds; i++) {
    const w = [];
    for (const list of rates) {
      w.push(await c.work(['--workers', `${lanes}`]));
      await rate(a.url, source); // what is new to everybody
      list.push(await rate(a.url, source));
    }
    for (const p of w) await p.stop();
  }
  const [one, two] = rates.map((l) => percentile(l, 50));
  row(`one worker, ${lanes} lanes, tasks wait ${wait} ms, ${jobs} jobs`, `${Math.round(one)}/s`);
  row('with a second one', `${Math.round(two)}/s`);
  row('scales', `${(two / one).toFixed(2)} ×`, '≥ 1.8 ×', two / one >= 1.8);
}

/** Milliseconds from each event's own time to the client of `a`; the job was given to `b`. */
async function latency(a, b, source) {
  const job = await submit(b.url, source, 300);
  const ws = new WebSocket(job.events_url.replace(/^\w+:\/\/[^/]+/, a.url.replace('http', 'ws')));
  const took = [];
  let caughtUp = false;
  ws.on('message', (text) => {
    const e = JSON.parse(text);
    if (caughtUp && e.time) took.push(Date.now() - Date.parse(e.time));
    caughtUp ||= e.sequence >= '000000000020';
  });
  await new Promise((done, fail) => ws.on('close', done).on('error', fail));
  return took;
}

try {
  const none = missing('initdb', 'nats-server');
  if (none) throw new Error(none);
  const dbs = [await postgres(t), await postgres(t)]; // one to a cluster: each has a secret of its own
  process.env.TEST_POSTGRES_PLACE = tmpdir();
  const [disk, hints, source] = [await postgres(t), await nats(t), await startOrigin()];
  t.after(() => source.close());
  console.log(`Servers and workers over PostgreSQL (${machine()}, load ${loadavg()[0].toFixed(1)} at the start)`);
  const durable = cluster(t, { store: disk.url, bus: hints.url });
  const server = await durable.serve();
  if (process.env.BENCH_SCALING !== '0') await scaling(durable, server, source);
  await server.stop();
  for (const [name, bus, goal] of [['NATS', hints.url, 10], ['PostgreSQL', 'postgres:', 80]]) {
    const c = cluster(t, { store: dbs.shift().url, bus });
    const [a, b] = [await c.serve(), await c.serve()];
    const w = await c.work(['--workers', '1']); // one event after the other
    const all = [];
    for (let i = 0; i < rounds; i++) all.push(...await latency(a, b, source));
    const p50 = percentile(all, 50);
    row(`event, worker to a client elsewhere, by ${name}: p50`, ms(p50), `≤ ${goal} ms`, p50 <= goal);
    row('  p90, p99', `${percentile(all, 90)}, ${percentile(all, 99)} ms`);
    for (const p of [w, a, b]) await p.stop();
  }
  console.log(`  load at the end: ${loadavg()[0].toFixed(1)}`);
} finally {
  for (const f of hooks.reverse()) await f();
}
