// The peer of `bulb run`: sharp with its own defaults, five clones of each file, four files in flight,
// files in and files out.   node sharp-files.mjs OUT FILE...
import { readFile } from 'node:fs/promises';
import { join, parse } from 'node:path';
import sharp from 'sharp';

const [out, ...files] = process.argv.slice(2);
const web = [
  ['thumb.jpg', (s) => s.resize(150, 150).jpeg({ quality: 80 })],
  ['small.webp', (s) => s.resize({ width: 320, withoutEnlargement: true }).webp({ quality: 80 })],
  ['medium.jpg', (s) => s.resize({ width: 640, withoutEnlargement: true }).jpeg({ quality: 80 })],
  ['large.jpg', (s) => s.resize({ width: 1280, withoutEnlargement: true }).jpeg({ quality: 80 })],
  ['xl.webp', (s) => s.resize({ width: 1920, withoutEnlargement: true }).webp({ quality: 80 })],
];
async function lane() {
  for (let file; (file = files.shift());) {
    const source = sharp(await readFile(file)).rotate();
    await Promise.all(web.map(([name, make]) => make(source.clone()).toFile(join(out, `${parse(file).name}-${name}`))));
  }
}
await Promise.all([lane(), lane(), lane(), lane()]);
