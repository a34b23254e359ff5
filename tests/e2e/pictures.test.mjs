// What comes out, seen through the whole server and judged by sharp, which shares no code with bulb's
// path from file to pixels: the same size, and nearly the same pixels, for every kind of source and
// every way to cut and fit it.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { tempDir, bulb, run, post, get, ended, items, photos } from '../lib/harness.mjs';
import { startOrigin } from '../lib/origin.mjs';
import { directory, entry, exifSegment, segment, tiffHead, withSegments, bytes } from '../lib/formats.mjs';
import { codedItem, gridHeif } from '../lib/heif.mjs';

let dir, origin, base, photo;
let files = 0;
const closing = [];
const whole = { after: (fn) => closing.push(fn) };
before(async () => {
  dir = tempDir(whole);
  origin = await startOrigin({ dir });
  base = (await bulb(whole, tempDir(whole), ['--per-host', '16'])).url;
  photo = await sharp(join(photos, 'Bridge_by_Sander_Klootwijk.jpg')).resize(600, 400).png().toBuffer();
});
after(async () => {
  origin.close();
  for (const fn of closing.reverse()) await fn();
});

/** What bulb makes of a file: { name: { width, height, format, bytes (the file) } }. */
async function made(file, variants) {
  const name = `${files++}.bin`;
  writeFileSync(join(dir, name), file);
  const r = await post(`${base}/v1/jobs`, { urls: [`${origin.url}/${name}`], variants });
  assert.equal(r.status, 202, r.text);
  await ended(base, r.json.id);
  const [item] = await items(base, r.json.id);
  assert.equal(item.status, 'succeeded', JSON.stringify(item.error));
  const out = {};
  for (const v of item.variants) out[v.name] = { ...v, bytes: (await get(v.url)).bytes };
  return { ...out, item };
}

const rgba = (input) => sharp(input).ensureAlpha().toColourspace('srgb').raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true });

/** Mean difference of two files in levels of 255, transparent pixels by what can be seen of them. */
async function difference(one, other, what = '') {
  const [a, b] = [await rgba(one), await rgba(other)];
  assert.deepEqual([a.info.width, a.info.height], [b.info.width, b.info.height], `${what}: the same size`);
  let sum = 0;
  for (let i = 0; i < a.data.length; i += 4) {
    const [p, q] = [a.data[i + 3] / 255, b.data[i + 3] / 255];
    for (let c = 0; c < 3; c++) sum += Math.abs(a.data[i + c] * p - b.data[i + c] * q);
    sum += Math.abs(a.data[i + 3] - b.data[i + 3]);
  }
  return sum / a.data.length;
}
async function assertSame(what, file, judge, most = 2) {
  const d = await difference(file, await judge.png().toBuffer(), what);
  assert.ok(d <= most, `${what}: ${d.toFixed(2)} levels away from what sharp makes`);
}
const png = [{ name: 'a', width: 150, format: 'png' }];
const half = (input) => sharp(input).resize({ width: 150 });

test('the eight orientations come out upright, in every format that can say them', async () => {
  const upright = await sharp(photo).resize(300, 200).toBuffer();
  for (let o = 1; o <= 8; o++) {
    // EXIF says how the picture was turned; this turns it so.
    const turned = await sharp(upright).rotate([0, 0, 0, 180, 180, 90, 270, 270, 90][o]).png().toBuffer();
    const raw = await sharp(turned).flop([2, 4, 5, 7].includes(o)).png().toBuffer();
    assert.equal(await difference(await sharp(raw).withMetadata({ orientation: o }).png().toBuffer().then((f) => sharp(f).autoOrient().toBuffer()), upright), 0);
    for (const [format, options] of [['jpeg', { quality: 95 }], ['jpeg', { quality: 95, progressive: true }], ['webp', { quality: 95 }], ['png', {}], ['tiff', {}]]) {
      if (o !== 6 && format !== 'jpeg') continue;
      const file = await sharp(raw).withMetadata({ orientation: o })[format](options).toBuffer();
      const out = await made(file, [...png, { name: 'b', width: 150, height: 150, position: 'northwest', format: 'png' }]);
      await assertSame(`${format} ${o}`, out.a.bytes, half(upright));
      await assertSame(`${format} ${o}, cut`, out.b.bytes, sharp(upright).resize(150, 150, { position: 'northwest' }));
      assert.deepEqual([out.item.source.width, out.item.source.height], [300, 200], `${format} ${o}`);
    }
  }
});

