// Servers and workers of one cluster under faults. A round hands in jobs while something breaks, waits
// until they have ended, and looks at all that must hold: what was accepted is there, events as read from
// any server and as they were pushed, blobs, and after a collection rows and blobs. Clients do what
// docs/http.md tells them to: who gets no answer asks again, another server, with the same key or id;
// a reader who is cut off goes on elsewhere at its position.
import { setTimeout as pause } from 'node:timers/promises';
import { readFileSync } from 'node:fs';
import { WebSocket } from './socket.mjs';
import { call, get, items, log, run, until } from './harness.mjs';
import { check, compareBlobs, namedBlobs } from './checker.mjs';
import { cluster } from './engines.mjs';
import { keys, newBucket } from './bucket.mjs';
import { ageBlobs, blobKeys, blobPath } from './database.mjs';
import { random } from './random.mjs';
import { faulty } from './s3_faults.mjs';

const PATIENCE_MS = 3000; // of a client with a server
const ROUND_MS = 60000;

/** A file store, as the books see it. */
const folder = (dir) => ({
  keys: () => blobKeys(dir),
  age: () => ageBlobs(dir),
  read: (key) => readFileSync(blobPath(dir, key)),
});

/** A bucket behind a proxy, as the books see it: through another, which says that all of it is old. */
export async function bucketOf(t, s3, proxy) {
  const url = await newBucket(s3.env);
  const old = await faulty(t, s3.port);
  old.next = (req) => (/list-type|uploads/.test(req.url) ? 'aged' : null);
  const env = { ...s3.env, AWS_ENDPOINT_URL_S3: old.url };
  return { url, env: { ...s3.env, AWS_ENDPOINT_URL_S3: proxy.url }, books: { env, keys: () => keys(s3.env, url) } };
}

/**
 * Starts them all at once, on a database that may be empty. db: of engines.mjs; store: how they reach it;
 * bucket: { url, env, books } in place of a folder; place(name): where each is to run; allow: addresses of
 * the origin.
 */
export async function crew(t, { seed, db, store = db.url, bus, source, bucket, allow = '127.0.0.0/8', place = () => undefined, servers = 3, workers = 3 }) {
  const rnd = random(seed);
  const cl = cluster(t, { store, bus, blob: bucket?.url });
  const c = { rnd, db, source, jobs: 0, seeds: 1000, members: [], gcArgs: ['--store', db.url, '--blob', bucket?.url ?? `file:${cl.dir}/blobs`],
    books: bucket?.books ?? folder(cl.dir) };
  const settings = { server: [], worker: ['--workers', '6', '--darkrooms', '1', '--lease', '2s', '--allow-address', allow] };
  const member = (kind, i) => {
    const name = `${kind}${i}`;
    const begin = async () => (m.proc = await (kind === 'server' ? cl.serve : cl.work)(settings[kind], bucket?.env, place(name)));
    const m = { kind, name, begin };
    return m;
  };
  for (const [kind, n] of [['server', servers], ['worker', workers]])
    for (let i = 1; i <= n; i++) c.members.push(member(kind, i));
  await Promise.all(c.members.map((m) => m.begin()));
  c.all = (kind) => c.members.filter((m) => m.kind === kind);
  return c;
}

/** An answer, from whichever server gives one. */
export async function ask(c, method, path, opts = {}) {
  let last;
  for (const end = Date.now() + ROUND_MS; Date.now() < end; await pause(20)) {
    try {
      last = await call(method, c.rnd.pick(c.all('server')).proc.url + path, { ms: PATIENCE_MS, ...opts });
      if (last.status !== 503) return last;
    } catch (e) {
      last = e;
    }
  }
  throw new Error(`nobody answers ${method} ${path}: ${last.text ?? last}`);
}

const recipes = [[{ name: 'a', width: 32, format: 'jpeg' }], [{ name: 'a', width: 32, format: 'jpeg' }, { name: 'b', width: 16, format: 'webp' }]];

/** Of pictures that jobs share, of some of its own, and of one that is none. */
function urlsOf(c, n) {
  const { rnd } = c;
  const one = () => rnd.pick([
    () => `/png?seed=${rnd.below(12)}`, () => `/png?seed=${c.seeds++}`,
    () => `/png?seed=${c.seeds++}&delay=${rnd.below(400)}`, () => `/png?seed=${c.seeds++}&w=700&h=500`,
  ])();
  const all = Array.from({ length: n ?? rnd.between(2, 5) }, one);
  if (!n && rnd.chance(0.3)) all.push('/status/404');
  return [...new Set(all)].map((p) => c.source.url + p);
}
const isGood = (url) => !url.includes('/status/');

async function submit(c, urls) {
  const n = ++c.jobs;
  const body = { urls: urlsOf(c, urls), variants: c.rnd.pick(recipes), cache: c.rnd.chance(0.2) ? 'reload' : 'default' };
  const key = c.rnd.chance(0.5) ? `key ${n}` : undefined;
  const r = key ? await ask(c, 'POST', '/v1/jobs', { json: body, headers: { 'idempotency-key': key } }) :
    await ask(c, 'PUT', `/v1/jobs/own-${n}`, { json: body });
  if (![200, 202].includes(r.status)) throw new Error(`a job: ${r.status} ${r.text}`);
  return { key, body, id: r.json.id, events_url: r.json.events_url };
}

