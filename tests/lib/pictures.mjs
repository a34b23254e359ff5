// Pictures made by the tests themselves: small PNGs, each with bytes of its own.
import { deflateSync } from 'node:zlib';

const table = Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
  return c >>> 0;
});
/** The checksum of PNG and ZIP. */
export function crc32(buf) {
  let c = 0xffffffff;
  for (const b of buf) c = table[(c ^ b) & 0xff] ^ (c >>> 8);
  return (c ^ 0xffffffff) >>> 0;
}
/** One chunk of a PNG, with its checksum. */
export function chunk(type, data) {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const out = Buffer.alloc(body.length + 8);
  out.writeUInt32BE(data.length, 0);
  body.copy(out, 4);
  out.writeUInt32BE(crc32(body), body.length + 4);
  return out;
}

/** A PNG of these colours: paint(x, y) → [red, green, blue]. */
function paint(width, height, comment, at) {
  const raw = Buffer.alloc((width * 3 + 1) * height);
  for (let y = 0, i = 0; y < height; y++) {
    raw[i++] = 0;
    for (let x = 0; x < width; x++) for (const v of at(x, y)) raw[i++] = v & 255;
  }
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head[8] = 8;
  head[9] = 2;
  return Buffer.concat([
    Buffer.from('89504e470d0a1a0a', 'hex'), chunk('IHDR', head), chunk('tEXt', Buffer.from(`Comment\0${comment}`, 'latin1')),
    chunk('IDAT', deflateSync(raw)), chunk('IEND', Buffer.alloc(0)),
  ]);
}

/** A PNG of one colour gradient; different seeds give different pixels and bytes. */
export const png = (width = 64, height = 48, seed = 1) =>
  paint(width, height, `seed ${seed}`, (x, y) => [x * 4 + seed, y * 4 + (seed >> 8), x + y + seed * 7]);

/** A PNG of a red box on white, which can be cut out without a model; every fifth is white all over. */
export function product(width = 64, height = 48, seed = 1) {
  const inside = (v, size) => v >= size >> 2 && v < size - (size >> 2);
  return paint(width, height, `product ${seed}`, (x, y) =>
    (seed % 5 && inside(x, width) && inside(y, height) ? [160, seed & 63, (seed >> 6) & 63] : [255, 255, 255]));
}
