// Pictures that mean harm, through the whole server: each ends as a right result or as one clear
// error, soon, and nothing else notices. What protects is looked at on the server's own children.
import test from 'node:test';
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHmac, randomBytes } from 'node:crypto';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { tempDir, bulb, run, post, get, ended, items, photos, sanitized, until } from '../lib/harness.mjs';
import { startOrigin } from '../lib/origin.mjs';
import { check } from '../lib/checker.mjs';
import { darkroom, searchMemory, status } from '../lib/processes.mjs';
import { canary, hostile } from '../lib/hostile.mjs';
import * as formats from '../lib/formats.mjs';

const photo = join(photos, 'Bridge_by_Sander_Klootwijk.jpg');
const small = [{ name: 'a', width: 64, format: 'jpeg' }, { name: 'b', width: 48, format: 'webp' }];
const seed = Number(process.env.TEST_SEED ?? 1);

/** Small good files of every kind, made of a photograph: by bulb itself, and by hand. */
async function material(t) {
  const out = tempDir(t);
  const wanted = ['jpeg format=jpeg', 'progressive format=jpeg progressive=true', 'png format=png', 'webp format=webp', 'avif format=avif effort=0'];
  const r = await run(['run', '--no-cache', '-o', out, '--name', '{variant}', ...wanted.flatMap((v) => ['--variant', v.replace(' ', ' width=160 ')]), photo]);
  assert.equal(r.code, 0, r.err);
  const m = Object.fromEntries(readdirSync(out).filter((n) => n !== 'manifest.json').map((n) => [n.split('.')[0], readFileSync(join(out, n))]));
  const pgm = execFileSync('djpeg', ['-grayscale', '-pnm'], { input: m.jpeg });
  const [head, w, h] = /^P5\s(\d+) (\d+)\s255\s/.exec(pgm.subarray(0, 40).toString('latin1'));
  const grey = pgm.subarray(head.length);
  return { ...m, width: Number(w), height: Number(h), tiff: formats.tiff(Number(w), Number(h), { pixels: grey }),
    gif: formats.gifPixels(Number(w), Number(h), [...grey]) };
}

async function site(t, args = []) {
  const dir = tempDir(t);
  const origin = await startOrigin({ dir });
  t.after(() => origin.close());
  const data = tempDir(t);
  const server = await bulb(t, data, ['--per-host', '16', '--item-timeout', sanitized ? '60s' : '10s', ...args]);
  return { dir, origin, server, data, base: server.url };
}

/** Serves each case as a file and sends them all as one job; resolves with [case, item] pairs. */
async function submit({ dir, origin, base }, cases, variants = small) {
  const urls = cases.map((c, i) => {
    writeFileSync(join(dir, `${i}.${c.ext}`), c.file());
    return `${origin.url}/${i}.${c.ext}?${encodeURIComponent(c.name)}`;
  });
  const r = await post(`${base}/v1/jobs`, { urls, variants });
  assert.equal(r.status, 202, r.text);
  await ended(base, r.json.id, 120000);
  const all = await items(base, r.json.id);
  assert.equal(all.length, cases.length);
  return { id: r.json.id, pairs: cases.map((c, i) => [c, all[i]]) };
}

const how = (item) => (item.status === 'succeeded' ? 'ok' : item.error?.code);
const wrong = (pairs) => pairs.filter(([c, item]) => !c.expect.has(how(item)))
  .map(([c, item]) => `${c.name}: ${how(item)} (${item.error?.detail}), not ${[...c.expect].join(' ')}`);

