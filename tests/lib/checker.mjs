// Looks at everything a server says of its jobs, and at its folder, and finds what must never be: a
// job that was accepted and is gone, a gap in a log, a second terminal event, an event that changed
// after it was read, counts that disagree, a repeated request that makes a second job, a blob that is
// missing or has other bytes. Used after every kind of crash; tests prove that it catches planted
// bugs.
import { readFileSync } from 'node:fs';
import { fetched, get, post, log, items, sha256 } from './harness.mjs';
import { sql, blobKeys, blobPath } from './database.mjs';

const itemEnd = new Set(['item.succeeded', 'item.failed', 'item.canceled']);
const jobEnd = new Set(['job.succeeded', 'job.partial', 'job.failed', 'job.canceled']);
const endings = ['succeeded', 'failed', 'canceled'];

/** What a log says at one place of how many items ended how, and of the last word on each. */
function follow(id, events, faults) {
  const last = new Map();
  const ends = new Map();
  let open = false;
  const tally = () => Object.fromEntries(endings.map((s) => [s, [...last.values()].filter((v) => v === s).length]));
  events.forEach((ev, i) => {
    if (Number(ev.sequence) !== i + 1) faults.push(`${id}: sequence ${ev.sequence} stands at place ${i + 1}`);
    if (ev.id !== `${id}.${ev.sequence}` && ev.id !== `${id}.${Number(ev.sequence)}`)
      faults.push(`${id}: event id ${ev.id} at ${ev.sequence}`);
    if (ev.type === 'job.created' || ev.type === 'job.retried') open = true;
    else if (!open) faults.push(`${id}: ${ev.type} (${ev.sequence}) after the end of the job`);
    if (ev.type === 'job.retried') for (const [item, how] of last) if (how === 'failed') last.delete(item);
    if (itemEnd.has(ev.type)) {
      const key = `${ev.subject} run ${ev.data.run}`;
      if (ends.has(key)) faults.push(`${id}: ${key} ended twice: ${ends.get(key)} and ${ev.sequence}`);
      ends.set(key, ev.sequence);
      last.set(ev.subject, ev.type.slice('item.'.length));
    }
    if (!jobEnd.has(ev.type)) return;
    open = false;
    const said = tally();
    for (const s of endings) {
      if (ev.data.counts[s] !== said[s])
        faults.push(`${id}: ${ev.type} (${ev.sequence}) counts ${ev.data.counts[s]} ${s}, the log ${said[s]}`);
    }
  });
  if (events[0]?.type !== 'job.created') faults.push(`${id}: the log begins with ${events[0]?.type}`);
  return { last, open };
}

function checkCounts(job, all, faults) {
  for (const s of endings) {
    const n = all.filter((it) => it.status === s).length;
    if (job.counts[s] !== n) faults.push(`${job.id}: counts.${s} is ${job.counts[s]}, items say ${n}`);
  }
  const { total, queued, running, succeeded, failed, canceled } = job.counts;
  if (total !== all.length) faults.push(`${job.id}: counts.total ${total}, ${all.length} items`);
  if (queued + running + succeeded + failed + canceled !== total) faults.push(`${job.id}: the counts do not add up to ${total}`);
  checkCutouts(job, all, faults);
}

/** Cut-outs are counted as they are, and one that failed beside good variants makes a job partial. */
function checkCutouts(job, all, faults) {
  for (const s of ['succeeded', 'failed', 'none']) {
    const n = all.filter((it) => it.cutout?.status === s).length;
    if (job.counts.cutouts[s] !== n) faults.push(`${job.id}: counts.cutouts.${s} is ${job.counts.cutouts[s]}, items say ${n}`);
  }
  for (const it of all) {
    if (endings.includes(it.status) && it.cutout?.status === 'pending') faults.push(`${job.id}: item ${it.id} is ${it.status}, its cut-out pending`);
    if (it.cutout?.status === 'failed' && !it.cutout.error?.code) faults.push(`${job.id}: the cut-out of ${it.id} failed without a word`);
  }
  if (job.status === 'succeeded' && job.counts.cutouts.failed > 0) faults.push(`${job.id}: succeeded with ${job.counts.cutouts.failed} failed cut-outs`);
}

/** What a reader once saw stands in the log for ever, as it was. */
function checkSeen(id, events, seen, faults) {
  for (const [sequence, was] of seen) {
    const now = events[sequence - 1];
    if (!now) faults.push(`${id}: event ${sequence} (${was.type}) was read and is gone`);
    else if (now.type !== was.type || now.subject !== was.subject || now.time !== was.time)
      faults.push(`${id}: event ${sequence} was ${was.type} of ${was.subject}, is ${now.type} of ${now.subject}`);
  }
}

