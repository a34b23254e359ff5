// Pictures that mean harm, or were harmed. Each is a name, a function that makes its bytes, and the
// ends that are right for it: 'ok', or error codes. Material is a set of small good files.
import { deflateSync } from 'node:zlib';
import { readFileSync } from 'node:fs';
import { random } from './random.mjs';
import * as f from './formats.mjs';

const { bytes, be16, be32, le16, le32, chunk, segment, box, repeat } = f;
const corrupt = 'decode_corrupt';
const other = 'fetch_not_image';
const odd = 'decode_unsupported';
/** Whatever the file turned out to be, it was looked at and ended well. */
const any = `ok ${corrupt} ${other} ${odd} limit_pixels limit_frames limit_memory limit_output`;
const MB = 1 << 20;

/** Nothing of this may ever come out in a variant. */
export const canary = '<script>alert("bulb-canary")</script>';

function truncated(m) {
  const list = [];
  for (const kind of ['jpeg', 'progressive', 'png', 'webp', 'gif', 'tiff', 'avif']) {
    const file = m[kind];
    for (const n of [1, 3, 11, 12, 20, 33, 64, 200])
      list.push([`${kind} cut after ${n} bytes`, () => file.subarray(0, n), `${corrupt} ${other} ${odd}`]);
    for (const part of [0.1, 0.25, 0.5, 0.75, 0.9])
      list.push([`${kind} cut after ${100 * part} %`, () => file.subarray(0, Math.floor(file.length * part)), corrupt]);
    for (const n of [1, 2, 4, 12]) // an end mark or a checksum is missing, or a few pixels
      list.push([`${kind} short of ${n} bytes`, () => file.subarray(0, file.length - n), `ok ${corrupt}`]);
  }
  return list;
}

const notPictures = () => [
  ['nothing at all', () => Buffer.alloc(0), other],
  ['a zero byte', () => Buffer.alloc(1), other],
  ['zero bytes', () => Buffer.alloc(65536), other],
  ['HTML named .jpg', () => bytes(`<!doctype html><title>x</title>${canary}`), other],
  ['SVG', () => bytes('<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><image href="file:///etc/passwd"/></svg>'), other],
  ['SVG without a prolog', () => bytes('<svg width="1000000" height="1000000"/>'), other],
  ['an XML bomb', () => bytes('<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "lol">', ...Array.from({ length: 9 }, (_, i) =>
    `<!ENTITY ${'bcdefghij'[i]} "${`&${'abcdefghi'[i]};`.repeat(10)}">`), ']><svg><text>&j;</text></svg>'), other],
  ['PDF', () => bytes('%PDF-1.7\n1 0 obj<</Type/Catalog/OpenAction<</S/Launch/F(/bin/sh)>>>>endobj\n%%EOF\n'), other],
  ['PostScript', () => bytes('%!PS-Adobe-3.0\n(/etc/passwd) (r) file 100 string readstring pop =\nshowpage\n'), other],
  ['EPS with a DOS head', () => bytes([0xc5, 0xd0, 0xd3, 0xc6], Buffer.alloc(26), '%!PS-Adobe-3.0 EPSF-3.0\n'), other],
  ['MVG', () => bytes('push graphic-context\nviewbox 0 0 640 480\nfill \'url(https://127.0.0.1/x.jpg"|id; echo ")\'\npop graphic-context\n'), other],
  ['MSL', () => bytes('<?xml version="1.0"?><image><read filename="/etc/passwd"/><write filename="/tmp/x.png"/></image>'), other],
  ['an ImageMagick label', () => bytes('label:@/etc/passwd'), other],
  ['a caption script', () => bytes('caption:<?php system($_GET["x"]); ?>'), other],
  ['a gzip of SVG', () => bytes([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3], deflateSync(Buffer.from('<svg/>')).subarray(2)), other],
  ['ZIP', () => bytes('PK\x03\x04', Buffer.alloc(26)), other],
  ['BMP', () => bytes('BM', le32(58), le32(0), le32(54), le32(40), le32(1), le32(1), le16(1), le16(24), Buffer.alloc(28)), other],
  ['ICO', () => bytes([0, 0, 1, 0, 1, 0, 16, 16, 0, 0, 1, 0, 32, 0], Buffer.alloc(64)), other],
  ['PSD', () => bytes('8BPS\0\x01', Buffer.alloc(6), be16(4), be32(30000), be32(30000), be16(8), be16(3)), other],
  ['PPM', () => bytes('P6\n100000 100000\n255\n'), other],
  ['XCF', () => bytes('gimp xcf v011\0', Buffer.alloc(64)), other],
  ['OpenEXR', () => bytes([0x76, 0x2f, 0x31, 0x01], Buffer.alloc(64)), other],
  ['Radiance HDR', () => bytes('#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 100000 +X 100000\n'), other],
  ['FITS', () => bytes('SIMPLE  =                    T'.padEnd(2880)), other],
  ['JPEG 2000', () => bytes([0, 0, 0, 12], 'jP  \r\n\x87\n', Buffer.alloc(64)), other],
  ['JPEG XL', () => bytes([0xff, 0x0a], Buffer.alloc(64)), other],
  ['an MP4 film', () => bytes(box('ftyp', 'isom', be32(512), 'isomiso2'), box('mdat', Buffer.alloc(64))), other],
  ['a WAVE in RIFF', () => bytes('RIFF', le32(36), 'WAVEfmt ', Buffer.alloc(28)), other],
  ['an ELF program', () => bytes('\x7fELF', Buffer.alloc(60)), other],
  ['a shell script', () => bytes('#!/bin/sh\nid\n'), other],
  ['a picture after a space', (m) => bytes(' ', m.png), other],
  ['a picture after a BOM', (m) => bytes([0xef, 0xbb, 0xbf], m.jpeg), other],
];

