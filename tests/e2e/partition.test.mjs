// Servers and workers in network namespaces of their own, with PostgreSQL, NATS and a bucket outside: they
// come up together on an empty database, any server tells of the work that any other was given, and
// whatever is cut off from whatever, one way or both ways, for as long as leases live and longer, after it
// everything that was promised holds. TEST_SOAK=1 plays 200 rounds of each pair, now and then until
// connections are given up; TEST_SEED repeats a run's choices.
import test from 'node:test';
import assert from 'node:assert/strict';
import { ended, get, log, post } from '../lib/harness.mjs';
import { bucketOf, crew, ready, round } from '../lib/crew.mjs';
import { missing, nats, postgres } from '../lib/engines.mjs';
import { parted } from '../lib/faults.mjs';
import * as networks from '../lib/network.mjs';
import { faulty } from '../lib/s3_faults.mjs';
import { origin, small } from '../lib/site.mjs';
import * as swifts from '../lib/swift.mjs';
import { random, seedOfRun } from '../lib/random.mjs';

const skip = networks.missing || missing('initdb', 'nats-server', 'nft', 'nsenter') || swifts.missing;
const soak = process.env.TEST_SOAK === '1';
const ways = ['full', 'to', 'from'];
const rounds = soak ? 201 : ways.length;
const names = ['server1', 'server2', 'server3', 'worker1', 'worker2', 'worker3'];

async function site(t, seed) {
  const net = networks.network(t, names);
  const [db, hints, source, s3] = await Promise.all([postgres(t, { host: net.host }), nats(t, '', net.host), origin(t, { host: net.host }), swifts.swift(t)]);
  const proxy = await faulty(t, s3.port, net.host);
  const c = await crew(t, { seed, db, store: db.tcp, bus: hints.url, source, bucket: await bucketOf(t, s3, proxy), allow: `${net.host}/24`, place: net.place });
  return { net, db, hints, source, proxy, c };
}

/** The same URLs asked for at all three servers at about the same time, watched at others. */
async function together({ c, source }) {
  const [a, b, last] = c.all('server').map((m) => m.proc.url);
  const urls = Array.from({ length: 12 }, (_, i) => `${source.url}/png?seed=${i}&delay=${20 * i}`);
  const jobs = await Promise.all([last, a, b, last].map(async (base) => (await post(`${base}/v1/jobs`, { urls, variants: small })).json));
  for (const [i, { id }] of jobs.entries()) {
    const base = [a, b, a, b][i];
    assert.equal((await ended(base, id)).counts.succeeded, urls.length);
    const told = await Promise.all([a, b, last].map(async (x) => (await log(x, id)).events.map((e) => [e.sequence, e.type, e.subject].join())));
    assert.deepEqual(told[1], told[0]);
    assert.deepEqual(told[2], told[0]);
  }
  for (const url of urls) assert.equal(source.seen.hits[new URL(url).pathname + new URL(url).search], 1, `${url}: downloaded once`);
}

test('machines that cannot reach one another', { skip, timeout: rounds * 600000 }, async (t) => {
  const seed = seedOfRun();
  t.diagnostic(`TEST_SEED=${seed}`);
  const s = await site(t, seed);
  const { c, net, db, hints, proxy } = s;
  await t.test('three servers and three workers came up together, and work as one', { timeout: 60000 }, async () => {
    assert.deepEqual(await db.sql('SELECT count(*) FROM meta'), [['1']]);
    for (const m of c.members) assert.equal((await get(`${m.proc.url}/healthz`)).status, 200);
    await together(s);
    assert.deepEqual(await round(c), []);
  });
  await t.test('a server that cannot reach its database says so to all who ask, and lives', { timeout: 120000 }, async () => {
    const { name, proc } = c.all('server')[0];
    const ask = (path, ms) => get(`${proc.url}${path}`, { ms }).then((r) => r.status);
    net.cut(name, db.port);
    try {
      const many = Array.from({ length: 300 }, () => ask('/v1/jobs', 60000));
      assert.equal(await ask('/healthz', 15000), 200, 'whoever looks after it does not kill it');
      assert.deepEqual([...new Set(await Promise.all(many))], [503]);
      assert.equal(await ask('/readyz', 30000), 503);
    } finally {
      net.heal(name);
    }
    await ready(c);
  });
  const rnd = random(seed);
  for (const [kind, port, what] of [['server', db.port, 'the database'], ['worker', db.port, 'the database'],
    ['worker', proxy.port, 'the bucket'], ['worker', hints.port, 'the bus'], ['server', hints.port, 'the bus']])
    await t.test(`a ${kind} and ${what}, ${rounds} rounds`, { timeout: rounds * 120000 }, async (u) => {
      const began = Date.now();
      for (let i = 0; i < rounds; i++) {
        const how = ways[i % ways.length];
        const long = soak && rnd.chance(0.1) ? 20000 : undefined;
        assert.deepEqual(await round(c, { jobs: 2, ...parted(c, net, kind, port, how, long) }), [], `${kind}, ${what}, ${how}, round ${i + 1}; TEST_SEED=${seed} repeats it`);
      }
      u.diagnostic(`${((Date.now() - began) / rounds / 1000).toFixed(1)} s a round`);
    });
});
