// A gateway between a client and bulb that does what gateways do to live connections. It also serves
// files, so that a page and the API have one origin.
//
//   upgrade: false     takes the Upgrade off, as nginx does without being told; 'refuse': answers 400
//   bufferSse: true    keeps an event stream until it has ended
//   cutMs: N           every connection is cut N ms after it first asked for more than a file
//   freeze()           what is open goes half-open: nothing is passed on and nothing closed
//   cut()              what is open is reset
//   down(true)         refuses connections, until down(false)
//
// `log` tells what came: { method, path, upgrade }; `files` maps a path, or a prefix that ends in '/', to
// a folder, or to { type, body }.
import http from 'node:http';
import { connect } from 'node:net';
import { createReadStream, existsSync } from 'node:fs';
import { extname, join, normalize } from 'node:path';
import { after } from './harness.mjs';

const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.mjs': 'text/javascript', '.css': 'text/css', '.json': 'application/json' };

function fileOf(files, path) {
  if (files[path]) return files[path];
  const prefix = Object.keys(files).find((p) => p.endsWith('/') && path.startsWith(p));
  if (!prefix) return undefined;
  const file = join(files[prefix], normalize(path.slice(prefix.length)));
  return existsSync(file) ? file : undefined;
}

function sendFile(res, file, headers) {
  if (typeof file === 'object') res.writeHead(200, { 'content-type': file.type, ...headers }).end(file.body);
  else {
    res.writeHead(200, { 'content-type': TYPES[extname(file)] ?? 'application/octet-stream', ...headers });
    createReadStream(file).pipe(res);
  }
}

export async function gateway(t, upstream, o = {}) {
  const g = { upstream, log: [], frozen: 0, files: { '/favicon.ico': { type: 'image/x-icon', body: '' }, ...o.files }, headers: o.headers ?? {}, isDown: false };
  const sockets = new Set();

  /* Bytes from one socket to another, until the gateway freezes them. */
  function join2(a, b) {
    for (const [from, to] of [[a, b], [b, a]]) {
      from.on('data', (d) => !from.frozen && !to.destroyed && to.write(d));
      from.on('close', () => from.frozen || to.destroy());
      from.on('error', () => {});
    }
  }
  const target = (path) => new URL(path, g.upstream);
  const note = (req, upgrade) => {
    g.log.push({ method: req.method, path: req.url, upgrade, at: Date.now() });
    if (o.cutMs) req.socket.cut ??= setTimeout(() => req.socket.resetAndDestroy(), o.cutMs).unref();
  };

  function pass(req, res) {
    const { hostname, port } = target('/');
    const headers = { ...req.headers };
    if (headers.upgrade) {
      delete headers.upgrade;
      headers.connection = 'close';
    }
    const up = http.request({ hostname, port, path: req.url, method: req.method, headers, agent: false }, (answer) => {
      res.on('close', () => answer.destroy());
      answer.on('error', () => res.destroy());
      if (o.bufferSse && /event-stream/.test(answer.headers['content-type'])) {
        const parts = [];
        answer.on('data', (d) => parts.push(d));
        answer.on('end', () => res.writeHead(answer.statusCode, answer.headers).end(Buffer.concat(parts)));
        return;
      }
      res.writeHead(answer.statusCode, answer.headers);
      res.flushHeaders();
      answer.on('data', (d) => req.socket.frozen || res.write(d));
      answer.on('end', () => req.socket.frozen || res.end());
    });
    up.on('error', () => {
      if (req.socket.frozen) return;
      if (res.headersSent) res.destroy();
      else res.writeHead(502, { 'content-type': 'text/html' }).end('<h1>502 Bad Gateway</h1>');
    });
    res.on('close', () => up.destroy());
    req.pipe(up);
  }
  function tunnel(req, socket, head) {
    const { hostname, port } = target('/');
    const up = connect({ host: hostname, port: Number(port) }, () => {
      const lines = [`${req.method} ${req.url} HTTP/1.1`];
      for (let i = 0; i < req.rawHeaders.length; i += 2) lines.push(`${req.rawHeaders[i]}: ${req.rawHeaders[i + 1]}`);
      up.write(`${lines.join('\r\n')}\r\n\r\n`);
      if (head.length) up.write(head);
    });
    sockets.add(up);
    join2(socket, up);
  }

  const server = http.createServer((req, res) => {
    const { pathname } = new URL(req.url, 'http://gateway');
    const file = fileOf(g.files, pathname);
    if (file) return sendFile(res, file, g.headers);
    note(req, false);
    return pass(req, res);
  });
  server.on('connection', (socket) => {
    if (g.isDown) return socket.resetAndDestroy();
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
    return undefined;
  });
  server.on('upgrade', (req, socket, head) => {
    note(req, true);
    if (o.upgrade === 'refuse') socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
    else if (o.upgrade !== false) tunnel(req, socket, head);
    else {
      const res = new http.ServerResponse(req);
      res.assignSocket(socket);
      res.on('finish', () => socket.end());
      pass(req, res);
    }
  });
  await new Promise((ok) => server.listen(0, '127.0.0.1', ok));
  g.port = server.address().port;
  g.url = `http://127.0.0.1:${g.port}`;
  g.freeze = () => {
    for (const s of sockets) s.frozen = true;
    g.frozen += sockets.size;
  };
  g.cut = () => {
    for (const s of sockets) s.resetAndDestroy();
  };
  g.down = (is) => {
    g.isDown = is;
    if (is) g.cut();
  };
  after(t, () => {
    server.closeAllConnections();
    g.cut();
    server.close();
  });
  return g;
}
