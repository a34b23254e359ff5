// What goes wrong with models: there is none, the file is not what it should be, the runtime is
// missing or something else, there is no memory, the process dies. Each says so clearly, per item and
// from doctor, and the rest of the service goes on.
import test from 'node:test';
import assert from 'node:assert/strict';
import { copyFileSync, cpSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { tempDir, run, get, sanitized, until } from '../lib/harness.mjs';
import { assertModels, cut, cutSite, matteRoom, mattes, models, put, result, submit } from '../lib/cutouts.mjs';
import { composite, product } from '../lib/composites.mjs';
import { check } from '../lib/checker.mjs';
import { alive, ticks } from '../lib/processes.mjs';

const pear = await composite('pear', { width: 400, height: 300 });
const bottle = await product('bottle', [255, 255, 255], { width: 300, height: 300 });

/** A models folder of the test's own; spoil(dir) makes it a bad one. */
function folder(t, spoil) {
  const dir = tempDir(t);
  for (const name of ['fast.json', 'u2netp.onnx']) copyFileSync(join(models, name), join(dir, name));
  symlinkSync(join(models, 'libonnxruntime.so'), join(dir, 'libonnxruntime.so'));
  spoil(dir);
  return dir;
}
const replace = (dir, name, bytes) => {
  rmSync(join(dir, name));
  writeFileSync(join(dir, name), bytes);
};

const troubles = {
  'no models folder': { spoil: (dir) => rmSync(dir, { recursive: true }), item: /bulb model add fast/, doctor: /bulb model add fast/ },
  'an empty folder': { spoil: (dir) => ['fast.json', 'u2netp.onnx', 'libonnxruntime.so'].forEach((n) => rmSync(join(dir, n))),
    item: /bulb model add fast/, doctor: /bulb model add fast/ },
  'a model that is cut short': { spoil: (dir) => truncateSync(join(dir, 'u2netp.onnx'), 1000000), item: /u2netp\.onnx|checksum|bytes|bulb model add/, doctor: /u2netp\.onnx/ },
  'a model with one byte changed': {
    spoil: (dir) => {
      const bytes = readFileSync(join(dir, 'u2netp.onnx'));
      bytes[2000000] ^= 1;
      replace(dir, 'u2netp.onnx', bytes);
    },
    item: /u2netp\.onnx|SHA-256|checksum|bulb model add/, doctor: /u2netp\.onnx/,
  },
  'a manifest that is none': { spoil: (dir) => replace(dir, 'fast.json', '{"name": "fast", '), item: /fast/, doctor: /fast\.json/ },
  'no runtime': { spoil: (dir) => rmSync(join(dir, 'libonnxruntime.so')), item: /libonnxruntime|runtime|bulb model add/, doctor: /libonnxruntime|runtime/ },
  'another library in its place': { spoil: (dir) => replace(dir, 'libonnxruntime.so', readFileSync('/usr/lib/x86_64-linux-gnu/libz.so.1')),
    item: /OrtGetApiBase|ONNX Runtime|libonnxruntime/, doctor: /OrtGetApiBase|ONNX Runtime|libonnxruntime/ },
  'a runtime that is no library': { spoil: (dir) => replace(dir, 'libonnxruntime.so', 'not a library\n'), item: /libonnxruntime|ELF|runtime/, doctor: /libonnxruntime|ELF/ },
};

for (const [what, { spoil, item: says, doctor: told }] of Object.entries(troubles)) {
  test(`${what}: said per item and by doctor, and all else works`, { timeout: 60000 }, async (t) => {
    assertModels();
    const dir = folder(t, spoil);
    const s = await cutSite(t, { folder: dir, args: ['--max-tries', '1'] });
    const doctor = run(['doctor', '--data', tempDir(t), '--models', dir]);
    const { id, job, items: [local, auto, flat, plain] } = await cut(s, [put(s, pear.jpeg, 'jpg'),
      { url: put(s, pear.png), background: { remove: true, engine: 'auto' } }, { url: put(s, bottle.png), background: { remove: true, engine: 'auto' } },
      { url: `${s.origin.url}/png`, background: { remove: false } }], {});
    assert.equal(job.status, 'partial');
    assert.equal(job.counts.succeeded, 4, 'every variant is there');
    for (const it of [local, auto]) {
      assert.equal(it.cutout.status, 'failed');
      assert.equal(it.cutout.error.code, 'matte_unavailable', it.cutout.error.detail);
      assert.match(it.cutout.error.detail, says);
    }
    assert.equal(flat.cutout.engine, 'flat', 'what needs no model is made');
    assert.equal(plain.status, 'succeeded');
    assert.equal((await get(`${s.base}/readyz`)).status, 200);
    assert.deepEqual(await check(s.base, [id]), []);
    const d = await doctor;
    assert.match(d.out + d.err, told);
    assert.equal(d.code, 0, 'the main job can run');
  });
}

test('variants are not delivered with the ground on them where the model is missing', { timeout: 30000 }, async (t) => {
  const s = await cutSite(t, { folder: join(tempDir(t), 'none'), args: ['--max-tries', '1'] });
  const { job, items: [item] } = await cut(s, [put(s, pear.png)], { apply: 'variants' });
  assert.equal(job.status, 'failed');
  assert.equal(item.error.code, 'matte_unavailable');
});

test('a model that is mended is taken without a restart', { timeout: 60000 }, async (t) => {
  assertModels();
  const dir = folder(t, (d) => replace(d, 'libonnxruntime.so', 'not a library\n'));
  const s = await cutSite(t, { folder: dir, args: ['--max-tries', '1'] });
  const first = await cut(s, [put(s, pear.png)], {});
  assert.equal(first.items[0].cutout.error.code, 'matte_unavailable');
  rmSync(join(dir, 'libonnxruntime.so'));
  symlinkSync(join(models, 'libonnxruntime.so'), join(dir, 'libonnxruntime.so'));
  await until('the runtime to be tried again', async () =>
    (await cut(s, [put(s, pear.png)], {})).items[0].cutout.status === 'succeeded', 25000);
});

/** Resolves with the process of the model when it has been at work for some time. */
const busy = (s, least = 20) => until('the model to be busy', () => mattes(s).find((pid) => ticks(pid) >= least), 30000);
const large = await composite('cat', { width: 2400, height: 1800 });

test('the process of a model that is killed is replaced, and the item is delivered', { timeout: 60000 }, async (t) => {
  assertModels();
  const s = await cutSite(t);
  const id = await submit(s, [put(s, large.jpeg, 'jpg')], {});
  process.kill(await busy(s), 'SIGKILL');
  const { job, items: [item] } = await result(s, id);
  assert.equal(job.status, 'succeeded');
  assert.equal(item.cutout.status, 'succeeded');
  assert.deepEqual(await check(s.base, [id]), []);
});

test('a cut-out whose process dies three times is given up, and nothing else', { timeout: 90000 }, async (t) => {
  assertModels();
  const s = await cutSite(t);
  const id = await submit(s, [put(s, large.jpeg, 'jpg'), { url: put(s, bottle.png), background: { remove: true, engine: 'flat' } }], {});
  // One that dies while it still loads its model costs the picture no try: the next is left a little longer.
  const open = async () => ['queued', 'running'].includes((await get(`${s.base}/v1/jobs/${id}`)).json.status);
  let deaths = 0;
  for (; await open(); deaths++) {
    const pid = await until('the model to be busy', async () => !(await open()) || mattes(s).find((p) => ticks(p) >= 20 + 10 * deaths), 30000);
    if (pid === true) break;
    process.kill(pid, 'SIGKILL');
    await until('it to end', () => !alive(pid));
  }
  assert.ok(deaths >= 3, `after ${deaths} deaths`);
  const { job, items: [item, other] } = await result(s, id);
  assert.equal(job.status, 'partial');
  assert.equal(item.status, 'succeeded');
  assert.equal(item.variants.length, 1);
  assert.equal(item.cutout.status, 'failed');
  assert.equal(item.cutout.error.code, 'decode_crashed');
  assert.equal(other.cutout.status, 'succeeded');
  assert.deepEqual(await check(s.base, [id]), []);
});

test('the process that keeps a model\'s others may be killed, too', { timeout: 60000 }, async (t) => {
  assertModels();
  const s = await cutSite(t);
  const id = await submit(s, [put(s, large.jpeg, 'jpg')], {});
  await busy(s);
  process.kill(matteRoom(s).keeper, 'SIGKILL');
  const { items: [item] } = await result(s, id);
  assert.equal(item.cutout.status, 'succeeded');
});

test('a picture for which there is not memory enough says limit_memory; smaller ones go on', { timeout: 60000, skip: sanitized && 'memory is not ours to count' }, async (t) => {
  assertModels();
  const s = await cutSite(t, { args: ['--darkroom-memory', '96m'] });
  const { id, job, items: [big, little] } = await cut(s, [put(s, large.png), put(s, pear.png)], {}, { variants: [{ name: 'a', width: 32, format: 'jpeg' }] });
  assert.equal(big.cutout?.error?.code ?? big.error?.code, 'limit_memory');
  assert.match(JSON.stringify(big), /darkroom-memory|memory/);
  assert.equal(little.cutout.status, 'succeeded');
  assert.equal(job.status, 'partial');
  assert.deepEqual(await check(s.base, [id]), []);
});

test('the folder of models is read from the environment and from where it is installed', { timeout: 30000 }, async (t) => {
  assertModels();
  const home = tempDir(t);
  cpSync(models, join(home, 'bulb', 'models'), { recursive: true, dereference: true });
  for (const env of [{ BULB_MODELS: models }, { XDG_DATA_HOME: home }]) {
    const r = await run(['model', 'list'], { env });
    assert.equal(r.code, 0, r.err);
    assert.match(r.out, /^fast +u2netp .* ok$/m);
  }
});