async function checkBlob(id, what, blob, known, faults) {
  if (!blob?.key || known.has(blob.key)) return;
  known.add(blob.key);
  const r = await fetched(blob.url);
  if (r.status !== 200) faults.push(`${id}: ${what} ${blob.key} answers ${r.status}`);
  else if (sha256(r.bytes) !== blob.sha256) faults.push(`${id}: ${what} ${blob.key} has other bytes`);
  else if (r.bytes.length !== blob.bytes) faults.push(`${id}: ${what} ${blob.key} is ${r.bytes.length} bytes long`);
}

async function checkItems(id, all, said, known, faults, blobs) {
  for (const it of all) {
    const how = said.get(it.id);
    if (!endings.includes(it.status)) faults.push(`${id}: item ${it.id} is ${it.status}`);
    else if (!how) faults.push(`${id}: item ${it.id} has no terminal event`);
    else if (how !== it.status) faults.push(`${id}: item ${it.id} is ${it.status}, its last event says ${how}`);
    if (!blobs || it.status !== 'succeeded') continue;
    if (it.source) await checkBlob(id, 'source', it.source, known, faults);
    if (it.variants.length === 0) faults.push(`${id}: item ${it.id} succeeded without a variant`);
    for (const v of it.variants) await checkBlob(id, `variant ${v.name}`, v, known, faults);
    if (it.cutout?.key) await checkBlob(id, 'cut-out', it.cutout, known, faults);
  }
}

async function checkJob(base, id, { blobs, seen, known }, faults) {
  const r = await get(`${base}/v1/jobs/${id}`);
  if (r.status !== 200) return faults.push(`${id}: accepted, but answers ${r.status}`);
  const { events, done } = await log(base, id);
  const { last, open } = follow(id, events, faults);
  checkSeen(id, events, seen.get(id) ?? [], faults);
  const all = await items(base, id);
  checkCounts(r.json, all, faults);
  if (['queued', 'running'].includes(r.json.status)) faults.push(`${id}: is still ${r.json.status}`);
  else if (open || !done) faults.push(`${id}: is ${r.json.status} but its log has no end`);
  return checkItems(id, all, last, known, faults, blobs);
}

/**
 * Checks the jobs with these ids: all of them were accepted and should have ended by now.
 * keys: requests that were accepted, [{ key, body, id }]; repeated, each must give the same job.
 * seen: Map from job id to Map from sequence to an event that a reader had.
 * Resolves with a list of faults, empty when all is well.
 */
export async function check(base, ids, { blobs = true, keys = [], seen = new Map() } = {}) {
  const faults = [];
  const known = new Set();
  for (const id of ids) await checkJob(base, id, { blobs, seen, known }, faults).catch((e) => faults.push(`${id}: ${e.message}`));
  for (const { key, body, id } of keys) {
    const r = await post(`${base}/v1/jobs`, body, { headers: { 'idempotency-key': key } });
    if (r.json?.id !== id) faults.push(`${id}: its Idempotency-Key again gives ${r.status} ${r.json?.id ?? r.text}`);
  }
  return faults;
}

/** Every blob that a row names, with the digest it should have or nothing, or 'due': it may not be there yet.
 * hex and field: how a database
 * says so of bytes, and of what a JSON document holds. */
export const namedBlobs = (hex, field) => `SELECT blob, ${hex('sha256')} FROM original WHERE blob IS NOT NULL
    UNION ALL SELECT blob, ${field('data', 'sha256')} FROM result
    UNION ALL SELECT blob, '' FROM charge WHERE blob IS NOT NULL -- paid answers
    UNION ALL SELECT blob, CASE WHEN due = 1 THEN 'due' ELSE '' END FROM manifest`;

/** Rows of namedBlobs and keys of what lies there: each row has its blob, each blob its row. read(key): the
 * bytes of a blob. */
export function compareBlobs(rows, keys, read) {
  const faults = [];
  const there = new Set(keys);
  const named = new Set(rows.map(([key]) => key));
  for (const [key, digest] of rows.filter(([, d]) => d !== 'due')) {
    if (!there.has(key)) faults.push(`a row names ${key}, which is not there`);
    else if (digest && read && sha256(read(key)) !== digest) faults.push(`${key} has other bytes than its row says`);
  }
  for (const key of keys) if (!named.has(key)) faults.push(`${key} lies there and no row names it`);
  return faults;
}

/** Looks at a folder after a collection. */
export async function checkFolder(data) {
  const rows = await sql(data, namedBlobs((x) => `lower(hex(${x}))`, (x, f) => `json_extract(${x}, '$.${f}')`));
  return compareBlobs(rows, blobKeys(data), (key) => readFileSync(blobPath(data, key)));
}
