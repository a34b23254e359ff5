// A WebSocket client that can do everything wrong: it writes the bytes it is told to and reads
// frames one by one. Written from RFC 6455, so that the server is not tested against a library's
// idea of it.
import { connect } from 'node:net';
import { randomBytes } from 'node:crypto';

export const op = { cont: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 };

/** A socket whose bytes can be awaited. */
export class RawSocket {
  constructor(url, { from } = {}) {
    const { hostname, port } = new URL(url);
    this.host = `${hostname}:${port}`;
    this.buf = Buffer.alloc(0);
    this.ended = false;
    this.waiting = [];
    this.socket = connect({ host: hostname, port: Number(port), localAddress: from, noDelay: true, allowHalfOpen: true });
    this.socket.on('data', (d) => {
      this.buf = Buffer.concat([this.buf, d]);
      this.#wake();
    });
    const over = () => {
      this.ended = true;
      this.#wake();
    };
    this.socket.on('end', over).on('close', over).on('error', over);
  }

  #wake() {
    for (const w of this.waiting.splice(0)) w();
  }

  write(data) {
    this.socket.write(data);
    return this;
  }

  /** Resolves with fn()'s first value that is not undefined; fails when the other side ends before. */
  async until(what, fn, ms = 10000) {
    const limit = Date.now() + ms;
    for (;;) {
      const v = fn();
      if (v !== undefined) return v;
      if (this.ended) throw new Error(`the connection ended before ${what}; had ${JSON.stringify(this.buf.toString('latin1').slice(0, 200))}`);
      const left = limit - Date.now();
      if (left <= 0) throw new Error(`no ${what} in ${ms} ms`);
      await new Promise((ok) => {
        const timer = setTimeout(ok, left);
        this.waiting.push(() => {
          clearTimeout(timer);
          ok();
        });
      });
    }
  }

  take(n) {
    const d = this.buf.subarray(0, n);
    this.buf = this.buf.subarray(n);
    return d;
  }

  /** The other side's end of the connection. */
  async end(ms = 10000) {
    const limit = Date.now() + ms;
    while (!this.ended) {
      const left = limit - Date.now();
      if (left <= 0) throw new Error(`still open after ${ms} ms`);
      await new Promise((ok) => {
        const timer = setTimeout(ok, left);
        this.waiting.push(() => {
          clearTimeout(timer);
          ok();
        });
      });
    }
  }

  /** An HTTP head: { status, headers } (names in lower case; repeated ones joined). */
  async head(ms) {
    const at = await this.until('the end of a head', () => {
      const i = this.buf.indexOf('\r\n\r\n');
      return i < 0 ? undefined : i;
    }, ms);
    const lines = this.take(at + 4).toString('latin1').split('\r\n');
    const headers = {};
    for (const l of lines.slice(1, -2)) {
      const i = l.indexOf(':');
      const name = l.slice(0, i).toLowerCase();
      headers[name] = name in headers ? `${headers[name]}, ${l.slice(i + 1).trim()}` : l.slice(i + 1).trim();
    }
    return { line: lines[0], status: Number(lines[0].split(' ')[1]), headers };
  }

  async body(head, ms) {
    const n = Number(head.headers['content-length'] ?? 0);
    await this.until(`${n} bytes of a body`, () => (this.buf.length >= n ? true : undefined), ms);
    return this.take(n).toString();
  }

  async response(ms) {
    const head = await this.head(ms);
    return { ...head, body: head.status === 304 ? '' : await this.body(head, ms) };
  }

  destroy() {
    this.socket.destroy();
  }
}

export const sampleKey = 'dGhlIHNhbXBsZSBub25jZQ=='; // RFC 6455 §1.3

export function handshakeText(path, host, { method = 'GET', version = 'HTTP/1.1', headers = {} } = {}) {
  const all = {
    Host: host, Upgrade: 'websocket', Connection: 'Upgrade', 'Sec-WebSocket-Key': sampleKey, 'Sec-WebSocket-Version': '13', ...headers,
  };
  const lines = Object.entries(all).filter(([, v]) => v !== null).map(([k, v]) => `${k}: ${v}\r\n`);
  return `${method} ${path} ${version}\r\n${lines.join('')}\r\n`;
}

/** A frame's bytes. length: what the header says (a number, or [form, value] to choose 7, 16, 64 bits). */
export function frame(opcode, payload = '', { fin = true, rsv = 0, masked = true, length } = {}) {
  const data = Buffer.from(payload);
  const [form, n] = Array.isArray(length) ? length : [0, length ?? data.length];
  const bits = form || (n < 126 ? 7 : n < 65536 ? 16 : 64);
  const head = Buffer.alloc(bits === 7 ? 2 : bits === 16 ? 4 : 10);
  head[0] = (fin ? 0x80 : 0) | (rsv << 4) | opcode;
  head[1] = (masked ? 0x80 : 0) | (bits === 7 ? n : bits === 16 ? 126 : 127);
  if (bits === 16) head.writeUInt16BE(n, 2);
  if (bits === 64) head.writeBigUInt64BE(BigInt(n), 2);
  if (!masked) return Buffer.concat([head, data]);
  const mask = randomBytes(4);
  return Buffer.concat([head, mask, data.map((b, i) => b ^ mask[i % 4])]);
}

export function closeBody(code, reason = '') {
  const b = Buffer.alloc(2);
  b.writeUInt16BE(code);
  return Buffer.concat([b, Buffer.from(reason)]);
}

export class RawWebSocket extends RawSocket {
  /** Opens a WebSocket; fails when it is refused. */
  static async open(url, path, options) {
    const ws = new RawWebSocket(url);
    ws.write(handshakeText(path, ws.host, options));
    const head = await ws.head();
    if (head.status !== 101) throw new Error(`refused: ${head.line}`);
    ws.head101 = head;
    return ws;
  }

  send(opcode, payload, options) {
    return this.write(frame(opcode, payload, options));
  }

  /** The next frame, or null when the connection has ended. */
  async frame(ms) {
    try {
      return await this.until('a frame', () => this.#parse(), ms);
    } catch (e) {
      if (this.ended && this.buf.length === 0) return null;
      throw e;
    }
  }

  #parse() {
    const b = this.buf;
    if (b.length < 2) return undefined;
    const small = b[1] & 0x7f;
    const head = small < 126 ? 2 : small === 126 ? 4 : 10;
    if (b.length < head) return undefined;
    const n = small < 126 ? small : small === 126 ? b.readUInt16BE(2) : Number(b.readBigUInt64BE(2));
    if (b.length < head + n) return undefined;
    const payload = Buffer.from(b.subarray(head, head + n));
    const f = { fin: Boolean(b[0] & 0x80), rsv: (b[0] >> 4) & 7, opcode: b[0] & 15, masked: Boolean(b[1] & 0x80), form: head, payload };
    this.take(head + n);
    return f;
  }

  /** The next frame must be a Close: { code, reason }; code 0 when it has no body. */
  async closed(ms) {
    const f = await this.frame(ms);
    if (!f || f.opcode !== op.close) throw new Error(`no Close but ${f ? `opcode ${f.opcode}` : 'the end'}`);
    return { code: f.payload.length ? f.payload.readUInt16BE(0) : 0, reason: f.payload.subarray(2).toString() };
  }
}
