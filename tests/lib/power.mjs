// Power that fails under a whole server. It runs on a disk that forgets: a VFS of SQLite whose real
// file only ever has what was synced (disk_vfs.h), and a blob folder whose puts and syncs are noted
// (blob_notes.c). SIGKILL is the moment; afterwards what was not synced is taken out of the blob
// folder, and the next server starts on what is left.
import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmdirSync, rmSync, truncateSync, openSync, writeSync, closeSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { build, bulb, tempDir, call, ended, log } from './harness.mjs';
import { check } from './checker.mjs';
import { blobKeys, blobPath, snapshot } from './database.mjs';

const modules = ['tests/unit/store/disk_vfs.so', 'tests/unit/blob/blob_notes.so'].map((f) => join(build, f));
export const missing = modules.find((f) => !existsSync(f));
export const losses = ['all', 'some', 'torn'];
const PAGE = 4096;
const pause = (ms) => new Promise((r) => setTimeout(r, ms));

/** Keys that a sync had covered: put before it began, and it ended. */
function synced(notes) {
  const lines = existsSync(notes) ? readFileSync(notes, 'utf8').split('\n').map((l) => l.split(' ')) : [];
  const over = new Set(lines.filter(([what]) => what === 'end').map(([, n]) => n));
  const last = lines.findLastIndex(([what, n]) => what === 'begin' && over.has(n));
  return new Set(lines.slice(0, last + 1).filter(([what]) => what === 'put').map(([, key]) => key));
}

function overwrite(path, at, bytes) {
  const fd = openSync(path, 'r+');
  writeSync(fd, Buffer.alloc(bytes), 0, bytes, at);
  closeSync(fd);
}

/** What of one file the disk still has that was never told to keep it. */
function tear(path, rnd) {
  const { size } = statSync(path);
  const dice = rnd.below(4);
  if (dice === 0) rmSync(path);
  else if (dice === 1) truncateSync(path, rnd.below(size + 1));
  else if (dice === 2 && size) {
    const at = rnd.below(Math.ceil(size / PAGE)) * PAGE;
    overwrite(path, at, Math.min(PAGE, size - at));
  }
}

/** Returns how many blobs were forgotten or damaged; those that stay are durable from now on. */
function forget(data, notes, how, rnd, kept) {
  let lost = 0;
  for (const key of synced(notes)) kept.add(key);
  for (const key of blobKeys(data)) {
    if (kept.has(key)) continue;
    const path = blobPath(data, key);
    if (how === 'torn') tear(path, rnd);
    else if (how === 'all' || rnd.chance(0.5)) rmSync(path);
    kept.add(key);
    lost++;
  }
  rmSync(join(data, 'blobs', '.tmp'), { recursive: true, force: true });
  for (const dir of readdirSync(join(data, 'blobs'))) {
    if (readdirSync(join(data, 'blobs', dir)).length === 0) rmdirSync(join(data, 'blobs', dir));
  }
  rmSync(notes, { force: true });
  return lost;
}

const variants = [[{ name: 'a', width: 32, format: 'jpeg' }], [{ name: 'a', width: 32, format: 'jpeg' }, { name: 'b', width: 16, format: 'webp' }]];

export function jobs(rnd, source, name) {
  const path = () => (rnd.chance(0.1) ? '/status/404' : `/png?w=${rnd.between(32, 200)}&h=48&seed=${rnd.below(400)}`);
  return Array.from({ length: rnd.between(1, 5) }, (_, i) => ({
    key: `${name}-${i}`,
    body: {
      urls: Array.from({ length: rnd.between(1, 6) }, () => ({ url: source.url + path(), headers: { 'x-secret': 'sealed' } })),
      variants: rnd.pick(variants),
    },
  }));
}

