// What a cut-out may look like and what is made of it: formats, fill, crop and margin, variants,
// items of their own mind, and pictures of odd shapes. Most of it on flat grounds, where every pixel is
// known beforehand.
import test from 'node:test';
import assert from 'node:assert/strict';
import sharp from 'sharp';
import { get, post } from '../lib/harness.mjs';
import { assertModels, cut, cutBytes, cutSite, iou, put, rgba, small } from '../lib/cutouts.mjs';
import { composite, product } from '../lib/composites.mjs';
import { check } from '../lib/checker.mjs';

const flat = { engine: 'flat' };
const bottle = await product('bottle', [255, 255, 255]);

function bounds(alpha, width, least = 3) {
  let left = width, right = -1, top = Infinity, bottom = -1;
  alpha.forEach((v, i) => {
    if (v < least) return;
    const x = i % width, y = (i - x) / width;
    left = Math.min(left, x);
    right = Math.max(right, x);
    top = Math.min(top, y);
    bottom = Math.max(bottom, y);
  });
  return { left, top, width: right - left + 1, height: bottom - top + 1 };
}
const near = (a, b, by, what) => assert.ok(Math.abs(a - b) <= by, `${what}: ${a}, not ${b} ± ${by}`);
const pixel = (out, x, y) => [...out.data.subarray(4 * (y * out.width + x), 4 * (y * out.width + x) + 4)];

test('crop keeps the subject and a margin, and says where it was', { timeout: 60000 }, async (t) => {
  const s = await cutSite(t);
  const box = bounds(bottle.alpha, bottle.width);
  const plain = (await cutBytes(s, bottle.png, { ...flat, crop: true })).cutout;
  for (const side of ['left', 'top', 'width', 'height']) near(plain[side], box[side], 2, side);
  const out = await rgba(plain);
  assert.deepEqual([out.width, out.height], [plain.width, plain.height]);
  for (let y = 0; y < out.height; y += 7) { // it is the same place of the picture
    for (let x = 0; x < out.width; x += 7) {
      const at = (y + plain.top) * bottle.width + x + plain.left;
      if (bottle.alpha[at] === 255 && out.alpha[y * out.width + x] === 255) near(pixel(out, x, y)[0], bottle.subject[3 * at], 1, `red at ${x}, ${y}`);
    }
  }
  const wide = (await cutBytes(s, bottle.png, { ...flat, crop: true, margin: 20 })).cutout;
  assert.deepEqual([wide.left, wide.top, wide.width, wide.height], [plain.left - 20, plain.top - 20, plain.width + 40, plain.height + 40]);
  const percent = (await cutBytes(s, bottle.png, { ...flat, crop: true, margin: '10%' })).cutout;
  near(percent.width, plain.width + 2 * Math.round(plain.height / 10), 2, 'ten per cent of the longer side');
  const huge = (await cutBytes(s, bottle.png, { ...flat, crop: true, margin: 500 })).cutout;
  assert.deepEqual([huge.left, huge.top, huge.width, huge.height], [0, 0, bottle.width, bottle.height], 'never outside the picture');
});

test('png, webp and fill', { timeout: 60000 }, async (t) => {
  const s = await cutSite(t);
  for (const format of ['png', 'webp']) {
    const { cutout } = await cutBytes(s, bottle.png, { ...flat, format });
    const r = await get(cutout.url);
    assert.equal(r.headers['content-type'], `image/${format}`);
    assert.equal((await sharp(r.bytes).metadata()).format, format);
    assert.equal((await sharp(r.bytes).metadata()).hasAlpha, true);
    assert.ok(iou((await rgba(cutout)).alpha, bottle.alpha) > 0.99, format);
    const filled = (await cutBytes(s, bottle.png, { ...flat, format, fill: '#1040c0' })).cutout;
    const file = (await get(filled.url)).bytes;
    assert.equal((await sharp(file).metadata()).hasAlpha, false, 'flattened');
    const out = await rgba(filled);
    [0x10, 0x40, 0xc0].forEach((v, k) => near(pixel(out, 3, 3)[k], v, format === 'png' ? 0 : 6, 'the fill'));
    const [x, y] = [300, 400];
    near(pixel(out, x, y)[0], bottle.subject[3 * (y * bottle.width + x)], format === 'png' ? 1 : 8, 'the subject');
  }
  const bad = await post(`${s.base}/v1/jobs`, { urls: [`${s.origin.url}/png`], background: { remove: true, fill: '#11223344' } });
  assert.equal(bad.status, 422);
  assert.match(JSON.stringify(bad.json), /background\/fill/);
});