/** One picture as HEVC or AV1, by two encoders that have nothing to do with bulb. */
async function coded(codec, picture) {
  if (codec === 'AVIF') return codedItem(await picture.avif({ quality: 95, effort: 0 }).toBuffer());
  const [from, to] = [join(dir, 'tile.png'), join(dir, 'tile.heic')];
  await picture.png().toFile(from);
  execFileSync('heif-enc', ['-q', '95', '-p', 'preset=ultrafast', '-o', to, from], { stdio: ['ignore', 'ignore', 'inherit'] });
  return codedItem(readFileSync(to));
}
/** What a phone writes of a picture: tiles, the last of each row and column hanging over, a turn, a
 * thumbnail of other pixels, and an EXIF that tells of the turn again. */
async function phoneFile(codec, upright, { turn = 0, mirror, ...more } = {}) {
  const side = 128;
  // What undoes the mirror, and then the turn.
  const unmirrored = mirror === undefined ? upright : await sharp(upright)[mirror ? 'flop' : 'flip']().png().toBuffer();
  const { data: stored, info: { width, height } } = await sharp(unmirrored).rotate(90 * turn).png().toBuffer({ resolveWithObject: true });
  const [columns, rows] = [Math.ceil(width / side), Math.ceil(height / side)];
  const padded = await sharp(stored).extend({ right: columns * side - width, bottom: rows * side - height, extendWith: 'copy' }).png().toBuffer();
  const tiles = [];
  for (let i = 0; i < columns * rows; i++)
    tiles.push(await coded(codec, sharp(padded).extract({ left: i % columns * side, top: Math.floor(i / columns) * side, width: side, height: side })));
  const thumbnail = await coded(codec, sharp({ create: { width: 64, height: 64, channels: 3, background: '#ff00ff' } }));
  const orientation = [1, 8, 3, 6][turn];
  const exif = bytes(tiffHead, directory([entry(0x112, 3, 1, orientation)]));
  return gridHeif({ tiles, columns, width, height, turn, mirror, thumbnail, exif, ...more });
}

test('a phone\'s picture that is shown in part is cut', { timeout: 60000 }, async () => {
  const upright = await sharp(photo).resize(320, 200).png().toBuffer();
  for (const codec of ['AVIF', 'HEIC']) for (const turn of [0, 1]) {
    const clap = turn ? [100, 160] : [160, 100]; // of the picture as it is stored
    const out = await made(await phoneFile(codec, upright, { turn, clap }), png);
    assert.deepEqual([out.item.source.width, out.item.source.height], [160, 100], codec);
    const middle = await sharp(upright).extract({ left: 80, top: 50, width: 160, height: 100 }).png().toBuffer();
    await assertSame(`${codec}, turned ${turn}`, out.a.bytes, half(middle), 3);
  }
});

test('tiles, turns and mirrors of a phone are put together once', { timeout: 120000 }, async () => {
  const upright = await sharp(photo).resize(320, 200).png().toBuffer();
  const turns = [{}, { turn: 1 }, { turn: 2 }, { turn: 3 }, { mirror: 0 }, { mirror: 1 }, { turn: 1, mirror: 1 }];
  for (const codec of ['AVIF', 'HEIC']) for (const how of turns) {
    const what = `${codec} ${JSON.stringify(how)}`;
    const file = await phoneFile(codec, upright, how);
    const out = await made(file, [...png, { name: 'b', width: 150, height: 150, position: 'northwest', format: 'png' }]);
    assert.deepEqual([out.item.source.width, out.item.source.height], [320, 200], what);
    await assertSame(what, out.a.bytes, half(upright), 3);
    await assertSame(`${what}, cut`, out.b.bytes, sharp(upright).resize(150, 150, { position: 'northwest' }), 3);
    if (codec === 'AVIF') await assertSame(`${what}, read by sharp`, out.a.bytes, half(file));
  }
});

