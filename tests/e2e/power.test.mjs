// Power that fails under a whole server, again and again: every 202 that was given exists, every blob
// that is named has its bytes, everything is finished. First on a disk of our own that forgets what
// was not synced: all of it, some of it, or half a page of it; then on ext4, as it was left.
// TEST_SOAK=1 makes ten times as many rounds; TEST_SEED repeats a run's choices.
import test from 'node:test';
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { tempDir, bulb, get } from '../lib/harness.mjs';
import { startOrigin } from '../lib/origin.mjs';
import { check, checkFolder } from '../lib/checker.mjs';
import { random, seedOfRun } from '../lib/random.mjs';
import { powerLosses, faultsAfter, jobs, missing, workUntilKilled } from '../lib/power.mjs';
import { mounted, noLoopMounts, sh } from '../lib/mounts.mjs';

const soak = process.env.TEST_SOAK === '1';
const rounds = soak ? 500 : 50;
const skip = process.env.TEST_SANITIZE ? 'a sanitizer must be loaded first, and so must the bad disk' :
  missing && `${missing} is not built`;

async function site(t) {
  const source = await startOrigin();
  t.after(() => source.close());
  const seed = seedOfRun();
  t.diagnostic(`TEST_SEED=${seed}`);
  return { source, seed, rnd: random(seed), data: tempDir(t) };
}

test(`${rounds} power losses: nothing answered is lost, no blob that is named is missing`, { skip, timeout: rounds * 10000 }, async (t) => {
  const { source, seed, rnd, data } = await site(t);
  const s = await powerLosses(t, data, source, rnd, { rounds });
  assert.deepEqual(s.faults, [], `after round ${s.round}, ${s.how} lost; see ${s.evidence}; TEST_SEED=${seed} repeats it`);
  const told = s.all.filter((j) => j.id).map((j) => j.id);
  const done = [...s.seen.values()].flatMap((m) => [...m.values()]).filter((ev) => ev.type === 'item.succeeded').length;
  t.diagnostic(`${told.length} jobs answered, ${done} results read before the losses, ${s.forgotten} blobs forgotten`);
  assert.ok(told.length > rounds && done > rounds, 'there was something to lose');
  assert.ok(s.forgotten > 0, 'the blob folder forgot something');
  assert.deepEqual(await check(s.server.url, told), []);
  await s.server.stop('SIGTERM');
  const faults = (await checkFolder(data)).filter((f) => !/no row names it/.test(f)); // a collection's work
  assert.deepEqual(faults, []);
});

test('with synchronous=NORMAL the same test sees answers that are lost', { skip, timeout: 60000 }, async (t) => {
  const { source, rnd, data } = await site(t);
  const s = await powerLosses(t, data, source, rnd, { rounds: 20, store: '&synchronous=normal' });
  t.diagnostic(`after round ${s.round}: ${s.faults[0]}`);
  if (s.evidence) rmSync(s.evidence, { recursive: true });
  assert.ok(s.faults.some((f) => /accepted, but answers 404|was read and is gone|again gives/.test(f)), JSON.stringify(s.faults));
});

test('without the sync of the blob folder the same test sees blobs that are missing', { skip, timeout: 60000 }, async (t) => {
  const { source, rnd, data } = await site(t);
  const s = await powerLosses(t, data, source, rnd, { rounds: 20, blob: '?sync=none', after: () => rnd.between(200, 500) });
  t.diagnostic(`after round ${s.round}: ${s.faults[0]}`);
  if (s.evidence) rmSync(s.evidence, { recursive: true });
  assert.ok(s.faults.some((f) => /answers 404|has other bytes|blob_not_found/.test(f)), JSON.stringify(s.faults));
});

/** A server on ext4 whose journal is not committed by time; the disk as it lies when the server dies. */
async function lossOnExt4(t, dir, source, rnd, name) {
  const [image, left] = [`${dir}/${name}.img`, `${dir}/${name}-left.img`];
  const list = jobs(rnd, source, name);
  const seen = new Map();
  sh('truncate', '-s', '128M', image);
  sh('mkfs.ext4', '-q', '-E', 'lazy_itable_init=0,lazy_journal_init=0', image);
  await mounted(image, `${dir}/${name}-disk`, async (disk) => {
    sh('sync', '-f', disk);
    const server = await bulb(t, `${disk}/data`);
    await workUntilKilled(server, list, seen, rnd.between(50, 500));
    sh('cp', image, left);
  });
  return mounted(left, `${dir}/${name}-left`, async (disk) => {
    const server = await bulb(t, `${disk}/data`);
    assert.equal((await get(`${server.url}/readyz`)).status, 200);
    const faults = await faultsAfter(server.url, list, seen);
    await server.stop('SIGKILL');
    return faults;
  });
}

const losses = soak ? 40 : 4;
test(`${losses} power losses on ext4, from the first start of a new folder on`, { skip: noLoopMounts(), timeout: losses * 30000 }, async (t) => {
  const { source, seed, rnd, data } = await site(t);
  for (let i = 0; i < losses; i++)
    assert.deepEqual(await lossOnExt4(t, data, source, rnd, `loss-${i}`), [], `TEST_SEED=${seed} repeats it`);
});
