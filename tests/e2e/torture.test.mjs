// The Nth allocation or system call fails. Whichever it is, bulb succeeds or says what is wrong: no
// crash, no hang, no file that is not what it is said to be, nothing accepted that is lost.
// TEST_TORTURE=alloc,call,disk,serve tries every N of these (`make torture`); else a sample is tried,
// another one with each TEST_SEED.
import test from 'node:test';
import assert from 'node:assert/strict';
import { sanitized } from '../lib/harness.mjs';
import { startOrigin } from '../lib/origin.mjs';
import { seedOfRun, random } from '../lib/random.mjs';
import { countOf, everyNth, tortureRun, tortureServe } from '../lib/torture.mjs';

const all = process.env.TEST_TORTURE?.split(',');
const runs = 8; /* of a sample */
const patient = 8; /* lanes for what mostly waits: a disk that is full is given time to recover */
const skip = sanitized && 'a sanitizer cannot be loaded after another library';
const rnd = random(seedOfRun());
const options = (part) => ({ skip: skip || (all && !all.includes(part)), timeout: all ? 24 * 3600e3 : 240e3 });

/** Every N, or a sample from 1 to the end. */
async function some(t, kind, one) {
  const step = all ? 1 : Math.max(1, Math.floor(await countOf(kind) / runs));
  const first = all ? 1 : rnd.between(1, step);
  const r = await everyNth((n) => one(kind, n), { first, step, ...(kind === 'disk' && { lanes: patient }) });
  t.diagnostic(`${r.runs} runs: every ${step} from ${first}`);
  assert.deepEqual(r.faults, []);
}

const calls = {
  alloc: 'an allocation',
  call: 'a system call',
  disk: 'every write from some moment on',
};
for (const [kind, what] of Object.entries(calls)) {
  test(`bulb run: ${what} fails`, options(kind), (t) => some(t, kind, tortureRun));
}
for (const kind of ['call', 'disk']) {
  test(`bulb serve: ${calls[kind]} fails, and nothing accepted is lost`, options('serve'),
    async (t) => {
      const source = await startOrigin();
      t.after(() => source.close());
      await some(t, kind, (k, n) => tortureServe(source, k, n));
    });
}