export const at = (base, url) => url.replace(/^\w+:\/\/[^/]+/, base);

/** Reads a job's events as they are pushed, from server to server, to the end. */
async function follow(c, job, ms, faults) {
  const seen = [];
  const take = (text) => {
    const e = JSON.parse(text);
    if (e.type === 'heartbeat') return;
    if (Number(e.sequence) !== seen.length + 1) faults.push(`${job.id}: a reader got event ${e.sequence} after ${seen.length}`);
    seen.push(e);
  };
  for (const end = Date.now() + ms; Date.now() < end;) {
    const base = c.rnd.pick(c.all('server')).proc.url.replace('http', 'ws');
    const code = await new Promise((done) => {
      const ws = new WebSocket(`${at(base, job.events_url)}&after=${seen.length}`, { handshakeTimeout: PATIENCE_MS });
      const timer = setTimeout(() => ws.terminate(), end - Date.now());
      ws.on('message', take).on('error', () => {}).on('close', (closed) => {
        clearTimeout(timer);
        done(closed);
      });
    });
    if (code === 1000) return seen;
    await pause(20);
  }
  faults.push(`${job.id}: a reader did not come to the end; it has ${seen.length} events`);
  return seen;
}

/** Links lead to the server that was asked, and are signed anew each hour. */
const bare = (c) => ({ sequence, type, subject, time, data }) =>
  JSON.stringify([Number(sequence), type, subject, time, data]).replace(/\w+:\/\/[^/"]+/g, (m) => (m === c.source.url ? m : '')).replace(/\?exp=\d+&sig=[\w-]+/g, '');

/** Any two servers tell the same, and it is what was pushed. */
async function checkReaders(c, job, pushed, faults) {
  const [a, b] = await Promise.all(c.all('server').slice(0, 2).map((m) => log(m.proc.url, job.id)));
  const told = [a.events, b.events, pushed].map((events) => events.map(bare(c)));
  const longest = Math.max(...told.map((l) => l.length));
  const n = Array.from({ length: longest }, (_, i) => i).find((i) => new Set(told.map((l) => l[i])).size > 1);
  if (n !== undefined) faults.push(`${job.id}: readers disagree: ${told.map((l) => l[n]).join('\n')}`);
}

async function checkOutcomes(c, job, faults) {
  for (const it of await items(c.all('server')[0].proc.url, job.id))
    if (isGood(it.url) !== (it.status === 'succeeded')) faults.push(`${job.id}: ${it.url} ${it.status}: ${it.error?.code} ${it.error?.detail}`);
}

async function collect(c) {
  await c.books.age?.();
  await c.db.sql('UPDATE trash SET after_ms = 0');
  const gc = await run(['gc', ...c.gcArgs, '--keep-results', '0'], { env: c.books.env });
  if (gc.code !== 0) throw new Error(`gc: ${gc.err}`);
}

/** Rows and blobs after collections; who lost a lease may still be at work and leave something a little later. */
export async function balance(c, ms = 15000) {
  let faults;
  for (const end = Date.now() + ms; ;) {
    for (let i = 0; i < 2; i++) await collect(c);
    const rows = await c.db.sql(namedBlobs((x) => `encode(${x}, 'hex')`, (x, f) => `${x}::json->>'${f}'`));
    faults = compareBlobs(rows, await c.books.keys(), c.books.read);
    if (faults.length === 0 || Date.now() > end) return faults;
  }
}

export const ready = (c) => Promise.all(c.members.map((m) => until(`${m.name} to be ready`, async () => (await get(`${m.proc.url}/readyz`)).status === 200, 30000)));

/**
 * Jobs while `trouble` goes on (it ends by itself), and what it did to them: a list of faults, empty when
 * all is well. `after`: what ends only when the jobs have. urls: how many in a job; a few otherwise. ms: how
 * long the jobs may take, collections: and rows and blobs until they agree.
 */
export async function round(c, { before, trouble, after, jobs = 3, urls, ms = ROUND_MS, collections = 15000 } = {}) {
  const faults = [];
  const all = [];
  await before?.();
  const end = trouble?.();
  const readers = [];
  for (let i = 0; i < jobs; i++) {
    all.push(await submit(c, urls));
    readers.push(follow(c, all.at(-1), ms, faults));
    await pause(c.rnd.below(150));
  }
  await end;
  const seen = await Promise.all(readers);
  await after?.();
  await ready(c);
  const base = c.rnd.pick(c.all('server')).proc.url;
  faults.push(...await check(base, all.map((j) => j.id), { keys: all.filter((j) => j.key) }));
  for (const [i, job] of all.entries()) {
    await checkReaders(c, job, seen[i], faults);
    await checkOutcomes(c, job, faults);
  }
  faults.push(...await balance(c, collections));
  for (const { id } of all) await ask(c, 'DELETE', `/v1/jobs/${id}?results=true`);
  return faults;
}