/** Reasons for which children were replaced: { worn: 3, … }. */
async function restarts(base) {
  const { text } = await get(`${base}/metrics`);
  return Object.fromEntries([...text.matchAll(/^bulb_darkroom_restarts_total\{reason="(\w+)"\} ([1-9]\d*)/gm)].map((m) => [m[1], Number(m[2])]));
}
const peakMb = (pid) => Number(/^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024;

/** The server is well: a good picture of every kind still works. */
async function assertAlive(s, m) {
  const good = ['jpeg', 'progressive', 'png', 'webp', 'gif', 'tiff', 'avif'].map((kind, i) =>
    ({ name: `good ${kind} ${i}`, file: () => m[kind], ext: `good${i}`, expect: new Set(['ok']) }));
  assert.deepEqual(wrong((await submit(s, good, [{ name: 'c', width: 40, format: 'png' }])).pairs), []);
  assert.equal((await get(`${s.base}/readyz`)).status, 200);
}

/** What came out is what it says it is, and holds nothing of what was hidden in the source. */
async function assertClean(pairs) {
  const magic = { jpeg: '\xff\xd8\xff', webp: 'RIFF' };
  for (const [c, item] of pairs.filter(([c, it]) => how(it) === 'ok' && !/^mutant/.test(c.name))) {
    for (const v of item.variants) {
      const r = await get(v.url);
      assert.equal(r.headers['content-type'], `image/${v.format}`, c.name);
      assert.equal(r.bytes.subarray(0, magic[v.format].length).toString('latin1'), magic[v.format], c.name);
      assert.ok(!r.bytes.includes(canary), `${c.name}: ${v.name} holds what was hidden in the source`);
    }
  }
}

test('hostile pictures: a right result or one clear error each, and the server lives', { timeout: 300000 }, async (t) => {
  const m = await material(t);
  const s = await site(t);
  const cases = hostile(m, { seed });
  const { id, pairs } = await submit(s, cases);
  assert.deepEqual(wrong(pairs), []);
  assert.deepEqual(await check(s.base, [id]), []);
  await assertClean(pairs);
  const replaced = await restarts(s.base);
  const peak = Math.round(peakMb(s.server.pid));
  t.diagnostic(`${cases.length} pictures, children replaced: ${JSON.stringify(replaced)}, the server's peak ${peak} MB`);
  assert.ok(sanitized || peak < 400, `the server took ${peak} MB`);
  // A child goes after each failure, by plan; none was killed, ran out of time or memory, or died.
  assert.deepEqual(Object.keys(replaced), ['worn']);
  assert.ok(replaced.worn >= pairs.filter(([, it]) => it.error?.stage === 'process').length / 2);
  await assertAlive(s, m);
});

test('limits that are told are kept: memory, frames, pixels, time', { timeout: 120000 }, async (t) => {
  const m = await material(t);
  const one = (name, file, expect, ext = 'jpg') => ({ name, file, ext, expect: new Set([expect]) });
  const memory = await site(t, ['--max-pixels', '200m', '--darkroom-memory', '64m', '--max-frames', '3']);
  const { pairs } = await submit(memory, [
    one('progressive, 100 MP', () => formats.progressiveJpeg(10000, 10000), 'limit_memory'),
    one('GIF of 100 MP', () => formats.gif(10000, 10000, formats.gifFrame()), 'limit_memory'),
    one('225 MP', () => formats.blackPng(15000, 15000, { bits: 1, colour: 0 }), 'limit_pixels'),
    one('four frames', () => formats.gif(1, 1, ...Array(4).fill(formats.gifFrame())), 'limit_frames'),
    one('three frames', () => formats.gif(1, 1, ...Array(3).fill(formats.gifFrame())), 'ok'),
  ]);
  assert.deepEqual(wrong(pairs), []);
  await assertAlive(memory, m);
  const time = await site(t, ['--item-timeout', '100ms']);
  const slow = await submit(time, [one('49 MP', () => formats.blackPng(7000, 7000, { bits: 16, colour: 6 }), 'limit_time')]);
  assert.deepEqual(wrong(slow.pairs), []);
  assert.equal((await restarts(time.base)).time, 1);
  assert.equal((await get(`${time.base}/readyz`)).status, 200);
});

const notRoot = process.getuid() !== 0 && 'only root may look into a child';

test('the children of a running server are jailed', { skip: notRoot, timeout: 60000 }, async (t) => {
  const s = await site(t, ['--darkrooms', '2']);
  const m = await material(t);
  let most = 0;
  const look = setInterval(() => {
    for (const pid of darkroom(s.server.pid).children) {
      try {
        most = Math.max(most, readdirSync(`/proc/${pid}/fd`).length);
      } catch {
        continue; // it has just ended
      }
    }
  }, 1);
  t.after(() => clearInterval(look));
  await submit(s, Array.from({ length: 40 }, (_, i) => ({ name: `${i}`, file: () => Buffer.concat([m.jpeg, Buffer.from(`${i}`)]), ext: 'jpg' })));
  const { keeper, children } = await until('both children', () => {
    const d = darkroom(s.server.pid);
    return d.children.length === 2 && d;
  });
  for (const pid of children) {
    assert.equal(status(pid, 'Seccomp'), '2');
    assert.equal(status(pid, 'NoNewPrivs'), '1');
    assert.equal(status(pid, 'CapEff'), '0000000000000000');
    assert.equal(status(pid, 'CapBnd') && status(pid, 'Uid'), '65534\t65534\t65534\t65534');
    assert.equal(readFileSync(`/proc/${pid}/environ`).length, 0);
    assert.ok(readdirSync(`/proc/${pid}/fd`).length <= 5);
    assert.equal(readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes('127.0.0.1'), false);
  }
  assert.equal(readFileSync(`/proc/${keeper}/environ`).length, 0);
  assert.ok(most >= 3 && most <= 5, `at work a child has up to ${most} descriptors`);
});

test('no secret is in the memory of the darkroom', { skip: notRoot || (sanitized && 'a sanitizer has too much memory'), timeout: 60000 }, async (t) => {
  const secret = `planted-${randomBytes(16).toString('hex')}`;
  const environment = `planted-${randomBytes(16).toString('hex')}`;
  const dir = tempDir(t);
  const origin = await startOrigin({ dir });
  t.after(() => origin.close());
  const data = tempDir(t);
  const server = await bulb(t, data, ['--darkrooms', '2'], { PLANTED: environment });
  const root = readFileSync(join(data, 'secret'));
  const keys = ['bulb link', 'bulb seal'].map((name) => createHmac('sha256', root).update(name).digest());
  const urls = Array.from({ length: 6 }, (_, i) => ({ url: `${origin.url}/png?seed=${i}`, headers: { authorization: `Bearer ${secret}` } }));
  urls.push({ url: `${origin.url}/png?seed=7&delay=30000`, headers: { authorization: `Bearer ${secret}` } });
  const job = (await post(`${server.url}/v1/jobs`, { urls, variants: small })).json;
  await until('six pictures', async () => (await get(`${server.url}/v1/jobs/${job.id}`)).json.counts.succeeded === 6);
  assert.ok(origin.seen.log.every((r) => r.headers.authorization === `Bearer ${secret}`));
  const secrets = [Buffer.from(secret), Buffer.from(environment), ...keys];
  assert.equal(searchMemory(server.pid, secrets).found, 4, 'the search finds what is there: the header is in use');
  const { keeper, children } = darkroom(server.pid);
  assert.ok(children.length >= 1);
  for (const pid of [keeper, ...children]) {
    const { found, looked } = searchMemory(pid, [...secrets, root]);
    assert.equal(found, 0);
    assert.ok(looked > 1 << 20, `only ${looked} bytes could be read`);
  }
});
