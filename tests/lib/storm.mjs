// A storm over one data folder: clients hand in jobs, repeat requests, cancel, retry, delete and
// read, `bulb gc` runs without a pause, and every moment something is killed: mostly the server, also
// while it starts, else the darkroom's keeper, one of its children, or the gc. Which does what when
// comes from a seed; what was promised to the clients is kept for the checker.
import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { after, start, bulb, bulbBin, call, ended, log } from './harness.mjs';
import { ageTrash } from './database.mjs';
import { born, darkroom, family } from './processes.mjs';
import { random } from './random.mjs';

// A server that is killed while it starts may have begun to work already, so it gets the same settings.
const args = ['--workers', '6', '--darkrooms', '2', '--max-tries', '2'];
const recipes = [
  [{ name: 'a', width: 32, format: 'jpeg' }],
  [{ name: 'a', width: 32, format: 'jpeg' }, { name: 'b', width: 16, format: 'webp' }],
  [{ name: 'b', width: 16, format: 'webp' }, { name: 'c', width: 24, format: 'png' }],
];

function aJob(rnd, source, fresh) {
  const good = () => rnd.pick([
    () => `/png?seed=${rnd.below(40)}`, () => `/png?seed=${fresh()}`, () => `/png?seed=${fresh()}&delay=${rnd.below(60)}`,
    () => `/png?seed=${fresh()}&w=700&h=500`, () => `/flaky?fail=1&seed=${fresh()}`, () => `/etag?v=${rnd.below(10)}`,
  ])();
  const bad = () => rnd.pick(['/status/404', '/html', '/close', '/reset', '/empty', '/wrong-length?short']);
  // Cut-outs of their own kind of picture, without a model; those of gradients fail, beside good variants.
  const own = () => ({ url: `${source.url}${rnd.pick([`/product?seed=${rnd.below(30)}`, `/product?seed=${fresh()}`])}`,
    background: { remove: true, engine: 'flat', apply: rnd.pick(['cutout', 'variants', 'both']), crop: rnd.chance(0.3) } });
  const background = rnd.chance(0.2) ? { remove: true, engine: 'flat' } : undefined;
  const urls = Array.from({ length: rnd.between(1, 8) }, () => (rnd.chance(0.2) ? own() : `${source.url}${rnd.chance(0.75) ? good() : bad()}`));
  return { urls: [...new Set(urls)], background, variants: rnd.pick(recipes), keep_source: !rnd.chance(0.15),
    cache: rnd.chance(0.15) ? 'reload' : 'default', priority: rnd.pick(['interactive', 'normal', 'bulk']) };
}

/** What happens to a list of URLs that come with a job: the good ones must succeed. */
export const isGood = (url) => /^\/(png|product|flaky|etag)/.test(new URL(url).pathname);

function clients(s, rnd, source) {
  let n = 0;
  const fresh = () => 1000 + n++;
  const anyJob = () => (s.accepted.size ? rnd.pick([...s.accepted.keys()]) : undefined);

  // A request whose answer did not come may have been accepted or not: it is sent again, and again.
  async function send(base, a) {
    let r;
    try {
      r = await call(a.method, base + a.path, { json: a.body, headers: a.key ? { 'idempotency-key': a.key } : {} });
    } catch {
      if (!a.id && !s.unsure.includes(a)) s.unsure.push(a);
      return;
    }
    assert.ok([200, 202].includes(r.status), `${a.method} ${a.path}: ${r.status} ${r.text}`);
    if (a.id) assert.equal(r.json.id, a.id, `${a.key ?? a.path} again makes another job`);
    a.id = r.json.id;
    s.accepted.set(a.id, a);
    s.unsure = s.unsure.filter((u) => u !== a);
  }
  async function remove(base, id) {
    s.accepted.delete(id);
    s.doomed.add(id);
    const r = await call('DELETE', `${base}/v1/jobs/${id}${s.doomed.size % 3 ? '?results=true' : ''}`);
    assert.ok([204, 404].includes(r.status), `DELETE ${id}: ${r.status} ${r.text}`);
    s.doomed.delete(id);
    s.gone.push(id);
  }
  async function read(base, id) {
    const { events } = await log(base, id);
    const seen = s.seen.get(id) ?? new Map();
    for (const { sequence, type, subject, time } of events) seen.set(Number(sequence), { type, subject, time });
    s.seen.set(id, seen);
  }
  function submit(base) {
    const body = aJob(rnd, source, fresh);
    return send(base, rnd.chance(0.7) ? { method: 'POST', path: '/v1/jobs', key: `key ${n++}`, body } :
      { method: 'PUT', path: `/v1/jobs/own-${n++}`, body });
  }
  async function act(base) {
    const id = anyJob();
    const dice = rnd.below(100);
    if (!id || dice < 45) return submit(base);
    if (dice < 55) return send(base, s.accepted.get(id));
    if (dice < 62) return call('POST', `${base}/v1/jobs/${id}/cancel`);
    if (dice < 70) return call('POST', `${base}/v1/jobs/${id}/retry`);
    if (dice < 78) return remove(base, id);
    return read(base, id);
  }
  return {
    /** What was left open when the server died. */
    async mend(base) {
      for (const a of [...s.unsure]) await send(base, a);
      for (const id of [...s.doomed]) await remove(base, id);
    },
    act,
  };
}