const recipe = [{ name: 'tiny', width: 100, format: 'png' }, { name: 'web', width: 200, format: 'webp' }];
const corner = async (v) => pixel(await rgba(v), 2, 2);

test('variants are made from the cut-out with apply variants or both, from the original else', { timeout: 60000 }, async (t) => {
  const s = await cutSite(t);
  const of = (apply, more) => cutBytes(s, bottle.png, { ...flat, apply, ...more }, { variants: recipe });
  const cutout = await of('cutout');
  for (const v of cutout.item.variants) assert.deepEqual(await corner(v), [255, 255, 255, 255], 'the original');
  assert.ok(cutout.cutout.url);
  const both = await of('both');
  const variants = await of('variants');
  for (const { item } of [both, variants]) {
    assert.deepEqual(item.variants.map((v) => v.name), ['tiny', 'web']);
    for (const v of item.variants) {
      const out = await rgba(v);
      assert.equal(out.alpha[2 * out.width + 2], 0, `${v.name}: nothing of the ground`);
      const i = Math.round(out.height * 0.67) * out.width + out.width / 2;
      assert.equal(out.alpha[i], 255, `${v.name}: all of the subject`);
    }
  }
  assert.ok(both.cutout.url && both.cutout.sha256);
  assert.equal(variants.cutout.status, 'succeeded');
  assert.equal(variants.cutout.url, undefined, 'the file itself was not asked for');
  assert.equal(variants.cutout.key, undefined);
  const filled = await of('both', { fill: '#ff8000' });
  for (const v of filled.item.variants) (await corner(v)).forEach((c, k) => near(c, [255, 128, 0, 255][k], 8, `${v.name}: the fill`));
  const cropped = await of('variants', { crop: true });
  const box = bounds(bottle.alpha, bottle.width);
  const tiny = cropped.item.variants[0];
  near(tiny.width / tiny.height, box.width / box.height, 0.03, 'shape of the crop');
  assert.deepEqual(await check(s.base, [cutout, both, variants, filled, cropped].map((r) => r.job.id)), []);
});

test('a jpeg variant of a cut-out has a ground, and it is one colour', { timeout: 30000 }, async (t) => {
  const s = await cutSite(t);
  const { item } = await cutBytes(s, bottle.png, { ...flat, apply: 'variants' }, { variants: [{ name: 'j', width: 300, format: 'jpeg', background: '#00ff00' }] });
  const [r, g, b] = await corner(item.variants[0]);
  assert.ok(r < 12 && g > 243 && b < 12, `${r} ${g} ${b}`);
});

test('without a subject the variants are made from the original, whatever they were to be made of', { timeout: 30000 }, async (t) => {
  const s = await cutSite(t);
  const grey = await sharp({ create: { width: 300, height: 200, channels: 3, background: '#777' } }).png().toBuffer();
  for (const apply of ['variants', 'both']) {
    const { job, item } = await cutBytes(s, grey, { engine: 'flat', apply }, { variants: recipe });
    assert.equal(job.status, 'succeeded');
    assert.equal(item.cutout.status, 'none');
    assert.deepEqual(await corner(item.variants[0]), [0x77, 0x77, 0x77, 255]);
  }
});

test('where variants were to be made of the cut-out and it fails, the item fails: no ground is delivered', { timeout: 30000 }, async (t) => {
  const s = await cutSite(t);
  const c = await composite('pear', { width: 480, height: 360 });
  const url = put(s, c.jpeg, 'jpg');
  for (const apply of ['variants', 'both']) {
    const { job, items: [item] } = await cut(s, [url], { engine: 'flat', apply });
    assert.equal(job.status, 'failed');
    assert.equal(item.error.code, 'matte_not_flat');
    assert.deepEqual(item.variants, []);
  }
});

