// Nobody waits for somebody else's load: jobs take turns, hosts have limits, readers read at their own
// pace. Everything is counted, not timed.
import test from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import { tempDir, bulb, post, get, call, ended, until, sanitized } from '../lib/harness.mjs';
import { origin, small } from '../lib/site.mjs';
import { WebSocket } from 'ws';

test('behind a 10,000-URL bulk job an interactive job starts within 5 × lanes tasks', { timeout: 120000 }, async (t) => {
  const lanes = 8;
  const source = await origin(t);
  const server = await bulb(t, tempDir(t), ['--workers', String(lanes), '--per-host', '100']);
  const urls = Array.from({ length: 10000 }, (_, i) => `${source.url}/png?seed=${i}&delay=30`);
  const bulk = await post(`${server.url}/v1/jobs`, { urls, variants: small, priority: 'bulk' });
  assert.equal(bulk.status, 202, bulk.text);
  await until('the bulk job to be well under way', () => source.seen.requests > 100);
  const quick = await post(`${server.url}/v1/jobs`, { urls: [`${source.url}/png?seed=quick`], variants: small, priority: 'interactive' });
  const before = source.seen.requests;
  await until('the quick one to be asked for', () => source.seen.hits['/png?seed=quick']);
  const between = source.seen.requests - before;
  assert.ok(between <= 5 * lanes, `${between} tasks went first`);
  await ended(server.url, quick.json.id);
  assert.equal((await get(`${server.url}/v1/jobs/${bulk.json.id}`)).json.status, 'running');
  assert.equal((await call('POST', `${server.url}/v1/jobs/${bulk.json.id}/cancel`)).status, 200);
  assert.equal((await ended(server.url, bulk.json.id)).status, 'canceled');
});

test('500 URLs of an origin that hangs do not delay the 10 of another', { timeout: 60000 }, async (t) => {
  const hanging = await origin(t);
  const good = await origin(t, { host: '127.0.0.2' });
  const server = await bulb(t, tempDir(t));
  const stuck = await post(`${server.url}/v1/jobs`, { urls: Array.from({ length: 500 }, (_, i) => `${hanging.url}/hang?n=${i}`), variants: small });
  await until('the origin to hang', () => hanging.seen.requests >= 4);
  const job = await post(`${server.url}/v1/jobs`, { urls: Array.from({ length: 10 }, (_, i) => `${good.url}/png?seed=${i}`), variants: small });
  const end = await ended(server.url, job.json.id);
  assert.equal(end.status, 'succeeded');
  const other = (await get(`${server.url}/v1/jobs/${stuck.json.id}`)).json;
  assert.equal(other.counts.failed + other.counts.succeeded, 0, 'not one of the stuck had ended by then');
  assert.ok(hanging.seen.peak <= 6, `${hanging.seen.peak} connections to one host`);
});

test('500 URLs of an origin that hangs do not delay the 10 of another behind them in the same job', { timeout: 60000 }, async (t) => {
  const hanging = await origin(t);
  const good = await origin(t, { host: '127.0.0.2' });
  const server = await bulb(t, tempDir(t));
  const urls = [...Array.from({ length: 500 }, (_, i) => `${hanging.url}/hang?n=${i}`),
    ...Array.from({ length: 10 }, (_, i) => `${good.url}/png?seed=${i}`)];
  const job = (await post(`${server.url}/v1/jobs`, { urls, variants: small })).json;
  const then = await until('the ten to be there', async () => {
    const now = (await get(`${server.url}/v1/jobs/${job.id}`)).json;
    return now.counts.succeeded === 10 && now;
  });
  assert.equal(then.counts.failed, 0, 'not one of the others had ended by then');
  assert.ok(hanging.seen.peak <= 6, `${hanging.seen.peak} connections to one host`);
});

test('twenty origins that hang do not delay the 20 of another', { timeout: 60000 }, async (t) => {
  const hanging = await Promise.all(Array.from({ length: 20 }, (_, i) => origin(t, { host: `127.0.1.${i + 1}` })));
  const good = await origin(t, { host: '127.0.0.2' });
  const server = await bulb(t, tempDir(t));
  await Promise.all(hanging.map((o) => post(`${server.url}/v1/jobs`,
    { urls: Array.from({ length: 100 }, (_, i) => `${o.url}/hang?n=${i}`), variants: small })));
  await until('all origins to hang', () => hanging.every((o) => o.seen.requests >= 1));
  const job = await post(`${server.url}/v1/jobs`, { urls: Array.from({ length: 20 }, (_, i) => `${good.url}/png?seed=${i}&delay=30`), variants: small });
  assert.equal((await ended(server.url, job.json.id)).status, 'succeeded');
  assert.ok(good.seen.peak > 1, 'one that answers gets more than one lane');
  const text = (await get(`${server.url}/metrics`)).text;
  assert.match(text, /^bulb_stage_duration_seconds_count\{stage="download"\} 20$/m, 'not one of the others had come to its end by then');
});

/** Private, resident memory of a process in KiB. */
function privateKiB(pid) {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  return Number(/^Private_Dirty:\s+(\d+)/m.exec(text)[1]) + Number(/^Private_Clean:\s+(\d+)/m.exec(text)[1]);
}

