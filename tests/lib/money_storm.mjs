// A storm around paid calls: the server is killed at every named point of one, and at random moments
// of many. The product has no code for it. A point is reached from outside: by the stand-in, which
// holds a call; by a wire that hands nothing on; by processes that are stopped; by a lock on the
// database. Where it is then known how the story must end, that is said.
import { setTimeout as pause } from 'node:timers/promises';
import { get, post, until } from './harness.mjs';
import { freeze, plainRoom, result, submit } from './cutouts.mjs';
import { blobKeys, lockDatabase, sql } from './database.mjs';
import { random } from './random.mjs';

const paid = { engine: 'remote', max_cost: 1 };
const count = async (s, text) => Number((await sql(s.data, `SELECT count(*) FROM ${text}`))[0][0]);

/** A job with one picture of its own. */
async function begin(s) {
  s.url = `${s.origin.url}/png?seed=${++s.pictures}`;
  s.ids.push(await submit(s, [s.url], paid));
}
/** Its variants are there and its call stands at the provider, who waits for release(). */
async function held(s) {
  let release;
  const gate = new Promise((ok) => (release = ok));
  const before = s.bg.calls.length;
  s.bg.mode = () => gate;
  await begin(s);
  await s.bg.received(before + 1);
  await until('the variants', async () => (await get(`${s.base}/v1/jobs/${s.ids.at(-1)}/items`)).json.items[0].variants.length > 0);
  return () => {
    s.bg.mode = 'ok';
    release();
  };
}
const answered = (s) => new Promise((ok) => s.bg.events.once('answered', ok));
async function standStill(t, s) {
  await until('the darkroom', async () => (await get(`${s.base}/readyz`)).status === 200 && plainRoom(s)?.children.length > 0);
  const { keeper, children } = plainRoom(s);
  return (s.thaw = freeze(t, [keeper, ...children]));
}
async function newBlob(s, release) {
  const before = blobKeys(s.data).length;
  await release();
  await until('a blob', () => blobKeys(s.data).length > before);
}

// Each brings the server to its point. `bought`: one call in all, and a cut-out. `unknown`: it was
// asked for and nobody can know.
export const points = {
  'before the intent': { ends: 'bought', reach: async (t, s) => {
    await standStill(t, s); // what is sent is made ready there
    await begin(s);
    await until('the cut to begin', () => count(s, 'task WHERE kind = 2 AND state = 1'));
  } },
  'while the intent is written': { ends: 'bought', reach: async (t, s) => {
    const thaw = await standStill(t, s);
    await begin(s);
    await until('the cut to begin', () => count(s, 'task WHERE kind = 2 AND state = 1'));
    s.unlock = await lockDatabase(s.data);
    thaw();
    await pause(s.rnd.between(30, 120));
  } },
  'after the intent, before the request': { ends: 'unknown', reach: async (t, s) => {
    s.gate.hold = true;
    const connected = new Promise((ok) => s.gate.events.once('connection', ok));
    await begin(s);
    await connected;
  } },
  'while the request is under way': { ends: 'unknown', reach: async (t, s) => {
    s.afterwards = await held(s);
  } },
  'after the answer, before it is stored': { ends: 'unknown', reach: async (t, s) => {
    const release = await held(s);
    process.kill(s.server.pid, 'SIGSTOP');
    const sent = answered(s);
    release();
    await sent;
  } },
  'after it is stored, before the books know': { ends: 'unknown', reach: async (t, s) => {
    const release = await held(s);
    s.unlock = await lockDatabase(s.data);
    await newBlob(s, release);
  } },
  'after the books know, before the cut-out is made': { ends: 'bought', reach: async (t, s) => {
    const release = await held(s);
    await standStill(t, s);
    const before = await count(s, 'charge WHERE state = 1');
    release();
    await until('the books', async () => await count(s, 'charge WHERE state = 1') > before);
  } },
  'after the cut-out is made, before it is told': { ends: 'bought', reach: async (t, s) => {
    const release = await held(s);
    const thaw = await standStill(t, s);
    const before = await count(s, 'charge WHERE state = 1');
    release();
    await until('the books', async () => await count(s, 'charge WHERE state = 1') > before);
    s.unlock = await lockDatabase(s.data);
    await newBlob(s, thaw);
  } },
  'after it is told': { ends: 'bought', reach: async (t, s) => {
    await begin(s);
    await result(s, s.ids.at(-1));
  } },
};

/** Kills the server at this point and starts another; resolves with what became of the item. */
export async function killAt(t, s, point) {
  await point.reach(t, s);
  s.server.proc.kill('SIGKILL');
  s.thaw?.(); // with sanitizers, darkrooms keep the standard error whose end is waited for
  await s.server.exit;
  await s.afterwards?.();
  await s.unlock?.();
  Object.assign(s, { afterwards: undefined, unlock: undefined, thaw: undefined });
  s.gate.hold = false;
  s.bg.mode = 'ok';
  await s.serve();
  return (await result(s, s.ids.at(-1))).items[0];
}

const moods = ['ok', 'ok', 'ok', 'ok', 503, 'unknown_foreground', 'reset', 'cut'];

/** A few jobs, some of them of the same pictures and of less money than pictures, and somebody who
 * confirms what may have been charged. */
async function burst(s) {
  const { rnd } = s;
  s.bg.mode = () => ({ ...asMode(rnd.pick(moods)), delay: rnd.below(60) });
  for (let n = rnd.between(1, 2); n > 0; n--) {
    const urls = Array.from({ length: rnd.between(1, 4) }, () => `${s.origin.url}/png?seed=${rnd.chance(0.3) ? rnd.between(1, s.pictures + 1) : ++s.pictures}`);
    const background = { engine: rnd.pick(['remote', 'remote', 'auto']), max_cost: rnd.between(0, 3), crop: rnd.chance(0.2),
      apply: rnd.pick(['cutout', 'cutout', 'both']), confirm_charge: rnd.chance(0.3) };
    const id = await submit(s, [...new Set(urls)], background);
    s.ids.push(id);
    if (background.confirm_charge) s.confirmers.add(id);
  }
  if (rnd.chance(0.3)) {
    const id = rnd.pick(s.ids), r = await post(`${s.base}/v1/jobs/${id}/retry`, { confirm_charge: true });
    if (r.status !== 409) s.confirmers.add(id); // 409: it runs
    if (![200, 202, 409].includes(r.status)) throw new Error(`retry: ${r.status} ${r.text}`);
  }
  await pause(rnd.below(300));
}
const asMode = (m) => (typeof m === 'number' ? { mode: 'status', status: m } : { mode: m });

/** `kills` at random moments; every job has ended afterwards. */
export async function rage(s, kills) {
  for (let n = 0; n < kills; n++) {
    await burst(s);
    await s.restart();
  }
  s.bg.mode = 'ok';
  for (const id of s.ids) await result(s, id);
}

/** Calls that somebody confirmed: sha256 → how many unknown charges were bought again. */
export const boughtAgain = async (s) => new Map((await sql(s.data, 'SELECT lower(hex(sha256)), count(*) FROM charge WHERE state = 3 GROUP BY 1'))
  .map(([sha, n]) => [sha, Number(n)]));

export const stormy = (s, seed) => Object.assign(s, { rnd: random(seed), ids: [], confirmers: new Set(), pictures: 0 });
