// SPDX-License-Identifier: MIT
//
// The peer: sharp with its own defaults, five clones of each file, files in and files out. Prints
// what bench_image prints, so that images.mjs can read both.
//
//   node sharp.mjs SHARP_FOLDER OUT FILE…
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';

const [folder, out, ...files] = process.argv.slice(2);
const sharp = createRequire(path.resolve(folder, 'x.js'))('sharp');

const web = [
  ['thumb', 'jpg', (s) => s.resize(150, 150).jpeg({ quality: 80 })],
  ['small', 'webp', (s) => s.resize({ width: 320, withoutEnlargement: true }).webp({ quality: 80 })],
  ['medium', 'jpg', (s) => s.resize({ width: 640, withoutEnlargement: true }).jpeg({ quality: 80 })],
  ['large', 'jpg', (s) => s.resize({ width: 1280, withoutEnlargement: true }).jpeg({ quality: 80 })],
  ['xl', 'webp', (s) => s.resize({ width: 1920, withoutEnlargement: true }).webp({ quality: 80 })],
];

const seconds = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};

const start = seconds();
for (const file of files) {
  const before = seconds();
  const stem = path.parse(file).name;
  const source = sharp(await readFile(file)).rotate();
  await Promise.all(web.map(([name, extension, make]) =>
    make(source.clone()).toFile(path.join(out, `${stem}-${name}.${extension}`))));
  console.log(JSON.stringify({ file: stem, cpu: seconds() - before }));
}
const peak = /VmHWM:\s*(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1] * 1024;
console.log(JSON.stringify({ cpu_total: seconds() - start, peak_bytes: peak }));
