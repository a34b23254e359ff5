// NATS with TLS and credentials, as bulb doctor sees it: a hint goes out and comes back, or the line says
// what is wrong. Nothing secret is printed.
import test from 'node:test';
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { certificates } from '../lib/certificates.mjs';
import { freePort, run, tempDir } from '../lib/harness.mjs';
import { missing, nats } from '../lib/engines.mjs';

const skip = missing('nats-server', 'openssl');

async function doctor(dir, args) {
  const r = await run(['doctor', '--data', `${dir}/data`, '--listen', '127.0.0.1:0', ...args], { cwd: dir });
  return { ...r, line: /^(ok|FAIL) +bus +.*$/m.exec(r.out)?.[0] ?? r.err };
}

test('TLS with a client certificate, a user, several servers, the right name and the wrong one', { timeout: 120000, skip }, async (t) => {
  const dir = tempDir(t);
  certificates(dir, 'DNS:localhost');
  const s = await nats(t, `tls { cert_file: "${dir}/server.pem", key_file: "${dir}/server.key", ca_file: "${dir}/ca.pem", verify: true }
authorization { users = [ { user: "bulb", password: "very:secret", permissions: { publish: "team.bulb", subscribe: "team.bulb" } } ] }`);
  writeFileSync(`${dir}/user`, 'bulb:very:secret\n');
  writeFileSync(`${dir}/wrong`, 'bulb:not-it-at-all\n');
  const all = ['--bus-ca', 'ca.pem', '--bus-cert', 'client.pem', '--bus-cert-key', 'client.key', '--bus-user-file', 'user', '--bus-subject', 'team.bulb'];
  const but = (...drop) => all.filter((a, i) => !drop.includes(a) && !drop.includes(all[i - 1]));
  const named = `tls://localhost:${s.port}`;
  for (const [args, says] of [
    [['--bus', named, ...all], /^ok/],
    [['--bus', `nats://127.0.0.1:${await freePort()},${named}`, ...all], /^ok/],
    [['--bus', `tls://127.0.0.1:${s.port}`, ...all], /^FAIL.*(certificate|SSL)/i], // issued to localhost
    [['--bus', named, ...but('--bus-ca')], /^FAIL.*(certificate|SSL)/i],
    [['--bus', named, ...but('--bus-cert', '--bus-cert-key')], /^FAIL/],
    [['--bus', named, ...but('--bus-user-file'), '--bus-user-file', 'wrong'], /^FAIL.*Authorization/i],
    [['--bus', named, ...but('--bus-subject')], /^FAIL.*publish and subscribe/],
  ]) {
    const r = await doctor(dir, args);
    assert.match(r.line, says, `${args.join(' ')}: ${r.code} ${r.out}`);
    assert.equal(r.code, 0, 'the main job runs without the bus');
    assert.doesNotMatch(r.out + r.err, /very:secret|not-it-at-all/);
  }
});