const polyglots = (m) => [
  ['GIF and JavaScript', () => f.gif(0x2a2f, 1, [0x21, 0xfe], [canary.length + 4], '*/=1', canary, 0, f.gifFrame(), '/*;'), 'ok'],
  ['JPEG and ZIP', () => bytes(m.jpeg, 'PK\x03\x04', Buffer.alloc(26), canary, 'PK\x05\x06', Buffer.alloc(18)), 'ok'],
  ['JPEG with HTML in a comment', () => f.withSegments(m.jpeg, segment(0xfe, canary)), 'ok'],
  ['JPEG with HTML in EXIF', () => f.withSegments(m.jpeg, f.exifSegment(f.tiffHead, f.directory([f.entry(0x10e, 2, canary.length, 26)]), canary)), 'ok'],
  ['JPEG with HTML in XMP', () => f.withSegments(m.jpeg, segment(0xe1, 'http://ns.adobe.com/xap/1.0/\0', canary)), 'ok'],
  ['JPEG with PHP in IPTC', () => f.withSegments(m.jpeg, segment(0xed, 'Photoshop 3.0\0', '8BIM', be16(0x404), be16(0), be32(canary.length), canary)), 'ok'],
  ['PNG with HTML in text', () => bytes(m.png.subarray(0, 33), chunk('tEXt', bytes(`Comment\0${canary}`)), m.png.subarray(33)), 'ok'],
  ['PNG with HTML behind its end', () => bytes(m.png, canary), 'ok'],
  ['PNG with HTML in a chunk of its own', () => bytes(m.png.subarray(0, 33), chunk('htMl', bytes(canary)), m.png.subarray(33)), 'ok'],
  ['WebP with HTML behind it', () => bytes(m.webp, canary), 'ok'],
  ['WebP with HTML in an unknown chunk', () => f.webp(f.webpBody(m.webp), f.riffChunk('HTML', canary)), 'ok'],
  ['TIFF with HTML in it', () => bytes(m.tiff, canary), 'ok'],
  ['AVIF with HTML in a free box', () => bytes(m.avif, box('free', canary)), 'ok'],
];