/** Sends each; what is answered gets its id, and again must get the same. */
export async function submit(base, list) {
  await Promise.all(list.map(async (j) => {
    const r = await call('POST', `${base}/v1/jobs`, { json: j.body, headers: { 'idempotency-key': j.key } });
    assert.equal(r.status, 202, r.text);
    j.id ??= r.json.id;
    assert.equal(r.json.id, j.id, `${j.key} again makes another job`);
  }));
}

/** Reads the logs of these jobs until `round.over`: what was read once must stand there for ever. */
export async function watch(base, list, seen, round) {
  while (!round.over) {
    for (const { id } of list.filter((j) => j.id)) {
      const { events } = await log(base, id);
      seen.set(id, new Map(events.map((ev) => [Number(ev.sequence), ev])));
    }
    await pause(5);
  }
}

const cut = (e) => ['ECONNRESET', 'ECONNREFUSED', 'EPIPE'].includes(e.code) || /socket hang up|aborted/.test(e.message);

/** Work on `list`, and a kill after some milliseconds. */
export async function workUntilKilled(server, list, seen, ms) {
  const round = { over: false };
  const busy = Promise.all([submit(server.url, list), watch(server.url, list, seen, round)]).catch((e) => {
    if (!cut(e) || !round.over) throw e;
  });
  await Promise.race([pause(ms), busy]);
  round.over = true;
  await server.stop('SIGKILL');
  await busy;
}

/** After the loss: everything that was answered is there, and all of it is finished. */
export async function faultsAfter(base, list, seen) {
  const told = list.filter((j) => j.id);
  await Promise.all(told.map((j) => ended(base, j.id, 20000).catch(() => {}))); // the checker says it better
  return check(base, told.map((j) => j.id), { keys: told, seen });
}

/** The database is one file from the first start to the last; else somebody took it away, and nothing was lost. */
function sameFile(data, first) {
  const at = statSync(join(data, 'bulb.db'), { throwIfNoEntry: false });
  const file = at && `${at.ino} ${at.birthtimeMs}`; // a number may be given again
  assert.equal(file, first ?? file, `${data}/bulb.db was removed while the test ran, not by bulb`);
  return file;
}

/** What the last loss left, before and after the server that found a fault in it. */
function keepEvidence(data, aside) {
  const to = `${data}-evidence`;
  cpSync(data, to, { recursive: true });
  cpSync(aside, join(to, 'before'), { recursive: true });
  return to;
}

/**
 * Round after round, until `rounds` or a fault: { faults, how, evidence, forgotten, round, all, server }.
 * sync: what the store and the blob folder are told to do.
 */
export async function powerLosses(t, data, source, rnd, { rounds, store = '', blob = '', after = () => rnd.below(250) }) {
  const notes = join(data, 'notes');
  const s = { faults: [], all: [], forgotten: 0, round: 0, seen: new Map(), kept: new Set() };
  const args = ['--store', `sqlite:${data}/bulb.db?vfs=disk${store}`, '--blob', `file:${data}/blobs${blob}`, '--darkrooms', '1'];
  const aside = tempDir(t);
  mkdirSync(data, { recursive: true });
  let last = [];
  let file;
  for (;;) {
    const how = losses[s.round % losses.length];
    const env = { LD_PRELOAD: modules.join(' '), BULB_TEST_DISK: `${how}:${rnd.below(1e9)}`, BULB_TEST_BLOBS: notes };
    snapshot(data, aside);
    s.server = await bulb(t, data, args, env);
    file = sameFile(data, file);
    s.faults = await faultsAfter(s.server.url, last, s.seen);
    if (s.faults.length) s.evidence = keepEvidence(data, aside);
    if (s.faults.length || s.round === rounds) return s;
    s.how = how;
    last = jobs(rnd, source, `round-${s.round}`);
    await workUntilKilled(s.server, last, s.seen, after());
    sameFile(data, file);
    s.forgotten += forget(data, notes, how, rnd, s.kept);
    s.all.push(...last);
    s.round++;
  }
}
