// A stand-in for remove.bg's API: the recorded contract, on 127.0.0.1, with an account that pays.
//
//   const bg = await startRemoveBg({ key, credits, rate, matte, port });     then --provider-url bg.url
//   node removebg.mjs [--port 0] [--key test-key] [--credits 1000] [--rate 500]
//
// Prints "listening on http://127.0.0.1:PORT/v1.0". POST /v1.0/removebg (multipart, image_file; size
// full|auto|preview, format auto|png|jpg|zip) cuts an ellipse out, or what `matte` says: 'ellipse',
// 'white' (what is not white), or ({ data, width, height }) => alpha, of packed RGB. GET /v1.0/account.
//
// What goes wrong is said by a mode, for all calls (bg.mode = …), for the next ones (bg.next(…), in
// this order), or by a function (call) => mode, which may be async (and so hold a call for as long as a
// test likes). A mode is a name or an object with one as `mode`:
//   ok                  the picture                       {mode:'ok', delay: ms} later
//   status              {mode:'status', status, headers, title, code, detail}; or just a number
//   unknown_foreground  400, nothing charged
//   rate_limited        429 {after: s|date} as Retry-After; {reset: s} as X-Ratelimit-Reset alone
//   reset hang          charged, then the connection is reset, or silent for ever
//   cut                 charged; half of the picture, then the connection ends
//   cut_quietly         the same without a length: looks like the end
//   garbage wrong_type empty   charged; a 200 that is no picture
//   slow                the picture in 10 pieces over {ms: 2000}
//   early_reset         reset when the head has come, before the picture: not charged
// {charge: false} with reset or hang: it broke before it charged.
//
// Its own ledger: bg.calls [{sha256, bytes, width, height, size, format, mode, status, credits,
// aborted}] of calls that came whole, in order; bg.charged Map sha256 → charged calls; bg.spent (credits);
// bg.credits (left, may be set). bg.events emits 'received', 'charged', 'answered', 'dropped' with the
// call. bg.received(n), bg.dropped(n): a promise of the n-th. bg.reset() forgets all calls and modes.
// From outside: GET /__calls {calls, charged, spent}, POST /__mode and /__next (a mode as JSON).
import http from 'node:http';
import { createHash } from 'node:crypto';
import { EventEmitter } from 'node:events';
import { pathToFileURL } from 'node:url';
import sharp from 'sharp';
import { crc32 } from './pictures.mjs';

const MAX_BYTES = 12 << 20, MAX_PIXELS = 50e6, PNG_PIXELS = 10e6, PREVIEW_PIXELS = 0.25e6;

/** The fields of a multipart/form-data body: name → { value: Buffer, type }. */
export function parseForm(type, body) {
  const boundary = /boundary="?([^";]+)"?/.exec(type ?? '')?.[1];
  if (!/^multipart\/form-data/.test(type ?? '') || !boundary) return {};
  const fields = {}, mark = Buffer.from(`--${boundary}`);
  for (let at = body.indexOf(mark); at >= 0;) {
    const end = body.indexOf(mark, at + mark.length);
    if (end < 0) break;
    const part = body.subarray(at + mark.length + 2, end - 2), head = part.indexOf('\r\n\r\n');
    const lines = part.subarray(0, head).toString('latin1');
    const name = /[; ]name="([^"]*)"/i.exec(lines)?.[1];
    if (name !== undefined) fields[name] = { value: part.subarray(head + 4), type: /^content-type: *(.*)$/im.exec(lines)?.[1] };
    at = end;
  }
  return fields;
}

/** A ZIP whose members are stored as they are: { name: Buffer }. */
export function zip(members) {
  const local = [], central = [];
  let at = 0;
  for (const [name, data] of Object.entries(members)) {
    const fixed = Buffer.alloc(26), n = Buffer.from(name);
    fixed.writeUInt16LE(20, 0); // version; flags, method, time 0
    fixed.writeUInt16LE(0x21, 8); // 1980-01-01
    fixed.writeUInt32LE(crc32(data), 10);
    fixed.writeUInt32LE(data.length, 14);
    fixed.writeUInt32LE(data.length, 18);
    fixed.writeUInt16LE(n.length, 22);
    local.push(Buffer.from('PK\x03\x04'), fixed, n, data);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE(at, 10);
    central.push(Buffer.from('PK\x01\x02\x14\x00', 'latin1'), fixed, tail, n);
    at += 30 + n.length + data.length;
  }
  const count = Object.keys(members).length, end = Buffer.alloc(18), dir = Buffer.concat(central);
  end.writeUInt16LE(count, 4);
  end.writeUInt16LE(count, 6);
  end.writeUInt32LE(dir.length, 8);
  end.writeUInt32LE(at, 12);
  return Buffer.concat([...local, dir, Buffer.from('PK\x05\x06'), end]);
}