test('a grid is weighed by all of its tiles, and refused when it lies about them', { timeout: 60000 }, async (t) => {
  const tile = await coded('AVIF', sharp({ create: { width: 512, height: 512, channels: 3, background: '#336699' } }));
  const grid = (columns, rows, more) => gridHeif({ tiles: Array(columns * rows).fill(tile), columns, width: 512 * columns, height: 512 * rows, ...more });
  const server = await bulb(t, tempDir(t), ['--max-pixels', '4000000']);
  const ends = async (file) => {
    const name = `${files++}.bin`;
    writeFileSync(join(dir, name), file);
    const r = await post(`${server.url}/v1/jobs`, { urls: [`${origin.url}/${name}`], variants: png });
    await ended(server.url, r.json.id);
    const [item] = await items(server.url, r.json.id);
    return item.error?.code ?? item.status;
  };
  assert.equal(await ends(grid(4, 3)), 'succeeded');
  assert.equal(await ends(grid(4, 4)), 'limit_pixels');
  assert.equal(await ends(grid(4, 4, { turn: 1 })), 'limit_pixels');
  assert.equal(await ends(grid(4, 4, { claim: [512, 512] })), 'decode_corrupt');
  assert.match(await ends(grid(40, 40, { claim: [512, 512] })), /^(limit_memory|decode_corrupt)$/);
});

test('a picture beside a larger one in its file is as sharp as alone', async () => {
  const small = await sharp(photo).resize(256, 128, { fit: 'fill' }).png().toBuffer();
  const file = await phoneFile('AVIF', small, { thumbnail: await coded('AVIF', sharp(photo).resize(1024, 768, { fit: 'fill' })) });
  await assertSame('beside', (await made(file, png)).a.bytes, half(file));
});

test('alpha is kept in webp, png and avif, and laid on the background in jpeg', async () => {
  const mask = Buffer.alloc(600 * 400, 0).map((_, i) => Math.min(255, Math.floor(i % 600 / 2)));
  const file = await sharp(photo).joinChannel(mask, { raw: { width: 600, height: 400, channels: 1 } }).png().toBuffer();
  const formats = ['webp', 'png', 'avif', 'jpeg'];
  const out = await made(file, formats.map((format) => ({ name: format, width: 150, format, quality: format === 'png' ? undefined : 90, background: '#3366cc' })));
  for (const format of formats.slice(0, 3)) {
    assert.equal((await sharp(out[format].bytes).metadata()).hasAlpha, true, format);
    await assertSame(format, out[format].bytes, half(file));
  }
  assert.equal((await sharp(out.jpeg.bytes).metadata()).hasAlpha, false);
  await assertSame('jpeg', out.jpeg.bytes, half(file).flatten({ background: '#3366cc' }));
});

test('every kind of source comes out right', { timeout: 120000 }, async () => {
  const kinds = {
    'CMYK jpeg': (s) => s.toColourspace('cmyk').jpeg({ quality: 95 }),
    'grey jpeg': (s) => s.grayscale().jpeg({ quality: 95 }),
    'progressive jpeg': (s) => s.jpeg({ quality: 95, progressive: true }),
    'jpeg without chroma subsampling': (s) => s.jpeg({ quality: 95, chromaSubsampling: '4:4:4' }),
    'jpeg in Display P3': (s) => s.withIccProfile('p3').jpeg({ quality: 95 }),
    '16-bit png': (s) => s.toColourspace('rgb16').png(),
    'grey png': (s) => s.grayscale().png(),
    'grey 16-bit png': (s) => s.toColourspace('grey16').png(),
    'grey png with alpha': (s) => s.grayscale().ensureAlpha(0.5).png(),
    'palette png': (s) => s.png({ palette: true, colours: 64 }),
    'two-colour png': (s) => s.grayscale().threshold().toColourspace('b-w').png({ palette: true, colours: 2 }),
    'interlaced png': (s) => s.png({ progressive: true }),
    'png in Display P3': (s) => s.withIccProfile('p3').png(),
    'webp': (s) => s.webp({ quality: 90 }),
    'lossless webp': (s) => s.webp({ lossless: true }),
    'gif': (s) => s.gif(),
    'tiff with lzw': (s) => s.tiff({ compression: 'lzw' }),
    'tiled tiff with jpeg': (s) => s.tiff({ compression: 'jpeg', quality: 95, tile: true }),
    '16-bit tiff': (s) => s.toColourspace('rgb16').tiff(),
    'CMYK tiff': (s) => s.toColourspace('cmyk').tiff(),
    'avif': (s) => s.avif({ quality: 90, effort: 0 }),
  };
  for (const [name, make] of Object.entries(kinds)) {
    const file = await make(sharp(photo)).toBuffer();
    const out = await made(file, png);
    await assertSame(name, out.a.bytes, half(file));
  }
});

