// A cluster whose blobs are in a bucket (OpenStack Swift) that fails as buckets do, and a worker whose lease
// ends while it stores: what it says too late is refused, and its blob is collected. After each round all
// that was promised holds, in the bucket too. TEST_SOAK=1 plays 200 rounds of each; TEST_SEED repeats a run's
// choices.
import test from 'node:test';
import assert from 'node:assert/strict';
import { missing, nats, postgres } from '../lib/engines.mjs';
import { bucketOf, crew, round } from '../lib/crew.mjs';
import { bucketFails, overtaken } from '../lib/faults.mjs';
import { faulty } from '../lib/s3_faults.mjs';
import { origin } from '../lib/site.mjs';
import * as swifts from '../lib/swift.mjs';
import { seedOfRun } from '../lib/random.mjs';

const skip = missing('initdb', 'nats-server') || swifts.missing;
const rounds = process.env.TEST_SOAK === '1' ? 200 : 3;
const limit = { timeout: rounds * 60000 };

// Who takes a task that was lent before gets the number that its first owner has.
const unguarded = `CREATE FUNCTION planted() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN NEW.lease := greatest(OLD.lease, 1); RETURN NEW; END $$;
  CREATE TRIGGER planted BEFORE UPDATE OF lease ON task FOR EACH ROW WHEN (NEW.state = 1) EXECUTE FUNCTION planted()`;

test('a cluster over a bucket on its bad days', { skip, timeout: rounds * 600000 }, async (t) => {
  const seed = seedOfRun();
  t.diagnostic(`TEST_SEED=${seed}`);
  const repeat = `TEST_SEED=${seed} repeats it`;
  const [db, hints, source, s3] = await Promise.all([postgres(t), nats(t), origin(t), swifts.swift(t)]);
  const proxy = await faulty(t, s3.port);
  const bucket = await bucketOf(t, s3, proxy);
  const c = await crew(t, { seed, db, bus: hints.url, source, bucket });
  for (const fault of ['error500', 'slowDown', 'reset', 'lost', 'error200'])
    await t.test(`${fault}, ${rounds} rounds`, limit, async (u) => {
      const began = Date.now();
      for (let i = 1; i <= rounds; i++) assert.deepEqual(await round(c, { jobs: 2, ...bucketFails(c, proxy, fault) }), [], `${fault}, round ${i}; ${repeat}`);
      u.diagnostic(`${((Date.now() - began) / rounds / 1000).toFixed(1)} s a round, ${proxy.seen.length} faults so far`);
    });
  await t.test(`a byte a second, ${rounds} rounds`, limit, async () => {
    for (let i = 1; i <= rounds; i++) assert.deepEqual(await round(c, { jobs: 2, ...bucketFails(c, proxy, 'drip') }), [], `drip, round ${i}; ${repeat}`);
  });
  await t.test(`a result that comes too late, ${rounds} times`, limit, async (u) => {
    const mine = await db.database('late');
    const two = await crew(u, { seed, db: mine, bus: hints.url, source, bucket: await bucketOf(u, s3, proxy), servers: 2, workers: 2 });
    for (let i = 1; i <= rounds; i++) assert.deepEqual(await overtaken(two, proxy), [], `round ${i}; ${repeat}`);
    await mine.sql(unguarded);
    assert.match((await overtaken(two, proxy)).join(), /too late was taken/, 'a bug that is planted is caught');
  });
});
