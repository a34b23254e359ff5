// RFC 6455 from the client's side, over raw sockets, against a server that uses bulb's http room
// and nothing else; then an independent client (npm's ws) over the same.
import { test, describe, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { echoServer, stats } from '../lib/echo.mjs';
import { until } from '../lib/harness.mjs';
import { RawWebSocket, RawSocket, frame, closeBody, handshakeText, op } from '../lib/ws_raw.mjs';

let server;
before(async () => {
  server = await echoServer(null);
});
after(async () => assert.deepEqual(await server.stop(), { code: 0, signal: null }));

/** Opens /ws, runs fn, closes. */
const withSocket = (fn, path = '/ws') => async () => {
  const ws = await RawWebSocket.open(server.url, path);
  try {
    await fn(ws);
  } finally {
    ws.destroy();
  }
};

/** What is written fails the connection with this code, and TCP ends within 2.5 s. */
const fails = (code, ...writes) => withSocket(async (ws) => {
  for (const w of writes) ws.write(w);
  assert.equal((await ws.closed()).code, code);
  await ws.end(2500);
});

/** What is written comes back as one text message. */
const echoes = (text, ...writes) => withSocket(async (ws) => {
  for (const w of writes) ws.write(w);
  const f = await ws.frame();
  assert.deepEqual([f.opcode, f.fin, f.rsv, f.masked], [op.text, true, 0, false]);
  assert.ok(f.payload.equals(Buffer.from(text)), 'the payload is the same');
});

describe('opening handshake (§4.2)', () => {
  async function refused(status, options, path = '/ws') {
    const s = new RawSocket(server.url);
    s.write(handshakeText(path, s.host, options));
    const r = await s.response();
    s.destroy();
    assert.equal(r.status, status);
    assert.equal(r.headers['content-type'], 'application/problem+json');
    assert.ok(JSON.parse(r.body).code);
    return r;
  }

  test('the accept value is the one of the RFC', async () => {
    const ws = await RawWebSocket.open(server.url, '/ws');
    assert.equal(ws.head101.headers['sec-websocket-accept'], 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=');
    assert.equal(ws.head101.headers.upgrade.toLowerCase(), 'websocket');
    assert.equal(ws.head101.headers.connection.toLowerCase(), 'upgrade');
    assert.equal(ws.head101.headers['content-length'], undefined);
    ws.destroy();
  });
  for (const headers of [
    { Upgrade: 'WebSocket', Connection: 'upgrade' },
    { Upgrade: 'WEBSOCKET', Connection: 'keep-alive, UPGRADE' },
    { Upgrade: 'h2c, websocket', Connection: 'Upgrade ,\tkeep-alive' },
  ]) {
    test(`tokens are case-insensitive and stand in lists: ${JSON.stringify(headers)}`, async () => {
      const ws = await RawWebSocket.open(server.url, '/ws', { headers });
      ws.send(op.text, 'x');
      assert.equal((await ws.frame()).payload.toString(), 'x');
      ws.destroy();
    });
  }
  for (const version of ['0', '8', '12', '14', '013', '13, 8', '', null]) {
    test(`version ${version} is answered with 426 and the version we speak`, async () => {
      const r = await refused(426, { headers: { 'Sec-WebSocket-Version': version } });
      assert.equal(r.headers['sec-websocket-version'], '13');
    });
  }
  for (const key of [null, '', 'short', 'dGhlIHNhbXBsZSBub25jZQ', 'dGhlIHNhbXBsZSBub25jZXM=', '!GhlIHNhbXBsZSBub25jZQ==', 'AAAAAAAAAAAAAAAAAAAAAAAAAA==']) {
    test(`key ${key} is refused with 400`, () => refused(400, { headers: { 'Sec-WebSocket-Key': key } }));
  }
  test('POST is refused', () => refused(400, { method: 'POST' }));
  test('HTTP/1.0 is refused', () => refused(400, { version: 'HTTP/1.0' }));
  test('without Upgrade: 426', () => refused(426, { headers: { Upgrade: null } }));
  test('without Connection: 426', () => refused(426, { headers: { Connection: null } }));
  test('Connection: close is no upgrade', () => refused(426, { headers: { Connection: 'close' } }));
  test('Upgrade: websocketx is no upgrade', () => refused(426, { headers: { Upgrade: 'websocketx' } }));
  test('no extension is taken', async () => {
    const ws = await RawWebSocket.open(server.url, '/ws', { headers: { 'Sec-WebSocket-Extensions': 'permessage-deflate; client_max_window_bits' } });
    assert.equal(ws.head101.headers['sec-websocket-extensions'], undefined);
    ws.destroy();
  });
  test('a subprotocol is answered only when it was chosen', async () => {
    const chat = await RawWebSocket.open(server.url, '/ws', { headers: { 'Sec-WebSocket-Protocol': 'chat' } });
    assert.equal(chat.head101.headers['sec-websocket-protocol'], 'chat');
    const other = await RawWebSocket.open(server.url, '/ws', { headers: { 'Sec-WebSocket-Protocol': 'other' } });
    assert.equal(other.head101.headers['sec-websocket-protocol'], undefined);
    chat.destroy();
    other.destroy();
  });
  test('frames that come with the handshake are not lost', async () => {
    const ws = new RawWebSocket(server.url);
    ws.write(Buffer.concat([Buffer.from(handshakeText('/ws', ws.host)), frame(op.text, 'early'), frame(op.text, 'bird')]));
    assert.equal((await ws.head()).status, 101);
    assert.equal((await ws.frame()).payload.toString(), 'early');
    assert.equal((await ws.frame()).payload.toString(), 'bird');
    ws.destroy();
  });
  test('a handshake that comes byte by byte', async () => {
    const ws = new RawWebSocket(server.url);
    for (const b of handshakeText('/ws', ws.host)) ws.write(b);
    assert.equal((await ws.head()).status, 101);
    ws.destroy();
  });
});

describe('data frames (§5.2, §5.6)', () => {
  for (const n of [0, 1, 125, 126, 127, 128, 65535, 65536]) {
    test(`${n} bytes come back in the shortest form of length`, withSocket(async (ws) => {
      ws.send(op.text, 'a'.repeat(n));
      const f = await ws.frame();
      assert.equal(f.payload.length, n);
      assert.equal(f.form, n < 126 ? 2 : n < 65536 ? 4 : 10);
    }));
  }
  test('byte by byte', async () => {
    const bytes = [...frame(op.text, 'äöü'.repeat(60))].map((b) => Buffer.from([b]));
    await echoes('äöü'.repeat(60), ...bytes)();
  });
  test('several in one write come back in order', withSocket(async (ws) => {
    ws.write(Buffer.concat(Array.from({ length: 50 }, (_, i) => frame(op.text, `m${i}`))));
    for (let i = 0; i < 50; i++) assert.equal((await ws.frame()).payload.toString(), `m${i}`);
  }));
  test('binary is refused with 1003', fails(1003, frame(op.binary, Buffer.from([1, 2, 3]))));
  test('a binary fragment is refused with 1003', fails(1003, frame(op.binary, 'ab', { fin: false })));
  test('over the limit: 1009', fails(1009, frame(op.text, 'a'.repeat(65537))));
  test('fragments over the limit together: 1009',
    fails(1009, frame(op.text, 'a'.repeat(40000), { fin: false }), frame(op.cont, 'a'.repeat(40000))));
  test('a declared length of 2^40 is not waited for: 1009', fails(1009, frame(op.text, 'a', { length: [64, 2 ** 40] })));
});

describe('masks and lengths (§5.1, §5.2)', () => {
  test('an unmasked text frame: 1002', fails(1002, frame(op.text, 'hi', { masked: false })));
  test('an unmasked empty text frame: 1002', fails(1002, frame(op.text, '', { masked: false })));
  test('an unmasked ping: 1002', fails(1002, frame(op.ping, 'hi', { masked: false })));
  test('an unmasked Close: 1002', fails(1002, frame(op.close, closeBody(1000), { masked: false })));
  test('16 bits for a length under 126: 1002', fails(1002, frame(op.text, 'hello', { length: [16, 5] })));
  test('64 bits for a length under 65536: 1002', fails(1002, frame(op.text, 'a'.repeat(300), { length: [64, 300] })));
  test('the most significant bit of a length: 1002', fails(1002, frame(op.text, 'a', { length: [64, 1n << 63n] })));
});

describe('reserved bits and opcodes (§5.2)', () => {
  for (const rsv of [1, 2, 3, 4, 5, 6, 7]) {
    test(`RSV ${rsv} on text: 1002`, fails(1002, frame(op.text, 'x', { rsv })));
  }
  test('RSV on ping: 1002', fails(1002, frame(op.ping, 'x', { rsv: 4 })));
  test('RSV on Close: 1002', fails(1002, frame(op.close, closeBody(1000), { rsv: 4 })));
  test('RSV on a continuation: 1002', fails(1002, frame(op.text, 'a', { fin: false }), frame(op.cont, 'b', { rsv: 1 })));
  for (const o of [3, 4, 5, 6, 7, 11, 12, 13, 14, 15]) {
    test(`opcode ${o}: 1002`, fails(1002, frame(o, 'x')));
    test(`opcode ${o} without payload: 1002`, fails(1002, frame(o)));
  }
  test('a reserved opcode amid a message: 1002', fails(1002, frame(op.text, 'a', { fin: false }), frame(5, 'b')));
  test('what came before the fault is still answered', withSocket(async (ws) => {
    ws.write(Buffer.concat([frame(op.text, 'good'), frame(3, 'bad')]));
    const first = await ws.frame();
    if (first.opcode === op.text) {
      assert.equal(first.payload.toString(), 'good');
      assert.equal((await ws.closed()).code, 1002);
    } else {
      assert.equal(first.payload.readUInt16BE(0), 1002); // failing at once is allowed
    }
  }));
});

describe('fragmentation (§5.4)', () => {
  const part = (o, text, fin = false) => frame(o, text, { fin });
  test('two fragments', echoes('hello', part(op.text, 'he'), part(op.cont, 'llo', true)));
  test('one hundred fragments', echoes('x'.repeat(100), part(op.text, 'x'), ...Array.from({ length: 98 }, () => part(op.cont, 'x')), part(op.cont, 'x', true)));
  test('empty fragments', echoes('mid', part(op.text, ''), part(op.cont, ''), part(op.cont, 'mid'), part(op.cont, '', true)));
  test('all fragments empty', echoes('', part(op.text, ''), part(op.cont, ''), part(op.cont, '', true)));
  test('a continuation of nothing: 1002', fails(1002, part(op.cont, 'x', true)));
  test('an unfinished continuation of nothing: 1002', fails(1002, part(op.cont, 'x')));
  test('a continuation after the end: 1002', withSocket(async (ws) => {
    ws.write(part(op.text, 'a')).write(part(op.cont, 'b', true));
    assert.equal((await ws.frame()).payload.toString(), 'ab');
    ws.write(part(op.cont, 'c', true));
    assert.equal((await ws.closed()).code, 1002);
  }));
  test('text amid a message: 1002', fails(1002, part(op.text, 'a'), part(op.text, 'b', true)));
  test('binary amid a message: 1002', fails(1002, part(op.text, 'a'), part(op.binary, 'b', true)));
  test('a ping between fragments is answered before the message', withSocket(async (ws) => {
    ws.write(part(op.text, 'a')).write(frame(op.ping, 'now'));
    const pong = await ws.frame();
    assert.deepEqual([pong.opcode, pong.payload.toString()], [op.pong, 'now']);
    ws.write(part(op.cont, 'b', true));
    assert.equal((await ws.frame()).payload.toString(), 'ab');
  }));
  test('a pong between fragments changes nothing', echoes('ab', part(op.text, 'a'), frame(op.pong, 'zz'), part(op.cont, 'b', true)));
  test('a Close between fragments closes', withSocket(async (ws) => {
    ws.write(part(op.text, 'a')).write(frame(op.close, closeBody(1001)));
    assert.equal((await ws.closed()).code, 1001);
    await ws.end(2500);
  }));
});

describe('control frames (§5.5)', () => {
  for (const n of [0, 1, 125]) {
    test(`a ping with ${n} bytes is answered with the same`, withSocket(async (ws) => {
      ws.send(op.ping, Buffer.alloc(n, 0xfe));
      const f = await ws.frame();
      assert.deepEqual([f.opcode, f.fin, f.masked], [op.pong, true, false]);
      assert.ok(f.payload.equals(Buffer.alloc(n, 0xfe)));
    }));
  }
  test('a ping byte by byte', withSocket(async (ws) => {
    for (const b of frame(op.ping, 'slowly')) ws.write(Buffer.from([b]));
    assert.equal((await ws.frame()).payload.toString(), 'slowly');
  }));
  test('the latest of many pings is answered', withSocket(async (ws) => {
    ws.write(Buffer.concat(Array.from({ length: 20 }, (_, i) => frame(op.ping, `p${i}`))));
    for (;;) {
      const f = await ws.frame();
      assert.equal(f.opcode, op.pong);
      if (f.payload.toString() === 'p19') break;
    }
  }));
  test('an unasked pong is taken silently', echoes('after', frame(op.pong, 'hello'), frame(op.pong, ''), frame(op.text, 'after')));
  for (const [name, o] of [['ping', op.ping], ['pong', op.pong], ['Close', op.close]]) {
    test(`a ${name} of 126 bytes: 1002`, fails(1002, frame(o, Buffer.alloc(126, 3))));
    test(`a ${name} in fragments: 1002`, fails(1002, frame(o, 'a', { fin: false })));
  }
});

describe('closing (§5.5.1, §7)', () => {
  for (const code of [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999]) {
    test(`${code} is answered with ${code}`, fails(code, frame(op.close, closeBody(code, 'bye'))));
  }
  for (const code of [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535]) {
    test(`${code} is not a code: 1002`, fails(1002, frame(op.close, closeBody(code))));
  }
  test('without a body it is answered without one', fails(0, frame(op.close)));
  test('with one byte: 1002', fails(1002, frame(op.close, Buffer.from([3]))));
  test('with the longest reason', fails(1000, frame(op.close, closeBody(1000, 'r'.repeat(123)))));
  test('with a reason that is no UTF-8: 1007', fails(1007, frame(op.close, closeBody(1000, Buffer.from([0xce, 0xba, 0xed, 0xa0, 0x80])))));
  test('with a reason cut within a character: 1007', fails(1007, frame(op.close, closeBody(1000, Buffer.from([0xe2, 0x82])))));
  test('byte by byte, with a reason of three-byte characters', withSocket(async (ws) => {
    for (const b of frame(op.close, closeBody(1000, '€€€'))) {
      ws.write(Buffer.from([b]));
      await new Promise(setImmediate);
    }
    assert.equal((await ws.closed()).code, 1000);
  }));
  test('what follows a Close is ignored', withSocket(async (ws) => {
    ws.write(Buffer.concat([frame(op.close, closeBody(1000)), frame(op.text, 'late'), frame(op.ping, 'late')]));
    assert.equal((await ws.closed()).code, 1000);
    assert.equal(await ws.frame(), null);
  }));
  test('messages before a Close are answered before it, or the Close comes at once', withSocket(async (ws) => {
    ws.write(Buffer.concat([frame(op.text, 'one'), frame(op.close, closeBody(1000))]));
    const f = await ws.frame();
    assert.ok(f.opcode === op.close || (f.payload.toString() === 'one' && (await ws.closed()).code === 1000));
  }));
  test('the server closes with code and reason, and TCP ends after our Close', withSocket(async (ws) => {
    ws.send(op.text, 'close 4001');
    assert.deepEqual(await ws.closed(), { code: 4001, reason: 'as you wish' });
    ws.send(op.close, closeBody(4001));
    ws.socket.end();
    await ws.end(2500);
  }));
  test('a client that vanishes is noticed', async () => {
    const ws = await RawWebSocket.open(server.url, '/ws');
    const had = await stats(server.url);
    ws.socket.resetAndDestroy();
    await until('the reset to be noticed', async () => (await stats(server.url)).client > had.client);
  });
  test('no socket of this test is left open', () => until('all streams to end', async () => (await stats(server.url)).open === 0));
});

describe('UTF-8 (§8.1)', () => {
  const bytes = (...b) => Buffer.from(b);
  for (const text of ['κόσμε', '\u0000', '\u007f', '\u0080', '\u07ff', '\u0800', '\ud7ff', '\ue000', '\uffff', '\u{10000}', '\u{10ffff}', '\ufeff']) {
    test(`valid: U+${text.codePointAt(0).toString(16)}`, echoes(text, frame(op.text, text)));
  }
  const invalid = {
    'a lone continuation': bytes(0x80), 'an overlong slash (2)': bytes(0xc0, 0xaf), 'an overlong slash (3)': bytes(0xe0, 0x80, 0xaf),
    'an overlong slash (4)': bytes(0xf0, 0x80, 0x80, 0xaf), 'an overlong NUL': bytes(0xc0, 0x80), 'U+D800': bytes(0xed, 0xa0, 0x80),
    'U+DFFF': bytes(0xed, 0xbf, 0xbf), 'a surrogate pair': bytes(0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80), 'U+110000': bytes(0xf4, 0x90, 0x80, 0x80),
    'five bytes': bytes(0xf8, 0x88, 0x80, 0x80, 0x80), FE: bytes(0xfe), FF: bytes(0xff), 'a cut character': bytes(0x61, 0xe2, 0x82),
    'a lead in place of a continuation': bytes(0xe2, 0xe2, 0x82, 0xac),
  };
  for (const [name, b] of Object.entries(invalid)) {
    test(`invalid: ${name}: 1007`, fails(1007, frame(op.text, b)));
    test(`invalid in a second fragment: ${name}: 1007`, fails(1007, frame(op.text, 'ok', { fin: false }), frame(op.cont, b)));
  }
  const euro = Buffer.from('a€b');
  for (let cut = 1; cut < euro.length; cut++) {
    test(`a character may be cut between fragments (${cut})`,
      echoes('a€b', frame(op.text, euro.subarray(0, cut), { fin: false }), frame(op.cont, euro.subarray(cut))));
  }
  test('a wrong byte fails at once, before the message is whole',
    fails(1007, frame(op.text, Buffer.concat([Buffer.from('abc'), bytes(0xff), Buffer.from('x'.repeat(100))]), { fin: false })));
  test('a wrong byte fails before its frame is whole', fails(1007, frame(op.text, bytes(0x61, 0xff), { length: 100 })));
});

describe('what a server must do by itself', () => {
  test('it pings, and an answering client stays', async () => {
    const ws = await RawWebSocket.open(server.url, '/ws?ping=100');
    for (let i = 0; i < 6; i++) {
      const f = await ws.frame();
      assert.equal(f.opcode, op.ping);
      ws.send(op.pong, f.payload);
    }
    ws.destroy();
  });
  test('a client that is silent through three pings is let go', async () => {
    const ws = await RawWebSocket.open(server.url, '/ws?ping=100');
    let f;
    do f = await ws.frame(); while (f.opcode === op.ping);
    assert.deepEqual([f.opcode, f.payload.readUInt16BE(0)], [op.close, 1013]);
    await ws.end();
    ws.destroy();
  });
  test('a control frame never stands inside a data frame', async () => {
    const ws = await RawWebSocket.open(server.url, '/flood');
    ws.send(op.ping, 'amid');
    let frames = 0;
    for (let pong = false; !pong; frames++) {
      const f = await ws.frame();
      if (f.opcode === op.text) assert.ok(f.payload.equals(Buffer.alloc(8192, 'f')));
      else pong = f.opcode === op.pong && f.payload.toString() === 'amid';
    }
    assert.ok(frames >= 1);
    ws.destroy();
  });
  test('a client that floods pings without reading costs one pong', async () => {
    const ws = await RawWebSocket.open(server.url, '/ws');
    ws.socket.pause();
    const pings = Buffer.concat(Array.from({ length: 1000 }, () => frame(op.ping, Buffer.alloc(125, 1))));
    for (let i = 0; i < 40; i++) ws.write(pings);
    ws.send(op.ping, 'last');
    ws.socket.resume();
    for (;;) {
      const f = await ws.frame(20000);
      assert.equal(f.opcode, op.pong);
      if (f.payload.toString() === 'last') break;
    }
    ws.destroy();
  });
  test('a reader that takes nothing is closed with 1013 after a whole frame', async () => {
    const had = (await stats(server.url)).slow;
    const ws = await RawWebSocket.open(server.url, '/flood?stall=300');
    ws.socket.pause();
    await until('the server to give up', async () => (await stats(server.url)).slow > had);
    ws.socket.resume();
    for (;;) {
      const f = await ws.frame();
      if (f.opcode === op.close) {
        assert.equal(f.payload.readUInt16BE(0), 1013);
        break;
      }
    }
    await ws.end();
    ws.destroy();
  });
  test('a flooding reader does not hold up the others', async () => {
    const floods = await Promise.all(Array.from({ length: 4 }, () => RawWebSocket.open(server.url, '/flood')));
    for (const f of floods) f.socket.on('data', () => (f.buf = Buffer.alloc(0)));
    const ws = await RawWebSocket.open(server.url, '/ws');
    for (let i = 0; i < 20; i++) {
      ws.send(op.text, `${i}`);
      assert.equal((await ws.frame()).payload.toString(), `${i}`);
    }
    for (const s of [ws, ...floods]) s.destroy();
  });
  test('on SIGTERM every socket is closed with 1001 and the server ends', async (t) => {
    const own = await echoServer(t);
    const sockets = await Promise.all(Array.from({ length: 50 }, () => RawWebSocket.open(own.url, '/feed')));
    own.proc.kill('SIGTERM');
    for (const ws of sockets) {
      assert.equal((await ws.closed()).code, 1001);
      ws.socket.end();
    }
    assert.deepEqual(await own.exit, { code: 0, signal: null });
  });
});

describe('an independent client: ws', () => {
  let WebSocket;
  before(async () => {
    WebSocket = (await import('ws')).WebSocket;
  });
  const opened = (path, options) => new Promise((ok, fail) => {
    const ws = new WebSocket(server.url.replace('http', 'ws') + path, options);
    ws.messages = [];
    ws.on('message', (d, binary) => ws.messages.push(binary ? d : d.toString()));
    ws.on('open', () => ok(ws)).on('error', fail);
  });
  const closed = (ws) => new Promise((ok) => ws.on('close', (code, reason) => ok([code, reason.toString()])));

  test('messages of all lengths, fragments and pings', async () => {
    const ws = await opened('/ws', { perMessageDeflate: true });
    const sent = ['', 'a', 'b'.repeat(125), 'c'.repeat(126), 'd'.repeat(65535), 'e'.repeat(65536), 'κόσμε 😀'];
    for (const s of sent) ws.send(s);
    ws.send('frag', { fin: false });
    ws.send('ment', { fin: true });
    const pong = new Promise((ok) => ws.on('pong', (d) => ok(d.toString())));
    ws.ping('are you there');
    assert.equal(await pong, 'are you there');
    await until('all to come back', () => ws.messages.length === sent.length + 1);
    assert.deepEqual(ws.messages, [...sent, 'fragment']);
    const end = closed(ws);
    ws.close(4002, 'done');
    assert.deepEqual(await end, [4002, '']);
  });
  test('a close by the server reaches it with code and reason', async () => {
    const ws = await opened('/ws');
    const end = closed(ws);
    ws.send('close 1008');
    assert.deepEqual(await end, [1008, 'as you wish']);
  });
  test('binary gets 1003, too much 1009', async () => {
    const ws = await opened('/ws');
    const end = closed(ws);
    ws.send(Buffer.from([1, 2]));
    assert.deepEqual(await end, [1003, 'text only']);
    const big = await opened('/ws');
    const bigEnd = closed(big);
    big.send('x'.repeat(70000));
    assert.deepEqual(await bigEnd, [1009, 'message too large']);
  });
  test('two hundred readers get every event of a broadcast once and in order', async () => {
    const readers = await Promise.all(Array.from({ length: 200 }, () => opened('/feed')));
    for (let i = 0; i < 50; i++) await fetch(`${server.url}/publish`, { method: 'POST', body: `event ${i}` });
    await until('all events', () => readers.every((r) => r.messages.length >= 50), 60000);
    const want = Array.from({ length: 50 }, (_, i) => `event ${i}`);
    for (const r of readers) assert.deepEqual(r.messages, want);
    await Promise.all(readers.map((r) => {
      const end = closed(r);
      r.close(1000);
      return end;
    }));
  });
});

describe('an independent client: python3-websockets', () => {
  const script = `
import asyncio, sys
try:
    import websockets
except ImportError:
    sys.exit(77)
async def main(url):
    async with websockets.connect(url) as ws:
        for m in ["", "a" * 125, "b" * 126, "c" * 65536, "\\u03ba\\U0001f600"]:
            await ws.send(m)
            assert await ws.recv() == m
        await ws.send(["frag", "men", "ted"])
        assert await ws.recv() == "fragmented"
        await asyncio.wait_for(await ws.ping("hello"), 5)
    assert ws.close_code == 1000, ws.close_code
    for sent, code in (("close 4005", 4005), (b"binary", 1003), ("x" * 70000, 1009)):
        async with websockets.connect(url) as ws:
            await ws.send(sent)
            try:
                await ws.recv()
                assert False
            except websockets.ConnectionClosed as e:
                assert e.rcvd and e.rcvd.code == code, (e.rcvd, code)
asyncio.run(main(sys.argv[1]))
`;
  test('echo, fragments, pings and closes', async (t) => {
    const python = spawn('/usr/bin/python3', ['-c', script, `${server.url.replace('http', 'ws')}/ws`], { stdio: ['ignore', 'inherit', 'pipe'] });
    let err = '';
    python.stderr.on('data', (d) => (err += d));
    const code = await new Promise((ok) => python.on('close', ok));
    if (code === 77) t.skip('python3-websockets is not installed');
    else assert.equal(code, 0, err);
  });
});
