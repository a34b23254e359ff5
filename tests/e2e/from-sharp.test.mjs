// docs/from-sharp.md is run on both sides: the code as it stands there by sharp, the variant beside it by
// bulb, on the same photographs. They are the same picture.
import test from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { after, photos, root, run, tempDir } from '../lib/harness.mjs';
import { startOrigin } from '../lib/origin.mjs';

const page = readFileSync(join(root, 'docs/from-sharp.md'), 'utf8');
const pairs = [...page.matchAll(/### (.+)\n\n```js\n(await sharp[^`]+)```\n```json\n([^`]+)```/g)]
  .map(([, title, code, json]) => ({ title, code: code.trim(), variant: JSON.parse(json) }));
const AsyncFunction = (async () => {}).constructor;
const MOST = { png: 1.6, avif: 3.5, webp: 3, jpeg: 3 }; // levels, on the average over all pixels

/** Mean absolute difference of two encoded pictures, in levels; their sizes agree. */
async function difference(a, b) {
  const [x, y] = await Promise.all([a, b].map((f) => sharp(f).removeAlpha().raw().toBuffer()));
  assert.equal(x.length, y.length);
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += Math.abs(x[i] - y[i]);
  return sum / x.length;
}

test('the page has a pair for every word that a variant knows', () => {
  const words = new Set(pairs.flatMap((p) => Object.keys(p.variant)));
  const members = readFileSync(join(root, 'src/job/recipe_parse.c'), 'utf8').matchAll(/^\t\{ "(\w+)", read_/gm);
  assert.deepEqual([...members].map(([, m]) => m).filter((m) => !words.has(m)), []);
  assert.ok(pairs.length >= 11, `${pairs.length} pairs`);
});

test('each pair makes one picture', { timeout: 120000 }, async (t) => {
  const dir = tempDir(t);
  const turned = await sharp(join(photos, readdirSync(photos).find((f) => /_by_.*\.jpg$/.test(f)))).resize(1200, 800).withMetadata({ orientation: 6 }).jpeg({ quality: 92 }).toBuffer();
  const plain = await sharp(join(photos, readdirSync(photos).filter((f) => /_by_.*\.jpg$/.test(f)).at(-1))).resize(1500, 1000).jpeg({ quality: 92 }).toBuffer();
  const inputs = { turned, plain };
  const origin = await startOrigin({ dir });
  after(t, () => origin.close());
  for (const [name, bytes] of Object.entries(inputs)) writeFileSync(join(dir, `${name}.jpg`), bytes);
  writeFileSync(join(dir, 'job.json'), JSON.stringify({ urls: Object.keys(inputs).map((n) => `${origin.url}/${n}.jpg`), variants: pairs.map((p) => p.variant) }));
  const out = await run(['run', '-f', join(dir, 'job.json'), '-o', join(dir, 'out'), '--allow-address', '127.0.0.1']);
  assert.equal(out.code, 0, out.err);
  for (const [name, input] of Object.entries(inputs)) {
    for (const { title, code, variant } of pairs) {
      const theirs = await new AsyncFunction('sharp', 'input', `return ${code}`)(sharp, input);
      const ours = readFileSync(join(dir, 'out', `${name}-${variant.name}.${variant.format === 'jpeg' ? 'jpg' : variant.format}`));
      const [a, b] = await Promise.all([sharp(theirs).metadata(), sharp(ours).metadata()]);
      const shape = (m) => [m.format, m.compression ?? '', m.width, m.height, Boolean(m.isProgressive)];
      assert.deepEqual(shape(b), shape(a), `${title}, ${name}`);
      const levels = await difference(theirs, ours);
      assert.ok(levels < MOST[variant.format], `${title}, ${name}: ${levels.toFixed(2)} levels apart`);
    }
  }
});

test('another picture would not pass', async () => {
  const [a, b] = await Promise.all(['centre', 'right top'].map((position) => sharp(join(photos, readdirSync(photos).find((f) => /_by_.*\.jpg$/.test(f))))
    .resize(400, 200, { position }).png().toBuffer()));
  assert.ok(await difference(a, b) > 5);
});

test('what the page says is not there yet is refused, by its place', async (t) => {
  const dir = tempDir(t);
  writeFileSync(join(dir, 'job.json'), JSON.stringify({ urls: ['https://x.test/a.jpg'], variants: [{ name: 'a', width: 3, flip: true }] }));
  const { code, err } = await run(['run', '-f', join(dir, 'job.json'), '-o', join(dir, 'out')]);
  assert.notEqual(code, 0);
  assert.match(err, /\/variants\/0\/flip/);
});
