// The client library's watch, in this node, against the real server: whatever lies in between, every
// event of the log comes once and in order. WebSocket is npm's here, for node before 22 has none.
import { test, describe } from 'node:test';
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { WebSocket, WebSocketServer } from 'ws';
import { bulb, log, run, until, tempDir, after, post } from '../lib/harness.mjs';
import { origin, site, small } from '../lib/site.mjs';
import { gateway } from '../lib/gateway.mjs';
import { createClient, watch, ProblemError, ConnectionError } from '../../clients/js/src/index.js';

const TRANSPORTS = ['websocket', 'sse', 'poll'];
const soak = process.env.TEST_SOAK === '1';
/* Impatient, so that what takes minutes with people takes seconds here. */
const quick = { heartbeat: 1, limits: { open: 3000, quiet: 3000 }, backoff: { base: 50, most: 500 } };

/** A client behind a gateway, and a job whose items come one after the other. */
async function behind(t, o = {}, { n = 8, step = 150, client = {}, urls } = {}) {
  const s = await site(t);
  const g = await gateway(t, s.base, o);
  const c = createClient({ server: g.url, WebSocket, ...client });
  urls ??= Array.from({ length: n }, (_, i) => `/png?seed=${i}&delay=${(i + 1) * step}`);
  const job = await c.submit({ urls: urls.map((u) => s.origin.url + u), variants: small });
  return { ...s, g, c, job };
}

/** Reads a watch to its end; `at` is called with every event. */
async function collect(w, at = () => {}) {
  const events = [];
  for await (const e of w) {
    events.push(e);
    at(e, events.length);
  }
  return events;
}

async function isWholeLog(events, base, job) {
  const { events: all } = await log(base, job.id);
  assert.deepEqual(events.map((e) => `${e.sequence} ${e.type}`), all.map((e) => `${e.sequence} ${e.type}`));
  assert.deepEqual(events.map((e) => Number(e.sequence)), all.map((_, i) => i + 1));
}

const used = (g) => g.log.filter((l) => /\/events/.test(l.path)).map((l) => l.upgrade);

