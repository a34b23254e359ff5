// What may go wrong with a part of a cluster, each as { before, trouble, after } of a round (crew.mjs), at a
// moment that its chance names.
import { setTimeout as pause } from 'node:timers/promises';
import { round } from './crew.mjs';
import { until } from './harness.mjs';

const soon = (c) => pause(c.rnd.below(700));

/** One or two of them are killed and begin anew. */
export const killed = (c, kind) => ({
  trouble: async () => {
    for (let n = c.rnd.between(1, 2); n > 0; n--) {
      const m = c.rnd.pick(c.all(kind));
      await soon(c);
      await m.proc.stop('SIGKILL');
      await m.begin();
    }
  },
});

/** mode: of postgres-ctl. */
export const databaseRestarted = (c, mode) => ({ trouble: async () => {
  await soon(c);
  await c.db.restart(mode);
} });

export const natsGone = (hints) => ({ before: () => hints.stop(), after: () => hints.start() });

/** A worker is stopped for longer than its lease and goes on. */
export const stopped = (c) => ({ trouble: async () => {
  const { proc } = c.rnd.pick(c.all('worker'));
  await soon(c);
  process.kill(proc.pid, 'SIGSTOP');
  await pause(c.rnd.between(2200, 3500));
  process.kill(proc.pid, 'SIGCONT');
} });

/** Nothing passes between a member and a port, one way or both ways, for a while. */
export const parted = (c, net, kind, port, how, long) => ({ trouble: async () => {
  const { name } = c.rnd.pick(c.all(kind));
  await soon(c);
  net.cut(name, port, how);
  await pause(long ?? c.rnd.between(1000, 3000));
  net.heal(name);
} });

/** A request in three meets it, until the jobs have ended. */
export const bucketFails = (c, proxy, fault) => ({
  before: () => (proxy.next = () => (c.rnd.chance(0.3) ? fault : null)),
  after: () => (proxy.next = () => null),
});

/**
 * The first of two workers is stopped while it stores what it fetched; its lease ends, and the second is at
 * the same place when the first goes on. What the first says then comes too late: a list of faults.
 */
export async function overtaken(c, proxy) {
  const [first, second] = c.all('worker');
  const puts = [];
  proxy.next = (req) => (req.method !== 'PUT' || puts.length === 2 ? null : new Promise((go) => puts.push({ url: req.url, go: () => go(null) })));
  await second.proc.stop('SIGKILL');
  const said = first.proc.err.length;
  const end = round(c, { jobs: 1, urls: 1 });
  await until('the first to store', () => puts.length === 1);
  process.kill(first.proc.pid, 'SIGSTOP');
  await second.begin();
  await until('the second to store', () => puts.length === 2);
  process.kill(first.proc.pid, 'SIGCONT');
  puts[0].go();
  const key = decodeURIComponent(puts[0].url.split('/').slice(2).join('/'));
  const taken = async () => (await c.db.sql(`SELECT 1 FROM original WHERE blob = '${key}'`)).length > 0;
  let late;
  await until('the first to be answered', async () => (late = await taken()) || first.proc.err.slice(said).includes('lease_lost'));
  puts[1].go();
  return [...await end, ...late ? [`${key}: what came too late was taken`] : []];
}
