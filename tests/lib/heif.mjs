// HEIF and AVIF as phones write them, which no encoder at hand does: a picture cut into tiles that a
// grid puts together, turned and mirrored by properties, with a thumbnail and EXIF beside it
// (ISO/IEC 23008-12). The tiles are pictures that an encoder has made; this only packs them anew.
import { be16, be32, box, bytes, ftyp } from './formats.mjs';

const full = (type, version, flags, ...parts) => box(type, version, be32(flags).slice(1), ...parts);

/** The boxes of a buffer: [{ type, whole, body }]. Sizes of 64 bits are not met with here. */
function boxes(buf) {
  const out = [];
  for (let at = 0, size; at + 8 <= buf.length; at += size) {
    size = buf.readUInt32BE(at) || buf.length - at;
    out.push({ type: buf.toString('latin1', at + 4, at + 8), whole: buf.subarray(at, at + size), body: buf.subarray(at + 8, at + size) });
  }
  return out;
}
function inside(buf, ...path) {
  for (const type of path) buf = boxes(buf).find((b) => b.type === type).body.subarray(type === 'meta' ? 4 : 0);
  return buf;
}

/** The first item of an encoder's file: { codec, config (its box), data, width, height }. */
export function codedItem(file) {
  const properties = boxes(inside(file, 'meta', 'iprp', 'ipco'));
  const config = properties.find((b) => b.type === 'hvcC' || b.type === 'av1C').whole;
  const size = properties.find((b) => b.type === 'ispe').body;
  const iloc = inside(file, 'meta', 'iloc');
  const [version, sizes, bases] = [iloc[0], iloc[4], iloc[5]];
  const wide = [sizes >> 4, sizes & 15, bases >> 4, version ? bases & 15 : 0]; // offset, length, base, index
  let at = version < 2 ? 8 : 10;
  at += (version < 2 ? 2 : 4) + (version ? 2 : 0) + 2; // item, construction, data reference
  const next = (n) => (n ? iloc.readUIntBE((at += n) - n, n) : 0);
  const base = next(wide[2]);
  if (next(2) !== 1) throw new Error('an item in one piece was expected');
  next(wide[3]);
  const offset = base + next(wide[0]);
  const data = file.subarray(offset, offset + next(wide[1]));
  return { codec: config.includes('hvcC') ? 'hvc1' : 'av01', config, data, width: size.readUInt32BE(4), height: size.readUInt32BE(8) };
}

const ispe = (w, h) => full('ispe', 0, 0, be32(w), be32(h));
const GRID = 1;

/** What is in the file: [{ type, hidden, data, properties, reference }], the grid first. */
function itemsOf({ tiles, columns, width, height, turn, mirror, clap, exif, thumbnail, claim }) {
  const grid = bytes(0, 1, tiles.length / columns - 1, columns - 1, be32(width), be32(height));
  const coded = (t) => ({ type: t.codec, data: t.data, properties: [t.config, ispe(t.width, t.height)] });
  const list = [{ type: 'grid', data: grid, inMeta: true, properties: [ispe(...(claim ?? [width, height])),
    ...(clap ? [box('clap', ...[...clap, 0, 0].map((n) => bytes(be32(n), be32(1))))] : []),
    ...(turn ? [box('irot', turn)] : []), ...(mirror === undefined ? [] : [box('imir', mirror)])],
  reference: ['dimg', tiles.map((_, i) => GRID + 1 + i)] }];
  list.push(...tiles.map((t) => ({ ...coded(t), hidden: true })));
  if (thumbnail) list.push({ ...coded(thumbnail), reference: ['thmb', [GRID]] });
  if (exif) list.push({ type: 'Exif', data: bytes(be32(0), exif), properties: [], reference: ['cdsc', [GRID]] });
  return list.map((item, i) => ({ ...item, id: GRID + i }));
}

function metaBox(list, places) {
  const properties = []; // each once, however many items have it
  const indexOf = (p) => properties.findIndex((q) => q.equals(p)) + 1 || properties.push(p);
  const associations = list.map((item) => bytes(be16(item.id), item.properties.length, item.properties.map((p) => 0x80 | indexOf(p))));
  const references = list.filter((item) => item.reference).map(({ id, reference: [type, to] }) => box(type, be16(id), be16(to.length), ...to.map(be16)));
  return full('meta', 0, 0,
    full('hdlr', 0, 0, be32(0), 'pict', Buffer.alloc(13)),
    full('pitm', 0, 0, be16(GRID)),
    full('iloc', 1, 0, 0x44, 0, be16(list.length), ...list.map((item, i) =>
      bytes(be16(item.id), be16(item.inMeta ? 1 : 0), be16(0), be16(1), be32(places[i]), be32(item.data.length)))),
    full('iinf', 0, 0, be16(list.length), ...list.map((item) => full('infe', 2, item.hidden ? 1 : 0, be16(item.id), be16(0), item.type, 0))),
    full('iref', 0, 0, ...references),
    box('iprp', box('ipco', ...properties), full('ipma', 0, 0, be32(list.length), ...associations)),
    box('idat', ...list.filter((item) => item.inMeta).map((item) => item.data)));
}

/** A file of tiles, row by row, `columns` of them a row; what hangs over width × height is cut off.
 * turn: quarters anticlockwise; then mirror: 0 top and bottom, 1 left and right; before both, clap: the
 * size of the middle that is shown. claim: a size that
 * the item says it has instead of its own. More: exif (a TIFF structure), thumbnail (a coded item). */
export function gridHeif(options) {
  const list = itemsOf(options);
  const head = ftyp(list[1].type === 'hvc1' ? 'heic' : 'avif');
  let at = head.length + metaBox(list, list.map(() => 0)).length + 8;
  const places = list.map((item) => (item.inMeta ? 0 : (at += item.data.length) - item.data.length));
  return bytes(head, metaBox(list, places), box('mdat', ...list.filter((item) => !item.inMeta).map((item) => item.data)));
}
