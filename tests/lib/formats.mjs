// Picture files put together byte by byte, for tests that need them broken, absurd or of a kind that
// no encoder writes. Nothing here compresses: large pictures are made of data that repeats.
import { deflateRawSync, constants } from 'node:zlib';
import { chunk } from './pictures.mjs';

export { chunk };
export const bytes = (...parts) => Buffer.concat(parts.map((p) => (typeof p === 'string' ? Buffer.from(p, 'latin1') :
  typeof p === 'number' ? Buffer.from([p]) : Buffer.from(p))));
export const be16 = (v) => [v >>> 8 & 255, v & 255];
export const be32 = (v) => [v >>> 24 & 255, v >>> 16 & 255, v >>> 8 & 255, v & 255];
export const le16 = (v) => [v & 255, v >>> 8 & 255];
export const le24 = (v) => [v & 255, v >>> 8 & 255, v >>> 16 & 255];
export const le32 = (v) => [...le16(v), ...le16(v >>> 16)];
/** n times the same bytes, or what a function makes of 0 … n - 1. */
export const repeat = (n, what) => (typeof what === 'function' ? Buffer.concat(Array.from({ length: n }, (_, i) => what(i))) :
  Buffer.alloc(n * what.length, what));

/** A zlib stream (RFC 1950) of n zero bytes, a thousandth of that in size, made without holding them. */
export function zeros(n) {
  const step = 1 << 20;
  const block = (size) => deflateRawSync(Buffer.alloc(size), { level: 9, finishFlush: constants.Z_FULL_FLUSH });
  const whole = block(step);
  const parts = [Buffer.from([0x78, 0xda]), ...Array(Math.floor(n / step)).fill(whole)];
  if (n % step) parts.push(block(n % step));
  // The last block is empty; Adler-32 of n zeros is 1 in its lower half, and n in its upper.
  return bytes(...parts, [3, 0], be16(n % 65521), be16(1));
}

// PNG
export const pngMagic = Buffer.from('89504e470d0a1a0a', 'hex');
export const ihdr = (w, h, { bits = 8, colour = 2, interlace = 0 } = {}) =>
  chunk('IHDR', bytes(be32(w), be32(h), [bits, colour, 0, 0, interlace]));
export const iend = chunk('IEND', Buffer.alloc(0));
const samples = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };

/** A black PNG of any size in hardly any bytes; more chunks go before the picture. */
export function blackPng(w, h, { bits = 8, colour = 2, interlace = 0, chunks = [], data } = {}) {
  const raw = h * (1 + Math.ceil(w * samples[colour] * bits / 8));
  return bytes(pngMagic, ihdr(w, h, { bits, colour, interlace }), ...chunks, chunk('IDAT', data ?? zeros(raw)), iend);
}

// JPEG
export const segment = (marker, ...parts) => {
  const body = bytes(...parts);
  return bytes([0xff, marker], be16(body.length + 2), body);
};
export const soi = Buffer.from([0xff, 0xd8]);
export const eoi = Buffer.from([0xff, 0xd9]);
export const dqt = segment(0xdb, 0, Buffer.alloc(64, 1));
/** A Huffman table of one code, "0". */
const oneCode = (kind, symbol) => segment(0xc4, kind, 1, Buffer.alloc(15), symbol);
export const sof = (marker, w, h, parts = 1, sampling = 0x11, bits = 8) =>
  segment(marker, bits, be16(h), be16(w), parts, ...Array.from({ length: parts }, (_, i) => [i + 1, i === 0 ? sampling : 0x11, 0]));
const sos = (parts, from, to, approx) =>
  segment(0xda, parts, ...Array.from({ length: parts }, (_, i) => [i + 1, 0]), from, to, approx);

/** Bits as the data of a scan: filled up with ones, a zero after each 0xff (T.81 F.1.2.3). */
const scanBits = (text) => bytes(...text.match(/.{1,8}/g).map((b) => parseInt(b.padEnd(8, '1'), 2)).map((b) => (b === 255 ? [255, 0] : [b])));
/** Grey, progressive, of any size; `scans` passes over the whole picture follow the first. */
export function progressiveJpeg(w, h, { scans = 0, before = [] } = {}) {
  const blocks = Math.ceil(w / 8) * Math.ceil(h / 8);
  const first = Buffer.alloc(Math.ceil(blocks / 8)); // a bit for each block: no difference to the last
  // Nothing more in 32,767 blocks: code "0", then fourteen bits.
  const pass = bytes(sos(1, 1, 63, 0), scanBits('011111111111111'.repeat(Math.ceil(blocks / 32767))));
  return bytes(soi, ...before, dqt, sof(0xc2, w, h), oneCode(0, 0), sos(1, 0, 0, 0), first,
    oneCode(0x10, 0xe0), ...Array(scans).fill(pass), eoi);
}

