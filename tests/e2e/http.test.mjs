// HTTP/1.1 over raw sockets, against a server that uses bulb's http room and nothing else: what is
// answered, what is refused and how, limits, slow and vanishing clients, draining.
import { test, describe, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { echoBin, echoServer, stats } from '../lib/echo.mjs';
import { start, until, tempDir, sha256 } from '../lib/harness.mjs';
import { RawSocket } from '../lib/ws_raw.mjs';

let server;
before(async () => {
  server = await echoServer(null);
});
after(async () => assert.deepEqual(await server.stop(), { code: 0, signal: null }));

const open = (url = server.url, options) => new RawSocket(url, options);
/** Writes text on a connection of its own and gives the one answer. */
async function ask(text, url = server.url, options) {
  const s = open(url, options);
  s.write(text);
  const r = await s.response();
  s.destroy();
  return r;
}
const get = (path, headers = '') => `GET ${path} HTTP/1.1\r\nHost: test\r\n${headers}\r\n`;

function assertProblem(r, status, code) {
  assert.equal(r.status, status);
  assert.equal(r.headers['content-type'], 'application/problem+json');
  assert.equal(r.headers.connection, 'close');
  assert.equal(r.headers['x-content-type-options'], 'nosniff');
  const problem = JSON.parse(r.body);
  assert.equal(problem.code, code);
  assert.equal(problem.instance, r.headers['x-request-id']);
}
/** Refused with one problem, then the end: nothing that follows is read as a request. */
async function refused(text, status, code, url = server.url) {
  const s = open(url);
  s.write(text);
  const r = await s.response();
  assertProblem(r, status, code);
  s.socket.end();
  await s.end(5000);
  assert.equal(s.buf.length, 0, `nothing after the refusal, but: ${s.buf}`);
  return r;
}

describe('answers', () => {
  test('every answer carries its common headers', async () => {
    const r = await ask(get('/echo'));
    assert.equal(r.line, 'HTTP/1.1 200 OK');
    assert.ok(Math.abs(Date.parse(r.headers.date) - Date.now()) < 5000);
    assert.equal(r.headers['x-content-type-options'], 'nosniff');
    assert.match(r.headers['x-request-id'], /^[0-9a-z]{26}$/);
    assert.equal(r.headers.connection, undefined);
  });
  test('X-Request-Id is taken when it is harmless', async () => {
    assert.equal((await ask(get('/echo', 'X-Request-Id: trace-17.a_B\r\n'))).headers['x-request-id'], 'trace-17.a_B');
    for (const bad of ['a b', 'x'.repeat(65), 'a"b', '<script>']) {
      assert.match((await ask(get('/echo', `X-Request-Id: ${bad}\r\n`))).headers['x-request-id'], /^[0-9a-z]{26}$/);
    }
  });
  test('a header that came twice reads as one list', async () => {
    const r = await ask(get('/echo?h=x-a', 'X-A: 1\r\nx-a: 2\r\nX-Empty:\r\n'));
    assert.match(r.body, /^x-a=1, 2$/m);
    assert.match((await ask(get('/echo?h=x-empty', 'X-Empty:\r\n'))).body, /^x-empty=$/m);
    assert.match((await ask(get('/echo?h=x-b', 'X-B: \t padded \t \r\n'))).body, /^x-b=padded$/m);
  });
  test('CR and LF of a handler never end a header', async () => {
    const r = await ask(get('/set'));
    assert.equal(r.headers['x-injected'], undefined);
    assert.equal(r.headers['x-evil'], 'a  X-Injected: b');
  });
  test('HEAD has the length and no body', async () => {
    const s = open();
    s.write('HEAD /large?1000 HTTP/1.1\r\nHost: test\r\n\r\n');
    const head = await s.head();
    assert.equal(head.headers['content-length'], '1000');
    s.write(get('/echo'));
    assert.equal((await s.response()).status, 200);
    s.destroy();
  });
  for (const status of [204, 304]) {
    test(`${status} has neither length nor body`, async () => {
      const s = open();
      s.write(get(`/status?${status}`));
      const head = await s.head();
      assert.deepEqual([head.status, head.headers['content-length']], [status, undefined]);
      s.write(get('/echo'));
      assert.equal((await s.response()).status, 200);
      s.destroy();
    });
  }
  test('absolute-form counts and its authority stands for Host', async () => {
    const r = await ask('GET http://other.example:81/echo?h=x HTTP/1.1\r\nHost: test\r\n\r\n');
    assert.match(r.body, /^GET \/echo\?h=x\nhost=other.example:81\n/);
  });
  test('HTTP/1.0 is answered and closed, or kept when it asks for that', async () => {
    const s = open();
    s.write('GET /echo HTTP/1.0\r\n\r\n');
    assert.equal((await s.response()).headers.connection, 'close');
    s.socket.end();
    await s.end();
    const kept = open();
    for (let i = 0; i < 2; i++) {
      kept.write('GET /echo HTTP/1.0\r\nConnection: keep-alive\r\n\r\n');
      assert.equal((await kept.response()).headers.connection, 'keep-alive');
    }
    kept.destroy();
  });
  test('6 MB reach a reader that takes its time', async () => {
    const s = open();
    s.socket.pause();
    s.write(get('/large?6000000', 'Connection: close\r\n'));
    await until('the socket to be full', async () => (await stats(server.url)).open === 0);
    s.socket.resume();
    const r = await s.response(30000);
    assert.equal(r.body.length, 6000000);
    assert.equal(sha256(r.body), sha256('x'.repeat(6000000)));
    s.destroy();
  });
});

describe('one connection, many requests', () => {
  test('pipelined requests are answered in order, the slow first one too', async () => {
    const s = open();
    s.write(get('/slow?100') + Array.from({ length: 100 }, (_, i) => get(`/echo?${i}`)).join(''));
    assert.equal((await s.response()).body, 'slow\n');
    for (let i = 0; i < 100; i++) assert.match((await s.response()).body, new RegExp(`^GET /echo\\?${i}\n`));
    s.destroy();
  });
  test('pipelined bodies, by length and chunked', async () => {
    const s = open();
    s.write('POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nfirst'
      + 'POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nsec\r\n3;name=value\r\nond\r\n0\r\n\r\n'
      + 'POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n' + get('/echo'));
    assert.match((await s.response()).body, /\n\nfirst$/);
    assert.match((await s.response()).body, /\n\nsecond$/);
    assert.match((await s.response()).body, /\n\n$/);
    assert.match((await s.response()).body, /^GET/);
    s.destroy();
  });
  test('byte by byte', async () => {
    const s = open();
    for (const b of `\r\nPOST /echo?h=x HTTP/1.1\r\nHost: a\r\nX: y\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n${get('/echo')}`) {
      s.write(b);
      await new Promise(setImmediate);
    }
    assert.match((await s.response()).body, /x=y\n\nhello$/);
    assert.match((await s.response()).body, /^GET/);
    s.destroy();
  });
  test('Connection: close is honoured', async () => {
    const s = open();
    s.write(get('/echo', 'Connection: close\r\n') + get('/echo'));
    assert.equal((await s.response()).headers.connection, 'close');
    s.socket.end();
    await s.end();
    assert.equal(s.buf.length, 0);
  });
  test('a client that has closed its side still gets its answer', async () => {
    const s = open();
    s.write(get('/slow?100'));
    s.socket.end();
    assert.equal((await s.response()).body, 'slow\n');
    await s.end();
  });
  test('an upgrade to something else is plain HTTP', async () => {
    const s = open();
    s.write(get('/echo', 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n'));
    assert.equal((await s.response()).status, 200);
    s.write(get('/echo', 'Connection: Upgrade\r\nUpgrade: websocket\r\n'));
    assert.equal((await s.response()).status, 200);
    s.write(get('/echo'));
    assert.equal((await s.response()).status, 200);
    s.destroy();
  });
});

describe('what two parsers could read in two ways is refused', () => {
  const head = 'POST /echo HTTP/1.1\r\nHost: a\r\n';
  const chunked = `${head}Transfer-Encoding: chunked\r\n\r\n`;
  const shapes = {
    'Content-Length and Transfer-Encoding': `${head}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    'Transfer-Encoding and Content-Length': `${head}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n`,
    'two lengths': `${head}Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd`,
    'the same length twice': `${head}Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc`,
    'a list of lengths': `${head}Content-Length: 3, 3\r\n\r\nabc`,
    'a signed length': `${head}Content-Length: +3\r\n\r\nabc`,
    'a negative length': `${head}Content-Length: -3\r\n\r\nabc`,
    'a hexadecimal length': `${head}Content-Length: 0x3\r\n\r\nabc`,
    'a length with a space in it': `${head}Content-Length: 1 0\r\n\r\nabcdefghij`,
    'an empty length': `${head}Content-Length:\r\n\r\n`,
    'a length that overflows': `${head}Content-Length: 18446744073709551619\r\n\r\nabc`,
    'a space before the colon': `${head}Content-Length : 3\r\n\r\nabc`,
    'a space before a harmless colon': 'GET /echo HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n',
    'a tab before the colon': `${head}Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n`,
    'a folded line': 'GET /echo HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n',
    'a line folded with a tab': 'GET /echo HTTP/1.1\r\nHost: a\r\nX: b\r\n\tc\r\n\r\n',
    'a folded Transfer-Encoding': `${head}Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n`,
    'a space before the first header': 'GET /echo HTTP/1.1\r\n Host: a\r\n\r\n',
    'a bare LF after the request line': 'GET /echo HTTP/1.1\nHost: a\r\n\r\n',
    'a bare LF after a header': 'GET /echo HTTP/1.1\r\nHost: a\nX: y\r\n\r\n',
    'a bare LF at the end of the head': 'GET /echo HTTP/1.1\r\nHost: a\r\n\n',
    'only bare LF': 'GET /echo HTTP/1.1\nHost: a\n\n',
    'a bare CR in a header': 'GET /echo HTTP/1.1\r\nHost: a\r\nX: a\rTransfer-Encoding: chunked\r\n\r\n',
    'a bare CR at the end of the head': 'GET /echo HTTP/1.1\r\nHost: a\r\n\rX',
    'CR CR LF': 'GET /echo HTTP/1.1\r\nHost: a\r\r\n\r\n',
    'a NUL in a header': 'GET /echo HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n',
    'a NUL in the path': 'GET /echo\0 HTTP/1.1\r\nHost: a\r\n\r\n',
    'a control character in a header': 'GET /echo HTTP/1.1\r\nHost: a\r\nX: a\x01b\r\n\r\n',
    'a header without a name': 'GET /echo HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n',
    'a header without a colon': 'GET /echo HTTP/1.1\r\nHost: a\r\nX\r\n\r\n',
    'a header name with a space': 'GET /echo HTTP/1.1\r\nHost: a\r\nX Y: z\r\n\r\n',
    'a header name that is no token': 'GET /echo HTTP/1.1\r\nHost: a\r\nX(Y): z\r\n\r\n',
    'xchunked': `${head}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`,
    'chunked, identity': `${head}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n`,
    'gzip, chunked': `${head}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`,
    'chunked twice': `${head}Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n`,
    'two codings': `${head}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    'a coding in quotes': `${head}Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n`,
    'a coding with a vertical tab': `${head}Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n`,
    identity: `${head}Transfer-Encoding: identity\r\n\r\n`,
    'a coding in HTTP/1.0': 'POST /echo HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    'a chunk size that is none': `${chunked}Z\r\nabc\r\n0\r\n\r\n`,
    'a chunk size with 0x': `${chunked}0x3\r\nabc\r\n0\r\n\r\n`,
    'a signed chunk size': `${chunked}+3\r\nabc\r\n0\r\n\r\n`,
    'an empty chunk size': `${chunked}\r\nabc\r\n0\r\n\r\n`,
    'a chunk size that overflows': `${chunked}ffffffffffffffff1\r\nabc\r\n0\r\n\r\n`,
    'a space after a chunk size': `${chunked}3 \r\nabc\r\n0\r\n\r\n`,
    'a bare LF after a chunk size': `${chunked}3\nabc\r\n0\r\n\r\n`,
    'a bare LF in a chunk extension': `${chunked}3;a\nabc\r\n0\r\n\r\n`,
    'a bare LF after a chunk': `${chunked}3\r\nabc\n0\r\n\r\n`,
    'a chunk longer than it says': `${chunked}3\r\nabcd\r\n0\r\n\r\n`,
    'other bytes in place of CRLF after a chunk': `${chunked}3\r\nabcXX0\r\n\r\n`,
    'a bare LF after the last chunk': `${chunked}3\r\nabc\r\n0\n\r\n`,
    'a bare LF at the end of the body': `${chunked}3\r\nabc\r\n0\r\n\n`,
    'a trailer': `${chunked}3\r\nabc\r\n0\r\nContent-Length: 5\r\n\r\n`,
    'no Host': 'GET /echo HTTP/1.1\r\n\r\n',
    'two Hosts': 'GET /echo HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n',
    'HTTP/0.9': 'GET /echo\r\n\r\n',
    'HTTP/1.2': 'GET /echo HTTP/1.2\r\nHost: a\r\n\r\n',
    'HTTP/2.0': 'GET /echo HTTP/2.0\r\nHost: a\r\n\r\n',
    'HTTP/1.10': 'GET /echo HTTP/1.10\r\nHost: a\r\n\r\n',
    'http/1.1': 'GET /echo http/1.1\r\nHost: a\r\n\r\n',
    'RTSP/1.0': 'GET /echo RTSP/1.0\r\nHost: a\r\n\r\n',
    'the HTTP/2 preface': 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    'a method in lower case': 'get /echo HTTP/1.1\r\nHost: a\r\n\r\n',
    'an unknown method': 'BREW /echo HTTP/1.1\r\nHost: a\r\n\r\n',
    'a tab in the request line': 'GET\t/echo HTTP/1.1\r\nHost: a\r\n\r\n',
    'white space after the version': 'GET /echo HTTP/1.1 \r\nHost: a\r\n\r\n',
    'a space in the path': 'GET /ec ho HTTP/1.1\r\nHost: a\r\n\r\n',
    'bytes over 127 in the path': Buffer.from('GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n', 'latin1'),
    'a fragment': 'GET /echo#x HTTP/1.1\r\nHost: a\r\n\r\n',
    'authority-form': 'CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n',
    'asterisk-form': 'OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n',
    'a TLS client hello': Buffer.from('16030100c8010000c40303', 'hex'),
    garbage: Buffer.from('\x00\x01\x02\x03\r\n\r\n', 'latin1'),
  };
  for (const [name, bytes] of Object.entries(shapes)) {
    test(name, () => refused(Buffer.concat([Buffer.from(bytes), Buffer.from(get('/echo?smuggled'))]), 400, 'request_malformed'));
  }
  test('also when it comes byte by byte', async () => {
    for (const name of ['a bare LF at the end of the body', 'a folded line', 'a bare CR at the end of the head', 'CR CR LF']) {
      const s = open();
      for (const b of Buffer.from(shapes[name])) s.write(Buffer.from([b]));
      assertProblem(await s.response(), 400, 'request_malformed');
      s.destroy();
    }
  });
  test('also behind a good request', async () => {
    const s = open();
    s.write(get('/echo') + shapes['two lengths'] + get('/echo'));
    assert.equal((await s.response()).status, 200);
    assertProblem(await s.response(), 400, 'request_malformed');
    s.socket.end();
    await s.end();
    assert.equal(s.buf.length, 0);
  });
});

describe('limits', () => {
  test('a URI of 8192 bytes passes, 8193 are 414', async () => {
    assert.equal((await ask(get(`/${'a'.repeat(8191)}`))).status, 404);
    await refused(get(`/${'a'.repeat(8192)}`), 414, 'request_uri_too_long');
    await refused(`GET /${'a'.repeat(100000)}`, 414, 'request_uri_too_long');
  });
  test('header fields of 16 KiB are 431', async () => {
    assert.equal((await ask(get('/echo', `X: ${'a'.repeat(16000)}\r\n`))).status, 200);
    await refused(get('/echo', `X: ${'a'.repeat(16400)}\r\n`), 431, 'request_headers_too_large');
    await refused(`GET / HTTP/1.1\r\nHost: a\r\n${'a'.repeat(20000)}`, 431, 'request_headers_too_large');
  });
  test('64 fields pass, 65 are 431', async () => {
    const fields = (n) => Array.from({ length: n }, (_, i) => `X-${i}: y\r\n`).join('');
    assert.equal((await ask(get('/echo', fields(63)))).status, 200);
    await refused(get('/echo', fields(64)), 431, 'request_headers_too_large');
  });
  test('a declared body over the limit is 413 before it is sent', () =>
    refused('POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10485761\r\n\r\n', 413, 'request_too_large'));
  test('the refusal reaches a client that is already sending', async () => {
    const s = open();
    s.write('POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 12000000\r\n\r\n');
    s.write(Buffer.alloc(12000000));
    assertProblem(await s.response(), 413, 'request_too_large');
    s.destroy();
  });
  test('a chunked body over the limit is 413 when it gets there', async (t) => {
    const own = await echoServer(t, ['max_body=1000']);
    const chunk = (n) => `${n.toString(16)}\r\n${'a'.repeat(n)}\r\n`;
    const head = 'POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n';
    assert.equal((await ask(`${head}${chunk(1000)}0\r\n\r\n`, own.url)).status, 200);
    await refused(`${head}${chunk(999)}${chunk(2)}`, 413, 'request_too_large', own.url);
  });
  test('10 MiB come back whole, by length and chunked', async () => {
    const body = randomBytes(10 << 20);
    const r = await fetch(`${server.url}/echo`, { method: 'POST', body });
    const got = Buffer.from(await r.arrayBuffer());
    assert.equal(sha256(got.subarray(got.length - body.length)), sha256(body));
    const stream = new ReadableStream({ start(c) { for (let i = 0; i < body.length; i += 100000) c.enqueue(body.subarray(i, i + 100000)); c.close(); } });
    const again = Buffer.from(await (await fetch(`${server.url}/echo`, { method: 'POST', body: stream, duplex: 'half' })).arrayBuffer());
    assert.equal(sha256(again.subarray(again.length - body.length)), sha256(body));
  });
  test('bodies in flight are admitted by their bytes, each client to its share', async (t) => {
    const own = await echoServer(t, ['max_body=1000', 'max_bodies=1500']);
    const post = (n) => `POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: ${n}\r\n\r\n`;
    const first = open(own.url);
    first.write(post(1000) + 'a'.repeat(999));
    await until('the first body to count', async () => {
      const s = open(own.url);
      s.write(post(600));
      s.write('b'.repeat(600));
      const r = await s.response();
      s.destroy();
      if (r.status === 200) return false;
      assertProblem(r, 503, 'overloaded');
      assert.equal(r.headers['retry-after'], '1');
      return true;
    });
    const there = { from: '127.0.0.2' };
    assertProblem(await ask(post(400) + 'c'.repeat(400), own.url), 503, 'overloaded'); // this client's share
    assertProblem(await ask(post(600) + 'c'.repeat(600), own.url, there), 503, 'overloaded'); // all of it
    assert.equal((await ask(post(400) + 'c'.repeat(400), own.url, there)).status, 200);
    first.write('a');
    assert.equal((await first.response()).status, 200);
    await until('the room to be given back', async () => (await ask(post(1000) + 'd'.repeat(1000), own.url)).status === 200);
    first.destroy();
  });
  test('Expect: 100-continue is answered after the checks', async () => {
    const s = open();
    s.write('POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-Continue\r\n\r\n');
    assert.equal((await s.head()).line, 'HTTP/1.1 100 Continue');
    s.write('ok');
    assert.match((await s.response()).body, /\n\nok$/);
    s.destroy();
    await refused('POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\nExpect: 100-continue\r\n\r\n', 413, 'request_too_large');
    await refused('POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: tea\r\n\r\n', 417, 'request_expectation');
  });
  test('a body that comes with its Expect needs no 100', async () => {
    const r = await ask('POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\nok');
    assert.equal(r.status, 200);
  });
  test('more connections than allowed get 503, and room comes back', async (t) => {
    const own = await echoServer(t, ['max_connections=3']);
    const held = await Promise.all([1, 2, 3].map(async () => {
      const s = open(own.url);
      s.write(get('/echo'));
      await s.response();
      return s;
    }));
    const r = await open(own.url).response();
    assertProblem(r, 503, 'overloaded');
    assert.equal(r.headers['retry-after'], '1');
    held[0].destroy();
    await until('room for one', async () => {
      const s = open(own.url);
      s.write(get('/echo'));
      const ok = await s.response().then((x) => x.status === 200, () => false);
      s.destroy();
      return ok;
    });
    for (const s of held) s.destroy();
  });
  test('without a free descriptor it refuses, does not spin, and recovers', async (t) => {
    const own = await start(t, 'sh', ['-c', 'ulimit -n 40; exec "$0" max_connections=1000', echoBin], { ready: /^listening on (http:\/\/\S+)/ });
    const many = Array.from({ length: 60 }, () => open(own.url));
    const answered = () => many.filter((s) => s.ended || s.buf.length).length;
    await until('the last to be turned away', () => answered() >= 10);
    const cpu = () => readFileSync(`/proc/${own.pid}/stat`, 'utf8').split(' ').slice(13, 15).reduce((a, b) => a + Number(b), 0);
    const before = cpu();
    await new Promise((ok) => setTimeout(ok, 500)); // a span to measure, not a wait
    assert.ok(cpu() - before < 25, 'under half a core while nothing can be accepted');
    for (const s of many) s.destroy();
    await until('it to answer again', () => ask(get('/echo'), own.url).then((r) => r.status === 200, () => false));
  });
});

describe('time', () => {
  test('half a header is 408, silence is closed without a word', async (t) => {
    const own = await echoServer(t, ['header_ms=300']);
    const silent = open(own.url);
    await refused('GET /echo HTTP/1.1\r\nHo', 408, 'request_timeout', own.url);
    await silent.end();
    assert.equal(silent.buf.length, 0);
  });
  test('a header that drips is cut when its time is over', async (t) => {
    const own = await echoServer(t, ['header_ms=300']);
    const s = open(own.url);
    s.write('GET /echo HTTP/1.1\r\nX: ');
    const drip = setInterval(() => s.write('a'), 50);
    assertProblem(await s.response(), 408, 'request_timeout');
    clearInterval(drip);
    s.destroy();
  });
  test('a body slower than the rate is 408, one above it passes', async (t) => {
    const own = await echoServer(t, ['body_ms=300', 'body_bytes_per_s=10000']);
    const s = open(own.url);
    s.write('POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nabc');
    assertProblem(await s.response(), 408, 'request_timeout');
    s.destroy();
    const fast = open(own.url);
    fast.write('POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 30000\r\n\r\n');
    for (let i = 0; i < 10; i++) {
      fast.write('x'.repeat(3000));
      await new Promise((ok) => setTimeout(ok, 60)); // 50 KB/s for 0.6 s, twice the grace
    }
    assert.equal((await fast.response()).status, 200);
    fast.destroy();
  });
  test('an idle connection is closed, one at work is not', async (t) => {
    const own = await echoServer(t, ['idle_ms=200', 'header_ms=200']);
    const s = open(own.url);
    s.write(get('/slow?700'));
    assert.equal((await s.response()).body, 'slow\n');
    await s.end();
    assert.equal(s.buf.length, 0);
  });
});

describe('parked requests', () => {
  const isParked = () => until('the request to park', async () => (await stats(server.url)).parked);
  test('are answered at their deadline', async () => {
    const began = Date.now();
    assert.equal((await ask(get('/park?300'))).body, 'answered\n');
    assert.ok(Date.now() - began >= 295);
  });
  test('are answered when they are woken, and the connection goes on', async () => {
    const s = open();
    s.write(get('/park?60000'));
    await until('the request to park', async () => (await ask(get('/unpark'))).status === 200);
    assert.equal((await s.response()).body, 'answered\n');
    s.write(get('/echo'));
    assert.equal((await s.response()).status, 200);
    s.destroy();
  });
  test('hold no thread', async () => {
    const parked = Array.from({ length: 20 }, () => {
      const s = open();
      s.write(get('/park?600'));
      return s;
    });
    assert.equal((await ask(get('/echo'))).status, 200);
    for (const s of parked) {
      assert.equal((await s.response()).body, 'answered\n');
      s.destroy();
    }
  });
  for (const how of ['destroy', 'resetAndDestroy']) {
    test(`learn that the client went away (${how})`, async () => {
      const had = (await stats(server.url)).gone;
      const s = open();
      s.write(get('/park?60000'));
      await isParked();
      s.socket[how]();
      await until('it to be noticed', async () => (await stats(server.url)).gone > had);
    });
  }
  test('learn it also behind pipelined bytes', async () => {
    const had = (await stats(server.url)).gone;
    const s = open();
    s.write(get('/park?60000') + get('/echo'));
    await isParked();
    s.write(get('/echo'));
    s.socket.destroySoon();
    await until('it to be noticed', async () => (await stats(server.url)).gone > had);
  });
});

describe('clients that go away', () => {
  test('while a thread works for them', async () => {
    const sockets = Array.from({ length: 20 }, () => {
      const s = open();
      s.write(get('/slow?100'));
      return s;
    });
    await Promise.all(sockets.map((s) => new Promise((ok) => s.socket.once('connect', ok))));
    for (const s of sockets) s.socket.resetAndDestroy();
    assert.equal((await ask(get('/slow?200'))).status, 200);
  });
  test('while a large answer is written', async () => {
    for (const path of ['/large?5000000', '/file']) {
      const s = open();
      s.write(get(path));
      await s.head();
      s.socket.resetAndDestroy();
    }
    assert.equal((await ask(get('/echo'))).status, 200);
  });
  test('in the middle of a body', async () => {
    const s = open();
    s.write('POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf');
    s.socket.end();
    await s.end();
    assert.equal(s.buf.length, 0);
  });
});

describe('files', () => {
  let own;
  let data;
  before(async () => {
    const path = join(process.env.TMPDIR ?? '/tmp', `bulb-http-file-${process.pid}`);
    data = randomBytes(3000000);
    writeFileSync(path, data);
    own = await echoServer(null, [`file=${path}`]);
    own.path = path;
  });
  after(async () => {
    await own.stop('SIGKILL');
    writeFileSync(own.path, '');
  });
  const range = (value, headers = {}) => fetch(`${own.url}/file`, { headers: { range: value, ...headers } });
  const bytes = async (r) => Buffer.from(await r.arrayBuffer());

  test('a whole file', async () => {
    const r = await fetch(`${own.url}/file`);
    assert.deepEqual([r.status, r.headers.get('accept-ranges'), r.headers.get('content-length')], [200, 'bytes', '3000000']);
    assert.ok((await bytes(r)).equals(data));
  });
  const parts = { 'bytes=0-0': [0, 1], 'bytes=10-19': [10, 20], 'bytes=2999990-': [2999990, 3000000], 'bytes=-5': [2999995, 3000000],
    'bytes=100-99999999': [100, 3000000], 'bytes=-99999999': [0, 3000000], 'bytes=0-2999999': [0, 3000000] };
  for (const [value, [from, to]] of Object.entries(parts)) {
    test(`${value} is 206`, async () => {
      const r = await range(value);
      assert.deepEqual([r.status, r.headers.get('content-range')], [206, `bytes ${from}-${to - 1}/3000000`]);
      assert.ok((await bytes(r)).equals(data.subarray(from, to)));
    });
  }
  for (const value of ['bytes=3000000-', 'bytes=9999999-9999999', 'bytes=-0']) {
    test(`${value} is 416`, async () => {
      const r = await range(value);
      assert.deepEqual([r.status, r.headers.get('content-range'), (await bytes(r)).length], [416, 'bytes */3000000', 0]);
    });
  }
  for (const value of ['bytes=5-2', 'bytes=a-b', 'bytes=-', 'items=0-5', 'bytes=0-1,5-6', 'bytes=0x0-5', 'bytes=1-2-3']) {
    test(`${value} is answered whole`, async () => {
      const r = await range(value);
      assert.equal(r.status, 200);
      assert.equal((await bytes(r)).length, 3000000);
    });
  }
  test('If-Range decides whether a range counts', async () => {
    assert.equal((await range('bytes=0-1', { 'if-range': '"v1"' })).status, 206);
    assert.equal((await range('bytes=0-1', { 'if-range': '"v2"' })).status, 200);
    assert.equal((await range('bytes=0-1', { 'if-range': 'W/"v1"' })).status, 200);
  });
  test('If-None-Match is weak, a list, or a star', async () => {
    for (const value of ['"v1"', 'W/"v1"', '"x", "v1"', '"a,b","v1"', '*']) {
      const r = await fetch(`${own.url}/file`, { headers: { 'if-none-match': value } });
      assert.deepEqual([r.status, r.headers.get('etag')], [304, '"v1"'], value);
    }
    for (const value of ['"v"', '"v1', '"V1"', '""', 'v1']) {
      assert.equal((await fetch(`${own.url}/file`, { headers: { 'if-none-match': value } })).status, 200, value);
    }
  });
  test('HEAD tells the length and ignores the range', async () => {
    const r = await fetch(`${own.url}/file`, { method: 'HEAD', headers: { range: 'bytes=0-1' } });
    assert.deepEqual([r.status, r.headers.get('content-length')], [200, '3000000']);
  });
  test('a client that resets amid a file does no harm', async () => {
    for (let i = 0; i < 20; i++) {
      const s = open(own.url);
      s.socket.pause();
      s.write(get('/file'));
      await new Promise((ok) => s.socket.once('connect', () => setTimeout(ok, i)));
      s.socket.resetAndDestroy();
    }
    assert.equal((await fetch(`${own.url}/file`, { method: 'HEAD' })).status, 200);
  });
  test('many at once on one connection each', async () => {
    const all = await Promise.all(Array.from({ length: 20 }, async (_, i) => bytes(await range(`bytes=${i * 1000}-${i * 100000 + 999}`))));
    all.forEach((b, i) => assert.ok(b.equals(data.subarray(i * 1000, Math.max(i * 100000 + 1000, 0)))));
  });
});

describe('server-sent events', () => {
  test('come in order and end', async () => {
    const r = await fetch(`${server.url}/sse?500`);
    assert.equal(r.headers.get('content-type'), 'text/event-stream');
    assert.equal(r.headers.get('x-accel-buffering'), 'no');
    assert.equal(await r.text(), Array.from({ length: 500 }, (_, i) => `id: ${i + 1}\ndata: ${i + 1}\n\n`).join(''));
  });
  test('a comment keeps a quiet stream alive', async () => {
    const s = open();
    s.write(get('/feed?ping=100'));
    await s.head();
    await s.until('three comments', () => (s.buf.includes(':\n\n:\n\n:\n\n') ? true : undefined));
    s.destroy();
  });
  test('what is published arrives', async () => {
    const s = open();
    s.write(get('/feed'));
    await s.head();
    await fetch(`${server.url}/publish`, { method: 'POST', body: 'news of today' });
    await s.until('the event', () => (s.buf.includes('data: news of today\n\n') ? true : undefined));
    s.destroy();
  });
  test('HEAD has no stream', async () => {
    const s = open();
    s.write('HEAD /sse?5 HTTP/1.1\r\nHost: a\r\n\r\n');
    const head = await s.head();
    assert.equal(head.status, 200);
    s.write(get('/echo'));
    assert.equal((await s.response()).status, 200);
    s.destroy();
  });
  test('all streams of this test end', () => until('no stream to be open', async () => (await stats(server.url)).open === 0));
});

describe('draining', () => {
  test('what is under way is answered, what is idle is closed, nothing new is taken', async (t) => {
    const own = await echoServer(t);
    const idle = open(own.url);
    idle.write(get('/echo'));
    await idle.response();
    const parked = open(own.url);
    parked.write(get('/park?60000'));
    const busy = open(own.url);
    busy.write(get('/slow?500'));
    const feed = open(own.url);
    feed.write(get('/feed'));
    await feed.head();
    own.proc.kill('SIGTERM');
    await idle.end();
    assert.deepEqual([(await busy.response()).body, (await parked.response()).body], ['slow\n', 'answered\n']);
    feed.socket.end();
    await feed.end();
    assert.deepEqual(await own.exit, { code: 0, signal: null });
  });
  test('two loops and many threads serve together', async (t) => {
    const own = await echoServer(t, ['reactors=2', 'threads=8']);
    const bodies = await Promise.all(Array.from({ length: 300 }, async (_, i) => (await fetch(`${own.url}/echo?${i}`)).text()));
    bodies.forEach((b, i) => assert.match(b, new RegExp(`^GET /echo\\?${i}\n`)));
    assert.deepEqual(await own.stop(), { code: 0, signal: null });
  });
});