const small = f.zeros(9000);
const million = f.zeros(MB);
const pngs = (m) => [
  ['PNG of 30,000 x 30,000', () => f.blackPng(30000, 30000, { bits: 1, colour: 0 }), 'limit_pixels'],
  ['PNG of 2^31 - 1 squared', () => f.blackPng(2 ** 31 - 1, 2 ** 31 - 1, { data: f.zeros(100) }), 'limit_pixels'],
  ['PNG of 2^32 - 1 pixels wide', () => f.blackPng(2 ** 32 - 1, 1, { data: f.zeros(100) }), corrupt],
  ['PNG of one row and 50 million columns', () => f.blackPng(50000000, 1, { bits: 1, colour: 0 }), `ok ${corrupt} ${odd}`],
  ['PNG of one column and 50 million rows', () => f.blackPng(1, 50000000, { bits: 1, colour: 0 }), `limit_memory ${corrupt}`],
  ['PNG of no width', () => f.blackPng(0, 9, { data: f.zeros(9) }), corrupt],
  ['PNG of no height', () => f.blackPng(9, 0, { data: f.zeros(9) }), corrupt],
  ['PNG of 49 MP with 64 bits each', () => f.blackPng(7000, 7000, { bits: 16, colour: 6 }), 'ok'],
  ['PNG of 49 MP, interlaced', () => f.blackPng(7000, 7000, { colour: 0, interlace: 1, data: f.zeros(49 * MB) }), `ok ${corrupt}`],
  ['PNG that says 49 MP and holds ten rows', () => f.blackPng(7000, 7000, { data: f.zeros(210010) }), corrupt],
  ['PNG with 300 MB for 8 x 8 pixels', () => f.blackPng(8, 8, { data: f.zeros(300 * MB) }), corrupt],
  ['PNG with 60 MB for 8 x 8 pixels', () => f.blackPng(8, 8, { data: f.zeros(60 * MB) }), `ok ${corrupt}`],
  ['PNG with a zTXt of 400 MB', () => f.blackPng(8, 8, { chunks: [chunk('zTXt', bytes('Comment\0\0', f.zeros(400 * MB)))] }), odd],
  ['PNG with a zTXt of 100 MB', () => f.blackPng(8, 8, { chunks: [chunk('zTXt', bytes('Comment\0\0', f.zeros(100 * MB)))] }), `ok ${corrupt}`],
  ['PNG with 4,000 zTXt', () => f.blackPng(8, 8, { chunks: [repeat(4000, (i) => chunk('zTXt', bytes(`k${i}\0\0`, small)))] }), any],
  ['PNG with a hundred zTXt of a megabyte', () => f.blackPng(8, 8, { chunks: [repeat(100, (i) => chunk('zTXt', bytes(`k${i}\0\0`, million)))] }), `ok ${corrupt} ${odd}`],
  ['PNG with an iTXt of 100 MB', () => f.blackPng(8, 8, { chunks: [chunk('iTXt', bytes('Comment\0\x01\0\0\0', f.zeros(100 * MB)))] }), `ok ${corrupt}`],
  ['PNG with a profile of 3 GB', () => f.blackPng(8, 8, { chunks: [chunk('iCCP', bytes('p\0\0', f.zeros(3000 * MB)))] }), `ok ${corrupt}`],
  ['PNG with a profile larger than any', () => f.blackPng(8, 8, { chunks: [chunk('iCCP', bytes('p\0\0', Buffer.alloc(5 * MB)))] }), odd],
  ['PNG with a profile of garbage', () => f.blackPng(8, 8, { chunks: [chunk('iCCP', bytes('p\0\0', deflateSync(Buffer.alloc(200, 7))))] }), 'ok'],
  ['PNG with 100,000 texts', () => f.blackPng(8, 8, { chunks: [repeat(100000, (i) => chunk('tEXt', bytes(`k${i}\0v`)))] }), `ok ${corrupt}`],
  ['PNG with 200,000 unknown chunks', () => f.blackPng(8, 8, { chunks: [repeat(200000, chunk('vpAg', Buffer.alloc(0)))] }), `ok ${corrupt}`],
  ['PNG with a chunk of 4 GB', () => bytes(m.png.subarray(0, 33), be32(0xffffffff), 'IDAT', m.png.subarray(41)), corrupt],
  ['PNG with a wrong checksum', () => f.patch(m.png, 'IDAT', 100, [m.png[m.png.indexOf('IDAT') + 104] ^ 1]), corrupt],
  ['PNG with two heads', () => bytes(m.png.subarray(0, 33), f.ihdr(9, 9), m.png.subarray(33)), `ok ${corrupt}`],
  ['PNG without data', () => bytes(f.pngMagic, f.ihdr(9, 9), f.iend), corrupt],
  ['PNG with an empty IDAT', () => bytes(f.pngMagic, f.ihdr(9, 9), chunk('IDAT', Buffer.alloc(0)), f.iend), corrupt],
  ['PNG with a palette it does not bring', () => f.blackPng(9, 9, { colour: 3 }), corrupt],
  ['PNG of 3 bits a sample', () => f.blackPng(9, 9, { bits: 3 }), corrupt],
  ['PNG of an unknown kind of colour', () => bytes(f.pngMagic, f.ihdr(9, 9, { colour: 5 }), chunk('IDAT', f.zeros(99)), f.iend), corrupt],
  ['PNG whose palette is overrun', () => f.blackPng(9, 9, { colour: 3, bits: 8, chunks: [chunk('PLTE', Buffer.alloc(3))], data: deflateSync(Buffer.alloc(90, 200)) }), `ok ${corrupt}`],
  ['PNG that is animated a million times', () => f.blackPng(9, 9, { chunks: [chunk('acTL', bytes(be32(1000000), be32(0)))] }), 'ok'],
  ['PNG with an EXIF that bites its tail', () => f.blackPng(9, 9, { chunks: [chunk('eXIf', bytes('II*\0', le32(8), le16(1), f.entry(0x8769, 4, 1, 8), le32(8)))] }), 'ok'],
];

