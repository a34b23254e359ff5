// Power loss under a blob folder, on a real file system: ext4 on a loop device whose backing file is
// the disk. The writer is killed and the backing file copied as it lies; what ext4 had not yet
// written to it is not in the copy. The copy is mounted, its journal replayed, and every blob that
// blob_sync had called durable must be there and whole. Root only.
import test from 'node:test';
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { build, sha256, tempDir } from '../lib/harness.mjs';
import { mounted, noLoopMounts, sh } from '../lib/mounts.mjs';

const writer = join(build, 'tests/unit/blob/blob_writer');
const rounds = process.env.TEST_SOAK ? 100 : 8;

const skip = noLoopMounts();

/** Lines of the writer, which is killed when it has said `n`. */
async function writeUntilKilled(url, n) {
  const lines = [];
  const proc = spawn(writer, [url], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exit = new Promise((done, fail) => {
    proc.on('error', fail);
    proc.on('close', done);
  });
  for await (const line of createInterface({ input: proc.stdout })) {
    lines.push(line.split(' '));
    if (lines.length === n) proc.kill('SIGKILL');
  }
  await exit;
  return lines;
}

/** Writes until `n` blobs are said to be durable, then pulls the plug. Returns those and how many are
 * missing or damaged on the disk as it was left. */
async function powerLoss(t, query, n) {
  const dir = tempDir(t);
  const [image, copy] = [join(dir, 'disk.img'), join(dir, 'left.img')];
  sh('truncate', '-s', '256M', image);
  sh('mkfs.ext4', '-q', '-E', 'lazy_itable_init=0,lazy_journal_init=0', image);
  const durable = await mounted(image, join(dir, 'disk'), async (disk) => {
    sh('sync', '-f', disk);
    const lines = await writeUntilKilled(`file:${disk}/blobs${query}`, n);
    sh('cp', image, copy);
    return lines;
  });
  const lost = await mounted(copy, join(dir, 'left'), (left) => durable.filter(([key, bytes, sha]) => {
    const path = join(left, 'blobs', key);
    const data = existsSync(path) ? readFileSync(path) : null;
    return data?.length !== Number(bytes) || sha256(data) !== sha;
  }).length);
  return { durable: durable.length, lost };
}

for (const [query, times] of [['', rounds], ['?sync=each', 2]]) {
  test(`blobs called durable survive a power loss (file:DIR${query})`, { skip, timeout: 600000 }, async (t) => {
    for (let i = 0; i < times; i++) {
      const n = 20 + Math.floor(Math.random() * 200);
      await t.test(`round ${i + 1}: after ${n} blobs`, async (s) => {
        const r = await powerLoss(s, query, n);
        assert.ok(r.durable >= n);
        assert.equal(r.lost, 0, `${r.lost} of ${r.durable} blobs are gone`);
      });
    }
  });
}

test('without the sync the same test loses blobs', { skip, timeout: 60000 }, async (t) => {
  const r = await powerLoss(t, '?sync=none', 100);
  assert.ok(r.lost > 0, 'a test that cannot fail shows nothing');
});
