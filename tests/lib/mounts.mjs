// File systems of a test's own: ext4 in a file, tmpfs of a size. Root only; each says why it cannot.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const sh = (cmd, ...args) => execFileSync(cmd, args, { stdio: ['ignore', 'pipe', 'pipe'] });

/** fn while the image is mounted. By itself ext4 would commit every 5 s: not during the test. */
export async function mounted(image, at, fn) {
  mkdirSync(at, { recursive: true });
  sh('mount', '-o', 'loop,commit=300', image, at);
  try {
    return await fn(at);
  } finally {
    sh('umount', at);
  }
}

/** A tmpfs of this size, in the test's own folder; gone with the test, also under a running server. */
export function tmpfs(t, size) {
  const at = mkdtempSync(join(tmpdir(), 'bulb-test-disk-'));
  sh('mount', '-t', 'tmpfs', '-o', `size=${size},mode=755`, 'bulb-test', at);
  t.after(() => {
    sh('umount', '-l', at);
    rmdirSync(at);
  });
  return at;
}

function why(probe) {
  if (process.getuid() !== 0) return 'needs root to mount a file system';
  const dir = `/tmp/bulb-test-mount-probe-${process.pid}`;
  try {
    mkdirSync(dir, { recursive: true });
    probe(dir);
    sh('umount', dir);
    return false;
  } catch (e) {
    return `no such mounts here: ${String(e.stderr ?? e.message).trim()}`;
  } finally {
    sh('rm', '-rf', '--one-file-system', dir, `${dir}.img`);
  }
}

export const noLoopMounts = () => why((dir) => {
  sh('truncate', '-s', '8M', `${dir}.img`);
  sh('mkfs.ext4', '-q', `${dir}.img`);
  sh('mount', '-o', 'loop', `${dir}.img`, dir);
});
export const noTmpfs = () => why((dir) => sh('mount', '-t', 'tmpfs', '-o', 'size=1m', 'bulb-test', dir));