// The silent ones wait for most of a minute; the others run beside them.
describe('watch', { concurrency: 2 }, () => {
  describe('silence', { concurrency: true }, () => {
    for (const transport of TRANSPORTS) {
      test(`a half-open connection over ${transport} is noticed within 45 s, with nothing set`, { timeout: 90000 }, async (t) => {
        const { g, c, job } = await behind(t, {}, { urls: ['/hang'] });
        const w = c.watch(job, { transports: [transport] });
        await new Promise((ok) => w.on('event', ok));
        g.freeze();
        const began = Date.now();
        await new Promise((ok) => w.on('connection', ({ phase }) => phase === 'waiting' && ok()));
        const took = Date.now() - began;
        assert.ok(took < 45000, `${took} ms`);
        w.close();
      });
    }
    test('a connection that is quiet because nothing happens is kept', async (t) => {
      const { g, c, job } = await behind(t, {}, { n: 1, step: 8000 });
      const w = c.watch(job, { ...quick, transports: ['websocket'] });
      const events = await collect(w);
      assert.equal(used(g).length, 1);
      await isWholeLog(events, g.url, job);
    });
  });

  for (const transport of TRANSPORTS) {
    describe(`over ${transport}`, { concurrency: true }, () => {
      const options = { ...quick, transports: [transport] };

      test('every event comes once and in order, and then it is complete', async (t) => {
        const { g, c, job } = await behind(t);
        const w = c.watch(job, options);
        const events = await collect(w);
        assert.ok(used(g).every((upgrade) => upgrade === (transport === 'websocket')), JSON.stringify(g.log));
        assert.equal(w.connection.phase, 'complete');
        assert.equal((await w.finished).status, 'succeeded');
        await isWholeLog(events, g.url, job);
      });

      test('a log that ended long ago is read from any point, the end itself too', async (t) => {
        const { g, c, job } = await behind(t, {}, { n: 2, step: 10 });
        const all = await collect(c.watch(job, options));
        for (const at of [0, 1, all.length - 1, all.length]) {
          const w = c.watch(job, { ...options, after: at });
          assert.deepEqual((await collect(w)).map((e) => e.id), all.slice(at).map((e) => e.id));
          assert.equal(w.connection.phase, 'complete', `after ${at}`);
        }
      });

      test('connections that are cut again and again lose and double nothing', async (t) => {
        const { g, c, job } = await behind(t, { cutMs: soak ? 3000 : 500 }, soak ? { n: 40, step: 500 } : { n: 12, step: 200 });
        const w = c.watch(job, options);
        let cuts = 0;
        w.on('connection', (now) => (cuts += now.phase === 'waiting'));
        await isWholeLog(await collect(w), g.url, job);
        assert.ok(cuts >= 2, `${cuts} cuts`);
      });

      test('a half-open connection is left and the log goes on', async (t) => {
        const { g, c, job } = await behind(t, {}, { n: 8, step: 300 });
        const w = c.watch(job, { ...options, limits: { ...quick.limits, sseQuiet: 3000, wait: 1 } });
        const events = await collect(w, (e, n) => n === 3 && g.freeze());
        await isWholeLog(events, g.url, job);
        assert.ok(g.frozen > 0);
      });

      test('a server that is killed amid a batch and comes back is read on', async (t) => {
        const s = await origin(t);
        const data = tempDir(t);
        const server = await bulb(t, data);
        const g = await gateway(t, server.url);
        const c = createClient({ server: g.url, WebSocket });
        const job = await c.submit({ urls: Array.from({ length: 10 }, (_, i) => `${s.url}/png?seed=${i}&delay=${i * 200}`), variants: small });
        let again;
        const events = await collect(c.watch(job, options), (e, n) => {
          if (n === 5) again = server.stop('SIGKILL').then(() => bulb(t, data)).then((next) => (g.upstream = next.url));
        });
        await again;
        await isWholeLog(events, g.url, job);
        assert.equal(events.filter((e) => e.type === 'item.succeeded').length, 10);
      });

      test('an abort ends an iteration with its reason and closes the connection', async (t) => {
        const { c, job } = await behind(t, {}, { n: 3, step: 1000 });
        const stop = new AbortController();
        const reason = new Error('enough');
        const w = c.watch(job, { ...options, signal: stop.signal });
        await assert.rejects(collect(w, () => stop.abort(reason)), reason);
        assert.equal(w.connection.phase, 'failed');
        await assert.rejects(w.finished, reason);
      });
    });
  }

  describe('which transport', { concurrency: true }, () => {
    for (const upgrade of [false, 'refuse']) {
      test(`a gateway that ${upgrade ? 'refuses' : 'takes off'} Upgrade: server-sent events, and at once the next time`, async (t) => {
        const { g, c, job } = await behind(t, { upgrade });
        const w = c.watch(job, quick);
        await isWholeLog(await collect(w), g.url, job);
        assert.equal(w.connection.transport, 'sse');
        assert.deepEqual(used(g).filter(Boolean).length, 1);
        await isWholeLog(await collect(c.watch(job, quick)), g.url, job);
        assert.equal(used(g).filter(Boolean).length, 1, 'no socket was tried again');
      });
    }
    test('a gateway that also keeps event streams to itself: long polling', async (t) => {
      const { g, c, job } = await behind(t, { upgrade: false, bufferSse: true }, { n: 12, step: 400 });
      const w = c.watch(job, quick);
      await isWholeLog(await collect(w), g.url, job);
      assert.equal(w.connection.transport, 'poll');
    });
    test('without a WebSocket it is server-sent events', async (t) => {
      const { g, c, job } = await behind(t, {}, { client: { WebSocket: null } });
      const w = c.watch(job, quick);
      await isWholeLog(await collect(w), g.url, job);
      assert.equal(w.connection.transport, 'sse');
    });
    test('a server that is away is no reason to think ill of sockets', async (t) => {
      const { g, c, job } = await behind(t, {}, { n: 10, step: 300 });
      const w = c.watch(job, quick);
      let downs = 0;
      w.on('connection', ({ phase }) => phase === 'waiting' && ++downs === 4 && g.down(false));
      const events = await collect(w, (e, n) => n === 3 && g.down(true));
      await isWholeLog(events, g.url, job);
      assert.equal(w.connection.transport, 'websocket');
      assert.ok(downs >= 4);
    });
    test('none that is known is refused', () => assert.rejects(collect(watch('ws://127.0.0.1:1/v1/jobs/x/events', { transports: [] })), TypeError));
  });

  /** A server of our own that says over sockets what it likes; pages come from the list. */
  async function liar(t, events, onSocket) {
    const pages = [];
    const page = (list) => JSON.stringify({ events: list, next: events.at(-1).sequence, done: true });
    const server = createServer((req, res) => {
      const from = Number(new URL(req.url, 'http://x').searchParams.get('after') ?? 0);
      pages.push(from);
      res.writeHead(200, { 'content-type': 'application/json' }).end(page(events.slice(from)));
    });
    const sockets = new WebSocketServer({ server });
    sockets.on('connection', (socket, req) => onSocket(socket, Number(new URL(req.url, 'http://x').searchParams.get('after') ?? 0)));
    await new Promise((ok) => server.listen(0, '127.0.0.1', ok));
    after(t, () => {
      for (const s of sockets.clients) s.terminate();
      server.closeAllConnections();
      server.close();
    });
    return { url: `ws://127.0.0.1:${server.address().port}/v1/jobs/x/events`, pages };
  }
  const fake = (n, type = 'item.started') => ({ specversion: '1.0', type, sequence: String(n).padStart(12, '0'), data: { id: `x.${n}` } });
  const ten = [...Array.from({ length: 9 }, (_, i) => fake(i + 1)), fake(10, 'job.succeeded')];
  const numbers = (events) => events.map((e) => Number(e.sequence));

  describe('what a log must be', { concurrency: true }, () => {
    test('a gap is fetched before what comes after it is handed on', async (t) => {
      const s = await liar(t, ten, (socket) => [1, 2, 5, 6, 10].forEach((n) => socket.send(JSON.stringify(ten[n - 1]))));
      assert.deepEqual(numbers(await collect(watch(s.url, { ...quick, WebSocket }))), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
      assert.deepEqual(s.pages, [2]);
    });
    test('a heartbeat that is ahead of us tells of a gap', async (t) => {
      const s = await liar(t, ten, (socket) => {
        socket.send(JSON.stringify(ten[0]));
        socket.send('{"type":"heartbeat","sequence":"000000000009"}');
      });
      assert.deepEqual(numbers(await collect(watch(s.url, { ...quick, WebSocket }))), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    });
    test('what comes twice is handed on once', async (t) => {
      const s = await liar(t, ten, (socket) => {
        [1, 2, 1, 2, 3, 3, 4, 5, 2, 6, 7, 8, 9, 10, 10].forEach((n) => socket.send(JSON.stringify(ten[n - 1])));
        socket.close(1000);
      });
      assert.deepEqual(numbers(await collect(watch(s.url, { ...quick, WebSocket }))), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
      assert.deepEqual(s.pages, []);
    });
    test('a close with 1000 in mid-log is no end', async (t) => {
      const s = await liar(t, ten, (socket) => {
        socket.send(JSON.stringify(ten[0]));
        socket.close(1000);
      });
      assert.deepEqual(numbers(await collect(watch(s.url, { ...quick, WebSocket }))), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    });
    test('what is no JSON breaks the connection, not the watch', async (t) => {
      let n = 0;
      const s = await liar(t, ten, (socket) => (n++ ? ten.forEach((e) => socket.send(JSON.stringify(e))) :
        [JSON.stringify(ten[0]), '{"seq'].forEach((m) => socket.send(m))));
      const w = watch(s.url, { ...quick, WebSocket });
      const done = collect(w);
      await until('the second connection', () => n === 2);
      await until('all events', () => w.after === 10);
      w.close();
      assert.deepEqual(numbers(await done).slice(-1), [10]);
    });
  });

  describe('consumers', { concurrency: true }, () => {
    test('listeners hear every event by its type, and the end', async (t) => {
      const { g, c, job } = await behind(t, {}, { n: 3, step: 50 });
      const w = c.watch(job, quick);
      const heard = { all: [], done: [], off: 0 };
      w.on('event', (e) => heard.all.push(e));
      w.addEventListener('item.succeeded', (e) => heard.done.push(e.detail.data.id));
      const off = w.on('event', () => (heard.off++, off()));
      const end = await new Promise((ok) => w.on('complete', ok));
      assert.equal(end.status, 'succeeded');
      assert.equal(heard.off, 1);
      assert.deepEqual(heard.done.sort(), [1, 2, 3].map((n) => `${job.id}.${n}`));
      await isWholeLog(heard.all, g.url, job);
    });
    test('a break closes the connection', async (t) => {
      const { g, c, job } = await behind(t, {}, { n: 2, step: 3000 });
      const w = c.watch(job, quick);
      for await (const e of w) if (e) break;
      assert.equal(w.connection.phase, 'closed');
      assert.deepEqual(await w[Symbol.asyncIterator]().next(), { done: true, value: undefined });
    });
    test('one that is slow makes no queue without end: it is read later', async (t) => {
      const many = [...Array.from({ length: 4999 }, (_, i) => fake(i + 1)), fake(5000, 'job.succeeded')];
      let connections = 0;
      const s = await liar(t, many, (socket, from) => {
        connections++;
        for (const e of many.slice(from)) socket.send(JSON.stringify(e));
        socket.close(1000);
      });
      const w = watch(s.url, { ...quick, WebSocket });
      const seen = [];
      for await (const e of w) {
        if (!seen.length) await until('the queue to be full', () => w.after >= 1000);
        assert.ok(w.after - seen.length <= 1002, `${w.after - seen.length} wait`);
        seen.push(e);
      }
      assert.deepEqual(numbers(seen), many.map((_, i) => i + 1));
      assert.ok(connections >= 2, `${connections} connections`);
    });
    test('one watch that was aborted before it began says so', async () => {
      const stop = AbortSignal.abort(new Error('never'));
      await assert.rejects(collect(watch('ws://127.0.0.1:1/v1/jobs/x/events', { signal: stop })), /never/);
    });
    test('waiting for a server that is away can be aborted', async () => {
      const stop = new AbortController();
      const w = watch('ws://127.0.0.1:1/v1/jobs/x/events', { signal: stop.signal, WebSocket });
      w.on('connection', ({ phase, error }) => {
        if (phase !== 'waiting') return;
        assert.ok(error instanceof ConnectionError);
        stop.abort();
      });
      await assert.rejects(collect(w), { name: 'AbortError' });
    });
  });

  describe('refusals', { concurrency: true }, () => {
    const code = (c) => (e) => e instanceof ProblemError && e.code === c;
    for (const transport of TRANSPORTS) {
      const options = { ...quick, transports: [transport] };
      test(`over ${transport}: a job that there is not, and a number that there is not`, async (t) => {
        const { g, c, job } = await behind(t, {}, { n: 1, step: 10 });
        await assert.rejects(collect(c.watch(`${g.url}/v1/jobs/nope/events`, options)), code('not_found'));
        await assert.rejects(collect(c.watch(job, { ...options, after: 999 })), code('request_after'));
      });
      test(`over ${transport}: a job that is deleted while it is watched`, async (t) => {
        const { c, job } = await behind(t, {}, { urls: ['/hang'] });
        await assert.rejects(collect(c.watch(job, options), (e, n) => n === 1 && c.delete(job)), (e) => e instanceof ProblemError);
      });
      test(`over ${transport}: a token that is refused is renewed once, and what fails again ends it`, async (t) => {
        const { g, c, job } = await behind(t, {}, { n: 4, step: 100 });
        const url = new URL(job.events_url);
        const good = url.searchParams.get('token');
        url.searchParams.set('token', `${good.slice(0, -6)}AAAAAA`);
        const asked = [];
        const refresh = ({ problem }) => (asked.push(problem.code), good);
        await isWholeLog(await collect(watch(url, { ...options, WebSocket, refresh })), g.url, job);
        assert.deepEqual(asked, ['auth_required']);
        await isWholeLog(await collect(watch(url, { ...options, WebSocket, refresh: async () => job.events_url })), g.url, job);
        await assert.rejects(collect(watch(url, { ...options, WebSocket })), code('auth_required'));
        let times = 0;
        await assert.rejects(collect(watch(url, { ...options, WebSocket, refresh: () => (times++, 'bad') })), code('auth_required'));
        assert.equal(times, 1);
      });
    }
    test('a gateway that is busy for a moment is waited for', async (t) => {
      const { c, job } = await behind(t, {}, { n: 1, step: 10 });
      let refused = 0;
      const busy = async (...args) => (refused++ < 2 ?
        new Response('busy', { status: 503, headers: { 'retry-after': '0' } }) : fetch(...args));
      const events = await collect(c.watch(job, { ...quick, transports: ['sse'], fetch: busy }));
      assert.equal(events.at(-1).type, 'job.succeeded');
      assert.equal(refused > 2, true);
    });
  });

  test('a retry is read on from where the first run ended', async (t) => {
    const { origin: o, base } = await site(t);
    const c = createClient({ server: base, WebSocket });
    const job = (await post(`${base}/v1/jobs`, { urls: [`${o.url}/png?seed=1`, `${o.url}/flaky?fail=1&status=404`], variants: small })).json;
    const first = await collect(c.watch(job, quick));
    assert.equal(first.at(-1).type, 'job.partial');
    await c.retry(job);
    const second = await collect(c.watch(job, { ...quick, after: first.length }));
    assert.equal(second[0].type, 'job.retried');
    assert.equal(second.at(-1).type, 'job.succeeded');
    await isWholeLog([...first, ...second], base, job);
  });
});

describe('with keys', { concurrency: true }, () => {
  /** A server with two keys of one tenant. */
  async function locked(t) {
    const source = await origin(t);
    const data = tempDir(t);
    const add = async (...args) => /bulb_([a-z0-9]+)_\S+/.exec((await run(['key', 'add', '--data', data, ...args])).out);
    const [one, oneId] = await add('shop');
    const [two] = await add('--tenant', 'shop', 'shop2');
    const server = await bulb(t, data);
    return { base: server.url, source, one, two, revoke: () => run(['key', 'revoke', '--data', data, oneId]) };
  }

  test('a page hands in by a token within its bounds, and watches by what it gets back', async (t) => {
    const { base, source, one } = await locked(t);
    const server = createClient({ server: base, key: one });
    const { token } = await server.createToken({ allow: 'submit', max_urls: 2, presets: ['web'] });
    await assert.rejects(createClient({ server: base }).submit([`${source.url}/png`]), { code: 'auth_required', status: 401 });
    const page = createClient({ server: base, token });
    await assert.rejects(page.submit([1, 2, 3].map((n) => `${source.url}/png?seed=${n}`)), ProblemError);
    const job = await page.submit([`${source.url}/png`]);
    for (const transport of TRANSPORTS) {
      const events = await collect(watch(job.events_url, { ...quick, WebSocket, transports: [transport] }));
      assert.equal(events.at(-1).type, 'job.succeeded', transport);
    }
    await assert.rejects(collect(watch(job.events_url.replace(/[?].*/, ''), { ...quick, WebSocket })), { code: 'auth_required' });
  });

  for (const transport of TRANSPORTS) {
    test(`a key that is revoked ends what it opened over ${transport}; another one reads on`, async (t) => {
      const { base, source, one, two, revoke } = await locked(t);
      const job = await createClient({ server: base, key: one }).submit([`${source.url}/png?seed=1`, `${source.url}/hang`]);
      const second = createClient({ server: base, key: two });
      const options = { ...quick, WebSocket, transports: [transport], limits: { ...quick.limits, wait: 2 } };
      const alone = assert.rejects(collect(watch(job.events_url, options)), { code: 'auth_required' });
      const refused = [];
      const refresh = async ({ problem }) => {
        refused.push(problem.code);
        return (await second.job(job)).events_url;
      };
      const w = watch(job.events_url, { ...options, refresh });
      let canceled;
      const events = await collect(w, (e) => {
        if (e.type === 'item.succeeded') canceled = revoke().then(() => until('the renewal', () => refused.length)).then(() => second.cancel(job));
      });
      await canceled;
      assert.equal(events.at(-1).type, 'job.canceled');
      assert.deepEqual(events.map((e) => Number(e.sequence)), events.map((_, i) => i + 1));
      assert.deepEqual(refused, ['auth_required']);
      await alone;
    });
  }
});
