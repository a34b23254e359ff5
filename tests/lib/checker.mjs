// Looks at everything a server says of its jobs and finds what must never be: a job that was accepted
// and is gone, a gap in a log, a second terminal event, counts that disagree, a blob that is missing
// or has other bytes. Used after every kind of crash; tests prove that it catches planted bugs.
import { get, log, items, sha256 } from './harness.mjs';

const itemEnd = new Set(['item.succeeded', 'item.failed', 'item.canceled']);
const jobEnd = new Set(['job.succeeded', 'job.partial', 'job.failed', 'job.canceled']);

function checkLog(id, events, faults) {
  const ends = new Map();
  let open = false;
  events.forEach((ev, i) => {
    if (Number(ev.sequence) !== i + 1) faults.push(`${id}: sequence ${ev.sequence} stands at place ${i + 1}`);
    if (ev.id !== `${id}.${ev.sequence}` && ev.id !== `${id}.${Number(ev.sequence)}`)
      faults.push(`${id}: event id ${ev.id} at ${ev.sequence}`);
    if (ev.type === 'job.created' || ev.type === 'job.retried') open = true;
    else if (!open) faults.push(`${id}: ${ev.type} (${ev.sequence}) after the end of the job`);
    if (itemEnd.has(ev.type)) {
      const key = `${ev.subject} run ${ev.data.run}`;
      if (ends.has(key)) faults.push(`${id}: ${key} ended twice: ${ends.get(key)} and ${ev.sequence}`);
      ends.set(key, ev.sequence);
    }
    if (jobEnd.has(ev.type)) open = false;
  });
  if (events[0]?.type !== 'job.created') faults.push(`${id}: the log begins with ${events[0]?.type}`);
  return { ends, open };
}

function checkCounts(job, all, faults) {
  const n = { queued: 0, running: 0, succeeded: 0, failed: 0, canceled: 0 };
  for (const it of all) {
    if (it.status in n) n[it.status]++;
    else n.running++;
  }
  for (const k of ['succeeded', 'failed', 'canceled']) {
    if (job.counts[k] !== n[k]) faults.push(`${job.id}: counts.${k} is ${job.counts[k]}, items say ${n[k]}`);
  }
  if (job.counts.total !== all.length) faults.push(`${job.id}: counts.total ${job.counts.total}, ${all.length} items`);
}

async function checkBlob(id, what, blob, seen, faults) {
  if (!blob?.key || seen.has(blob.key)) return;
  seen.add(blob.key);
  const r = await get(blob.url);
  if (r.status !== 200) faults.push(`${id}: ${what} ${blob.key} answers ${r.status}`);
  else if (sha256(r.bytes) !== blob.sha256) faults.push(`${id}: ${what} ${blob.key} has other bytes`);
  else if (r.bytes.length !== blob.bytes) faults.push(`${id}: ${what} ${blob.key} is ${r.bytes.length} bytes long`);
}

/**
 * Checks the jobs with these ids (all of them were accepted and have ended by now).
 * Resolves with a list of faults, empty when all is well.
 */
export async function check(base, ids, { blobs = true } = {}) {
  const faults = [];
  const seen = new Set();
  for (const id of ids) {
    const r = await get(`${base}/v1/jobs/${id}`);
    if (r.status !== 200) {
      faults.push(`${id}: accepted, but answers ${r.status}`);
      continue;
    }
    const { events, done } = await log(base, id);
    const { open } = checkLog(id, events, faults);
    const all = await items(base, id);
    checkCounts(r.json, all, faults);
    const over = !['queued', 'running'].includes(r.json.status);
    if (over && (open || !done)) faults.push(`${id}: is ${r.json.status} but its log has no end`);
    const terminal = new Set(events.filter((e) => itemEnd.has(e.type)).map((e) => e.subject));
    for (const it of all) {
      if (over && !['succeeded', 'failed', 'canceled'].includes(it.status))
        faults.push(`${id}: job ended, item ${it.id} is ${it.status}`);
      if (over && !terminal.has(it.id)) faults.push(`${id}: item ${it.id} has no terminal event`);
      if (!blobs || it.status !== 'succeeded') continue;
      if (it.source) await checkBlob(id, 'source', it.source, seen, faults);
      for (const v of it.variants) await checkBlob(id, `variant ${v.name}`, v, seen, faults);
    }
  }
  return faults;
}
