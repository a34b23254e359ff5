// How good cut-outs are, measured against masks that are known to the pixel: photographs put
// together by the test, products on one colour, and pictures in which there is nothing.
import test from 'node:test';
import assert from 'node:assert/strict';
import { join } from 'node:path';
import sharp from 'sharp';
import { get, call, photos } from '../lib/harness.mjs';
import { assertModels, cut, cutBytes, cutSite, farFromEdge, iou, put, rgba } from '../lib/cutouts.mjs';
import { composites, composite, product } from '../lib/composites.mjs';
import { check } from '../lib/checker.mjs';
import { random } from '../lib/random.mjs';

const MEAN = 0.9, FLOOR = 0.8;

test(`the local model finds the subject of photographs: IoU ${MEAN} on the average, ${FLOOR} on each`, { timeout: 120000 }, async (t) => {
  assertModels();
  const s = await cutSite(t);
  const made = await composites();
  const { id, job, items } = await cut(s, made.map((c) => put(s, c.jpeg, 'jpg')), {});
  assert.equal(job.status, 'succeeded');
  assert.deepEqual(job.counts.cutouts, { succeeded: made.length, failed: 0, none: 0 });
  const scores = [];
  for (const [i, c] of made.entries()) {
    const { cutout } = items[i];
    assert.equal(cutout.engine, 'local:u2netp');
    assert.equal(cutout.reason, 'requested');
    assert.equal(cutout.cost, 0);
    const out = await rgba(cutout);
    assert.deepEqual([out.width, out.height, cutout.width, cutout.height, cutout.left, cutout.top], [c.width, c.height, c.width, c.height, 0, 0]);
    scores.push({ name: c.name, score: iou(out.alpha, c.alpha), confidence: cutout.confidence });
  }
  const mean = scores.reduce((sum, r) => sum + r.score, 0) / scores.length;
  for (const r of scores) t.diagnostic(`${r.name}: IoU ${r.score.toFixed(3)}, confidence ${r.confidence.toFixed(2)}`);
  t.diagnostic(`mean IoU ${mean.toFixed(4)} of ${scores.length}`);
  assert.ok(mean >= MEAN, `mean IoU ${mean}`);
  assert.deepEqual(scores.filter((r) => r.score < FLOOR), []);
  for (const r of scores) assert.ok(r.confidence > 0 && r.confidence <= 1);
  assert.deepEqual(await check(s.base, [id]), []);
});

// Where one sees the subject of photographs: left, top, right and bottom in parts of the whole.
const seen = {
  'free_by_Peter_Nerlich': [0.25, 0.58, 0.66, 0.86], 'Picture_0B_by_freespace': [0.22, 0.12, 1, 0.99], 'seeding_by_Clements_Engelhardt': [0.13, 0.07, 0.45, 0.59],
};
test('in real photographs the subject is where one sees it', { timeout: 60000 }, async (t) => {
  assertModels();
  const s = await cutSite(t);
  const names = Object.keys(seen);
  const files = await Promise.all(names.map((n) => sharp(join(photos, `${n}.jpg`)).resize(1000, 1000, { fit: 'inside' }).jpeg().toBuffer()));
  const { items } = await cut(s, files.map((f) => put(s, f, 'jpg')), { crop: true });
  for (const [i, name] of names.entries()) {
    const { cutout: c, source } = items[i];
    const box = [c.left / source.width, c.top / source.height, (c.left + c.width) / source.width, (c.top + c.height) / source.height];
    t.diagnostic(`${name}: ${box.map((v) => v.toFixed(2))}, confidence ${c.confidence.toFixed(2)}`);
    box.forEach((v, k) => assert.ok(Math.abs(v - seen[name][k]) < 0.06, `${name}: ${box}`));
  }
});

/** Mean distance from the subject's own colour where its edge is, of delivered and of plain pixels. */
function fringe(c, out) {
  let ours = 0, plain = 0, n = 0;
  for (let i = 0; i < c.alpha.length; i++) {
    if (c.alpha[i] < 26 || c.alpha[i] > 229 || out.alpha[i] < 26) continue;
    n++;
    for (let k = 0; k < 3; k++) {
      ours += Math.abs(out.data[4 * i + k] - c.subject[3 * i + k]);
      plain += Math.abs(c.pixels[3 * i + k] - c.subject[3 * i + k]);
    }
  }
  return { ours: ours / n / 3, plain: plain / n / 3, n };
}

test('at the edge the colours are the subject\'s: at most half the error of plain masking', { timeout: 60000 }, async (t) => {
  assertModels();
  const s = await cutSite(t);
  const made = await Promise.all(['bottle', 'pear', 'fish', 'kite', 'mushroom', 'mug'].map((shape) => composite(shape, { soft: 2 })));
  const { items } = await cut(s, made.map((c) => put(s, c.png)), {});
  let ours = 0, plain = 0;
  for (const [i, c] of made.entries()) {
    const f = fringe(c, await rgba(items[i].cutout));
    t.diagnostic(`${c.name}: ${f.ours.toFixed(1)} of 255 where plain masking has ${f.plain.toFixed(1)}, over ${f.n} pixels`);
    assert.ok(f.n > 1000, `${c.name}: an edge of ${f.n} pixels`);
    ours += f.ours;
    plain += f.plain;
  }
  assert.ok(ours <= plain / 2, `${ours / made.length} of 255; plain masking ${plain / made.length}`);
});

