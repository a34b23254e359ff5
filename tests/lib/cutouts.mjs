// What the tests of cut-outs share: a server with models and a paid provider (the stand-in), jobs
// with a background, cut-outs as pixels, and how near two masks are.
import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import sharp from 'sharp';
import { after, build, tempDir, bulb, run, post, get, ended, items, until } from './harness.mjs';
import { startOrigin } from './origin.mjs';
import { startRemoveBg } from './removebg.mjs';
import { darkrooms } from './processes.mjs';
import { ageBlobs, ageTrash } from './database.mjs';

export const models = process.env.TEST_MODELS ?? join(build, 'models');
/** Where the model is missing, its tests fail and say how it comes there. */
export function assertModels() {
  for (const name of ['fast.json', 'u2netp.onnx', 'libonnxruntime.so'])
    assert.ok(existsSync(join(models, name)), `${join(models, name)} is missing: bulb model add fast --models ${models}`);
}

export const small = [{ name: 'a', width: 32, format: 'jpeg' }];
export const KEY = `sk-${'planted'.repeat(3)}-0123456789`;

/** A wire to the stand-in. While hold is true, what comes is taken and not handed on. */
async function startGate(port) {
  const gate = { hold: false, events: new EventEmitter() };
  const server = createServer((client) => {
    client.on('error', () => {});
    gate.events.emit('connection', client);
    if (gate.hold) return;
    const up = connect(port, '127.0.0.1');
    up.on('error', () => client.destroy());
    client.pipe(up).pipe(client);
  });
  await new Promise((ok) => server.listen(0, '127.0.0.1', ok));
  return Object.assign(gate, { url: `http://127.0.0.1:${server.address().port}/v1.0`, close: () => server.close() });
}

/**
 * A server, an origin that serves dir, and with `paid` (options of the stand-in) a provider.
 * s.restart() kills the server and starts another; s.servers are all there were. gated: the provider is
 * reached through s.gate.
 */
export async function cutSite(t, { args = [], env = {}, paid, gated, folder = models, origin = true } = {}) {
  const dir = tempDir(t), data = tempDir(t);
  const s = { dir, data, servers: [], files: 0, folder };
  if (origin) {
    s.origin = await startOrigin({ dir });
    after(t, () => s.origin.close());
  }
  if (paid) {
    s.bg = await startRemoveBg({ key: KEY, rate: 1e6, ...paid });
    after(t, () => s.bg.close());
    s.gate = gated && await startGate(s.bg.port);
    if (gated) after(t, () => s.gate.close());
    args = ['--provider-url', gated ? s.gate.url : s.bg.url, '--provider-rate', '0', ...args];
    env = { BULB_PROVIDER_KEY: KEY, ...env };
  }
  s.serve = async () => {
    s.server = await bulb(t, data, ['--models', folder, ...args], env);
    s.servers.push(s.server);
    s.base = s.server.url;
    return s.server;
  };
  s.restart = async (signal = 'SIGKILL') => {
    await s.server.stop(signal);
    return s.serve();
  };
  await s.serve();
  return s;
}

/** Puts bytes behind a URL of their own. */
export function put(s, bytes, ext = 'png') {
  const name = `${s.files++}.${ext}`;
  writeFileSync(join(s.dir, name), bytes);
  return `${s.origin.url}/${name}`;
}

/** Hands a job in; resolves with its id. */
export async function submit(s, urls, background, more = {}) {
  const r = await post(`${s.base}/v1/jobs`, { urls, variants: small, background: { remove: true, ...background }, ...more });
  assert.equal(r.status, 202, r.text);
  return r.json.id;
}
export async function result(s, id, ms = 60000) {
  const job = await ended(s.base, id, ms);
  return { id, job, items: await items(s.base, id) };
}
export const cut = async (s, urls, background, more) => result(s, await submit(s, urls, background, more));
/** Bytes as one item; resolves with { job, item, cutout }. */
export async function cutBytes(s, bytes, background, more) {
  const { job, items: [item] } = await cut(s, [put(s, bytes)], background, more);
  return { job, item, cutout: item.cutout };
}

/** A blob's pixels, four bytes each. */
export async function rgba(blob) {
  const r = await get(blob.url);
  assert.equal(r.status, 200, r.text);
  const { data, info } = await sharp(r.bytes).ensureAlpha().toColourspace('srgb').raw().toBuffer({ resolveWithObject: true });
  assert.equal(info.channels, 4);
  return { data, width: info.width, height: info.height, bytes: r.bytes, alpha: alphaOf(data) };
}
function alphaOf(data) {
  const out = Buffer.alloc(data.length / 4);
  for (let i = 0; i < out.length; i++) out[i] = data[4 * i + 3];
  return out;
}

/** Intersection over union of two masks, half covered counting as covered. */
export function iou(a, b) {
  let both = 0, either = 0;
  assert.equal(a.length, b.length);
  for (let i = 0; i < a.length; i++) {
    both += a[i] > 127 && b[i] > 127;
    either += a[i] > 127 || b[i] > 127;
  }
  return both / Math.max(1, either);
}

/** Pixels farther than `r` from every place where the mask's edge passes. */
export function farFromEdge(alpha, width, height, r = 2) {
  const near = new Uint8Array(alpha.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const i = y * width + x, v = alpha[i];
      const edge = (v > 0 && v < 255) || (x + 1 < width && alpha[i + 1] !== v) || (y + 1 < height && alpha[i + width] !== v);
      if (!edge) continue;
      for (let dy = -r; dy <= r; dy++)
        for (let dx = -r; dx <= r; dx++)
          if (y + dy >= 0 && y + dy < height && x + dx >= 0 && x + dx < width) near[i + dy * width + dx] = 1;
    }
  }
  return near.map((v) => 1 - v);
}

/** The server's darkrooms: plain, and of models once one was needed. */
export const plainRoom = (s) => darkrooms(s.server.pid).find((d) => !d.matte);
export const matteRoom = (s) => darkrooms(s.server.pid).find((d) => d.matte);
export const mattes = (s) => matteRoom(s)?.children ?? [];
/** Processes stand still until the answer is called, or the test ends. */
export function freeze(t, pids) {
  pids.forEach((pid) => process.kill(pid, 'SIGSTOP'));
  const wake = (pid) => {
    try {
      process.kill(pid, 'SIGCONT');
    } catch {
      // it ended meanwhile
    }
  };
  const thaw = () => pids.splice(0).forEach(wake);
  after(t, thaw);
  return thaw;
}

export const usage = async (s) => {
  const r = await get(`${s.base}/v1/usage`);
  assert.equal(r.status, 200, r.text);
  return r.json;
};

/** Everything the servers of a site ever said, as one text. */
export const said = (s) => s.servers.map((p) => p.out + p.err).join('\n');

/** gc with nothing to wait for. The server is stopped for it: afterwards rows and files agree. */
export async function collect(s, args = []) {
  await s.server.stop('SIGTERM');
  for (let i = 0; i < 2; i++) {
    ageBlobs(s.data);
    await ageTrash(s.data);
    const gc = await run(['gc', '--data', s.data, '--log-level', 'warn', ...args]);
    assert.equal(gc.code, 0, gc.err);
  }
}

/** Resolves with the events of this type when there are n. */
export const event = (s, id, type, n = 1) => until(`${n} ${type} of ${id}`, async () => {
  const found = (await get(`${s.base}/v1/jobs/${id}/events?after=0`)).json.events.filter((e) => e.type === type);
  return found.length >= n && found;
});
