// The client library in Chromium, against the real server: the watch behind gateways, the hook for React
// in StrictMode, the element under a strict policy, and the examples as they stand.
import { test, describe, before, after as atEnd } from 'node:test';
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { after, bulb, get, log, post, root, tempDir, until } from '../lib/harness.mjs';
import { png } from '../lib/pictures.mjs';
import { site, small } from '../lib/site.mjs';
import { browser, page } from '../lib/browser.mjs';
import { gateway } from '../lib/gateway.mjs';
import { bundle, installed, sources } from '../lib/client.mjs';

let chromium;
before(async () => (chromium = await browser()));
atEnd(() => chromium.close());

const quick = { heartbeat: 1, limits: { open: 3000, quiet: 3000, sseQuiet: 3000 }, backoff: { base: 50, most: 500 } };
const policy = { 'content-security-policy': "default-src 'none'; script-src 'self'; connect-src 'self' ws:; img-src 'self'; style-src 'none'; base-uri 'none'" };
const empty = { type: 'text/html', body: '<!doctype html><title>test</title>' };

async function open(t, g, path = '/empty.html') {
  const p = await page(chromium);
  t.after(() => p.close());
  await p.goto(g.url + path);
  return p;
}

/** A job behind a gateway, and a page of the gateway's. */
async function behind(t, o = {}, { n = 8, step = 150 } = {}) {
  const s = await site(t);
  const g = await gateway(t, s.base, { files: { '/client/': sources, '/empty.html': empty }, ...o });
  const p = await open(t, g);
  const urls = Array.from({ length: n }, (_, i) => `${s.origin.url}/png?seed=${i}&delay=${(i + 1) * step}`);
  const job = (await post(`${g.url}/v1/jobs`, { urls, variants: small })).json;
  return { ...s, g, job, p };
}

