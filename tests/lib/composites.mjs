// Photographs with a known subject: a shape made of one photograph and shaded as if it were
// round, in front of another one that is out of focus. What lies where is known to the last pixel:
// alpha, the subject's own colours, and the ground's.
import { join } from 'node:path';
import sharp from 'sharp';
import { photos } from './harness.mjs';

// Drawn in a box of 100 × 100.
const shapes = {
  bottle: 'M43 6h14v18q0 6 6 12 7 7 7 16v36q0 6-6 6H36q-6 0-6-6V52q0-9 7-16 6-6 6-12z',
  mug: 'M18 24h52v14h8q14 0 14 15T76 69h-7q-2 13-13 13H30q-12 0-12-12zM70 46v15h6q8 0 8-8t-7-7z',
  pear: 'M48 18c-1-6 2-10 7-13l3 3c-3 2-5 5-5 10 6 3 7 13 10 22 4 12 17 18 15 34-2 16-16 19-28 19s-26-3-28-19c-2-16 11-22 15-34 3-9 4-19 11-22z',
  fish: 'M5 50C14 34 26 27 38 25l12-11q10 4 12 16 6 4 10 11l21-17q-7 15-7 26t7 26L72 59q-4 7-10 11-2 10-10 14l-9-9C26 74 14 66 5 50z',
  bird: 'M4 40l10-6c4-10 18-14 26-4 6 8 20 12 36 9l20 3-18 8c-5 9-12 16-22 19l2 17h6v4H52l-3-20c-5 1-10 0-14-2l-4 18h5v4H24l6-24C20 60 17 52 16 44z',
  cat: 'M32 6l11 12q7-3 14 0L68 6l3 21q3 10-6 18 13 12 13 41 8-3 6-16-2-10 4-15l6 5q-4 4-3 10 3 25-21 26H27q-6-34 8-51-9-8-6-18z',
  leaf: 'M50 4C84 22 88 62 55 85l2 12h-7l-2-11C12 64 16 24 50 4z',
  mushroom: 'M8 50C10 22 32 10 50 10s40 12 42 40q-20 9-30 5l5 31q-17 11-33 0l5-31q-11 4-31-5z',
  teapot: 'M40 20q1-8 10-8t10 8q12 3 16 14l9-6q6 4 9 4l-1 7q-9 2-14 20-4 21-29 21-23 0-29-20Q4 58 5 44q1-13 17-11h3q5-10 15-13zM22 41q-9-1-9 5 0 5 7 6-1-6 2-11z',
  kite: 'M50 3l32 38-29 45 9 8-5 4-9-8-8 7-5-4 10-9-27-43z',
};

// Parts of photographs that serve as a surface: left, top, width and height in parts of the whole.
const surfaces = {
  lacquer: ['Picture_0B_by_freespace', 0.72, 0.25, 0.25, 0.5], wool: ['Picture_1A_by_freespace', 0.34, 0.3, 0.2, 0.4],
  paint: ['Picture_1A_by_freespace', 0.02, 0.1, 0.27, 0.6], bristles: ['Picture_1A_by_freespace', 0.5, 0.2, 0.2, 0.4],
  leather: ['Wine_by_Jakkub_Mede', 0.1, 0.7, 0.6, 0.2], wood: ['aitzgorri_by_Aitzol_Berasategi', 0, 0.32, 0.5, 0.22],
  silk: ['umang_by_Abhishek_Mudgal', 0.3, 0.2, 0.6, 0.6],
};

// [shape, its surface, photograph behind it, blur of that, size, turn, place]
const scenes = [
  ['bottle', 'lacquer', 'aitzgorri_by_Aitzol_Berasategi', 5, 0.85, 0, 0.5],
  ['mug', 'paint', 'Wine_by_Jakkub_Mede', 9, 0.7, 0, 0.45],
  ['pear', 'bristles', 'picosdeeuropa_by_Aitzol_Berasategi', 5, 0.75, 8, 0.55],
  ['fish', 'wool', 'Bridge_by_Sander_Klootwijk', 6, 0.75, -6, 0.5],
  ['bird', 'lacquer', 'sunset_by_Aitzol_Berasategi', 5, 0.8, 0, 0.5],
  ['cat', 'leather', 'life_by_Aitzol_Berasategi', 9, 0.85, 0, 0.42],
  ['leaf', 'wood', 'greentock_by_Peter_Nerlich', 5, 0.8, 20, 0.5],
  ['mushroom', 'lacquer', 'Dragonfly_by_Bolly', 12, 0.75, -4, 0.55],
  ['teapot', 'silk', 'friends_by_Aitzol_Berasategi', 9, 0.75, 0, 0.5],
  ['kite', 'wool', 'picosdeeuropa_by_Aitzol_Berasategi', 3, 0.8, 12, 0.5],
];