test('what a camera wrote stays behind, in every format', async () => {
  const secret = 'SECRET-PLACE';
  const exif = { IFD0: { Copyright: secret, Make: secret }, IFD3: { GPSLatitudeRef: 'N', GPSLatitude: '51/1 30/1 3230/100' } };
  const xmp = `<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="${secret}"/></rdf:RDF></x:xmpmeta>`;
  const variants = ['jpeg', 'webp', 'png', 'avif'].flatMap((format) =>
    [{ name: format, width: 100, format }, { name: `${format}-whole`, format, ...(format === 'png' ? {} : { quality: 90 }) },
      ...(format === 'webp' || format === 'avif' ? [{ name: `${format}-lossless`, width: 100, format, lossless: true }] : [])]);
  for (const format of ['jpeg', 'png', 'webp', 'tiff', 'avif']) {
    let file = await sharp(photo).resize(300).withExif(exif).withXmp(xmp)[format]({ effort: format === 'avif' ? 0 : undefined }).toBuffer();
    if (format === 'jpeg') file = withSegments(file, segment(0xfe, secret), segment(0xed, 'Photoshop 3.0\0', secret), segment(0xe1, 'http://ns.adobe.com/xap/1.0/\0', secret));
    assert.ok(file.includes(secret), `${format}: it is in the source`);
    const out = await made(file, variants);
    for (const v of variants) {
      const { bytes } = out[v.name];
      const meta = await sharp(bytes).metadata();
      assert.ok(!bytes.includes(secret), `${format} to ${v.name}`);
      for (const what of ['exif', 'xmp', 'iptc', 'icc', 'orientation']) assert.equal(meta[what], undefined, `${format} to ${v.name}: ${what}`);
    }
  }
});

const compass = ['centre', 'north', 'northeast', 'east', 'southeast', 'south', 'southwest', 'west', 'northwest'];
const shapes = [[150, 150], [200, 60], [50, 170]];
const words = { centre: 'centre', northeast: 'right top', southeast: 'right bottom', southwest: 'left bottom', northwest: 'left top', north: 'top', south: 'bottom', east: 'right', west: 'left' };

test('fit and position are those of sharp', { timeout: 120000 }, async () => {
  const cases = [];
  for (const [width, height] of shapes) {
    for (const fit of ['cover', 'contain']) for (const position of compass) cases.push({ width, height, fit, position });
    for (const fit of ['fill', 'inside', 'outside']) cases.push({ width, height, fit });
  }
  cases.push({ width: 130 }, { height: 77 }, { width: 90, fit: 'fill' }, { width: 700, height: 700, fit: 'outside' });
  for (const [format, options] of [['png', {}], ['jpeg', { quality: 95 }]]) {
    const file = await sharp(photo)[format](options).toBuffer();
    for (let i = 0; i < cases.length; i += 20) {
      const part = cases.slice(i, i + 20).map((c, k) => ({ name: `v${i + k}`, format: 'png', background: '#20a060', ...c }));
      const out = await made(file, part);
      for (const { name, width, height, fit, position, background } of part) {
        const judge = sharp(file).resize({ width, height, fit, background, ...(position ? { position: words[position] } : {}) });
        await assertSame(`${format} ${fit} ${position} ${width}x${height}`, out[name].bytes, judge);
      }
    }
  }
});

