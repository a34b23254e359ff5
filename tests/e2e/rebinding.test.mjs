// A name that answers with a public address and then with a private one (DNS rebinding), and name
// servers that are slow. Needs a network namespace of its own, with its own name server and with
// addresses that count as public: root only.
import test, { after, before } from 'node:test';
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { bulbBin, root, start, tempDir, until } from '../lib/harness.mjs';
import { fetchAll } from '../lib/fetch.mjs';
import { newSecret } from '../lib/receiver.mjs';

const PUBLIC = '93.184.216.34';
const DNS = '93.184.216.53';
const ns = `bulb-test-${process.pid}`;
const etc = `/etc/netns/${ns}`;
const inside = ['ip', 'netns', 'exec', ns];

function ip(...args) {
  return execFileSync('ip', args, { stdio: ['ignore', 'pipe', 'pipe'] });
}
function whyNot() {
  if (process.getuid() !== 0) return 'needs root for a network namespace';
  try {
    ip('netns', 'add', ns);
    return false;
  } catch (e) {
    return `no network namespaces here: ${String(e.stderr ?? e.message).trim()}`;
  }
}
const skip = whyNot();

before(() => {
  if (skip) return;
  ip('-n', ns, 'link', 'set', 'lo', 'up');
  for (const a of [`${PUBLIC}/32`, `${DNS}/32`, '10.0.0.1/32']) ip('-n', ns, 'addr', 'add', a, 'dev', 'lo');
  ip('-n', ns, 'addr', 'add', '2606:4700::34/128', 'dev', 'lo', 'nodad');
  mkdirSync(etc, { recursive: true });
  writeFileSync(`${etc}/resolv.conf`, `nameserver ${DNS}\n`);
});
after(() => {
  if (skip) return;
  ip('netns', 'del', ns);
  rmSync(etc, { recursive: true, force: true });
});

/** A program inside the namespace that prints "listening on …". */
const startInside = (t, script, ...args) =>
  start(t, 'ip', ['netns', 'exec', ns, process.execPath, `${root}/tests/lib/${script}`, ...args], { ready: /^listening on (\S+)/ });
const fetchInside = (urls, args = []) => fetchAll(urls, ['--connect', '5000', '--total', '10000', ...args], { wrap: inside });
const hits = async (url) => {
  const text = execFileSync('ip', ['netns', 'exec', ns, 'curl', '-s', `${url}/__stats`]);
  return JSON.parse(text).requests;
};

test('names that change their mind', { skip, timeout: 60000 }, async (t) => {
  const table = {
    'steady.test': [[PUBLIC]],
    'rebind.test': [[PUBLIC], ['127.0.0.1']],
    'rebind6.test': [['2606:4700::34'], ['::1']],
    'later.test': [[PUBLIC], ['10.0.0.1']],
    'private.test': [['10.0.0.1']],
    'mapped.test': [['::ffff:7f00:1']],
    'nat64.test': [['64:ff9b::7f00:1']],
    'both.test': [['127.0.0.1', PUBLIC]],
    'family.test': [['127.0.0.1', '2606:4700::34']],
    'zero.test': [['0.0.0.0', '::']],
  };
  await startInside(t, 'dns.mjs', DNS, '53', JSON.stringify(table));
  const good = await startInside(t, 'origin.mjs', '--host', PUBLIC, '--port', '80');
  const good6 = await startInside(t, 'origin.mjs', '--host', '2606:4700::34', '--port', '80');
  const baits = [];
  for (const [host, port] of [['127.0.0.1', 80], ['127.0.0.1', 81], ['::1', 80], ['::1', 81], ['10.0.0.1', 80], ['10.0.0.1', 81]])
    baits.push((await startInside(t, 'origin.mjs', '--host', host, '--port', String(port))).url);

  await t.test('a public name is fetched', async () => {
    const [r] = await fetchInside(['http://steady.test/png']);
    assert.equal(r.code, 'ok', r.text);
  });
  for (const name of ['rebind.test', 'rebind6.test']) {
    await t.test(`${name}: public at first, refused when it turns private`, async () => {
      const [first] = await fetchInside([`http://${name}/png`]);
      assert.equal(first.code, 'ok', first.text);
      const [second] = await fetchInside([`http://${name}/png`]);
      assert.equal(second.code, 'fetch_blocked_address', second.text);
      assert.match(second.text, /--allow-address (127\.0\.0\.1\/32|::1\/128)/);
    });
  }
  await t.test('within one download: the redirect to another port is resolved anew and refused', async () => {
    const to = encodeURIComponent('http://later.test:81/png');
    const [r] = await fetchInside([`http://later.test/redirect?to=${to}`]);
    assert.equal(r.code, 'fetch_blocked_address', r.text);
    assert.match(r.text, /10\.0\.0\.1/);
  });
  for (const name of ['private.test', 'mapped.test', 'nat64.test', 'zero.test']) {
    await t.test(`${name} is refused`, async () => {
      const [r] = await fetchInside([`http://${name}/png`]);
      assert.equal(r.code, 'fetch_blocked_address', r.text);
    });
  }
  for (const name of ['both.test', 'family.test']) {
    await t.test(`${name}: of a private and a public address the public one is connected`, async () => {
      const [r] = await fetchInside([`http://${name}/png`]);
      assert.equal(r.code, 'ok', r.text);
    });
  }
  await t.test('no private address was ever connected', async () => {
    for (const url of baits) assert.equal(await hits(url), 0, url);
    assert.ok((await hits(good.url)) >= 3);
    assert.ok((await hits(good6.url)) >= 1);
  });
});