const mattes = {
  /** An ellipse that touches the borders' 10 %, its edge two pixels soft. */
  ellipse({ width, height }) {
    const alpha = Buffer.alloc(width * height), rx = width * 0.4, ry = height * 0.4, soft = Math.min(rx, ry);
    for (let y = 0, i = 0; y < height; y++) {
      for (let x = 0; x < width; x++, i++) {
        const r = Math.hypot((x + 0.5 - width / 2) / rx, (y + 0.5 - height / 2) / ry);
        alpha[i] = Math.max(0, Math.min(255, Math.round(((1 - r) * soft / 2 + 0.5) * 255)));
      }
    }
    return alpha;
  },
  white({ data, width, height }) {
    const alpha = Buffer.alloc(width * height);
    for (let i = 0; i < alpha.length; i++)
      alpha[i] = Math.min(255, (255 - Math.min(data[3 * i], data[3 * i + 1], data[3 * i + 2])) * 4);
    return alpha;
  },
};

function boundsOf(alpha, width) {
  const box = { top: Infinity, left: Infinity, bottom: -1, right: -1 };
  for (let i = 0; i < alpha.length; i++) {
    if (alpha[i] < 3) continue;
    const x = i % width, y = (i - x) / width;
    box.top = Math.min(box.top, y);
    box.bottom = Math.max(box.bottom, y);
    box.left = Math.min(box.left, x);
    box.right = Math.max(box.right, x);
  }
  return box.bottom < 0 ? { top: 0, left: 0, width: 0, height: 0 } :
    { top: box.top, left: box.left, width: box.right - box.left + 1, height: box.bottom - box.top + 1 };
}

/** What the service makes of a picture: { body, headers }. */
async function cutOut(image, size, format, matte) {
  const meta = await sharp(image).metadata();
  const most = size === 'preview' ? PREVIEW_PIXELS : format === 'png' || format === 'auto' ? PNG_PIXELS : MAX_PIXELS;
  const scale = Math.min(1, Math.sqrt(most / (meta.width * meta.height)));
  let pipe = sharp(image, { limitInputPixels: false }).autoOrient().flatten({ background: '#fff' }).toColourspace('srgb');
  if (scale < 1) pipe = pipe.resize({ width: Math.floor((meta.autoOrient?.width ?? meta.width) * scale) });
  const { data, info } = await pipe.removeAlpha().raw().toBuffer({ resolveWithObject: true });
  const { width, height } = info, raw = { width, height, channels: 3 };
  const alpha = (typeof matte === 'function' ? matte : mattes[matte])({ data, width, height });
  const f = boundsOf(alpha, width), grey = { raw: { width, height, channels: 1 } };
  const headers = { 'x-width': width, 'x-height': height, 'x-max-width': meta.width, 'x-max-height': meta.height, 'x-type': 'product',
    'x-foreground-top': f.top, 'x-foreground-left': f.left, 'x-foreground-width': f.width, 'x-foreground-height': f.height };
  if (format === 'zip') {
    const body = zip({ 'color.jpg': await sharp(data, { raw }).jpeg({ quality: 95, chromaSubsampling: '4:4:4' }).toBuffer(),
      'alpha.png': await sharp(alpha, grey).toColourspace('b-w').png({ compressionLevel: 1 }).toBuffer() });
    return { body, headers: { ...headers, 'content-type': 'application/zip' } };
  }
  const rgba = sharp(data, { raw }).joinChannel(alpha, grey);
  if (format === 'jpg') {
    const flat = await sharp(await rgba.png({ compressionLevel: 1 }).toBuffer()).flatten({ background: '#fff' }).jpeg().toBuffer();
    return { body: flat, headers: { ...headers, 'content-type': 'image/jpeg' } };
  }
  return { body: await rgba.png({ compressionLevel: 1 }).toBuffer(), headers: { ...headers, 'content-type': 'image/png' } };
}