const jpegs = (m) => [
  ['JPEG, progressive, of 100 MP', () => f.progressiveJpeg(10000, 10000), 'limit_pixels'],
  ['JPEG of 65,535 squared', () => f.progressiveJpeg(65535, 65535).subarray(0, 9 * MB), 'limit_pixels'],
  ['JPEG, progressive, of 49 MP', () => f.progressiveJpeg(7000, 7000, { scans: 8 }), 'ok'],
  ['JPEG of 49 MP with sixty scans', () => f.progressiveJpeg(7000, 7000, { scans: 59 }), `ok ${odd}`],
  ['JPEG of 49 MP with a hundred scans', () => f.progressiveJpeg(7000, 7000, { scans: 99 }), odd],
  ['JPEG of 6 MP with 490 scans', () => f.progressiveJpeg(3000, 2000, { scans: 489 }), `ok ${odd}`],
  ['JPEG of 10,000 scans', () => f.progressiveJpeg(64, 64, { scans: 9999 }), odd],
  ['JPEG of 400 scans', () => f.progressiveJpeg(64, 64, { scans: 399 }), `ok ${corrupt}`],
  ['JPEG of 49 MP that ends after its first scan', () => f.progressiveJpeg(7000, 7000).subarray(0, 4000), corrupt],
  ['JPEG without a height', () => f.patch(m.jpeg, '\xff\xc0', 3, [0, 0]), odd],
  ['JPEG without a width', () => f.patch(m.jpeg, '\xff\xc0', 5, [0, 0]), corrupt],
  ['JPEG with two frames', () => bytes(m.jpeg.subarray(0, -2), f.sof(0xc0, 9999, 9999, 3), m.jpeg.subarray(2)), `ok ${corrupt}`],
  ['JPEG that says it is larger', () => f.patch(m.jpeg, '\xff\xc0', 3, be16(7000), be16(7000)), `ok ${corrupt}`],
  ['JPEG that says it is smaller', () => f.patch(m.jpeg, '\xff\xc0', 3, be16(8), be16(8)), `ok ${corrupt}`],
  ['JPEG of 12 bits', () => f.patch(m.jpeg, '\xff\xc0', 2, [12]), odd],
  ['JPEG without loss', () => f.patch(m.jpeg, '\xff\xc0', -1, [0xc3]), odd],
  ['JPEG in arithmetic coding', () => f.patch(m.jpeg, '\xff\xc0', -1, [0xc9]), `ok ${corrupt} ${odd}`],
  ['JPEG of 255 components', () => f.patch(m.jpeg, '\xff\xc0', 7, [255]), odd],
  ['JPEG with sampling of 15 x 15', () => f.patch(m.jpeg, '\xff\xc0', 9, [0xff]), corrupt],
  ['JPEG with no sampling', () => f.patch(m.jpeg, '\xff\xc0', 9, [0]), corrupt],
  ['JPEG with odd sampling', () => f.patch(m.jpeg, '\xff\xc0', 9, [0x34]), `ok ${corrupt}`],
  ['JPEG that names a table it lacks', () => f.patch(m.jpeg, '\xff\xc0', 10, [3]), corrupt],
  ['JPEG without tables', () => bytes(f.soi, f.sof(0xc0, 64, 64), segment(0xda, 1, [1, 0], 0, 63, 0), Buffer.alloc(64), f.eoi), corrupt],
  ['JPEG with a Huffman table of 255 codes a length', () => f.withSegments(m.jpeg, segment(0xc4, 0, Buffer.alloc(16, 255), Buffer.alloc(4080))), corrupt],
  ['JPEG with restarts out of order', () => f.withSegments(m.jpeg, segment(0xdd, be16(1))), `ok ${corrupt}`],
  ['JPEG of nothing but 0xff', () => bytes([0xff, 0xd8], Buffer.alloc(20 * MB, 0xff)), corrupt],
  ['JPEG of nothing but starts', () => repeat(100000, f.soi), `${corrupt} ${other}`],
  ['JPEG with 40 MB of APP1', () => f.withSegments(m.jpeg, repeat(640, segment(0xe1, Buffer.alloc(65000)))), 'ok'],
  ['JPEG larger than a source may be', () => f.withSegments(m.jpeg, repeat(900, segment(0xe1, Buffer.alloc(65000)))), 'fetch_too_large'],
  ['JPEG with a segment of no length', () => f.withSegments(m.jpeg, [0xff, 0xe1, 0, 0]), `ok ${corrupt}`],
  ['JPEG with an orientation of 65,535', () => f.withSegments(m.jpeg, f.exifSegment(f.tiffHead, f.directory([f.entry(0x112, 3, 1, 65535)]))), 'ok'],
  ['JPEG with an EXIF that bites its tail', () => f.withSegments(m.jpeg, f.exifSegment(f.tiffHead, f.directory([f.entry(0x112, 3, 1, 6), f.entry(0x8769, 4, 1, 8)], 8))), 'ok'],
  ['JPEG with two EXIF directories that chase each other', () => f.withSegments(m.jpeg, f.exifSegment(f.tiffHead,
    f.directory([f.entry(0x8769, 4, 1, 26)], 26), f.directory([f.entry(0x8769, 4, 1, 8)], 8))), 'ok'],
  ['JPEG with an EXIF beyond its end', () => f.withSegments(m.jpeg, f.exifSegment('II*\0', le32(0xfffffff0))), 'ok'],
  ['JPEG with 65,535 EXIF entries', () => f.withSegments(m.jpeg, f.exifSegment(f.tiffHead, le16(65535), repeat(5000, f.entry(0x9286, 7, 0xffffffff, 8)))), 'ok'],
  ['JPEG with a profile of garbage', () => f.withSegments(m.jpeg, segment(0xe2, 'ICC_PROFILE\0\x01\x01', Buffer.alloc(4000, 9))), 'ok'],
  ['JPEG with a profile that says 4 GB', () => f.withSegments(m.jpeg, segment(0xe2, 'ICC_PROFILE\0\x01\x01', be32(0xffffffff), 'lcms', be32(0x04200000),
    'mntrRGB XYZ ', Buffer.alloc(12), 'acsp', Buffer.alloc(88), be32(0xffffffff), Buffer.alloc(400, 0xff))), 'ok'],
  ['JPEG with a profile in 255 wrong parts', () => f.withSegments(m.jpeg, repeat(255, (i) => segment(0xe2, 'ICC_PROFILE\0', [i, 255 - i], Buffer.alloc(60000, i)))), 'ok'],
];

