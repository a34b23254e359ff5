// A manifest holds every item of its job. The server holds none of it: it is read as it is sent.
import test from 'node:test';
import assert from 'node:assert/strict';
import http from 'node:http';
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { tempDir, bulb, ended, items, post, sanitized } from '../lib/harness.mjs';

const ITEMS = 10000, READERS = 30;
const BOUND_MB = 96; // most of it are the page caches of the store's 16 readers; the manifests are 340 MB
const memory = (pid, name) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024;

/** An answer of which nothing is read yet. */
const open = (url) => new Promise((ok, fail) => http.get(url, { agent: false }, ok).on('error', fail));
/** The whole of it, kept or only as its digest. */
async function read(response, keep) {
  const hash = createHash('sha256');
  const parts = [];
  for await (const part of response) {
    hash.update(part);
    if (keep) parts.push(part);
  }
  return { digest: hash.digest('hex'), text: Buffer.concat(parts) };
}

test(`${READERS} readers of a manifest of ${ITEMS} items cost the server less than ${BOUND_MB} MB`, { timeout: 300000 }, async (t) => {
  const server = await bulb(t, tempDir(t));
  const urls = Array.from({ length: ITEMS }, (_, i) => `http://127.0.0.1:1/${i}/${'p'.repeat(500)}.jpg`);
  const job = (await post(`${server.url}/v1/jobs`, { urls, cache: 'only_if_cached' })).json;
  assert.equal((await ended(server.url, job.id, 120000)).counts.failed, ITEMS);

  writeFileSync(`/proc/${server.pid}/clear_refs`, '5'); // the peak begins anew
  const before = memory(server.pid, 'VmRSS');
  const answers = await Promise.all(Array.from({ length: READERS }, () => open(`${server.url}/v1/jobs/${job.id}/manifest`)));
  assert.deepEqual([...new Set(answers.map((r) => r.statusCode))], [200]);
  const all = await Promise.all(answers.map((r, i) => read(r, i === 0)));
  const { text } = all[0];
  const grown = memory(server.pid, 'VmHWM') - before;
  t.diagnostic(`${(text.length / 1e6).toFixed(1)} MB each, ${READERS} readers: ${grown.toFixed(1)} MB more at the peak`);

  const manifest = JSON.parse(text);
  assert.equal(manifest.job.id, job.id);
  assert.deepEqual(manifest.items, await items(server.url, job.id));
  assert.equal(new Set(all.map((r) => r.digest)).size, 1);
  assert.ok(sanitized || grown < BOUND_MB, `${grown} MB`);
});