test('an item has its own background, or none', { timeout: 30000 }, async (t) => {
  const s = await cutSite(t);
  const url = put(s, bottle.png);
  const { id, job, items: all } = await cut(s, [
    `${url}?1`, { url: `${url}?2`, background: { remove: false } }, { url: `${url}?3`, background: { remove: true, engine: 'flat', crop: true } },
    { url: `${url}?4`, background: { remove: true, engine: 'flat', format: 'webp', apply: 'both' } },
  ], flat);
  assert.equal(job.status, 'succeeded');
  assert.equal(all[0].cutout.width, bottle.width);
  assert.equal(all[1].cutout, null);
  assert.ok(all[2].cutout.width < bottle.width);
  assert.equal(all[3].cutout.format, 'webp');
  assert.deepEqual(job.counts.cutouts, { succeeded: 3, failed: 0, none: 0 });
  assert.deepEqual(await check(s.base, [id]), []);
  const none = await post(`${s.base}/v1/jobs`, { urls: [url], variants: small });
  assert.equal((await get(`${s.base}/v1/jobs/${none.json.id}/items?`)).json.items[0].cutout, null);
});

test('what is asked of a background is checked to the member', { timeout: 30000 }, async (t) => {
  const s = await cutSite(t);
  const wrong = [
    [{ remove: true, engin: 'local' }, '/background/engin', /engine/], [{ remove: true, engine: 'cloud' }, '/background/engine', /local/],
    [{ remove: true, format: 'jpeg' }, '/background/format'], [{ remove: true, max_cost: -1 }, '/background/max_cost'],
    [{ remove: true, margin: 5 }, '/background/margin', /crop/], [{ remove: true, apply: 'all' }, '/background/apply'],
    [{ remove: 'yes' }, '/background/remove'],
  ];
  for (const [background, pointer, says] of wrong) {
    const r = await post(`${s.base}/v1/jobs`, { urls: [`${s.origin.url}/png`], variants: small, background });
    assert.equal(r.status, 422, JSON.stringify(background));
    assert.equal(r.json.errors[0].pointer, `#${pointer}`.replace(/^#(?=\/)/, r.json.errors[0].pointer.startsWith('#') ? '#' : ''), r.text);
    if (says) assert.match(r.text, says);
  }
});

test('pictures of odd shapes: turned by EXIF, with alpha, one pixel, very long', { timeout: 90000 }, async (t) => {
  assertModels();
  const s = await cutSite(t);
  const turned = await sharp(bottle.png).rotate(90).jpeg({ quality: 98, chromaSubsampling: '4:4:4' }).withMetadata({ orientation: 8 }).toBuffer();
  for (const engine of ['flat', 'local']) {
    const out = await rgba((await cutBytes(s, turned, { engine })).cutout);
    assert.deepEqual([out.width, out.height], [bottle.width, bottle.height]);
    assert.ok(iou(out.alpha, bottle.alpha) > 0.9, `${engine}: it stands upright`);
  }
  const cat = await composite('cat', { width: 480, height: 360 });
  const see = Buffer.alloc(480 * 360 * 4);
  for (let i = 0; i < 480 * 360; i++) see.set([...cat.subject.subarray(3 * i, 3 * i + 3), cat.alpha[i]], 4 * i);
  const withAlpha = await sharp(see, { raw: { width: 480, height: 360, channels: 4 } }).png().toBuffer();
  const kept = await cutBytes(s, withAlpha, { engine: 'auto' });
  assert.equal(kept.job.status, 'succeeded');
  assert.ok(iou((await rgba(kept.cutout)).alpha, cat.alpha) > 0.9, 'a picture with alpha');
  const dot = (background) => sharp({ create: { ...background, channels: 3, background: '#c03' } }).png().toBuffer();
  const odd = [[1, 1], [1, 2000], [2000, 1], [3, 3], [8000, 20], [20, 8000]];
  for (const engine of ['local', 'auto', 'flat']) {
    const urls = await Promise.all(odd.map(async ([width, height]) => put(s, await dot({ width, height }))));
    const { id, job, items: all } = await cut(s, urls, { engine, crop: true });
    assert.equal(job.counts.succeeded, odd.length, engine);
    for (const [i, it] of all.entries()) { // too small for a border: the flat engine cannot tell
      const right = engine === 'flat' && Math.min(...odd[i]) < 8 ? ['failed'] : ['none', 'succeeded'];
      assert.ok(right.includes(it.cutout.status), `${engine} ${odd[i]}: ${JSON.stringify(it.cutout)}`);
    }
    assert.deepEqual(await check(s.base, [id]), []);
  }
});

