// An origin for tests: pictures, and every way an origin can misbehave.
//
//   node origin.mjs [--port 0] [--host 127.0.0.1] [--dir FOLDER]
//
// Prints "listening on http://HOST:PORT". Any path takes ?delay=MS before the answer begins.
//
//   /png?seed=N&w=&h=      a small PNG of its own, with ETag and Last-Modified (304 when they match)
//   /product?seed=         a small PNG of a box on white; white all over when 5 divides the seed
//   /FILE                  a file of FOLDER, likewise
//   /etag /last-modified   a PNG with one validator only; ?v=N is another version
//   /delay?ms=             a PNG, later
//   /status/NNN            that status, with a short body
//   /flaky?fail=N&status=  fails the first N times (503), then a PNG; counted per URL
//   /retry-after?s=N&fail= 429 with Retry-After: N; after `fail` times (default: never) a PNG
//   /redirect?to=URL&status=   /redirect-loop   /redirect-chain?n=N (N redirects, then a PNG)
//   /slow-header /slow-body    a byte of head or body every ?ms= (100)
//   /hang /hang-body       says nothing; a head and nothing more
//   /endless?length=       a body without end; with ?length= a length is declared
//   /gzip /gzip-bomb?mb=   a PNG in gzip; that many MB of zeros (1024) in it
//   /wrong-length?short|long   a body shorter or longer than declared
//   /reset                 the connection is reset in mid-body      /close  closed without a word
//   /empty /html /many-headers /no-http
//
// What it saw, never counted itself: /__hits {"path?query": requests} (DELETE resets all of these),
// /__stats {requests, connections, open, peak,
// not_modified}, /__log [{method, url, headers}] of the last 1,000.
import http from 'node:http';
import { createHash } from 'node:crypto';
import { createReadStream, statSync } from 'node:fs';
import { join, normalize } from 'node:path';
import { pathToFileURL } from 'node:url';
import { createGzip, gzipSync } from 'node:zlib';
import { png, product } from './pictures.mjs';

const BORN = 'Mon, 23 Nov 2026 05:47:00 GMT';
const types = { jpg: 'image/jpeg', jpeg: 'image/jpeg', png: 'image/png', webp: 'image/webp', gif: 'image/gif',
  tif: 'image/tiff', tiff: 'image/tiff', avif: 'image/avif', heic: 'image/heic', html: 'text/html' };

