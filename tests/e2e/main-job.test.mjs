// The job bulb exists for, through a gateway that gives up after 3 s: accepted at once, goes on for
// much longer, and is delivered whole, live over one socket and over a client that is cut again and
// again.
import test from 'node:test';
import assert from 'node:assert/strict';
import { WebSocket } from '../lib/socket.mjs';
import { tempDir, bulb, nginx, start, get, post, items, root, sha256, log } from '../lib/harness.mjs';

const N = 200;

function origin(t) {
  return start(t, process.execPath, [`${root}/tests/lib/origin.mjs`, '--port', '0'], { ready: /^listening on (\S+)/ });
}

/** Reads events from a socket into `events` until it closes; resolves with the close code. */
function read(url, events, { cutAfter, ping } = {}) {
  return new Promise((done, fail) => {
    const ws = new WebSocket(url);
    let timer;
    ws.on('open', () => {
      if (ping) timer = setInterval(() => ws.ping(), ping);
      if (cutAfter) timer = setTimeout(() => ws.terminate(), cutAfter);
    });
    ws.on('message', (text) => events.push(JSON.parse(text)));
    ws.on('close', (code) => {
      clearInterval(timer);
      done(code);
    });
    ws.on('error', (e) => (ws.readyState === WebSocket.CONNECTING ? fail(e) : undefined));
  });
}

function assertWhole(events, job) {
  events.forEach((e, i) => assert.equal(Number(e.sequence), i + 1, `event ${i} is ${e.sequence}`));
  const ends = events.filter((e) => /^item\.(succeeded|failed|canceled)$/.test(e.type));
  assert.equal(ends.length, N);
  assert.equal(new Set(ends.map((e) => e.subject)).size, N);
  const last = events.filter((e) => /^job\.(succeeded|partial|failed|canceled)$/.test(e.type));
  assert.equal(last.length, 1);
  assert.equal(last[0], events.at(-1));
  assert.equal(last[0].data.status, 'succeeded', JSON.stringify(last[0].data));
  assert.equal(last[0].source, `/v1/jobs/${job.id}`);
}

test('a long job through a gateway that gives up after 3 s', { timeout: 120000 }, async (t) => {
  const source = await origin(t);
  const server = await bulb(t, tempDir(t), ['--trusted-proxy', '127.0.0.1/32', '--per-host', '4']);
  const gateway = await nginx(t, server.url);
  // Each picture takes its origin 350 ms, four at a time: the whole takes more than 15 s.
  const urls = Array.from({ length: N }, (_, i) => `${source.url}/png?seed=${i}&delay=350`);
  const began = Date.now();
  const accepted = await post(`${gateway.url}/v1/jobs`, { urls });
  const answered = Date.now() - began;
  assert.equal(accepted.status, 202, accepted.text);
  const job = accepted.json;

  await t.test('POST of 200 URLs answers in under 1 s', () => assert.ok(answered < 1000, `${answered} ms`));
  await t.test('every link begins with the gateway', () => {
    for (const link of Object.values(job.links)) assert.ok(link.startsWith(`${gateway.url}/v1/`), link);
    assert.ok(job.events_url.startsWith(gateway.url.replace('http', 'ws')), job.events_url);
    assert.equal(accepted.headers.location, job.links.self);
  });

  const live = [];
  const cut = [];
  const one = read(job.events_url, live, { ping: 1000 });
  const many = (async () => {
    let sockets = 0;
    for (; ; sockets++) {
      const after = cut.length ? `&after=${cut.at(-1).sequence}` : '';
      const code = await read(`${job.events_url}${after}`, cut, { cutAfter: 2000 });
      if (code === 1000) return sockets;
    }
  })();
  const code = await one;
  const cuts = await many;
  const took = Date.now() - began;

  await t.test('it ran for 15 s or more', () => assert.ok(took >= 15000, `${took} ms`));
  await t.test('one socket got every event exactly once and was closed with 1000', () => {
    assert.equal(code, 1000);
    assertWhole(live, job);
  });
  await t.test('a client cut every 2 s got every event exactly once', () => {
    assert.ok(cuts >= 5, `${cuts} cuts`);
    assertWhole(cut, job);
  });
  await t.test('both read the same text as the JSON pages hold', async () => {
    const pages = (await log(gateway.url, job.id)).events;
    assert.deepEqual(pages.map((e) => [e.id, e.type, e.time]), live.map((e) => [e.id, e.type, e.time]));
  });
  await t.test('the pictures can be fetched through the gateway', async () => {
    const all = await items(gateway.url, job.id);
    assert.equal(all.length, N);
    for (const it of all.slice(0, 5)) {
      assert.deepEqual(it.variants.map((v) => v.name), ['thumb', 'small', 'medium', 'large', 'xl']);
      for (const v of [it.source, ...it.variants]) {
        const r = await get(v.url);
        assert.equal(r.status, 200);
        assert.equal(sha256(r.bytes), v.sha256);
      }
    }
  });
  await t.test('a plain synchronous request through the same gateway gets 504', async () => {
    const slow = Array.from({ length: 40 }, (_, i) => `${source.url}/png?seed=${i + 1000}&delay=350`);
    const r = await post(`${gateway.url}/v1/jobs`, { urls: slow }, { headers: { prefer: 'wait=25' } });
    assert.equal(r.status, 504);
  });
});
