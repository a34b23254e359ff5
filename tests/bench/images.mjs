// SPDX-License-Identifier: MIT
//
// bulb's image room against sharp on real photographs: CPU seconds, bytes and quality of the five
// copies, baseline JPEGs first and progressive ones apart (the same pictures, re-coded without loss
// by jpegtran). Runs alternate, so that whatever else the machine does hits both.
//
//   node images.mjs --sharp FOLDER_WITH_NODE_MODULES [--bench build/tests/bench/bench_image]
//                   [--photos /usr/share/backgrounds] [--rounds 3] [--no-quality]
import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';

const here = path.dirname(new URL(import.meta.url).pathname);
const { values: opts } = parseArgs({
  options: {
    sharp: { type: 'string' },
    bench: { type: 'string', default: path.join(here, '../../build/tests/bench/bench_image') },
    photos: { type: 'string', default: '/usr/share/backgrounds' },
    rounds: { type: 'string', default: '3' },
    'no-quality': { type: 'boolean', default: false },
  },
});
const sharp = createRequire(path.resolve(opts.sharp, 'x.js'))('sharp');
const variants = ['thumb.jpg', 'small.webp', 'medium.jpg', 'large.jpg', 'xl.webp'];
const work = mkdtempSync(path.join(os.tmpdir(), 'bulb-bench-'));
process.on('exit', () => rmSync(work, { recursive: true, force: true }));

const folder = (name) => {
  const made = path.join(work, name);
  mkdirSync(made, { recursive: true });
  return made;
};

// The photographs, re-coded without loss.
const recode = (kind, flags) => readdirSync(opts.photos).filter((f) => /_by_.*\.jpg$/.test(f))
  .map((f) => {
    const to = path.join(folder(kind), f);
    execFileSync('jpegtran', ['-copy', 'all', ...flags, '-outfile', to, path.join(opts.photos, f)]);
    return to;
  });

const lines = (text) => text.trim().split('\n').map((l) => JSON.parse(l));
const peers = {
  sharp: (out, files) => lines(execFileSync(process.execPath,
    [path.join(here, 'sharp.mjs'), opts.sharp, out, ...files], { encoding: 'utf8' })),
  bulb: (out, files) => lines(execFileSync(opts.bench, ['-o', out, ...files],
    { encoding: 'utf8' })),
};

// Mean structural similarity of luma (Wang et al. 2004), windows of 8 × 8, every fourth pixel.
const ssim = (a, b, w, h) => {
  const C1 = 6.5025, C2 = 58.5225, N = 64;
  let sum = 0, n = 0;
  for (let y = 0; y + 8 <= h; y += 4) for (let x = 0; x + 8 <= w; x += 4) {
    let sa = 0, sb = 0, aa = 0, bb = 0, ab = 0;
    for (let j = 0; j < 8; j++) for (let i = 0, k = (y + j) * w + x; i < 8; i++, k++) {
      sa += a[k]; sb += b[k]; aa += a[k] * a[k]; bb += b[k] * b[k]; ab += a[k] * b[k];
    }
    const ma = sa / N, mb = sb / N;
    sum += ((2 * ma * mb + C1) * (2 * (ab / N - ma * mb) + C2)) /
      ((ma * ma + mb * mb + C1) * (aa / N - ma * ma + bb / N - mb * mb + C2));
    n++;
  }
  return sum / n;
};

const luma = async (image) => {
  const { data, info } = await image.removeAlpha().toColourspace('srgb').raw()
    .toBuffer({ resolveWithObject: true });
  const out = new Float32Array(info.width * info.height);
  for (let i = 0; i < out.length; i++)
    out[i] = 0.299 * data[3 * i] + 0.587 * data[3 * i + 1] + 0.114 * data[3 * i + 2];
  return { data: out, w: info.width, h: info.height };
};

// Against the original, decoded in full and resampled once.
const quality = async (file, outs) => {
  const { data, info } = await sharp(file).raw().toBuffer({ resolveWithObject: true });
  const result = {};
  for (const v of variants) {
    const stem = path.parse(file).name;
    const { width, height } = await sharp(path.join(outs.sharp, `${stem}-${v}`)).metadata();
    const want = await luma(sharp(data, { raw: info }).resize(width, height));
    result[v] = {};
    for (const peer of Object.keys(outs)) {
      const made = await luma(sharp(path.join(outs[peer], `${stem}-${v}`)));
      if (made.w !== want.w || Math.abs(made.h - want.h) > 1)
        throw new Error(`${stem}-${v}: ${made.w}x${made.h} instead of ${want.w}x${want.h}`);
      result[v][peer] = made.h === want.h ? ssim(want.data, made.data, want.w, want.h) : NaN;
    }
  }
  return result;
};

const mean = (list) => list.reduce((a, b) => a + b, 0) / list.length;
const bytes = (dir, v) => mean(readdirSync(dir).filter((f) => f.endsWith(`-${v}`))
  .map((f) => statSync(path.join(dir, f)).size));

const compareQuality = async (files, outs) => {
  const all = [];
  for (const f of files)
    all.push(await quality(f, outs));
  console.log('  variant      SSIM sharp   bulb    diff     bytes sharp     bulb   ratio');
  for (const v of variants) {
    const both = all.filter((q) => !Number.isNaN(q[v].sharp + q[v].bulb));
    const s = mean(both.map((q) => q[v].sharp)), b = mean(both.map((q) => q[v].bulb));
    const sb = bytes(outs.sharp, v), bb = bytes(outs.bulb, v);
    console.log(`  ${v.padEnd(11)} ${s.toFixed(4).padStart(11)} ${b.toFixed(4)} ` +
      `${(b - s).toFixed(4).padStart(7)} ${sb.toFixed(0).padStart(15)} ` +
      `${bb.toFixed(0).padStart(8)}  ${(bb / sb).toFixed(3)}`);
  }
};

const compare = async (kind, flags) => {
  const files = recode(kind, flags);
  const outs = { sharp: folder(`${kind}-sharp`), bulb: folder(`${kind}-bulb`) };
  const cpu = { sharp: [], bulb: [] }, peak = { sharp: 0, bulb: 0 };
  for (let i = 0; i < Number(opts.rounds); i++)
    for (const peer of ['sharp', 'bulb']) {
      const last = peers[peer](outs[peer], files).at(-1);
      cpu[peer].push(last.cpu_total / files.length);
      peak[peer] = Math.max(peak[peer], last.peak_bytes);
    }
  const best = { sharp: Math.min(...cpu.sharp), bulb: Math.min(...cpu.bulb) };
  console.log(`${kind}: ${files.length} files, CPU s a picture: sharp ${best.sharp.toFixed(3)}, ` +
    `bulb ${best.bulb.toFixed(3)}: ${(best.sharp / best.bulb).toFixed(2)} x sharp ` +
    `(rounds ${cpu.sharp.map((s, i) => (s / cpu.bulb[i]).toFixed(2)).join(' ')})`);
  console.log(`  peak memory: sharp ${(peak.sharp / 1e6).toFixed(0)} MB, bulb ` +
    `${(peak.bulb / 1e6).toFixed(0)} MB: ${(peak.bulb / peak.sharp).toFixed(2)} of sharp's`);
  if (!opts['no-quality'])
    await compareQuality(files, outs);
};

await compare('baseline', ['-optimize']);
await compare('progressive', ['-progressive']);
