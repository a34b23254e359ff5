// PostgreSQL over TLS: whose certificate is accepted, and that nothing goes unencrypted then.
import test from 'node:test';
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, writeFileSync } from 'node:fs';
import { certificates } from '../lib/certificates.mjs';
import { ended, post, run, tempDir } from '../lib/harness.mjs';
import { cluster, missing, postgres } from '../lib/engines.mjs';
import { origin, small } from '../lib/site.mjs';

const skip = missing('initdb', 'openssl');

/** A server that proves to be localhost, by an authority in dir/ca.pem. */
async function secured(t, dir) {
  certificates(dir, 'DNS:localhost');
  chmodSync(`${dir}/server.key`, 0o600);
  if (process.getuid() === 0) chownSync(`${dir}/server.key`, Number(spawnSync('id', ['-u', 'postgres']).stdout), 0);
  return postgres(t, { conf: `ssl = on\nssl_cert_file = '${dir}/server.pem'\nssl_key_file = '${dir}/server.key'` });
}

test('verify-full takes the right name of the right authority, and nothing else', { timeout: 120000, skip }, async (t) => {
  const [dir, other] = [tempDir(t), tempDir(t)];
  const db = await secured(t, dir);
  certificates(other, 'DNS:localhost');
  writeFileSync(`${dir}/secret`, `${'5a'.repeat(32)}\n`);
  const at = (host, how) => `postgres://bulb:very-secret@${host}:${db.port}/postgres?${how}`;
  for (const [url, says] of [
    [at('localhost', `sslmode=verify-full&sslrootcert=${dir}/ca.pem`), /^ok/],
    [at('127.0.0.1', `sslmode=verify-full&sslrootcert=${dir}/ca.pem`), /^FAIL.*does not match host name "127\.0\.0\.1"; the URL's host is to be a name that the certificate has \(store_unavailable\)\n/],
    [at('127.0.0.1', `sslmode=verify-ca&sslrootcert=${dir}/ca.pem`), /^ok/],
    [at('localhost', `sslmode=verify-full&sslrootcert=${other}/ca.pem`), /^FAIL.*certificate verify failed; sslrootcert in the URL/],
    [at('localhost', `sslmode=verify-full&sslrootcert=${dir}/none.pem`), /^FAIL.*none\.pem/],
    [at('localhost', 'sslmode=require'), /^ok/],
  ]) {
    const r = await run(['doctor', '--store', url, '--bus', 'postgres:', '--secret-file', `${dir}/secret`, '--listen', '127.0.0.1:0'], { cwd: dir });
    assert.match(/^(ok|FAIL) +data +.*\n.*\n/m.exec(r.out)?.[0] ?? r.err, says, `${url}: ${r.code} ${r.out}`);
    assert.doesNotMatch(r.out + r.err, /very-secret/);
    assert.doesNotMatch(r.out, /disk/);
  }
});

test('servers, workers and their hints are encrypted, all of them', { timeout: 120000, skip }, async (t) => {
  const dir = tempDir(t);
  const [db, source] = [await secured(t, dir), await origin(t)];
  const store = `postgres://bulb@localhost:${db.port}/postgres?sslmode=verify-full&sslrootcert=${dir}/ca.pem`;
  const c = cluster(t, { store, bus: 'postgres:' });
  const [a, w] = [await c.serve(), await c.work()];
  const { json: job } = await post(`${a.url}/v1/jobs`, { urls: [`${source.url}/png?seed=1`], variants: small });
  assert.equal((await ended(a.url, job.id)).status, 'succeeded');
  const [[ours, plain]] = await db.sql(`SELECT count(*), count(*) FILTER (WHERE NOT ssl) FROM pg_stat_activity
    JOIN pg_stat_ssl USING (pid) WHERE application_name = 'bulb'`);
  assert.ok(Number(ours) >= 4, `${ours} connections`);
  assert.equal(plain, '0');
  for (const s of [w, a]) assert.deepEqual(await s.stop(), { code: 0, signal: null }, s.err);
});