/** Puts segments right after the start of a JPEG. */
export const withSegments = (jpeg, ...segments) => bytes(jpeg.subarray(0, 2), ...segments, jpeg.subarray(2));
export const exifSegment = (...tiff) => segment(0xe1, 'Exif\0\0', ...tiff);

// TIFF and EXIF: a directory of [tag, type, count, value], little-endian, at offset 8.
export const entry = (tag, type, count, value) => bytes(le16(tag), le16(type), le32(count), type === 3 && count === 1 ? [...le16(value), 0, 0] : le32(value));
export const directory = (entries, next = 0) => bytes(le16(entries.length), ...entries, le32(next));
export const tiffHead = bytes('II*\0', le32(8));
/** Grey in one strip without compression, or with other entries instead. */
export function tiff(w, h, { pixels = Buffer.alloc(w * h, 0x55), next = 0, change = [], drop = [] } = {}) {
  const tags = new Map([[256, [3, 1, w]], [257, [3, 1, h]], [258, [3, 1, 8]], [259, [3, 1, 1]], [262, [3, 1, 1]],
    [273, [4, 1, 0]], [277, [3, 1, 1]], [278, [3, 1, h]], [279, [4, 1, pixels.length]], ...change]);
  for (const t of drop) tags.delete(t);
  const list = [...tags].sort((a, b) => a[0] - b[0]);
  const data = 8 + 2 + list.length * 12 + 4;
  const entries = list.map(([tag, v]) => entry(tag, ...(tag === 273 && v[2] === 0 ? [4, 1, data] : v)));
  return bytes(tiffHead, directory(entries, next), pixels);
}

// GIF
/** One frame of 1 x 1, in 14 bytes and less. */
export const gifFrame = (w = 1, h = 1, x = 0, y = 0) => bytes([0x2c], le16(x), le16(y), le16(w), le16(h), [0, 2, 2, 0x4c, 0x01, 0]);
/** A frame of grey pixels, 7 bits each: codes of 8 bits, started anew before they would grow. */
export function gifPixels(w, h, pixels) {
  const codes = [];
  pixels.forEach((v, i) => codes.push(...(i % 120 === 0 ? [128] : []), v >> 1));
  const data = Buffer.from([...codes, 129]);
  const blocks = repeat(Math.ceil(data.length / 255), (i) => bytes([Math.min(255, data.length - 255 * i)], data.subarray(255 * i, 255 * i + 255)));
  return bytes('GIF89a', le16(w), le16(h), [0xf6, 0, 0], repeat(128, (i) => Buffer.alloc(3, i * 2)), [0x2c, 0, 0, 0, 0], le16(w), le16(h), [0, 7], blocks, 0, 0x3b);
}
export const gif = (w, h, ...parts) => bytes('GIF89a', le16(w), le16(h), [0x80, 0, 0], [0, 0, 0, 255, 255, 255], ...parts, 0x3b);

// WebP
export const riffChunk = (type, ...parts) => {
  const body = bytes(...parts);
  return bytes(type, le32(body.length), body, body.length % 2 ? [0] : []);
};
export const webp = (...chunks) => {
  const body = bytes('WEBP', ...chunks);
  return bytes('RIFF', le32(body.length), body);
};
export const vp8x = (flags, w, h) => riffChunk('VP8X', [flags, 0, 0, 0], le24(w - 1), le24(h - 1));
/** The chunks of a WebP file that hold its picture. */
export const webpBody = (file) => file.subarray(12);
export const anmf = (x, y, w, h, body) => riffChunk('ANMF', le24(x / 2), le24(y / 2), le24(w - 1), le24(h - 1), le24(100), [0], body);

// HEIF
export const box = (type, ...parts) => {
  const body = bytes(...parts);
  return bytes(be32(body.length + 8), type, body);
};
export const ftyp = (brand = 'avif') => box('ftyp', brand, be32(0), brand, 'mif1', 'miaf');
/** The file with the bytes behind the first `name` (of a box) changed. */
export function patch(file, name, offset, ...parts) {
  const at = file.indexOf(name, 0, 'latin1');
  if (at < 0) throw new Error(`no ${name} in the file`);
  const out = Buffer.from(file);
  bytes(...parts).copy(out, at + name.length + offset);
  return out;
}