/** An origin whose nth picture comes when its gate is opened. */
async function gated(t) {
  const gates = Array.from({ length: 10 }, () => {
    let pass;
    const passed = new Promise((ok) => (pass = ok));
    return { pass, passed };
  });
  const server = createServer(async (req, res) => {
    const n = Number(req.url.slice(1));
    await gates[n].passed;
    res.writeHead(200, { 'content-type': 'image/png' }).end(png(64, 48, n));
  });
  await new Promise((ok) => server.listen(0, '127.0.0.1', ok));
  after(t, () => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${server.address().port}`, open: (n) => gates[n].pass() };
}

/** Reads a job to its end in the page; resolves with what came. */
const collect = (p, url, options) => p.evaluate(async ([events, opts]) => {
  const { watch } = await import('/client/index.js');
  const w = (globalThis.w = watch(events, opts));
  const seen = (globalThis.seen = []);
  const phases = [];
  w.on('connection', (c) => phases.push(c.phase));
  for await (const e of w) seen.push(`${e.sequence} ${e.type}`);
  return { seen, phases, transport: w.connection.transport };
}, [url, options]);
const succeeded = (p, n) => p.waitForFunction((count) => globalThis.seen?.filter((e) => /item.succeeded/.test(e)).length >= count, n);
const seen = (p, n) => p.waitForFunction((least) => globalThis.seen?.length >= least, n);

async function isWholeLog(got, base, job) {
  assert.deepEqual(got, (await log(base, job.id)).events.map((e) => `${e.sequence} ${e.type}`));
  assert.deepEqual(got.map((e) => parseInt(e, 10)), got.map((_, i) => i + 1));
}

describe('watch', { concurrency: 3 }, () => {
  for (const [name, o, transport] of [['nothing', {}, 'websocket'], ['what takes off Upgrade', { upgrade: false }, 'sse'],
    ['what refuses Upgrade', { upgrade: 'refuse' }, 'sse'], ['what keeps event streams to itself', { upgrade: false, bufferSse: true }, 'poll'],
    ['what cuts every connection', { cutMs: process.env.TEST_SOAK ? 3000 : 600 }, 'websocket']]) {
    test(`behind ${name} every event comes once, over ${transport}`, async (t) => {
      const { g, job, p } = await behind(t, o, { n: 12, step: o.bufferSse ? 400 : 200 });
      const got = await collect(p, job.events_url, quick);
      await isWholeLog(got.seen, g.url, job);
      assert.equal(got.transport, transport);
    });
  }
  for (const transport of ['websocket', 'sse', 'poll']) {
    test(`a half-open connection over ${transport} is left`, async (t) => {
      const { g, job, p } = await behind(t, {}, { n: 8, step: 300 });
      const all = collect(p, job.events_url, { ...quick, transports: [transport], limits: { ...quick.limits, wait: 1 } });
      await seen(p, 3);
      g.freeze();
      await isWholeLog((await all).seen, g.url, job);
    });
    if (transport !== 'poll') test(`a page that comes back online does not wait for a half-open connection over ${transport}`, { timeout: 60000 }, async (t) => {
      const { g, job, p } = await behind(t, {}, { n: 8, step: 300 });
      const all = collect(p, job.events_url, { ...quick, transports: [transport], limits: { open: 3000, quiet: 600000, sseQuiet: 600000 } });
      await seen(p, 3);
      g.freeze();
      await p.context().setOffline(true);
      await p.context().setOffline(false);
      await isWholeLog((await all).seen, g.url, job);
    });
    test(`a page that is offline, and a server that is killed and comes back, over ${transport}`, async (t) => {
      const gate = await gated(t);
      const data = tempDir(t);
      const server = await bulb(t, data);
      const g = await gateway(t, server.url, { files: { '/client/': sources, '/empty.html': empty } });
      const job = (await post(`${g.url}/v1/jobs`, { urls: [0, 1, 2, 3].map((i) => `${gate.url}/${i}`), variants: small })).json;
      const p = await open(t, g);
      const all = collect(p, job.events_url, { ...quick, transports: [transport] });
      gate.open(0);
      await succeeded(p, 1);
      await p.context().setOffline(true);
      g.cut();
      await p.waitForFunction(() => globalThis.w.connection.phase === 'waiting');
      gate.open(1);
      await until('what the page cannot see', async () => (await get(`${g.url}/v1/jobs/${job.id}`)).json.counts.succeeded === 2);
      await p.context().setOffline(false);
      await succeeded(p, 2);
      await server.stop('SIGKILL');
      g.upstream = (await bulb(t, data)).url;
      gate.open(2);
      await succeeded(p, 3);
      gate.open(3);
      const got = await all;
      await isWholeLog(got.seen, g.url, job);
      assert.equal(got.seen.filter((e) => /item.succeeded/.test(e)).length, 4);
    });
  }
  test('a token that is refused is renewed, though a page cannot see why a socket was', async (t) => {
    const { g, job, p } = await behind(t);
    const got = await p.evaluate(async ([good, options]) => {
      const { watch } = await import('/client/index.js');
      const bad = good.replace(/.{6}$/, 'AAAAAA');
      const seen = [];
      const asked = [];
      const refresh = ({ problem }) => (asked.push(problem.code), good);
      for await (const e of watch(bad, { ...options, refresh })) seen.push(`${e.sequence} ${e.type}`);
      const refused = await watch(bad, options).start().finished.catch((e) => e.code);
      return { seen, asked, refused };
    }, [job.events_url, quick]);
    await isWholeLog(got.seen, g.url, job);
    assert.deepEqual([got.asked, got.refused], [['auth_required'], 'auth_required']);
  });
});

describe('React', () => {
  /** A page with a component that can be mounted and unmounted: window.show(url), window.hide(). */
  async function withReact(t, o) {
    const { dir } = installed(t);
    const body = await bundle(dir, `
      import { StrictMode } from 'react';
      import { createRoot } from 'react-dom/client';
      import { useBatch } from 'bulb-client/react';
      let renders = 0;
      function Batch({ url }) {
        const b = useBatch(url, ${JSON.stringify(quick)});
        document.title = ++renders;
        return <ul data-phase={b.connection.phase} data-after={b.after} data-progress={b.progress}>
          {b.items.map((i) => <li key={i.id}>{i.status}</li>)}</ul>;
      }
      const at = document.getElementById('root');
      let reactRoot;
      window.show = (url) => (reactRoot ??= createRoot(at)).render(<StrictMode><Batch url={url} /></StrictMode>);
      window.hide = () => reactRoot.render(<StrictMode>{null}</StrictMode>);
    `);
    const s = await site(t);
    const g = await gateway(t, s.base, { ...o, files: { '/react.js': { type: 'text/javascript', body },
      '/empty.html': { type: 'text/html', body: '<!doctype html><title>test</title><div id="root"></div><script type="module" src="/react.js"></script>' } } });
    const p = await open(t, g);
    await p.waitForFunction(() => window.show);
    return { ...s, g, p };
  }
  const sockets = (g) => g.log.filter((l) => l.upgrade);

  test('in StrictMode one connection is made, and every item is shown once', { timeout: 60000 }, async (t) => {
    const { origin: o, g, p } = await withReact(t);
    await p.evaluate(() => window.show(undefined));
    const job = (await post(`${g.url}/v1/jobs`, { urls: [1, 2, 3, 4].map((i) => `${o.url}/png?seed=${i}&delay=${i * 200}`), variants: small })).json;
    await p.evaluate((url) => window.show(url), job.events_url);
    await p.locator('ul[data-phase=complete]').waitFor();
    assert.deepEqual(await p.locator('li').allTextContents(), ['succeeded', 'succeeded', 'succeeded', 'succeeded']);
    assert.equal(await p.locator('ul').getAttribute('data-progress'), '1');
    assert.equal(sockets(g).length, 1);
    assert.deepEqual(p.faults, []);
  });

  test('unmounting closes the connection, and mounting again shows all', { timeout: 60000 }, async (t) => {
    const { origin: o, g, p } = await withReact(t);
    const job = (await post(`${g.url}/v1/jobs`, { urls: [`${o.url}/png?seed=1`, `${o.url}/hang`], variants: small })).json;
    await p.evaluate((url) => window.show(url), job.events_url);
    await p.locator('li', { hasText: 'succeeded' }).waitFor();
    const readers = async () => Number(/^bulb_readers\{kind="websocket"\} (\d+)/m.exec(await (await fetch(`${g.upstream}/metrics`)).text())?.[1] ?? 0);
    assert.equal(await readers(), 1);
    await p.evaluate(() => window.hide());
    await until('the socket to be closed', async () => await readers() === 0);
    await p.evaluate((url) => window.show(url), job.events_url);
    await p.locator('li', { hasText: 'succeeded' }).waitFor();
    await post(`${g.url}/v1/jobs/${job.id}/cancel`);
    await p.locator('ul[data-phase=complete]').waitFor();
    assert.deepEqual(await p.locator('li').allTextContents(), ['succeeded', 'canceled']);
    assert.deepEqual(p.faults, []);
  });

  test('another token is no other batch; another job is', { timeout: 60000 }, async (t) => {
    const { origin: o, g, p } = await withReact(t);
    const make = async (n) => (await post(`${g.url}/v1/jobs`, { urls: [...Array.from({ length: n }, (_, i) => `${o.url}/png?seed=${i}`), `${o.url}/hang`], variants: small })).json;
    const one = await make(1);
    await p.evaluate((url) => window.show(url), one.events_url);
    await p.locator('li', { hasText: 'succeeded' }).waitFor();
    await p.evaluate((url) => window.show(url), `${one.events_url}&v=2`);
    await p.evaluate(() => new Promise((ok) => setTimeout(ok)));
    assert.equal(sockets(g).length, 1);
    const two = await make(3);
    await p.evaluate((url) => window.show(url), two.events_url);
    await until('three pictures', async () => (await p.locator('li', { hasText: 'succeeded' }).count()) === 3);
    assert.equal(sockets(g).length, 2);
  });
});

describe('<bulb-batch>', () => {
  async function withElement(t, urls, { attributes = '', request = {} } = {}) {
    const s = await site(t);
    const g = await gateway(t, s.base, { headers: policy, files: { '/client/': sources } });
    const job = (await post(`${g.url}/v1/jobs`, { urls: urls.map((u) => s.origin.url + u), ...request })).json;
    g.files['/page.html'] = { type: 'text/html', body: `<!doctype html><html lang="en"><title>test</title>
      <script type="module" src="/client/element.js"></script>
      <main><h1>test</h1><bulb-batch events-url="${job.events_url.replace(/&/g, '&amp;')}" ${attributes}></bulb-batch></main>` };
    return { ...s, g, job, p: await open(t, g, '/page.html') };
  }
  /* waitForFunction() is eval, which the policy forbids */
  const state = (p) => p.evaluate(() => document.querySelector('bulb-batch').state);
  const picture = (seed, more = '') => `/png?seed=${seed}&w=700&h=500${more}`;

  test('pictures come into it one by one, under a policy that allows no style and no data', { timeout: 60000 }, async (t) => {
    const { p } = await withElement(t, [picture(1), '/html', picture(2, '&delay=500'), '/hang']);
    await until('two pictures', () => p.locator('li.succeeded img.there').count().then((n) => n === 2));
    await p.locator('li.failed').waitFor();
    assert.match(await p.locator('.status').textContent(), /^3 of 4 done, 1 failed$/);
    assert.equal(await p.locator('progress').evaluate((b) => b.value / b.max), 0.75);
    assert.equal(await p.locator('li.succeeded img').first().evaluate((i) => i.complete && i.naturalWidth > 0), true);
    assert.equal(await p.locator('li.succeeded canvas').first().evaluate((c) => {
      const { data } = c.getContext('2d').getImageData(0, 0, c.width, c.height);
      return c.width === 32 && new Set(data).size > 8;
    }), true, 'the placeholder is drawn');
    assert.deepEqual(await p.locator('li').evaluateAll((all) => all.map((l) => l.className)), ['card succeeded', 'card failed', 'card succeeded', 'card downloading']);
    assert.equal(await p.evaluate(() => document.querySelector('bulb-batch').shadowRoot.querySelectorAll('[style], style, script').length), 0);
    assert.deepEqual(p.faults, []);
  });

  test('it can be used by keyboard, read aloud, and styled', { timeout: 60000 }, async (t) => {
    const { p } = await withElement(t, [picture(1), picture(2)], { attributes: 'variant="thumb"' });
    await until('two pictures', () => p.locator('li img.there').count().then((n) => n === 2));
    await p.locator('[role=status]', { hasText: '2 of 2 done' }).waitFor({ state: 'attached' });
    assert.equal(await p.getByRole('list', { name: 'Batch of pictures' }).count(), 1);
    assert.equal(await p.getByRole('listitem').count(), 2);
    assert.equal(await p.getByRole('progressbar', { name: 'Progress' }).count(), 1);
    assert.equal(await p.getByRole('link', { name: 'png' }).count(), 2, 'a link has the name of its picture');
    await p.keyboard.press('Tab');
    await p.keyboard.press('Tab');
    assert.equal(await p.evaluate(() => document.activeElement.shadowRoot.activeElement.closest('li').previousElementSibling !== null), true);
    assert.equal(await p.locator('img').first().evaluate((i) => i.naturalWidth), 150, 'the variant that was asked for');
    await p.evaluate(readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8'));
    const { violations, passes } = await p.evaluate(() => globalThis.axe.run(document));
    assert.ok(passes.some(({ id, nodes }) => id === 'image-alt' && nodes.length === 2), 'axe looked into it');
    assert.deepEqual(violations.map((v) => `${v.id}: ${v.nodes[0].html}`), []);
    await p.evaluate(() => {
      const sheet = new CSSStyleSheet();
      sheet.replaceSync('bulb-batch { --bulb-radius: 33px } bulb-batch::part(name) { font-weight: 900 }');
      document.adoptedStyleSheets = [sheet];
    });
    assert.equal(await p.locator('.frame').first().evaluate((f) => getComputedStyle(f).borderRadius), '33px');
    assert.equal(await p.locator('.name').first().evaluate((f) => getComputedStyle(f).fontWeight), '900');
    assert.deepEqual(p.faults, []);
  });

  test('what a stranger wrote into a URL stays text', { timeout: 60000 }, async (t) => {
    const { p } = await withElement(t, [`/status/404/${encodeURIComponent('<img src=x onerror=document.title="owned">')}`]);
    await p.locator('li.failed').waitFor();
    assert.equal(await p.title(), 'test');
    assert.equal(await p.locator('img[src=x]').count(), 0);
  });

  test('a move in the document keeps it; another URL makes it anew; it tells what happens', { timeout: 60000 }, async (t) => {
    const { origin: o, g, p, job } = await withElement(t, [picture(1), '/flaky?fail=1&status=404']);
    await p.evaluate(() => {
      window.told = [];
      const el = document.querySelector('bulb-batch');
      for (const type of ['bulb-item', 'bulb-end']) el.addEventListener(type, (e) => window.told.push(`${type} ${e.detail.status ?? e.detail.job.status}`));
      document.body.append(el);
    });
    await until('complete', async () => (await state(p)).connection.phase === 'complete');
    assert.equal(g.log.filter((l) => l.upgrade).length, 1, 'one connection');
    await post(`${g.url}/v1/jobs/${job.id}/retry`);
    await p.evaluate(() => document.querySelector('bulb-batch').resume());
    await until('succeeded', async () => (await state(p)).job.status === 'succeeded');
    assert.equal(await p.locator('li.succeeded').count(), 2);
    await until('bulb-end', async () => (await p.evaluate(() => window.told)).includes('bulb-end succeeded'));
    const other = (await post(`${g.url}/v1/jobs`, { urls: [o.url + picture(3)] })).json;
    await p.evaluate((url) => document.querySelector('bulb-batch').setAttribute('events-url', url), other.events_url);
    await p.locator('.status', { hasText: '1 of 1 done' }).waitFor();
    assert.equal(await p.locator('li').count(), 1);
    assert.deepEqual(p.faults, []);
  });

  test('a connection that broke says where it resumes; one that is refused, why', { timeout: 60000 }, async (t) => {
    const { g, p } = await withElement(t, [picture(1), '/hang']);
    await p.locator('li.succeeded').waitFor();
    const at = (await state(p)).after;
    g.down(true);
    await p.locator('.connection', { hasText: /resuming after event \d+/ }).waitFor();
    assert.ok(Number(/\d+/.exec(await p.locator('.connection').textContent())[0]) >= at);
    g.down(false);
    await until('live', async () => (await state(p)).connection.phase === 'live');
    assert.equal(await p.locator('.connection').textContent(), '');
    await p.evaluate(() => document.querySelector('bulb-batch').setAttribute('events-url', '/v1/jobs/nope/events'));
    await p.locator('.connection', { hasText: 'Stopped: ' }).waitFor();
    assert.equal(await p.getByRole('button', { name: 'Read on' }).isVisible(), true);
  });
});

describe('examples, as they stand', () => {
  test('plain HTML', { timeout: 60000 }, async (t) => {
    const s = await site(t);
    const { dir } = installed(t);
    const g = await gateway(t, s.base, { files: { '/plain.html': join(root, 'examples/plain.html'), '/node_modules/': join(dir, 'node_modules') } });
    const p = await open(t, g, `/plain.html?url=${encodeURIComponent(`${s.origin.url}/png?seed=1&w=700&h=500`)}&url=${encodeURIComponent(`${s.origin.url}/png?seed=2&w=700&h=500`)}`);
    await until('two pictures', () => p.locator('img.there').count().then((n) => n === 2));
    assert.deepEqual(p.faults, []);
  });
  test('React', { timeout: 60000 }, async (t) => {
    const s = await site(t);
    const { dir } = installed(t);
    const body = await bundle(dir, readFileSync(join(root, 'examples/react.jsx'), 'utf8'));
    const g = await gateway(t, s.base, { files: { '/react.js': { type: 'text/javascript', body },
      '/index.html': { type: 'text/html', body: '<!doctype html><title>test</title><div id="root"></div><script type="module" src="/react.js"></script>' } } });
    const p = await open(t, g, `/index.html?url=${encodeURIComponent(`${s.origin.url}/png?seed=1&w=700&h=500`)}`);
    await p.waitForFunction(() => document.images.length === 1 && document.images[0].naturalWidth === 150);
    await p.getByRole('list', { name: '1 of 1' }).waitFor();
    assert.deepEqual(p.faults, []);
  });
});