/** A job of n items that all are canceled: a long log, quickly made. */
async function longLog(server, source, n) {
  const urls = Array.from({ length: n }, (_, i) => `${source.url}/hang?n=${i}`);
  const job = (await post(`${server.url}/v1/jobs`, { urls, variants: small })).json;
  await call('POST', `${server.url}/v1/jobs/${job.id}/cancel`);
  await ended(server.url, job.id);
  return (await get(`${server.url}/v1/jobs/${job.id}`)).json;
}

/** A WebSocket by hand on a socket that reads only when told to. */
function rawSocket(url) {
  const u = new URL(url);
  const socket = net.connect({ host: u.hostname, port: u.port, highWaterMark: 4096 });
  socket.write(`GET ${u.pathname}${u.search} HTTP/1.1\r\nHost: ${u.host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
    'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n');
  socket.pause();
  return socket;
}

/** Takes the frames out of what a server sent: calls text(string) or close(code). */
function frames(text, close) {
  let rest = Buffer.alloc(0);
  let head = true;
  return (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    if (head) {
      const end = rest.indexOf('\r\n\r\n');
      if (end < 0) return;
      assert.match(rest.subarray(0, end).toString(), /^HTTP\/1.1 101/);
      rest = rest.subarray(end + 4);
      head = false;
    }
    for (;;) {
      if (rest.length < 2) return;
      let n = rest[1] & 127;
      let at = 2;
      if (n === 126) { if (rest.length < 4) return; n = rest.readUInt16BE(2); at = 4; }
      else if (n === 127) { if (rest.length < 10) return; n = Number(rest.readBigUInt64BE(2)); at = 10; }
      if (rest.length < at + n) return;
      const op = rest[0] & 15;
      const body = rest.subarray(at, at + n);
      rest = rest.subarray(at + n);
      if (op === 1) text(body.toString());
      if (op === 8) close(body.length >= 2 ? body.readUInt16BE(0) : 1005);
    }
  };
}

/** Reads 2 KiB from a socket every 100 ms, `rounds` times; after each round calls look(). */
function readSlowly(socket, feed, rounds, look) {
  return new Promise((done) => {
    const timer = setInterval(() => {
      for (let got = 0; got < 2048;) {
        const chunk = socket.read(Math.min(socket.readableLength, 2048 - got) || 1);
        if (!chunk) break;
        got += chunk.length;
        feed(chunk);
      }
      look();
      if (--rounds > 0) return;
      clearInterval(timer);
      done();
    }, 100);
  });
}

test('a reader at 20 KB/s costs the server at most 64 KiB and gets the whole log', { timeout: 900000, skip: sanitized && 'a sanitizer keeps memory of its own' }, async (t) => {
  const source = await origin(t);
  const server = await bulb(t, tempDir(t), ['--workers', '2', '--threads', '2']);
  const job = await longLog(server, source, 10000);
  // What the first readers touch for all that come after them is there already.
  await Promise.all(Array.from({ length: 8 }, () => new Promise((done) => new WebSocket(job.events_url).on('message', () => {}).on('close', done))));
  const nobody = () => until('nobody to read', async () => !/bulb_readers\{kind="websocket"\} [1-9]/.test((await get(`${server.url}/metrics`)).text));
  const costs = [];
  let socket;
  let next;
  let code;
  let feed;
  // What other threads of the server touch meanwhile can only add to the figure: the least of a few is
  // the nearest to what the reader itself costs.
  for (let i = 0; i < 6 && !(Math.min(...costs) <= 64); i++) {
    socket?.destroy();
    await nobody();
    const before = privateKiB(server.pid);
    socket = rawSocket(job.events_url);
    next = 1;
    feed = frames((text) => assert.equal(Number(JSON.parse(text).sequence), next++), (c) => (code = c));
    let most = 0;
    await readSlowly(socket, feed, process.env.TEST_SOAK && i === 0 ? 6000 : 30, () => (most = Math.max(most, privateKiB(server.pid) - before)));
    costs.push(most);
  }
  assert.ok(Math.min(...costs) <= 64, `${costs} KiB`);
  const closed = new Promise((done) => socket.on('close', done));
  socket.on('data', feed).resume();
  await closed;
  assert.equal(code, 1000);
  assert.ok(next > 10000, `${next - 1} events`);
});

test('a reader that stops is closed with 1013 and resumes where it was', { timeout: 120000 }, async (t) => {
  const source = await origin(t);
  const server = await bulb(t, tempDir(t), ['--workers', '2']);
  const job = await longLog(server, source, 10000);
  const socket = rawSocket(job.events_url);
  const dropped = async () => /bulb_readers_dropped_total\{reason="slow"\} 1/.test((await get(`${server.url}/metrics`)).text);
  await until('the server to give the reader up', dropped, 90000);
  let last = 0;
  let code;
  const closed = new Promise((done) => socket.on('close', done));
  socket.on('data', frames((text) => {
    const seq = Number(JSON.parse(text).sequence);
    assert.equal(seq, last + 1);
    last = seq;
  }, (c) => (code = c)));
  socket.resume();
  await closed;
  assert.equal(code, 1013);
  const all = [];
  const ws = new WebSocket(`${job.events_url}&after=${last}`);
  ws.on('message', (m) => all.push(Number(JSON.parse(m).sequence)));
  assert.equal(await new Promise((done) => ws.on('close', done)), 1000);
  assert.equal(all[0], last + 1);
  assert.deepEqual(all, all.map((_, i) => last + 1 + i));
});