const gifs = (m) => [
  ['GIF of a million frames', () => f.gif(1, 1, repeat(1000000, f.gifFrame())), 'limit_frames'],
  ['GIF of 1,001 frames', () => f.gif(1, 1, repeat(1001, f.gifFrame())), 'limit_frames'],
  ['GIF of 1,000 frames', () => f.gif(1, 1, repeat(1000, f.gifFrame())), 'ok'],
  ['GIF with a canvas of 65,535 squared', () => f.gif(65535, 65535, f.gifFrame()), 'limit_pixels'],
  ['GIF with a canvas of 49 MP and one pixel', () => f.gif(7000, 7000, f.gifFrame()), 'ok'],
  ['GIF of 1,000 frames on 49 MP', () => f.gif(7000, 7000, repeat(1000, f.gifFrame())), 'ok'],
  ['GIF with no canvas', () => f.gif(0, 0, f.gifFrame()), 'ok'],
  ['GIF with a frame off its canvas', () => f.gif(8, 8, f.gifFrame(60000, 60000, 60000, 60000)), 'limit_pixels'],
  ['GIF with a frame larger than its canvas', () => f.gif(8, 8, f.gifFrame(7000, 7000)), `ok ${corrupt}`],
  ['GIF with a second frame larger than its canvas', () => f.gif(8, 8, f.gifFrame(), f.gifFrame(60000, 60000)), 'ok'],
  ['GIF with a frame of 65,535 squared on a small canvas', () => f.gif(8, 8, f.gifFrame(65535, 65535)), 'limit_pixels'],
  ['GIF without a frame', () => f.gif(8, 8), corrupt],
  ['GIF with codes of 255 bits', () => f.gif(8, 8, [0x2c], Buffer.alloc(4), le16(8), le16(8), [0, 255, 2, 0xff, 0xff, 0]), corrupt],
  ['GIF of nothing but extensions', () => f.gif(8, 8, repeat(MB, bytes([0x21, 0xf9, 0, 0]))), corrupt],
  ['GIF with codes out of nowhere', () => f.gif(8, 8, [0x2c], Buffer.alloc(4), le16(8), le16(8), [0, 8, 255], Buffer.alloc(255, 0xff), 0), `ok ${corrupt}`],
  ['GIF without colours', () => bytes('GIF89a', le16(8), le16(8), [0, 0, 0], f.gifFrame(8, 8), 0x3b), `ok ${corrupt}`],
  ['GIF that begins where another ends', () => bytes(m.gif.subarray(0, -1), m.gif), 'ok'],
];

