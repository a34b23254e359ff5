// One function of Lambda's in as many environments as are wanted at the same time, each a process of its
// own (lambda_api.mjs). Who waits for an answer gets what came; an event that nobody waits for is tried
// again when its environment failed, as Lambda does, after a pause that is shorter here.
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { until } from './harness.mjs';
import { lambda } from './lambda_api.mjs';

const TRIES = 3;

/**
 * most: environments; further ones wait. limit: of an invocation, ms. env, args: of the function. fate(n, event, waits): what
 * befalls the n-th delivery (from 1): 'kill' ends its environment in mid-invocation, 'twice' delivers it to
 * another at the same time; waits: somebody does, and gets his answer once. again(): ms before a try. rnd: of random.mjs.
 */
export async function fleet(t, { most = 8, limit = 60000, env = {}, args = [], fate = () => undefined, again = () => 200, rnd } = {}) {
  const l = { limit, fate, environments: [], deliveries: 0, killed: 0, doubled: 0, timeouts: 0, running: 0, most: 0, open: 0 };
  const free = [], queue = [];

  async function take() {
    if (free.length) return free.pop();
    if (l.environments.length >= most) return new Promise((ok) => { queue.push(ok); });
    const place = l.environments.push(null) - 1;
    return (l.environments[place] = await lambda(t, { env, args }));
  }
  const leave = (f) => (queue.length ? queue.shift()(f) : free.push(f));

  /* What an environment makes of an event. */
  async function deliver(event, id, { doom, waits } = {}) {
    l.most = Math.max(l.most, ++l.running);
    const f = await take();
    const given = async () => {
      if (!doom) return;
      if (!waits) await pause(rnd.below(1000)); // somewhere in its work
      if (f.current?.id === id) await f.kill();
    };
    const r = await f.invoke(event, { id, ms: l.limit, given });
    leave(f);
    l.running--;
    l.killed += Boolean(r.crashed);
    l.timeouts += Boolean(r.timeout);
    return r;
  }
  /** Of an invocation that somebody waits for. */
  l.call = (event) => deliver(event, randomUUID(), { doom: l.fate(++l.deliveries, event, true) === 'kill', waits: true });
  /** Of one that nobody waits for: resolves when Lambda has done with it. */
  l.event = async (event) => {
    const id = randomUUID();
    l.open++;
    const r = await tries(event, id);
    l.open--;
    return r;
  };
  async function tries(event, id) {
    for (let n = 1; n <= TRIES; n++) {
      const what = l.fate(++l.deliveries, event, false);
      const twin = what === 'twice' ? deliver(event, id) : null;
      l.doubled += Boolean(twin);
      const r = await deliver(event, id, { doom: what === 'kill' });
      await twin;
      if (!r.error) return r;
      await pause(again());
    }
    return null;
  }
  /** No environment is at work, and no event is to be tried again. */
  l.idle = () => until('every environment to be idle', () => l.running + l.open === 0, 60000);
  l.said = () => l.environments.map((f) => f?.log ?? '').join('');
  return l;
}
