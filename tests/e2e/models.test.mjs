// bulb model: installing the model and the runtime from disk and from a registry, also behind a proxy,
// models of one's own, and what list and doctor say of what is there. What comes over a network is
// never the real package here: tools/models has fetched that one before.
import test from 'node:test';
import assert from 'node:assert/strict';
import http from 'node:http';
import { copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, readlinkSync, symlinkSync, writeFileSync, openSync, writeSync, closeSync } from 'node:fs';
import { join } from 'node:path';
import { tempDir, run, sha256 } from '../lib/harness.mjs';
import { models, assertModels, cutSite, cutBytes } from '../lib/cutouts.mjs';
import { startRemoveBg } from '../lib/removebg.mjs';
import sharp from 'sharp';

/** A folder with the real files in it, by links. */
function linked(t) {
  assertModels();
  const dir = tempDir(t);
  for (const name of ['fast.json', 'u2netp.onnx', 'libonnxruntime.so']) symlinkSync(join(models, name), join(dir, name));
  return dir;
}
const add = (dir, args, opts) => run(['model', 'add', '--models', dir, ...args], opts);

/** Another model of one's own: the same weights under another name. */
function ownManifest(dir, more = {}) {
  const m = JSON.parse(readFileSync(join(models, 'fast.json'), 'utf8'));
  const { bytes, sha256: digest, source, ...rest } = m;
  return { ...rest, name: 'fine', id: 'mine', file: 'weights.onnx', ...more };
}

test('fast and its runtime are installed from disk, checked, and not a second time', async (t) => {
  assertModels();
  const dir = join(tempDir(t), 'a', 'b');
  const first = await add(dir, ['fast', '--from', models]);
  assert.equal(first.code, 0, first.err);
  assert.deepEqual(readdirSync(dir).sort(), ['NOTICE', 'fast.json', 'libonnxruntime.so', 'u2netp.onnx']);
  assert.equal(sha256(readFileSync(join(dir, 'u2netp.onnx'))), JSON.parse(readFileSync(join(dir, 'fast.json'))).sha256);
  const notice = readFileSync(join(dir, 'NOTICE'), 'utf8');
  for (const text of ['Apache-2.0', 'Xuebin Qin', 'Microsoft Corporation', 'MIT License']) assert.ok(notice.includes(text), text);
  const again = await add(dir, ['fast', '--from', models]);
  assert.equal(again.code, 0);
  assert.equal(again.out, 'fast: already there\n');
});

test('what was damaged is put right by adding it again', async (t) => {
  assertModels();
  const dir = tempDir(t);
  await add(dir, ['fast', '--from', models]);
  const fd = openSync(join(dir, 'u2netp.onnx'), 'r+');
  writeSync(fd, 'x', 1000);
  closeSync(fd);
  const list = await run(['model', 'list', '--models', dir]);
  assert.equal(list.code, 1);
  assert.match(list.out, /fast .*SHA-256 is not the one of the manifest/);
  const doctor = await run(['doctor', '--data', tempDir(t), '--models', dir, '--listen', '127.0.0.1:0']);
  assert.equal(doctor.code, 0, doctor.out); // the main job runs
  assert.match(doctor.out, /^FAIL {2}model .*SHA-256/m);
  assert.equal((await add(dir, ['fast', '--from', models])).code, 0);
  const after = await run(['model', 'list', '--models', dir]);
  assert.equal(after.code, 0, after.out);
});

test('list tells licence, place and state, also as JSON', async (t) => {
  const dir = linked(t);
  const text = await run(['model', 'list', '--models', dir]);
  assert.match(text.out, /fast +u2netp +4\.6 +Apache-2\.0 +yes .*u2netp\.onnx +ok/);
  const { models: [one], runtime } = JSON.parse((await run(['model', 'list', '--json', '--models', dir])).out);
  assert.equal(runtime, join(dir, 'libonnxruntime.so'));
  assert.deepEqual({ ...one, file: '' }, { name: 'fast', id: 'u2netp', bytes: 4574861, licence: 'Apache-2.0', commercial_ok: true, file: '', state: 'ok' });
});