const photo = (name) => sharp(join(photos, `${name}.jpg`));
const raw = async (pipe) => (await pipe.raw().toBuffer());

/** Alpha of a shape on the whole canvas, its edge as soft as a lens draws it. */
async function maskOf(shape, { width, height, size, turn, place, soft }) {
  const side = height * size, left = width * place - side / 2, top = (height - side) * 0.6;
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">
    <path fill="#fff" fill-rule="evenodd" transform="translate(${left} ${top}) scale(${side / 100}) rotate(${turn} 50 50)" d="${shapes[shape]}"/></svg>`;
  const pipe = sharp(Buffer.from(svg)).extractChannel(3);
  return raw(soft ? sharp(await pipe.png().toBuffer()).blur(soft).extractChannel(0) : pipe);
}

/** A surface over the whole canvas, lit from above: the subject's own colours. */
async function subjectOf(surface, { width, height }) {
  const light = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}"><defs>
    <radialGradient id="g" gradientUnits="userSpaceOnUse" cx="${width * 0.42}" cy="${height * 0.3}" r="${height * 0.75}">
    <stop offset="0" stop-color="#fff" stop-opacity=".35"/><stop offset=".4" stop-color="#000" stop-opacity="0"/>
    <stop offset="1" stop-color="#000" stop-opacity=".75"/></radialGradient></defs><rect width="100%" height="100%" fill="url(#g)"/></svg>`;
  const [name, x, y, w, h] = surfaces[surface];
  const all = await photo(name).metadata();
  const part = { left: Math.round(x * all.width), top: Math.round(y * all.height), width: Math.round(w * all.width), height: Math.round(h * all.height) };
  const lit = await photo(name).extract(part).resize({ width, height, fit: 'cover' }).removeAlpha()
    .composite([{ input: Buffer.from(light) }]).png({ compressionLevel: 0 }).toBuffer();
  return raw(sharp(lit).removeAlpha());
}

export const over = (f, b, a) => (f * a + b * (255 - a)) / 255;

/** Packed RGB of a subject over a ground, both packed RGB, by an alpha of one byte a pixel. */
export function blend(subject, ground, alpha) {
  const out = Buffer.alloc(subject.length);
  for (let i = 0; i < out.length; i++) out[i] = Math.round(over(subject[i], ground[i], alpha[Math.floor(i / 3)]));
  return out;
}

/** One scene: { name, width, height, alpha, subject, ground, pixels, png, jpeg }. */
export async function scene([shape, surface, behind, blur, size, turn, place], { width = 960, height = 720, soft = 0.7 } = {}) {
  const alpha = await maskOf(shape, { width, height, size, turn, place, soft });
  const subject = await subjectOf(surface, { width, height });
  const ground = await raw(photo(behind).resize({ width, height, fit: 'cover' }).removeAlpha().blur(blur));
  const pixels = blend(subject, ground, alpha);
  const image = () => sharp(pixels, { raw: { width, height, channels: 3 } });
  return { name: `${shape} before ${behind.split('_')[0]}`, width, height, alpha, subject, ground, pixels,
    png: await image().png({ compressionLevel: 3 }).toBuffer(), jpeg: await image().jpeg({ quality: 92 }).toBuffer() };
}
export const composites = (opts) => Promise.all(scenes.map((s) => scene(s, opts)));
/** One of them, by its shape. */
export const composite = (shape, opts) => scene(scenes.find(([name]) => name === shape), opts);

/** A shape in its own colours on one flat colour, as shops take their products. */
export async function product(shape, colour, { width = 600, height = 600, soft = 0.7 } = {}) {
  const alpha = await maskOf(shape, { width, height, size: 0.7, turn: 0, place: 0.5, soft });
  const subject = Buffer.alloc(width * height * 3);
  for (let i = 0; i < subject.length; i += 3) { // far from white, black and green, and not of one piece
    subject[i] = 150 + (i / 3 % width) * 60 / width;
    subject[i + 1] = 30 + (i / 3 / width) * 40 / height;
    subject[i + 2] = 60;
  }
  const ground = Buffer.alloc(subject.length, Buffer.from(colour));
  const pixels = blend(subject, ground, alpha);
  const png = await sharp(pixels, { raw: { width, height, channels: 3 } }).png().toBuffer();
  return { name: `${shape} on ${colour}`, width, height, alpha, subject, ground, pixels, png };
}