test('a webhook whose name turns private between two tries', { skip, timeout: 60000 }, async (t) => {
  const data = tempDir(t);
  writeFileSync(`${data}/hook`, `${newSecret()}\n`);
  await startInside(t, 'dns.mjs', DNS, '53', JSON.stringify({ 'hook.test': [[PUBLIC], ['127.0.0.1']], 'private.test': [['10.0.0.1']] }));
  const good = await startInside(t, 'origin.mjs', '--host', PUBLIC, '--port', '80');
  const baits = [];
  for (const host of ['127.0.0.1', '10.0.0.1']) baits.push((await startInside(t, 'origin.mjs', '--host', host, '--port', '80')).url);
  const server = await start(t, 'ip', [...inside.slice(1), bulbBin, 'serve', '--listen', '127.0.0.1:0', '--data', `${data}/d`, '--log-level', 'warn',
    '--webhook-secret-file', `${data}/hook`, '--webhook-schedule', '0s,200ms'], { ready: /^listening on (http:\/\/\S+)/ });
  const ask = (path, body) => JSON.parse(execFileSync('ip', [...inside.slice(1), 'curl', '-s', `${server.url}${path}`,
    ...(body ? ['-H', 'content-type: application/json', '-d', JSON.stringify(body)] : [])]));
  const told = (url) => {
    const { id } = ask('/v1/jobs', { urls: ['http://nowhere.test/'], webhook: { url, events: ['job.created'] } });
    return until('it to be given up', () => ask(`/v1/deliveries?job=${id}`).deliveries.find((d) => d.status !== 'pending'));
  };
  const first = await told('http://hook.test/status/500');
  assert.deepEqual([first.status, first.tries, first.last_status], ['failed', 2, null]);
  assert.match(first.detail, /127\.0\.0\.1.*--allow-address/);
  assert.equal(await hits(good.url), 1, 'the first try came to the public address');
  assert.match((await told('http://private.test/')).detail, /10\.0\.0\.1/);
  for (const url of baits) assert.equal(await hits(url), 0, url);
});

test('a name server that does not answer', { skip, timeout: 60000 }, async (t) => {
  const names = Array.from({ length: 10 }, (_, i) => `silent${i}.test`);
  const server = await startInside(t, 'dns.mjs', DNS, '53', JSON.stringify(Object.fromEntries(names.map((n) => [n, null]))));
  await t.test('a hanging look-up ends at the connect deadline, and so does the program', async () => {
    const began = Date.now();
    const [r] = await fetchInside(['http://silent0.test/png'], ['--connect', '500']);
    assert.equal(r.code, 'fetch_timeout', r.text);
    assert.ok(r.ms < 1500, `${r.ms} ms`);
    assert.ok(Date.now() - began < 4000, `${Date.now() - began} ms`);
    assert.match(server.out, /question silent0\.test 1$/m);
  });
  await t.test('ten of them one after the other, too', async () => {
    const all = await fetchInside(names.map((n) => `http://${n}/png`), ['--connect', '300']);
    for (const r of all) {
      assert.equal(r.code, 'fetch_timeout', r.text);
      assert.ok(r.ms < 1300, `${r.ms} ms`);
    }
  });
  await t.test('the total deadline holds as well', async () => {
    const [r] = await fetchInside(['http://silent1.test/png'], ['--total', '500']);
    assert.equal(r.code, 'fetch_timeout', r.text);
    assert.ok(r.ms < 1500, `${r.ms} ms`);
  });
});
