// Looking into a data folder from outside, and tampering with it, beside a server or without one.
import { execFile, spawn } from 'node:child_process';
import { copyFileSync, readdirSync, rmSync, statSync, truncateSync, utimesSync } from 'node:fs';
import { join } from 'node:path';

/** Runs SQL in one short connection; resolves with the rows, each a list of texts. */
export function sql(data, text) {
  return new Promise((ok, fail) => {
    const args = ['-batch', '-bail', '-separator', '\t', '-cmd', '.timeout 10000', join(data, 'bulb.db')];
    const proc = execFile('sqlite3', args, { maxBuffer: 1 << 28 }, (e, out, err) => {
      if (e) fail(new Error(`sqlite3: ${err || e.message}`));
      else ok(out.split('\n').filter(Boolean).map((line) => line.split('\t')));
    });
    proc.stdin.on('error', () => {});
    proc.stdin.end(`${text};\n`);
  });
}

/** Nobody else writes to the database until the answer is called; resolves when that is so. */
export async function lockDatabase(data) {
  const proc = spawn('sqlite3', ['-batch', '-bail', '-cmd', '.timeout 10000', join(data, 'bulb.db')], { stdio: ['pipe', 'pipe', 'inherit'] });
  proc.stdin.on('error', () => {});
  proc.stdin.write("BEGIN IMMEDIATE;\nSELECT 'locked';\n");
  await new Promise((ok, fail) => {
    proc.stdout.on('data', ok);
    proc.on('close', () => fail(new Error('sqlite3 got no lock')));
  });
  return () => new Promise((ok) => {
    proc.on('close', ok);
    proc.stdin.end('ROLLBACK;\n');
  });
}

const files = (data) => readdirSync(data).filter((n) => n === 'bulb.db' || n.startsWith('bulb.db-'));

/** The database as it is now, without a server: give the answer a call to have it back. */
export function snapshot(data, aside) {
  const then = files(data);
  for (const n of files(aside)) rmSync(join(aside, n));
  for (const n of then) copyFileSync(join(data, n), join(aside, n));
  return () => {
    for (const n of files(data)) rmSync(join(data, n));
    for (const n of then) copyFileSync(join(aside, n), join(data, n));
  };
}

const blobs = (data) => join(data, 'blobs');

/** Keys of all blobs on the disk. */
export function blobKeys(data) {
  const all = readdirSync(blobs(data), { withFileTypes: true }).filter((d) => d.isDirectory() && !d.name.startsWith('.'));
  return all.flatMap((d) => readdirSync(join(blobs(data), d.name)).map((n) => `${d.name}/${n}`));
}
export const blobPath = (data, key) => join(blobs(data), key);

/** What the disk makes of a file that was not synced when the power went. */
export const tearBlob = (data, key) => truncateSync(blobPath(data, key), 0);

/** Nothing in the trash waits any longer for its links to die. */
export const ageTrash = (data) => sql(data, 'UPDATE trash SET after_ms = 0');

/** All blobs lie there for two days already, so that gc takes those that nobody names. */
export function ageBlobs(data) {
  const then = Date.now() / 1000 - 2 * 86400;
  for (const key of blobKeys(data)) {
    if (statSync(blobPath(data, key)).isFile()) utimesSync(blobPath(data, key), then, then);
  }
}
