// All that share a store share its secret, and who has another one is told so at its start.
import test from 'node:test';
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bulb, ended, get, items, post, run, tempDir } from '../lib/harness.mjs';
import { sql } from '../lib/database.mjs';
import { cluster, missing, postgres } from '../lib/engines.mjs';
import { origin, small } from '../lib/site.mjs';

const refused = /^Error: .*another secret than this process has \(store_secret\)/s;

test('a folder refuses another secret than its own, until it is told to take it', { timeout: 60000 }, async (t) => {
  const source = await origin(t);
  const data = tempDir(t);
  const server = await bulb(t, data);
  const job = (await post(`${server.url}/v1/jobs`, { urls: [`${source.url}/png?seed=1`], variants: small })).json;
  await ended(server.url, job.id);
  const link = (await items(server.url, job.id))[0].source.url.replace(server.url, '');
  await server.stop();
  const old = readFileSync(join(data, 'secret'));
  rmSync(join(data, 'secret'));
  await assert.rejects(bulb(t, data), refused);
  assert.equal((await run(['gc', '--data', data])).code, 0, 'who signs nothing needs none');
  const changed = await bulb(t, data, ['--new-secret']);
  assert.equal((await get(`${changed.url}${link}`)).status, 403, 'links of before have ended');
  await changed.stop();
  await (await bulb(t, data)).stop();
  const fresh = readFileSync(join(data, 'secret'));
  writeFileSync(join(data, 'secret'), old);
  await assert.rejects(bulb(t, data), refused);
  writeFileSync(join(data, 'secret'), fresh);
  const last = await bulb(t, data);
  const [[kept]] = await sql(data, 'SELECT secret FROM meta');
  assert.match(kept, /^[0-9a-f]{64}$/);
  assert.ok(!kept.includes(fresh.toString('hex')));
  await last.stop();
});

test('so does a database, whoever comes; and one that may forget is warned of at every start', { skip: missing('initdb'), timeout: 120000 }, async (t) => {
  const db = await postgres(t);
  const url = `${db.url}${db.url.includes('?') ? '&' : '?'}durability=any`;
  const c = cluster(t, { store: url, bus: 'postgres:' });
  for (let i = 0; i < 2; i++) {
    const server = await c.serve();
    assert.match(server.err, /warn.* store_not_durable/i);
    await server.stop();
  }
  const other = join(tempDir(t), 'secret');
  writeFileSync(other, randomBytes(32).toString('hex'));
  const common = ['--store', db.url, '--secret-file', other, '--blob', `file:${c.dir}/blobs`];
  await assert.rejects(cluster(t, { store: db.url, bus: 'postgres:' }).serve(), refused);
  const worker = await run(['work', '--ops-listen', '127.0.0.1:0', ...common]);
  assert.match(worker.err, /\(store_secret\)/);
  const doctor = await run(['doctor', '--data', tempDir(t), '--listen', '127.0.0.1:0', ...common]);
  assert.match(doctor.out, /FAIL +secret .*another secret/);
  const plain = await run(['work', '--ops-listen', '127.0.0.1:0', '--store', db.url, '--blob', `file:${c.dir}/blobs`, '--secret-file', other]);
  assert.doesNotMatch(plain.err, /store_not_durable/);
});
