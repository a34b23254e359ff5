// Three servers and three workers over one PostgreSQL, while any of them is killed, the database restarts
// or crashes, the bus is gone, a worker stops for longer than its lease: after each round everything that
// was promised holds. TEST_SOAK=1 plays 200 rounds of each; TEST_SEED repeats a run's choices.
import test from 'node:test';
import assert from 'node:assert/strict';
import http from 'node:http';
import { once } from 'node:events';
import { missing, nats, postgres } from '../lib/engines.mjs';
import { check } from '../lib/checker.mjs';
import { ask, crew, round } from '../lib/crew.mjs';
import { databaseRestarted, killed, natsGone, stopped } from '../lib/faults.mjs';
import { after, ended, items } from '../lib/harness.mjs';
import { png } from '../lib/pictures.mjs';
import { origin, small } from '../lib/site.mjs';
import { random, seedOfRun } from '../lib/random.mjs';

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

test('a thousand jobs over one URL, around the moment when it is there: one download', { skip, timeout: 240000 }, async (t) => {
  const seed = seedOfRun();
  const rnd = random(seed);
  const [db, hints, source] = [await postgres(t), await nats(t), await origin(t)];
  const c = await crew(t, { seed, db, bus: hints.url, source, servers: 2, workers: 2 });
  let [release, requests, accepted] = [null, 0, 0];
  const gate = new Promise((ok) => (release = ok));
  const slow = http.createServer((req, res) => {
    requests++;
    gate.then(() => res.writeHead(200, { 'content-type': 'image/png' }).end(png(64, 48, 7)));
  }).listen(0, '127.0.0.1');
  after(t, () => slow.close());
  await once(slow, 'listening');
  const url = `http://127.0.0.1:${slow.address().port}/one.png`;
  const ripe = rnd.between(200, 700); // it comes when so many wait for it
  const jobs = Array.from({ length: 1000 }, (_, i) => `one-${i}`);
  const submit = async (id) => {
    const r = await ask(c, 'PUT', `/v1/jobs/${id}`, { json: { urls: [url], variants: small }, ms: 60000 });
    assert.ok([200, 202].includes(r.status), r.text);
    if (++accepted === ripe) release();
  };
  const many = async (ids) => {
    while (ids.length) await submit(ids.pop());
  };
  const [early, late] = [jobs.slice(0, 900), jobs.slice(900)];
  await Promise.all(Array.from({ length: 16 }, () => many(early)));
  const base = c.all('server')[0].proc.url;
  await ended(base, jobs[0]);
  await many(late);
  let saved = 0;
  for (const id of jobs) {
    const job = await ended(base, id);
    assert.equal(job.counts.succeeded, 1, `${id}; TEST_SEED=${seed}`);
    saved += job.savings.downloads;
  }
  assert.equal(requests, 1, `TEST_SEED=${seed}`);
  assert.equal(saved, 999);
  const some = Array.from({ length: 60 }, () => rnd.pick(jobs));
  assert.deepEqual(await check(c.all('server')[1].proc.url, some), []);
  const ways = new Set((await Promise.all(some.map((id) => items(base, id)))).map(([it]) => it.cache));
  assert.ok(ways.has('hit') && ways.has('coalesced'), `before and after: ${[...ways]}`);
});

const trigger = (when, body) => `CREATE FUNCTION planted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ${body} END $$;
  CREATE ${when} FOR EACH ROW EXECUTE FUNCTION planted()`;
// As in planted.mjs: the database does what the real bug would. What comes too late is in cluster-s3.test.mjs.
const plants = {
  'an event written twice': { caught: /ended twice/, sql: trigger('CONSTRAINT TRIGGER planted AFTER INSERT ON event DEFERRABLE INITIALLY DEFERRED', `
    IF NEW.type = 10 AND (SELECT seq FROM job WHERE no = NEW.job) = NEW.seq
      AND NOT EXISTS (SELECT 1 FROM event WHERE job = NEW.job AND seq = NEW.seq - 1 AND item = NEW.item AND type = 10) THEN
      INSERT INTO event SELECT NEW.job, NEW.seq + 1, NEW.type, NEW.item, NEW.at_ms, NEW.data;
      UPDATE job SET seq = seq + 1 WHERE no = NEW.job;
    END IF; RETURN NULL;`) },
  'a blob that is left': { caught: /lies there and no row names it/, sql: trigger('TRIGGER planted BEFORE INSERT ON trash', 'RETURN NULL;') },
  'a row that outlives its blob': { caught: /a row names .*, which is not there/, sql: trigger('TRIGGER planted AFTER INSERT ON result', `
    INSERT INTO trash VALUES (NEW.blob, 0); UPDATE result SET blob = blob || '.gone' WHERE id = NEW.id; RETURN NULL;`) },
};

test('the books of a cluster catch every planted bug', { skip, timeout: 240000 }, async (t) => {
  const seed = seedOfRun();
  const [db, hints, source] = [await postgres(t), await nats(t), await origin(t)];
  for (const [i, [what, plant]] of Object.entries(plants).entries()) {
    const mine = await db.database(`planted${i}`);
    const c = await crew(t, { seed, db: mine, bus: hints.url, source, servers: 2, workers: 2 });
    assert.deepEqual(await round(c), [], 'without it');
    await mine.sql(plant.sql);
    const [one, two] = [await round(c, { ms: 15000, collections: 0 }), await round(c, { ms: 15000, collections: 0 })];
    assert.match([...one, ...two].join('\n'), plant.caught, what); // what the first left to be collected, the second finds
    await Promise.all(c.members.map((m) => m.proc.stop('SIGKILL')));
  }
});