test('a cut that looks for what is interesting has its size', async () => {
  const out = await made(photo, ['entropy', 'attention'].flatMap((position) => shapes.map(([width, height], i) =>
    ({ name: `${position}${i}`, width, height, position, format: 'png' }))));
  for (const position of ['entropy', 'attention']) for (const [i, [width, height]] of shapes.entries()) {
    const meta = await sharp(out[`${position}${i}`].bytes).metadata();
    assert.deepEqual([meta.width, meta.height], [width, height]);
  }
});

test('without_enlargement leaves a small picture small, as sharp does', async () => {
  const file = await sharp(photo).resize(100, 80).png().toBuffer();
  const cases = [[300, 300], [300, undefined], [undefined, 200], [300, 60], [60, 300]].flatMap(([width, height]) =>
    ['cover', 'contain', 'inside', 'fill'].map((fit) => ({ width, height, fit, without_enlargement: true })));
  const out = await made(file, cases.map((c, i) => ({ name: `v${i}`, format: 'png', ...c })));
  for (const [i, { width, height, fit }] of cases.entries())
    await assertSame(`${fit} ${width}x${height}`, out[`v${i}`].bytes, sharp(file).resize({ width, height, fit, withoutEnlargement: true }));
});

test('bars have the background, and may be half transparent', async () => {
  const out = await made(photo, ['#ff0000', '#00ff0080', 'purple', '#0000'].map((background, i) =>
    ({ name: `v${i}`, width: 100, height: 100, fit: 'contain', background, format: 'png' })));
  const wanted = [[255, 0, 0, 255], [0, 255, 0, 128], [0x80, 0, 0x80, 255], [0, 0, 0, 0]];
  for (const [i, colour] of wanted.entries()) {
    const { data, info } = await rgba(out[`v${i}`].bytes);
    assert.deepEqual([info.width, info.height], [100, 100]);
    assert.deepEqual([...data.subarray(0, 4)], colour);
    assert.deepEqual([...data.subarray(-4)], colour);
    assert.equal(data[(50 * 100 + 50) * 4 + 3], 255, 'the picture itself is opaque');
  }
});

test('quality, effort, lossless and progressive reach the encoders', { timeout: 120000 }, async () => {
  const variants = [{ name: 'whole', width: 300, format: 'png' }, { name: 'interlaced', width: 300, format: 'png', progressive: true },
    { name: 'png0', width: 300, format: 'png', effort: 0 }, { name: 'png10', width: 300, format: 'png', effort: 10 }];
  for (const format of ['jpeg', 'webp', 'avif']) for (const quality of [20, 50, 90]) variants.push({ name: `${format}${quality}`, width: 300, format, quality });
  variants.push({ name: 'progressive', width: 300, format: 'jpeg', progressive: true }, { name: 'webp-lossless', width: 300, format: 'webp', lossless: true },
    { name: 'avif-lossless', width: 300, format: 'avif', lossless: true }, { name: 'webp-fast', width: 300, format: 'webp', effort: 0 },
    { name: 'webp-slow', width: 300, format: 'webp', effort: 6 }, { name: 'avif-slow', width: 300, format: 'avif', effort: 5 });
  const out = await made(photo, variants);
  for (const v of variants) {
    const meta = await sharp(out[v.name].bytes).metadata();
    assert.equal(meta.format === 'heif' ? meta.compression : meta.format, v.format === 'avif' ? 'av1' : v.format, v.name);
    assert.equal(meta.isProgressive ?? false, v.progressive ?? false, v.name);
    assert.deepEqual([meta.width, meta.height], [300, 200], v.name);
  }
  for (const format of ['jpeg', 'webp', 'avif']) {
    const [low, mid, high] = [20, 50, 90].map((q) => out[`${format}${q}`].bytes);
    assert.ok(low.length < mid.length && mid.length < high.length, `${format}: quality is size`);
    assert.ok(await difference(high, out.whole.bytes) < await difference(low, out.whole.bytes), `${format}: quality is closeness`);
  }
  assert.equal(await difference(out['webp-lossless'].bytes, out.whole.bytes), 0);
  assert.equal(await difference(out.interlaced.bytes, out.whole.bytes), 0);
  assert.ok(await difference(out['avif-lossless'].bytes, out.whole.bytes) < 1);
  assert.ok(out.png10.bytes.length < out.png0.bytes.length);
  assert.ok(out['webp-slow'].bytes.length < out['webp-fast'].bytes.length);
});