test('without --models they go below XDG_DATA_HOME', async (t) => {
  assertModels();
  const home = tempDir(t);
  const r = await run(['model', 'add', 'fast', '--from', models], { env: { XDG_DATA_HOME: home } });
  assert.equal(r.code, 0, r.err);
  assert.ok(existsSync(join(home, 'bulb/models/fast.json')));
});

/** Answers with what is no package; as a proxy, too. */
async function stranger(t, status = 200) {
  const seen = [];
  const server = http.createServer((req, res) => {
    seen.push(`${req.method} ${req.url}`);
    res.writeHead(status).end('surely no package');
  });
  server.on('connect', (req, socket) => {
    seen.push(`CONNECT ${req.url}`);
    socket.end('HTTP/1.1 403 Forbidden\r\n\r\n');
  });
  await new Promise((ok) => server.listen(0, '127.0.0.1', ok));
  t.after(() => server.close());
  return { url: `http://127.0.0.1:${server.address().port}`, seen };
}
const noProxy = { http_proxy: '', https_proxy: '', HTTPS_PROXY: '', ALL_PROXY: '', all_proxy: '', no_proxy: '', NO_PROXY: '' };

test('what a registry sends in place of the package is refused, and nothing is left of it', async (t) => {
  const dir = tempDir(t), registry = await stranger(t);
  const r = await add(dir, ['fast', '--registry', registry.url], { env: noProxy });
  assert.equal(r.code, 1);
  assert.match(r.err, /onnxruntime-node-1\.30\.0\.tgz is not the package that was published/);
  assert.deepEqual(registry.seen, ['GET /onnxruntime-node/-/onnxruntime-node-1.30.0.tgz']);
  assert.deepEqual(readdirSync(dir), []);
});

test('npm_config_registry names the registry, and its refusal is told', async (t) => {
  const registry = await stranger(t, 401);
  const r = await add(tempDir(t), ['fast'], { env: { ...noProxy, npm_config_registry: `${registry.url}/npm/` } });
  assert.equal(r.code, 1);
  assert.match(r.err, /the registry answered 401 \(fetch_status\)/);
  assert.deepEqual(registry.seen, ['GET /npm/onnxruntime-node/-/onnxruntime-node-1.30.0.tgz']);
});

test('a proxy of the environment is used, where no_proxy does not say otherwise', async (t) => {
  const proxy = await stranger(t), dir = tempDir(t);
  const plain = await add(dir, ['fast', '--registry', 'http://registry.invalid'], { env: { ...noProxy, http_proxy: proxy.url } });
  const tls = await add(dir, ['fast', '--registry', 'https://registry.invalid'], { env: { ...noProxy, HTTPS_PROXY: proxy.url } });
  const none = await add(dir, ['fast', '--registry', 'https://registry.invalid'], { env: { ...noProxy, HTTPS_PROXY: proxy.url, NO_PROXY: 'registry.invalid' } });
  assert.deepEqual([plain.code, tls.code, none.code], [1, 1, 1]);
  assert.deepEqual(proxy.seen, ['GET http://registry.invalid/onnxruntime-node/-/onnxruntime-node-1.30.0.tgz', 'CONNECT registry.invalid:443']);
  assert.match(none.err, /fetch_dns/);
});

test('a runtime of the system stands in the place of the one that would be fetched', async (t) => {
  assertModels();
  const dir = tempDir(t);
  const r = await add(dir, ['fast', '--from', join(models, 'u2netp.onnx'), '--runtime', join(models, 'libonnxruntime.so')]);
  assert.equal(r.code, 0, r.err);
  assert.equal(readlinkSync(join(dir, 'libonnxruntime.so')), join(models, 'libonnxruntime.so'));
  const wrong = await add(dir, ['fast', '--runtime', '/nonexistent.so']);
  assert.equal(wrong.code, 64);
});