export async function startRemoveBg({ host = '127.0.0.1', port = 0, key = 'test-key', credits = 1000, rate = 500, matte = 'ellipse' } = {}) {
  const events = new EventEmitter().setMaxListeners(0);
  const bg = { key, credits, rate, matte, events, mode: 'ok', queue: [], calls: [], charged: new Map(), spent: 0, dropped_calls: 0 };
  const minute = { begun: 0, used: 0 };
  const error = (title, code, detail) => JSON.stringify({ errors: [{ title, code, detail }] });

  function sendError(call, res, status, body, headers = {}) {
    call.status = status;
    res.writeHead(status, { 'content-type': 'application/json', ...headers }).end(body);
  }
  const limits = () => ({ 'x-ratelimit-limit': bg.rate, 'x-ratelimit-remaining': Math.max(0, Math.floor(bg.rate - minute.used)),
    'x-ratelimit-reset': Math.ceil((minute.begun + 60000) / 1000) });

  /** Whether so many megapixels still go in this minute. */
  function admit(megapixels) {
    if (Date.now() >= minute.begun + 60000) Object.assign(minute, { begun: Date.now(), used: 0 });
    if (minute.used > 0 && minute.used + megapixels > bg.rate) return false;
    minute.used += megapixels;
    return true;
  }
  function charge(call, cost) {
    bg.credits -= cost;
    bg.spent += cost;
    call.credits = cost;
    bg.charged.set(call.sha256, (bg.charged.get(call.sha256) ?? 0) + 1);
    events.emit('charged', call);
  }

  /** Until so many milliseconds have passed, or the other side has gone. */
  const silent = (res, ms) => new Promise((ok) => {
    const timer = ms === undefined ? undefined : setTimeout(() => res.off('close', gone) && ok(), ms);
    function gone() {
      clearTimeout(timer);
      ok();
    }
    res.once('close', gone);
  });
  /** How a picture that was paid for gets lost, or comes. */
  const deliveries = {
    ok: (res, head, body) => res.writeHead(200, { ...head, 'content-length': body.length }).end(body),
    reset: (res) => res.req.socket.resetAndDestroy(),
    hang: (res) => silent(res),
    cut: (res, head, body) => res.writeHead(200, { ...head, 'content-length': body.length })
      .write(body.subarray(0, body.length >> 1), () => res.req.socket.end()),
    cut_quietly: (res, head, body) => {
      res.shouldKeepAlive = false;
      res.useChunkedEncodingByDefault = false;
      res.writeHead(200, { ...head, connection: 'close' }).end(body.subarray(0, body.length >> 1));
    },
    garbage: (res, head) => res.writeHead(200, head).end(Buffer.alloc(3000, 'not a picture ')),
    wrong_type: (res, head) => res.writeHead(200, { ...head, 'content-type': 'text/html' }).end('<!doctype html><title>Welcome</title>\n'),
    empty: (res, head) => res.writeHead(200, head).end(),
    slow: async (res, head, body, m) => {
      res.writeHead(200, { ...head, 'content-length': body.length });
      for (let i = 0; i < 10 && !res.destroyed; i++) {
        await silent(res, (m.ms ?? 2000) / 10);
        res[i < 9 ? 'write' : 'end'](body.subarray(Math.floor(body.length * i / 10), Math.floor(body.length * (i + 1) / 10)));
      }
    },
  };
  /** Answers without a picture; nothing is charged. */
  const refusals = {
    status: (call, res, m) => sendError(call, res, m.status,
      error(m.title ?? http.STATUS_CODES[m.status] ?? 'Error', m.code, m.detail), m.headers),
    unknown_foreground: (call, res) => sendError(call, res, 400, error('Could not identify foreground in image. ' +
      'For details and recommendations see https://www.remove.bg/supported-images.', 'unknown_foreground')),
    rate_limited: (call, res, m) => sendError(call, res, 429, error('Rate limit exceeded', 'rate_limit_exceeded'), m.reset !== undefined ?
      { 'x-ratelimit-reset': Math.ceil(Date.now() / 1000) + m.reset } : { ...limits(), 'retry-after': m.after ?? 1 }),
  };

  async function modeOf(call) {
    let m = bg.queue.length > 0 ? bg.queue.shift() : bg.mode;
    if (typeof m === 'function') m = (await m(call)) ?? 'ok';
    if (typeof m === 'number') m = { mode: 'status', status: m };
    return typeof m === 'string' ? { mode: m } : { mode: 'ok', ...m };
  }
  const missing = 'Please provide the source image in the image_url, image_file or image_file_b64 parameter.';
  const later = () => ({ ...limits(), 'retry-after': Math.max(1, Math.ceil((minute.begun + 60000 - Date.now()) / 1000)) });
  /** What the contract says against this call, or nothing. */
  function objection(call, image) {
    if (!image) return [400, error('No image given', 'missing_source', missing)];
    if (call.bytes > MAX_BYTES) return [400, error('File size too large', 'file_size_exceeded')];
    if (!call.width) return [400, error('File type not recognized', 'unknown_file_type')];
    if (call.width * call.height > MAX_PIXELS) return [400, error('Image resolution too large', 'resolution_too_high')];
    if (!admit(Math.max(1, call.width * call.height / 1e6)))
      return [429, error('Rate limit exceeded', 'rate_limit_exceeded'), later()];
    if (bg.credits < (call.size === 'preview' ? 0.25 : 1)) return [402, error('Insufficient credits', 'insufficient_credits')];
    return null;
  }
  async function removeBg(req, res, body) {
    const form = parseForm(req.headers['content-type'], body), image = form.image_file?.value;
    const text = (name, dflt) => form[name]?.value.toString() ?? dflt;
    const meta = image ? await sharp(image).metadata().catch(() => ({})) : {};
    const call = { sha256: createHash('sha256').update(image ?? '').digest('hex'), bytes: image?.length ?? 0, type: form.image_file?.type,
      width: meta.width, height: meta.height, size: text('size', 'preview'), format: text('format', 'auto'), status: 0, credits: 0, aborted: false };
    bg.calls.push(call);
    res.on('close', () => {
      call.aborted = !res.writableFinished;
      if (call.aborted) bg.dropped_calls++;
      events.emit(call.aborted ? 'dropped' : 'answered', call);
    });
    events.emit('received', call);
    const m = await modeOf(call);
    call.mode = m.mode;
    if (m.delay) await silent(res, m.delay);
    if (refusals[m.mode]) return refusals[m.mode](call, res, m);
    const wrong = objection(call, image);
    if (wrong) return sendError(call, res, ...wrong);
    if (m.charge === false) return deliveries[m.mode](res);
    const { body: picture, headers } = await cutOut(image, call.size, call.format, bg.matte);
    charge(call, call.size === 'preview' ? 0.25 : 1);
    call.status = 200;
    return deliveries[m.mode](res, { ...headers, ...limits(), 'x-credits-charged': call.credits }, picture, m);
  }

  const json = (res, v, status = 200) => res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(v));
  const account = (res) => json(res, { data: { attributes: { credits: { total: bg.credits, subscription: 0, payg: bg.credits, enterprise: 0 },
    api: { free_calls: 50, sizes: 'all' } } } });
  const controls = {
    'GET /__calls': (res) => json(res, { calls: bg.calls, charged: Object.fromEntries(bg.charged), spent: bg.spent, credits: bg.credits }),
    'POST /__mode': (res, body) => res.writeHead(204).end((bg.mode = JSON.parse(body)) && undefined),
    'POST /__next': (res, body) => res.writeHead(204).end((bg.queue.push(JSON.parse(body))) && undefined),
  };
  async function answer(req, res) {
    const early = bg.queue[0] ?? bg.mode;
    if (req.url === '/v1.0/removebg' && (early?.mode ?? early) === 'early_reset') {
      bg.queue.shift();
      return req.socket.resetAndDestroy();
    }
    const pieces = [];
    for await (const piece of req) pieces.push(piece);
    const body = Buffer.concat(pieces), what = `${req.method} ${req.url}`;
    if (controls[what]) return controls[what](res, body);
    if (req.headers['x-api-key'] !== bg.key) return sendError({}, res, 403, error('API Key invalid', 'auth_failed'));
    if (what === 'GET /v1.0/account') return account(res);
    if (what === 'POST /v1.0/removebg') return removeBg(req, res, body);
    return sendError({}, res, 404, error('Not found', 'not_found'));
  }

  const server = http.createServer((req, res) => answer(req, res).catch((e) => {
    if (req.complete && !res.headersSent) sendError({}, res, 500, error('The stand-in failed', 'stand_in', String(e.stack)));
  }));
  server.on('connection', (socket) => socket.on('error', () => {}));
  const nth = (event, count) => (n = 1) => new Promise((ok) => {
    const look = () => count() >= n && (events.off(event, look), ok());
    events.on(event, look);
    look();
  });
  Object.assign(bg, {
    next: (...modes) => bg.queue.push(...modes),
    received: nth('received', () => bg.calls.length),
    dropped: nth('dropped', () => bg.dropped_calls),
    reset() {
      Object.assign(bg, { mode: 'ok', queue: [], calls: [], spent: 0, dropped_calls: 0 });
      bg.charged.clear();
      Object.assign(minute, { begun: 0, used: 0 });
    },
    close: () => { server.closeAllConnections(); server.close(); },
  });
  await new Promise((ok, fail) => server.on('error', fail).listen(port, host, ok));
  bg.port = server.address().port;
  bg.url = `http://${host}:${bg.port}/v1.0`;
  return bg;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const args = process.argv.slice(2);
  const flag = (name, dflt) => (args.includes(name) ? args[args.indexOf(name) + 1] : dflt);
  const bg = await startRemoveBg({ port: Number(flag('--port', 0)), key: flag('--key'),
    credits: Number(flag('--credits', 1000)), rate: Number(flag('--rate', 500)) });
  console.log(`listening on ${bg.url}`);
}
