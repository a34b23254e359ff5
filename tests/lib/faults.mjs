// What may go wrong with a part of a cluster, each as { before, trouble, after } of a round (crew.mjs), at a
// moment that its chance names.
import { setTimeout as pause } from 'node:timers/promises';

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
  await pause(long ?? c.rnd.between(1000, 4000));
  net.heal(name);
} });

/** A request in three meets it, until the jobs have ended. */
export const bucketFails = (c, proxy, fault) => ({
  before: () => (proxy.next = () => (c.rnd.chance(0.3) ? fault : null)),
  after: () => (proxy.next = () => null),
});