function startOrigin({ host = '127.0.0.1', port = 0, dir } = {}) {
  const seen = { hits: {}, log: [], requests: 0, connections: 0, open: 0, peak: 0, not_modified: 0 };
  const reset = () => Object.assign(seen, { hits: {}, log: [], requests: 0, connections: 0, peak: seen.open, not_modified: 0 });
  const picture = (q) => png(Number(q.get('w') ?? 64), Number(q.get('h') ?? 48), Number(q.get('seed') ?? q.get('v') ?? 1));
  const json = (res, v) => res.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(v));
  const send = (res, body, headers = {}) =>
    res.writeHead(200, { 'content-type': 'image/png', 'content-length': body.length, ...headers }).end(body);

  /** 304 when a validator of the request matches one of these headers. */
  function validated(req, res, headers) {
    const same = req.headers['if-none-match'] !== undefined ? req.headers['if-none-match'] === headers.etag :
      req.headers['if-modified-since'] !== undefined && req.headers['if-modified-since'] === headers['last-modified'];
    if (!same) return false;
    seen.not_modified++;
    res.writeHead(304, headers).end();
    return true;
  }
  function sendPicture(req, res, q, headers) {
    const body = picture(q);
    headers ??= { etag: `"${createHash('sha1').update(body).digest('hex')}"`, 'last-modified': BORN };
    if (!validated(req, res, headers)) send(res, body, headers);
  }
  function sendFile(req, res, path) {
    const file = dir && join(dir, normalize(decodeURIComponent(path)));
    let st;
    try {
      st = file && statSync(file);
    } catch {
      st = undefined;
    }
    if (!st?.isFile()) return res.writeHead(404, { 'content-type': 'text/plain' }).end('no such picture\n');
    const headers = { etag: `"${st.size}-${Math.trunc(st.mtimeMs)}"`, 'last-modified': st.mtime.toUTCString() };
    if (validated(req, res, headers)) return undefined;
    res.writeHead(200, { 'content-type': types[file.split('.').pop().toLowerCase()] ?? 'application/octet-stream',
      'content-length': st.size, ...headers });
    return createReadStream(file).on('error', () => res.destroy()).pipe(res); // the folder may go meanwhile
  }

  /** Writes chunk after chunk until `left` runs out or the other side goes. */
  function pour(out, chunk, left) {
    while (left-- > 0 && !out.destroyed) {
      if (!out.write(chunk)) {
        out.once('drain', () => pour(out, chunk, left));
        return;
      }
    }
    out.end();
  }
  /** One character every ms, from text and then from filler for ever. */
  function drip(socket, text, filler, ms) {
    let i = 0;
    const timer = setInterval(() => {
      if (socket.destroyed) clearInterval(timer);
      else socket.write(i < text.length ? text[i++] : filler);
    }, ms);
    socket.on('close', () => clearInterval(timer));
  }

  const routes = {
    '/png': sendPicture,
    '/product': (req, res, q) => send(res, product(64, 48, Number(q.get('seed') ?? 1))),
    '/delay': (req, res, q) => setTimeout(() => sendPicture(req, res, q), Number(q.get('ms') ?? 1000)),
    '/etag': (req, res, q) => sendPicture(req, res, q, { etag: `"v${q.get('v') ?? 1}"` }),
    '/last-modified': (req, res, q) => sendPicture(req, res, q, { 'last-modified': BORN }),
    '/flaky': (req, res, q) => (seen.hits[req.url] <= Number(q.get('fail') ?? 1) ?
      res.writeHead(Number(q.get('status') ?? 503)).end('not yet\n') : sendPicture(req, res, q)),
    '/retry-after': (req, res, q) => (seen.hits[req.url] <= Number(q.get('fail') ?? Infinity) ?
      res.writeHead(429, { 'retry-after': q.get('s') ?? '1' }).end('later\n') : sendPicture(req, res, q)),
    // The target goes out as UTF-8 bytes, whatever it is; only what would end the line is left out.
    '/redirect': (req, res, q) => res.writeHead(Number(q.get('status') ?? 302),
      { location: Buffer.from(q.get('to') ?? '').toString('latin1').replace(/[\0\r\n]/g, '') }).end(),
    '/redirect-loop': (req, res, q) =>
      res.writeHead(302, { location: q.has('back') ? '/redirect-loop' : '/redirect-loop?back' }).end(),
    '/redirect-chain': (req, res, q) => (Number(q.get('n') ?? 0) > 0 ?
      res.writeHead(302, { location: `redirect-chain?n=${Number(q.get('n')) - 1}` }).end() : sendPicture(req, res, q)),
    '/slow-header': (req, res, q) => drip(req.socket, 'HTTP/1.1 200 OK\r\nX-Slow: ', 'x', Number(q.get('ms') ?? 100)),
    '/slow-body': (req, res, q) => {
      req.socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n');
      drip(req.socket, '\x89PNG', 'x', Number(q.get('ms') ?? 100));
    },
    '/hang': () => {},
    '/hang-body': (req, res) => res.writeHead(200, { 'content-length': 1000 }).flushHeaders(),
    '/endless': (req, res, q) => {
      res.writeHead(200, q.has('length') ? { 'content-length': 2 ** 40 } : {});
      pour(res, Buffer.alloc(65536, 'x'), Infinity);
    },
    '/gzip': (req, res, q) => send(res, gzipSync(picture(q)), { 'content-encoding': 'gzip' }),
    '/gzip-bomb': (req, res, q) => {
      res.writeHead(200, { 'content-encoding': 'gzip' });
      const zip = createGzip();
      zip.pipe(res);
      res.on('close', () => zip.destroy());
      pour(zip, Buffer.alloc(1 << 20), Number(q.get('mb') ?? 1024));
    },
    '/wrong-length': (req, res, q) => {
      const body = picture(q);
      req.socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length + (q.has('long') ? -10 : 10)}\r\n\r\n`);
      req.socket.end(body);
    },
    '/reset': (req, res) => {
      req.socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nsome bytes', () => req.socket.resetAndDestroy());
    },
    '/close': (req) => req.socket.destroy(),
    '/empty': (req, res) => send(res, Buffer.alloc(0)),
    '/html': (req, res) => send(res, Buffer.from('<!doctype html><title>Not found</title>\n'), { 'content-type': 'image/jpeg' }),
    '/many-headers': (req, res) => {
      for (let i = 0; i < 1000; i++) res.setHeader(`x-${i}`, 'y'.repeat(50));
      send(res, Buffer.from('x'));
    },
    '/no-http': (req) => req.socket.end('220 mail.example.com ESMTP\r\n'),
    '/__hits': (req, res) => json(res, seen.hits),
    '/__log': (req, res) => json(res, seen.log),
    '/__stats': (req, res) => json(res, { ...seen, hits: undefined, log: undefined }),
  };

  function count(req, res) {
    seen.hits[req.url] = (seen.hits[req.url] ?? 0) + 1;
    seen.requests++;
    seen.peak = Math.max(seen.peak, ++seen.open);
    res.on('close', () => seen.open--);
    seen.log.push({ method: req.method, url: req.url, headers: req.headers });
    if (seen.log.length > 1000) seen.log.shift();
  }
  function answer(req, res) {
    const { pathname, searchParams: q } = new URL(req.url, 'http://origin');
    if (req.method === 'DELETE' && pathname.startsWith('/__')) {
      reset();
      return res.writeHead(204).end();
    }
    if (!pathname.startsWith('/__')) count(req, res);
    const status = /^\/status\/(\d{3})$/.exec(pathname);
    const route = status ? () => res.writeHead(Number(status[1])).end('an error page\n') :
      routes[pathname] ?? (() => sendFile(req, res, pathname));
    return q.has('delay') ? setTimeout(() => route(req, res, q), Number(q.get('delay'))) : route(req, res, q);
  }

  const server = http.createServer({ keepAliveTimeout: 5000 }, answer);
  server.on('connection', (socket) => {
    seen.connections++;
    socket.on('error', () => {});
  });
  return new Promise((ok, fail) => {
    server.on('error', fail);
    server.listen(port, host, () => {
      const a = server.address();
      const url = `http://${a.family === 'IPv6' ? `[${a.address}]` : a.address}:${a.port}`;
      ok({ url, port: a.port, seen, reset, close: () => { server.closeAllConnections(); server.close(); } });
    });
  });
}

export { startOrigin };

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const args = process.argv.slice(2);
  const flag = (name) => (args.includes(name) ? args[args.indexOf(name) + 1] : undefined);
  const origin = await startOrigin({ host: flag('--host'), port: Number(flag('--port') ?? 0), dir: flag('--dir') });
  console.log(`listening on ${origin.url}`);
}