test('a product on a flat ground is cut out without a model and without a network, to the level', { timeout: 60000 }, async (t) => {
  const s = await cutSite(t, { paid: {} });
  const grounds = [[255, 255, 255], [252, 251, 250], [0, 0, 0], [30, 200, 60]];
  const made = await Promise.all(['bottle', 'pear', 'fish', 'kite'].map((shape, i) => product(shape, grounds[i])));
  const urls = made.map((c) => put(s, c.png));
  for (const engine of ['auto', 'flat']) {
    const { job, items } = await cut(s, urls, { engine, max_cost: 100 });
    assert.equal(job.status, 'succeeded');
    for (const [i, c] of made.entries()) {
      const { cutout } = items[i];
      assert.equal(cutout.engine, 'flat');
      assert.equal(cutout.reason, engine === 'auto' ? 'flat_background' : 'requested');
      assert.equal(cutout.cost, 0);
      const out = await rgba(cutout);
      const far = farFromEdge(c.alpha, c.width, c.height, 2);
      let worst = 0, worstColour = 0;
      for (let p = 0; p < c.alpha.length; p++) {
        if (!far[p]) continue;
        worst = Math.max(worst, Math.abs(out.alpha[p] - c.alpha[p]));
        if (c.alpha[p] === 255) for (let k = 0; k < 3; k++) worstColour = Math.max(worstColour, Math.abs(out.data[4 * p + k] - c.subject[3 * p + k]));
      }
      assert.ok(worst <= 1, `${c.name}: alpha is off by ${worst} away from the edge`);
      assert.ok(worstColour <= 1, `${c.name}: a colour is off by ${worstColour}`);
      assert.ok(iou(out.alpha, c.alpha) > 0.99);
    }
  }
  assert.equal(s.bg.calls.length, 0);
});

test('a ground that is not flat is no job for the flat engine', { timeout: 30000 }, async (t) => {
  const s = await cutSite(t);
  const c = await composite('pear', { width: 480, height: 360 });
  const { job, item } = await cutBytes(s, c.jpeg, { engine: 'flat' });
  assert.equal(job.status, 'partial');
  assert.equal(item.status, 'succeeded');
  assert.equal(item.cutout.status, 'failed');
  assert.equal(item.cutout.error.code, 'matte_not_flat');
  assert.match(item.cutout.error.detail, /not flat/);
});

/** Pictures in which there is nothing to cut out. */
function blanks() {
  const rnd = random(7);
  const of = (paint, width = 500, height = 400) => {
    const px = Buffer.alloc(width * height * 3);
    for (let i = 0; i < width * height; i++) px.set(paint(i % width, Math.floor(i / width), width, height), 3 * i);
    return sharp(px, { raw: { width, height, channels: 3 } }).png().toBuffer();
  };
  return Promise.all([
    ['grey', of(() => [128, 128, 128])], ['black', of(() => [0, 0, 0])], ['white', of(() => [255, 255, 255])], ['red', of(() => [200, 20, 20])],
    ['a gradient', of((x, y, w) => Array(3).fill(Math.round(40 + 170 * x / w)))],
    ['a gradient in colours', of((x, y, w, h) => [255 * x / w, 128, 255 * y / h].map(Math.round))],
    ['noise', of(() => [rnd.below(256), rnd.below(256), rnd.below(256)])],
    ['grey noise', of(() => Array(3).fill(rnd.between(100, 150)))],
  ].map(async ([name, png]) => ({ name, png: await png })));
}

test('where there is nothing, no mask is made up, and the variants stand', { timeout: 60000 }, async (t) => {
  assertModels();
  const s = await cutSite(t);
  const made = await blanks();
  const urls = made.map((c) => put(s, c.png));
  for (const engine of ['local', 'auto']) {
    const { id, job, items } = await cut(s, urls, { engine });
    assert.deepEqual(made.map((c, i) => [c.name, items[i].cutout.status]), made.map((c) => [c.name, 'none']), engine);
    assert.equal(job.status, 'succeeded');
    assert.deepEqual(job.counts.cutouts, { succeeded: 0, failed: 0, none: made.length });
    for (const it of items) {
      assert.equal(it.status, 'succeeded');
      assert.equal(it.error, null);
      assert.equal(it.cutout.error.code, 'matte_no_foreground');
      assert.equal(it.cutout.url, undefined);
      assert.equal(it.variants.length, 1);
    }
    assert.deepEqual(await check(s.base, [id]), []);
    const again = await call('POST', `${s.base}/v1/jobs/${id}/retry`);
    assert.equal(again.status, 200, 'nothing failed, so nothing runs again');
    assert.equal((await get(`${s.base}/v1/jobs/${id}`)).json.status, 'succeeded');
  }
});
