// Three servers and three workers over one PostgreSQL, while any of them is killed, the database restarts
// or crashes, the bus is gone, a worker stops for longer than its lease: after each round everything that
// was promised holds. TEST_SOAK=1 plays 200 rounds of each; TEST_SEED repeats a run's choices.
import test from 'node:test';
import assert from 'node:assert/strict';
import { missing, nats, postgres } from '../lib/engines.mjs';
import { crew, round } from '../lib/crew.mjs';
import { databaseRestarted, killed, natsGone, stopped } from '../lib/faults.mjs';
import { origin } from '../lib/site.mjs';
import { seedOfRun } from '../lib/random.mjs';

const skip = missing('initdb', 'nats-server');
const rounds = process.env.TEST_SOAK === '1' ? 200 : 3;
const limit = { timeout: rounds * 60000 };

test('whatever fails in a cluster, nothing is lost and nothing ends twice', { skip, timeout: rounds * 400000 }, async (t) => {
  const seed = seedOfRun();
  t.diagnostic(`TEST_SEED=${seed}`);
  const [db, hints, source] = [await postgres(t), await nats(t), await origin(t)];
  const c = await crew(t, { seed, db, bus: hints.url, source });
  const faults = {
    'nothing': () => ({}),
    'a server killed': () => killed(c, 'server'),
    'a worker killed': () => killed(c, 'worker'),
    'the database restarted': () => databaseRestarted(c, 'fast'),
    'the database crashed': () => databaseRestarted(c, 'immediate'),
    'no bus for the whole job': () => natsGone(hints),
    'a worker that stops for longer than its lease': () => stopped(c),
  };
  for (const [what, fault] of Object.entries(faults))
    await t.test(`${what}, ${rounds} rounds`, limit, async (s) => {
      const began = Date.now();
      for (let i = 1; i <= rounds; i++) assert.deepEqual(await round(c, fault()), [], `${what}, round ${i}; TEST_SEED=${seed} repeats it`);
      s.diagnostic(`${((Date.now() - began) / rounds / 1000).toFixed(1)} s a round`);
    });
});