test('a model of one\'s own is added by its manifest, and cuts out', { timeout: 120000 }, async (t) => {
  const dir = linked(t), from = tempDir(t);
  copyFileSync(join(models, 'u2netp.onnx'), join(from, 'weights.onnx'));
  writeFileSync(join(from, 'fine.json'), JSON.stringify(ownManifest(from)));
  const r = await add(dir, [join(from, 'fine.json')]);
  assert.equal(r.code, 0, r.err);
  const m = JSON.parse(readFileSync(join(dir, 'fine.json')));
  assert.equal(m.bytes, 4574861);
  assert.equal(m.sha256, sha256(readFileSync(join(dir, m.file))));
  assert.equal((await add(dir, [join(from, 'fine.json')])).out, 'fine: already there\n');
  const s = await cutSite(t, { folder: dir });
  const picture = await sharp({ create: { width: 300, height: 300, channels: 3, background: '#345' } })
    .composite([{ input: Buffer.from('<svg width="300" height="300"><circle cx="150" cy="150" r="90" fill="#e43"/></svg>') }]).png().toBuffer();
  const { cutout } = await cutBytes(s, picture, { model: 'fine' });
  assert.equal(cutout.status, 'succeeded', JSON.stringify(cutout));
  assert.equal(cutout.engine, 'local:mine');
});

test('what a manifest says of its file must hold', async (t) => {
  const dir = tempDir(t), from = tempDir(t);
  const file = join(from, 'weights.onnx'), manifest = join(from, 'm.json');
  writeFileSync(file, 'no model, but that is not looked at here');
  const say = async (more, args = [manifest]) => {
    writeFileSync(manifest, JSON.stringify(ownManifest(from, more)));
    return add(dir, args);
  };
  assert.match((await say({ bytes: 3 })).err, /40 bytes where its manifest says 3/);
  assert.match((await say({ sha256: '1'.repeat(64) })).err, /SHA-256 is not the one of the manifest/);
  assert.match((await say({ file: 'gone.onnx' })).err, /gone\.onnx: No such file/);
  assert.match((await say({ name: 'fast' })).err, /the name fast is bulb's own/);
  assert.match((await say({ name: 'Fine.2' })).err, /none that a request can say/);
  assert.match((await say({ typo: 1 })).err, /unknown member 'typo'/);
  assert.deepEqual(readdirSync(dir), []);
  assert.match((await say({}, [file])).err, /say with --manifest/);
  assert.equal((await say({}, [file, '--manifest', manifest])).code, 0);
  assert.ok(existsSync(join(dir, 'fine.onnx')));
});

test('what is asked for must be something that there is', async (t) => {
  const dir = tempDir(t);
  for (const args of [['add'], ['remove', 'fast'], ['list', 'fast'], ['add', 'best']]) {
    const r = await run(['model', ...args, '--models', dir]);
    assert.equal(r.code, 64, args.join(' '));
  }
});

test('doctor runs the model in the jail and asks the provider for the account', { timeout: 120000 }, async (t) => {
  const dir = linked(t), bg = await startRemoveBg({ key: 'secret-key', credits: 12.5 });
  t.after(() => bg.close());
  const ask = (key, folder = dir) => run(['doctor', '--data', tempDir(t), '--models', folder, '--listen', '127.0.0.1:0', '--provider-url', bg.url],
    { env: key ? { BULB_PROVIDER_KEY: key } : {} });
  const good = await ask('secret-key');
  assert.equal(good.code, 0, good.out);
  assert.match(good.out, /^ok {4}model +fast: .*it ran in the jail/m);
  assert.match(good.out, /^ok {4}runtime .*libonnxruntime\.so/m);
  assert.match(good.out, /^ok {4}provider .*12\.5 credits/m);
  const bad = await ask('another-key');
  assert.equal(bad.code, 0);
  assert.match(bad.out, /^FAIL {2}provider .*\(matte_provider\)/m);
  assert.ok(!(bad.out + bad.err).includes('another-key'));
  const empty = join(dir, 'none');
  mkdirSync(empty);
  const none = await ask(null, empty);
  assert.equal(none.code, 0);
  assert.match(none.out, /^note {2}model +none in .*: bulb model add fast/m);
  assert.match(none.out, /^note {2}provider +no key/m);
});
