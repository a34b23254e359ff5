// SPDX-License-Identifier: MIT
//
// ThumbHash (https://evanw.github.io/thumbhash/): a picture in about 25 bytes. The header says the average
// luminance L, two chroma channels P and Q, whether there is alpha, and how far the channels swing; what
// follows are the first terms of a cosine transform of each channel, four bits a term.

/** @param {string | Uint8Array} hash in base64 or as bytes @returns {Uint8Array} */
export function thumbHashBytes(hash) {
  if (typeof hash !== 'string') return hash;
  return Uint8Array.from(atob(hash.replace(/-/g, '+').replace(/_/g, '/')), (c) => c.charCodeAt(0));
}

function header(hash) {
  const low = hash[0] | (hash[1] << 8) | (hash[2] << 16);
  const high = hash[3] | (hash[4] << 8);
  const hasAlpha = low >> 23 !== 0;
  const isLandscape = high >> 15 !== 0;
  const terms = Math.max(1, high & 7);
  const most = hasAlpha ? 5 : 7;
  return {
    l: { dc: (low & 63) / 63, scale: ((low >> 18) & 31) / 31 },
    p: { dc: ((low >> 6) & 63) / 31.5 - 1, scale: ((high >> 3) & 63) / 63 },
    q: { dc: ((low >> 12) & 63) / 31.5 - 1, scale: ((high >> 9) & 63) / 63 },
    a: hasAlpha ? { dc: (hash[5] & 15) / 15, scale: (hash[5] >> 4) / 15 } : { dc: 1, scale: 0 },
    hasAlpha,
    nx: isLandscape ? most : terms,
    ny: isLandscape ? terms : most,
  };
}

/** The terms of one channel, as [x, y, factor]: those below the diagonal, without the constant one. */
function channel(next, { scale }, nx, ny) {
  const out = [];
  for (let y = 0; y < ny; y++)
    for (let x = y ? 0 : 1; x * ny < nx * (ny - y); x++) out.push([x, y, (next() / 7.5 - 1) * scale]);
  return out;
}

function terms(hash, h) {
  let i = (h.hasAlpha ? 6 : 5) * 2;
  const next = () => (hash[i >> 1] >> ((i++ & 1) << 2)) & 15;
  const p = { scale: h.p.scale * 1.25 }; // what quantisation took from the colours is given back
  const q = { scale: h.q.scale * 1.25 };
  const l = channel(next, h.l, Math.max(3, h.nx), Math.max(3, h.ny));
  return { l, p: channel(next, p, 3, 3), q: channel(next, q, 3, 3), a: h.hasAlpha ? channel(next, h.a, 5, 5) : [] };
}

const cosines = (n, size) => Array.from({ length: size }, (_, at) =>
  Array.from({ length: n }, (__, i) => Math.cos((Math.PI / size) * (at + 0.5) * i)));

const byte = (v) => Math.max(0, 255 * Math.min(1, v));

/** Width by height, as near as the hash remembers it. */
export function thumbHashRatio(hash) {
  const { nx, ny } = header(thumbHashBytes(hash));
  return nx / ny;
}

/** The average colour, each 0 … 1. */
export function thumbHashColor(hash) {
  return color(header(thumbHashBytes(hash)), (c) => c.dc);
}

function color(h, value) {
  const l = value(h.l);
  const b = l - (2 / 3) * value(h.p);
  const r = (3 * l - b + value(h.q)) / 2;
  const clamp = (v) => Math.max(0, Math.min(1, v));
  return { r: clamp(r), g: clamp(r - value(h.q)), b: clamp(b), a: value(h.a) };
}

/**
 * The picture: at most 32 by 32 pixels, four bytes each, alpha not premultiplied.
 * @returns {{width: number, height: number, rgba: Uint8ClampedArray}}
 */
export function thumbHashToRgba(hash) {
  const bytes = thumbHashBytes(hash);
  const h = header(bytes);
  const ratio = h.nx / h.ny;
  const width = Math.round(ratio > 1 ? 32 : 32 * ratio);
  const height = Math.round(ratio > 1 ? 32 / ratio : 32);
  const { l, p, q, a } = terms(bytes, h);
  const fx = cosines(Math.max(h.nx, 5), width);
  const fy = cosines(Math.max(h.ny, 5), height);
  const rgba = new Uint8ClampedArray(width * height * 4);
  const sum = (base, list, x, y) => list.reduce((v, [i, j, f]) => v + f * fx[x][i] * fy[y][j] * 2, base);
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++, at += 4) {
      const vl = sum(h.l.dc, l, x, y);
      const vp = sum(h.p.dc, p, x, y);
      const vq = sum(h.q.dc, q, x, y);
      const b = vl - (2 / 3) * vp;
      const r = (3 * vl - b + vq) / 2;
      rgba.set([byte(r), byte(r - vq), byte(b), h.hasAlpha ? byte(sum(h.a.dc, a, x, y)) : 255], at);
    }
  }
  return { width, height, rgba };
}