const webps = (m) => {
  const body = f.webpBody(m.webp);
  return [
    ['WebP with a canvas of 16,777,216 squared', () => f.webp(f.vp8x(0, 1 << 24, 1 << 24), body), 'limit_pixels'],
    ['WebP with a canvas of 49 MP around a small picture', () => f.webp(f.vp8x(0, 7000, 7000), body), corrupt],
    ['WebP with a canvas smaller than its picture', () => f.webp(f.vp8x(0, 1, 1), body), corrupt],
    ['WebP of 100,000 frames', () => f.webp(f.vp8x(2, 16, 16), f.riffChunk('ANIM', Buffer.alloc(6)), repeat(100000, f.anmf(0, 0, 16, 16, Buffer.alloc(2)))), 'limit_frames'],
    ['WebP of 900 frames without a picture', () => f.webp(f.vp8x(2, 16, 16), f.riffChunk('ANIM', Buffer.alloc(6)), repeat(900, f.anmf(0, 0, 16, 16, Buffer.alloc(2)))), corrupt],
    ['WebP of a frame off its canvas', () => f.webp(f.vp8x(2, 400, 300), f.riffChunk('ANIM', Buffer.alloc(6)), f.anmf(300, 300, m.width, m.height, body)), `ok ${corrupt}`],
    ['WebP of a frame on 49 MP', () => f.webp(f.vp8x(2, 7000, 7000), f.riffChunk('ANIM', Buffer.alloc(6)), f.anmf(0, 0, m.width, m.height, body)), `ok ${corrupt}`],
    ['WebP without loss, of 16,383 squared', () => f.webp(f.riffChunk('VP8L', [0x2f, 0xff, 0xff, 0xff, 0x0f], Buffer.alloc(64))), `limit_pixels ${corrupt}`],
    ['WebP without loss, of garbage', () => f.webp(f.riffChunk('VP8L', [0x2f, 0xff, 0xc0, 0x3f, 0], Buffer.alloc(4096, 0xa5))), corrupt],
    ['WebP with a chunk of 4 GB', () => bytes('RIFF', le32(100), 'WEBPVP8 ', le32(0xffffffff), m.webp.subarray(20)), corrupt],
    ['WebP that says it is longer', () => f.patch(m.webp, 'RIFF', 0, le32(0x7ffffff0)), `ok ${corrupt}`],
    ['WebP that says it is shorter', () => f.patch(m.webp, 'RIFF', 0, le32(20)), `ok ${corrupt}`],
    ['WebP of nothing but empty chunks', () => f.webp(repeat(500000, bytes('JUNK', le32(0)))), corrupt],
    ['WebP with a thousand pictures', () => f.webp(f.vp8x(0, m.width, m.height), repeat(1000, f.riffChunk('VP8 ', Buffer.alloc(10))), body), `ok ${corrupt}`],
    ['WebP with an alpha plane of garbage', () => f.webp(f.vp8x(16, m.width, m.height), f.riffChunk('ALPH', [1], Buffer.alloc(500, 0x5a)), body), `ok ${corrupt}`],
  ];
};