test('presets from a file add and override; --only-presets refuses variants', async (t) => {
  const file = join(tempDir(t), 'presets.json');
  writeFileSync(file, JSON.stringify({ web: [{ name: 'only', width: 40, format: 'webp' }],
    cards: [{ name: 'card', width: 120, height: 80, fit: 'cover', format: 'avif', effort: 0 }, { name: 'icon', width: 16, height: 16, format: 'png' }] }));
  const server = await bulb(t, tempDir(t), ['--presets', file, '--only-presets']);
  writeFileSync(join(dir, 'preset.png'), photo);
  const urls = [`${origin.url}/preset.png`];
  const names = async (body) => {
    const r = await post(`${server.url}/v1/jobs`, { urls, ...body });
    assert.equal(r.status, 202, r.text);
    assert.equal((await ended(server.url, r.json.id)).status, 'succeeded');
    return (await items(server.url, r.json.id))[0].variants.map((v) => `${v.name} ${v.format} ${v.width}x${v.height}`);
  };
  assert.deepEqual(await names({}), ['only webp 40x27']);
  assert.deepEqual(await names({ preset: 'cards' }), ['card avif 120x80', 'icon png 16x16']);
  assert.deepEqual(Object.keys((await get(`${server.url}/v1/presets`)).json.presets ?? (await get(`${server.url}/v1/presets`)).json).sort(), ['cards', 'web']);
  for (const body of [{ variants: png }, { preset: 'cards', variants: png }]) {
    const refused = await post(`${server.url}/v1/jobs`, { urls, ...body });
    assert.equal(refused.status, 422);
    assert.equal(refused.json.code, 'request_unsupported');
    assert.equal(refused.json.errors[0].pointer, '/variants');
  }
  const own = await post(`${server.url}/v1/jobs`, { urls: [{ url: urls[0], variants: png }] });
  assert.equal(own.status, 422);
  assert.equal(own.json.errors[0].pointer, '/urls/0/variants');
  const near = await post(`${server.url}/v1/jobs`, { urls, preset: 'card' });
  assert.equal(near.status, 422);
  assert.match(near.json.errors[0].detail, /cards/);
});

test('a presets file that makes no sense is refused with its place', async (t) => {
  const dir2 = tempDir(t);
  for (const [text, says] of [['{"a": [{"name": "x", "widht": 3, "format": "jpeg"}]}', /widht/], ['[1]', /presets/], ['{', /presets/],
    ['{"a": []}', /a/], ['{"a": [{"name": "x", "format": "tiff"}]}', /tiff/]]) {
    writeFileSync(join(dir2, 'p.json'), text);
    const r = await run(['serve', '--listen', '127.0.0.1:0', '--data', join(dir2, 'd'), '--presets', join(dir2, 'p.json')]);
    assert.notEqual(r.code, 0);
    assert.match(r.err, says);
    assert.match(r.err, /--presets|p\.json/);
  }
  const out = join(dir2, 'out');
  writeFileSync(join(dir2, 'p.json'), '{"tiny": [{"name": "t", "width": 20, "format": "png"}]}');
  writeFileSync(join(dir2, 'photo.png'), photo);
  const r = await run(['run', '-o', out, '--presets', join(dir2, 'p.json'), '--preset', 'tiny', join(dir2, 'photo.png')]);
  assert.equal(r.code, 0, r.err);
  assert.equal((await sharp(readFileSync(join(out, 'photo-t.png'))).metadata()).width, 20);
});
