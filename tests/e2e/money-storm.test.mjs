// Whoever dies around a paid call: nothing is paid twice, nothing beyond a budget, and what nobody can
// know is said and counted. TEST_SOAK=1 kills ten times as often; TEST_SEED repeats a run's choices.
import test from 'node:test';
import assert from 'node:assert/strict';
import { sanitized } from '../lib/harness.mjs';
import { collect, cut, cutSite, said, KEY, usage } from '../lib/cutouts.mjs';
import { check, checkFolder } from '../lib/checker.mjs';
import { sql } from '../lib/database.mjs';
import { audit } from '../lib/money.mjs';
import { boughtAgain, killAt, points, rage, stormy } from '../lib/money_storm.mjs';
import { seedOfRun } from '../lib/random.mjs';

const soak = process.env.TEST_SOAK === '1';
const site = async (t, seed) => stormy(await cutSite(t, { paid: {}, gated: true, folder: '/nonexistent', // auto has no model to wait for
  args: ['--workers', '8', '--darkrooms', '1', '--max-tries', '3', '--gc-every', '1s'] }), seed);

const rounds = soak ? 40 : sanitized ? 1 : 4;
test(`${rounds * Object.keys(points).length} kills at named points around a paid call`, { timeout: 600000 }, async (t) => {
  const seed = seedOfRun();
  t.diagnostic(`TEST_SEED=${seed}`);
  const s = await site(t, seed);
  const ends = {};
  for (let round = 0; round < rounds; round++) {
    for (const [what, point] of Object.entries(points)) {
      const spent = s.bg.spent;
      const { status, variants, cutout } = await killAt(t, s, point);
      assert.equal(status, 'succeeded', what);
      assert.equal(variants.length, 1, what);
      const how = cutout.error?.code ?? cutout.status;
      assert.equal(how, point.ends === 'bought' ? 'succeeded' : 'matte_charge_unknown', `${what}: ${cutout.error?.detail}`);
      assert.ok(s.bg.spent - spent <= 1, `${what}: ${s.bg.spent - spent} calls were charged`);
      if (point.ends === 'bought') assert.equal(s.bg.spent - spent, 1, what);
      ends[point.ends] = (ends[point.ends] ?? 0) + 1;
    }
  }
  const { credits } = await usage(s);
  assert.deepEqual([credits.spent, credits.unknown, credits.reserved], [ends.bought, ends.unknown, 0]);
  t.diagnostic(JSON.stringify({ ...ends, charged: s.bg.spent }));
  assert.deepEqual(await audit(s.base, s.bg, s.ids, { data: s.data }), []);
  assert.deepEqual(await check(s.base, s.ids), []);
  assert.ok(!said(s).includes(KEY));
  await collect(s);
  assert.deepEqual(await checkFolder(s.data), []);
});

const kills = soak ? 640 : sanitized ? 12 : 64;
test(`${kills} kills at random moments of many paid calls`, { timeout: 600000 }, async (t) => {
  const seed = seedOfRun();
  t.diagnostic(`TEST_SEED=${seed}`);
  const hint = `; TEST_SEED=${seed} repeats it`;
  const s = await site(t, seed);
  await rage(s, kills);
  const { credits } = await usage(s);
  t.diagnostic(JSON.stringify({ jobs: s.ids.length, calls: s.bg.calls.length, charged: s.bg.spent, spent: credits.spent, unknown: credits.unknown }));
  assert.ok(credits.spent > 0 && credits.unknown > 0, `nothing happened${hint}`);
  const confirmed = await boughtAgain(s);
  assert.ok(sanitized || confirmed.size > 0, `nobody confirmed anything${hint}`);
  assert.deepEqual(await audit(s.base, s.bg, s.ids, { data: s.data, confirmed, confirmers: s.confirmers }), [], `the books${hint}`);
  assert.deepEqual(await check(s.base, s.ids), [], `faults${hint}`);
  await collect(s);
  assert.deepEqual(await checkFolder(s.data), [], `the folder${hint}`);
});

// Bugs planted in the database of a running server, and what the audit says of them.
const plants = {
  'a charge that is forgotten when nobody can know of it': { caught: /was charged 2 times/,
    sql: 'CREATE TRIGGER planted AFTER UPDATE OF state ON charge WHEN NEW.state = 2 BEGIN DELETE FROM charge WHERE id = NEW.id; END' },
  'an intent that is not written before the call': { caught: /was charged 2 times/,
    sql: 'CREATE TRIGGER planted AFTER INSERT ON charge BEGIN DELETE FROM charge WHERE id = NEW.id; END' },
  'an unknown charge that is not counted': { caught: /the provider took|usage counts/,
    sql: 'CREATE TRIGGER planted AFTER UPDATE OF unknown ON usage WHEN NEW.unknown > 0 BEGIN UPDATE usage SET unknown = 0; END' },
  'a job that does not feel what it spent': { caught: /may pay/,
    sql: 'CREATE TRIGGER planted AFTER UPDATE OF unknown ON job WHEN NEW.unknown > 0 BEGIN UPDATE job SET unknown = 0; END' },
};
test('the audit catches every planted bug, and nothing where none is', { timeout: 120000 }, async (t) => {
  const day = async (plant) => {
    const s = await site(t, 1);
    if (plant.sql) await sql(s.data, plant.sql);
    await killAt(t, s, points['while the request is under way']);
    const again = await cut(s, [s.url], { engine: 'remote', max_cost: 1 });
    return audit(s.base, s.bg, [...s.ids, again.id], { data: s.data });
  };
  assert.deepEqual(await day({}), []);
  for (const [what, plant] of Object.entries(plants)) {
    const faults = await day(plant);
    assert.ok(faults.some((f) => plant.caught.test(f)), `${what} was not caught: ${JSON.stringify(faults)}`);
  }
});