const tiffs = (m) => [
  ['TIFF whose directory follows itself', () => f.tiff(8, 8, { next: 8 }), 'limit_frames'],
  ['TIFF whose directory begins at its head', () => bytes('II*\0', le32(0), m.tiff.subarray(8)), corrupt],
  ['TIFF whose directory lies beyond its end', () => bytes('II*\0', le32(0xfffffff0), m.tiff.subarray(8)), corrupt],
  ['TIFF of a strip of 4 GB', () => f.tiff(64, 64, { change: [[279, [4, 1, 0xffffffff]]] }), `ok ${corrupt}`],
  ['TIFF of a strip beyond its end', () => f.tiff(64, 64, { change: [[273, [4, 1, 0xffffff00]]] }), corrupt],
  ['TIFF of four billion strips', () => f.tiff(64, 64, { change: [[273, [4, 0xffffffff, 8]], [279, [4, 0xffffffff, 8]], [278, [4, 1, 1]]] }), corrupt],
  ['TIFF of strips without rows', () => f.tiff(64, 64, { change: [[278, [3, 1, 0]]] }), `ok ${corrupt}`],
  ['TIFF of 65,535 squared', () => f.tiff(65535, 65535, { pixels: Buffer.alloc(64) }), 'limit_pixels'],
  ['TIFF of 2^32 - 1 rows', () => f.tiff(8, 8, { change: [[257, [4, 1, 0xffffffff]]] }), `${corrupt} limit_pixels`],
  ['TIFF of 49 MP in a few bytes', () => f.tiff(7000, 7000, { pixels: Buffer.alloc(64) }), corrupt],
  ['TIFF of 49 MP of zeros, packed', () => f.tiff(7000, 7000, { pixels: f.zeros(49000000), change: [[259, [3, 1, 8]]] }), 'ok'],
  ['TIFF of 300 MB for 8 x 8 pixels, packed', () => f.tiff(8, 8, { pixels: f.zeros(300 * MB), change: [[259, [3, 1, 8]]] }), `ok ${corrupt}`],
  ['TIFF of 65,535 bits a sample', () => f.tiff(8, 8, { change: [[258, [3, 1, 65535]]] }), odd],
  ['TIFF of 65,535 samples a pixel', () => f.tiff(8, 8, { change: [[277, [3, 1, 65535]]] }), odd],
  ['TIFF of floating point without a meaning', () => f.tiff(8, 8, { pixels: Buffer.alloc(256, 0xff), change: [[258, [3, 1, 32]], [339, [3, 1, 3]]] }), `ok ${corrupt} ${odd}`],
  ['TIFF of tiles of 2^31', () => f.tiff(64, 64, { drop: [273, 278, 279], change: [[322, [4, 1, 2 ** 31]], [323, [4, 1, 2 ** 31]], [324, [4, 1, 8]], [325, [4, 1, 64]]] }), corrupt],
  ['TIFF of tiles of no size', () => f.tiff(64, 64, { drop: [273, 278, 279], change: [[322, [4, 1, 0]], [323, [4, 1, 0]], [324, [4, 1, 8]], [325, [4, 1, 64]]] }), corrupt],
  ['TIFF of JPEG that is none', () => f.tiff(64, 64, { change: [[259, [3, 1, 7]], [262, [3, 1, 6]], [277, [3, 1, 3]]] }), `${corrupt} ${odd}`],
  ['TIFF of the old JPEG', () => f.tiff(64, 64, { change: [[259, [3, 1, 6]], [513, [4, 1, 8]], [514, [4, 1, 0xffffffff]]] }), `${corrupt} ${odd}`],
  ['TIFF of an unknown packing', () => f.tiff(64, 64, { change: [[259, [3, 1, 54321]]] }), `${corrupt} ${odd}`],
  ['TIFF of LZW garbage', () => f.tiff(64, 64, { pixels: Buffer.alloc(4096, 0xa5), change: [[259, [3, 1, 5]]] }), `ok ${corrupt}`],
  ['TIFF of fax garbage', () => f.tiff(64, 64, { pixels: Buffer.alloc(4096, 0xa5), change: [[259, [3, 1, 4]], [258, [3, 1, 1]]] }), `ok ${corrupt} ${odd}`],
  ['TIFF without a size', () => f.tiff(8, 8, { drop: [256, 257] }), corrupt],
  ['TIFF of 4,000 directories', () => bytes('II*\0', le32(8), repeat(4000, (i) => f.directory([f.entry(256, 3, 1, 8)], 8 + 18 * (i + 1)))), `limit_frames ${corrupt}`],
  ['TIFF of 65,535 entries', () => bytes(f.tiffHead, le16(65535), repeat(65535, f.entry(256, 3, 1, 8)), le32(0)), `${corrupt} ${odd}`],
  ['TIFF of sub-directories that follow themselves', () => f.tiff(8, 8, { change: [[330, [4, 1, 8]], [34665, [4, 1, 8]]] }), 'ok'],
  ['BigTIFF with offsets of 2^63', () => bytes('II+\0', [8, 0, 0, 0], Buffer.alloc(7), [0x80], Buffer.alloc(64)), corrupt],
  ['BigTIFF with 2^64 - 1 entries', () => bytes('II+\0', [8, 0, 0, 0], le32(16), le32(0), Buffer.alloc(8, 255), Buffer.alloc(64)), corrupt],
];