const broken = (e) => ['ECONNRESET', 'ECONNREFUSED', 'EPIPE'].includes(e.code) || /socket hang up|aborted/.test(e.message);

/** Clients at work until told to stop or the server is gone. */
async function bother(s, c, server, round) {
  try {
    await c.mend(server.url);
    while (!round.over) {
      await c.act(server.url);
      await pause(s.rnd.below(15));
    }
  } catch (e) {
    if (!broken(e) || !(round.killed || server.ended)) throw e;
  }
}

async function collect(s, data) {
  while (!s.over) {
    s.gc = await start(null, bulbBin, ['gc', '--keep-results', '0', '--data', data, '--log-level', 'warn']);
    const { code, signal } = await s.gc.exit;
    assert.ok(code === 0 || signal === 'SIGKILL', `gc ended with ${code}: ${s.gc.err}`);
    s.collections++;
    await ageTrash(data);
  }
}

function kill(s, what, pid) {
  try {
    process.kill(pid, 'SIGKILL');
    s.kills[what]++;
    return true;
  } catch {
    return false; // it went by itself meanwhile
  }
}

/** One of everything but the server; false when there is none at this moment. */
function killBelow(s, server, rnd) {
  const { keeper, children } = darkroom(server.pid);
  const dice = rnd.below(100);
  if (dice < 35) return Boolean(keeper) && kill(s, 'keeper', keeper);
  if (dice < 85) return children.length > 0 && kill(s, 'child', rnd.pick(children));
  return Boolean(s.gc && !s.gc.ended) && kill(s, 'gc', s.gc.pid);
}

async function killServer(s, server) {
  for (const pid of family(server.pid)) s.victims.push([pid, born(pid)]);
  kill(s, 'server', server.pid);
  await server.exit;
}

const total = (kills) => Object.values(kills).reduce((a, b) => a + b, 0);

async function rage(s, data, source, count) {
  const c = clients(s, random(s.seed + 1), source);
  const rnd = s.rnd;
  while (total(s.kills) < count) {
    if (rnd.chance(0.1)) {
      const early = await start(null, bulbBin, ['serve', '--listen', '127.0.0.1:0', '--data', data, '--allow-address', '127.0.0.0/8', ...args]);
      await pause(rnd.below(120));
      await killServer(s, early);
      continue;
    }
    s.server = await bulb(null, data, args);
    s.recovered += Number(/store_recovered tasks=(\d+)/.exec(s.server.err)?.[1] ?? 0);
    for (let killed = false; !killed && total(s.kills) < count;) {
      const round = { over: false, killed: false };
      const busy = bother(s, c, s.server, round);
      await pause(rnd.between(20, 300));
      killed = rnd.chance(0.66);
      round.killed = killed;
      round.over = true;
      if (killed) await killServer(s, s.server);
      else killBelow(s, s.server, rnd);
      await busy;
    }
  }
  await s.server?.stop('SIGKILL');
  s.over = true;
}

/**
 * Resolves after `count` kills, and when every job that was accepted has ended, with
 * { server, ids, keys, seen, gone, kills, … }: what the checker needs to know.
 */
export async function storm(t, data, source, { seed, count }) {
  const s = { seed, rnd: random(seed), accepted: new Map(), unsure: [], doomed: new Set(), gone: [], seen: new Map(),
    kills: { server: 0, keeper: 0, child: 0, gc: 0 }, victims: [], collections: 0, recovered: 0, over: false };
  after(t, () => Promise.all([s.server?.stop('SIGKILL'), s.gc?.stop('SIGKILL')]));
  const collecting = collect(s, data);
  try {
    await rage(s, data, source, count);
  } finally {
    s.over = true;
    await collecting;
  }
  s.server = await bulb(t, data, args);
  await clients(s, s.rnd, source).mend(s.server.url);
  const ids = [...s.accepted.keys()];
  await Promise.all(ids.map((id) => ended(s.server.url, id)));
  const keys = [...s.accepted.values()].filter((a) => a.key);
  return { ...s, ids, keys, recipes };
}