/** Boxes in boxes in boxes. */
const nested = (n) => {
  const out = Buffer.alloc(n * 8);
  for (let i = 0; i < n; i++) out.set(bytes(be32((n - i) * 8), 'meta'), i * 8);
  return out;
};
/** 10,000 x 10,000 in one colour and 1,864 bytes. */
const flat = readFileSync(new URL('flat-100mp.avif', import.meta.url));
const heifs = (m) => [
  ['AVIF of 100 MP in two kilobytes', () => flat, 'limit_pixels'],
  ['AVIF of 100 MP that says it is 16 x 16', () => f.patch(flat, 'ispe', 4, be32(16), be32(16)), `limit_memory limit_pixels ${corrupt}`],
  ['AVIF of nothing but its brand', () => f.ftyp(), corrupt],
  ['HEIC of nothing but its brand', () => f.ftyp('heic'), corrupt],
  ['AVIF that calls itself HEIC', () => f.patch(m.avif, 'ftyp', 0, 'heic'), 'ok'],
  ['AVIF that says 65,535 squared', () => f.patch(m.avif, 'ispe', 4, be32(65535), be32(65535)), 'limit_pixels'],
  ['AVIF that says 2^32 - 1 squared', () => f.patch(m.avif, 'ispe', 4, be32(0xffffffff), be32(0xffffffff)), `limit_pixels ${corrupt} ${odd}`],
  ['AVIF that says it is one pixel', () => f.patch(m.avif, 'ispe', 4, be32(1), be32(1)), `ok ${corrupt}`],
  ['AVIF that says it is 49 MP', () => f.patch(m.avif, 'ispe', 4, be32(7000), be32(7000)), `ok ${corrupt}`],
  ['AVIF that says it has no size', () => f.patch(m.avif, 'ispe', 4, be32(0), be32(0)), `ok ${corrupt}`],
  ['AVIF of a box of 2^63 bytes', () => bytes(f.ftyp(), be32(1), 'meta', [0x80, 0, 0, 0, 0, 0, 0, 0], Buffer.alloc(64)), corrupt],
  ['AVIF of a box without an end', () => bytes(f.ftyp(), be32(0), 'meta', Buffer.alloc(64)), corrupt],
  ['AVIF of boxes of no size', () => bytes(f.ftyp(), repeat(100000, bytes(be32(0), 'meta'))), corrupt],
  ['AVIF of boxes of four bytes', () => bytes(f.ftyp(), repeat(1000, bytes(be32(4), 'meta'))), corrupt],
  ['AVIF of 100,000 nested boxes', () => bytes(f.ftyp(), nested(100000)), corrupt],
  ['AVIF with an extent beyond its end', () => f.patch(m.avif, 'iloc', 12, be32(0x7fffffff)), `ok ${corrupt}`],
  ['AVIF with 65,535 places', () => f.patch(m.avif, 'iloc', 6, be16(65535)), corrupt],
  ['AVIF without its first item', () => f.patch(m.avif, 'pitm', 4, be16(77)), corrupt],
  ['AVIF whose properties are counted wrong', () => f.patch(m.avif, 'ipma', 4, be32(0xffffffff)), `ok ${corrupt}`],
  ['AVIF whose data is garbage', () => f.patch(m.avif, 'mdat', 0, Buffer.alloc(500, 0xa5)), corrupt],
];

/** The same bytes under every other extension. */
function confused(m) {
  const list = [];
  for (const kind of ['jpeg', 'png', 'webp', 'gif', 'tiff', 'avif'])
    for (const ext of ['jpg', 'png', 'webp', 'gif', 'tif', 'avif', 'html', 'svg'])
      list.push([`${kind} named .${ext}`, () => m[kind], 'ok', ext]);
  for (const [kind, magic] of [['png', '\xff\xd8\xff'], ['jpeg', '\x89PNG\r\n\x1a\n'], ['png', 'GIF89a'], ['webp', 'II*\0'], ['gif', 'RIFF\0\0\0\0WEBP']])
    list.push([`${kind} behind the mark of another`, () => bytes(magic, m[kind]), `${corrupt} limit_pixels limit_frames ${odd}`]);
  return list;
}

/** What a careless wire does to a file: bytes changed, lost, doubled and moved. */
function mutate(file, r) {
  let out = Buffer.from(file);
  for (let n = r.between(1, 20); n > 0; n--) {
    const at = r.chance(0.5) ? r.below(Math.min(out.length, 600)) : r.below(out.length);
    const len = r.between(1, 64);
    const how = r.below(6);
    if (how <= 1) out[at] = r.below(256);
    else if (how === 2) out[at] ^= 1 << r.below(8);
    else if (how === 3) out.fill(r.pick([0, 255, 0x7f, 0x80]), at, Math.min(out.length, at + r.between(1, 4)));
    else if (how === 4) out = bytes(out.subarray(0, at), out.subarray(at + len));
    else out = bytes(out.subarray(0, at + len), out.subarray(at));
    if (out.length < 16) return file;
  }
  return out;
}
export function mutants(m, n, seed) {
  const kinds = ['jpeg', 'progressive', 'png', 'webp', 'gif', 'tiff', 'avif'];
  return Array.from({ length: n }, (_, i) => {
    const kind = kinds[i % kinds.length];
    return [`mutant ${seed}.${i} of ${kind}`, () => mutate(m[kind], random(seed * 100003 + i)), any];
  });
}

/** Every case by itself: [{ name, file, expect: Set of 'ok' and codes, ext }]. */
export function hostile(m, { seed = 1, mutations = 200 } = {}) {
  return [...truncated(m), ...notPictures(), ...polyglots(m), ...pngs(m), ...jpegs(m), ...gifs(m), ...webps(m), ...tiffs(m),
    ...heifs(m), ...confused(m), ...mutants(m, mutations, seed)]
    .map(([name, file, expect, ext = 'jpg']) => ({ name, file: () => Buffer.from(file(m)), expect: new Set(expect.split(' ')), ext }));
}
