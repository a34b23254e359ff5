// The page at / in a real browser: hand in URLs, see them become pictures, live; and Chromium as an
// independent WebSocket and EventSource client.
import test from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { post, get, ended, log, until } from '../lib/harness.mjs';
import { site } from '../lib/site.mjs';
import { browser, page } from '../lib/browser.mjs';
import { cutSite, put } from '../lib/cutouts.mjs';
import { createRequire } from 'node:module';
import sharp from 'sharp';

const axeSource = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
/** What axe-core finds wrong in a page as it is now. The page's policy allows no script but its own: it is run from outside. */
async function axe(p) {
  await p.evaluate(readFileSync(axeSource, 'utf8'));
  const { violations, passes } = await p.evaluate(() => globalThis.axe.run(document));
  assert.ok(passes.length > 15, 'axe looked at the page');
  return violations.map((v) => `${v.id} (${v.impact}): ${v.nodes.slice(0, 3).map((n) => n.html.slice(0, 120)).join(' | ')}`);
}

test('a batch handed in on the page becomes pictures in it', { timeout: 60000 }, async (t) => {
  const { origin, base } = await site(t);
  const p = await page(await browser(t));
  await p.goto(`${base}/`);
  await p.fill('#urls', `${origin.url}/png?seed=1&w=700&h=500\n${origin.url}/html\n${origin.url}/png?seed=2&w=700&h=500`);
  await p.click('#composer .primary');
  await p.locator('#totals', { hasText: '3 of 3 done, 1 failed' }).waitFor();
  await p.locator('#status', { hasText: 'partial' }).waitFor();
  await p.locator('#state', { hasText: 'complete' }).waitFor();
  assert.equal(await p.locator('.card').count(), 3);
  await until('two pictures', () => p.evaluate(() =>
    document.querySelectorAll('.card img.there').length === 2 && [...document.querySelectorAll('img.there')].every((i) => i.complete && i.naturalWidth > 0)));
  assert.match(await p.locator('.card[data-status=failed]').textContent(), /fetch_not_image/);
  assert.deepEqual(p.faults, []);
});

test('the page cuts subjects out where the box is ticked, and says where there is none', { timeout: 60000 }, async (t) => {
  const s = await cutSite(t);
  const disc = await sharp({ create: { width: 300, height: 240, channels: 3, background: '#345' } })
    .composite([{ input: Buffer.from('<svg width="300" height="240"><circle cx="150" cy="120" r="80" fill="#e43"/></svg>') }]).png().toBuffer();
  const empty = await sharp({ create: { width: 300, height: 240, channels: 3, background: '#777' } }).png().toBuffer();
  const p = await page(await browser(t));
  await p.goto(`${s.base}/`);
  await p.fill('#urls', [put(s, disc), put(s, empty)].join('\n'));
  await p.check('#background');
  await p.click('#composer .primary');
  await p.locator('#state', { hasText: 'complete' }).waitFor();
  await p.locator('.note', { hasText: /^no subject$/ }).waitFor();
  await p.locator('.card', { hasText: 'cut out' }).locator('.open').click();
  await p.locator('#detail', { hasText: /by local:u2netp, \d+ % sure/ }).waitFor();
  await until('the cut-out', () => p.evaluate(() => document.querySelector('.pair .after')?.naturalWidth === 300));
  const cut = () => p.evaluate(() => getComputedStyle(document.querySelector('.pair')).getPropertyValue('--cut'));
  await p.locator('.pair input').focus();
  await p.keyboard.press('Home');
  assert.equal(await cut(), '0%', 'the slider works by keyboard');
  await p.keyboard.press('ArrowRight');
  assert.equal(await cut(), '1%');
  assert.deepEqual(p.faults, []);
});

test('what a stranger wrote into a URL or tag stays text', { timeout: 60000 }, async (t) => {
  const { origin, base } = await site(t);
  const evil = '<img src=x onerror=document.title="owned">';
  const r = await post(`${base}/v1/jobs`, { urls: [`${origin.url}/status/404?${encodeURIComponent(evil)}`], tag: evil.slice(0, 60) });
  await ended(base, r.json.id);
  const p = await page(await browser(t));
  await p.goto(`${base}/#${r.json.id}`);
  await p.locator('#state', { hasText: 'complete' }).waitFor();
  assert.equal(await p.title(), 'bulb');
  assert.equal(await p.locator('img[src=x]').count(), 0);
});

test('a part of the page that does not arrive is asked for again, and then it says so', { timeout: 60000 }, async (t) => {
  const { base } = await site(t);
  const p = await page(await browser(t));
  let dropped = 0;
  const drop = (most) => p.route('**/page/words.js', (route) => (dropped++ < most ? route.abort('internetdisconnected') : route.fallback()));
  await drop(2);
  await p.goto(`${base}/`);
  await p.locator('#preset option').first().waitFor({ state: 'attached' });
  assert.equal(dropped, 3);
  assert.equal(await p.evaluate(() => sessionStorage.length), 0, 'nothing is remembered of it');
  await p.unroute('**/page/words.js');
  dropped = 0;
  await drop(Infinity);
  await p.goto(`${base}/?again`);
  await p.locator('#refused', { hasText: 'A part of this page did not arrive. Load it again.' }).waitFor();
  assert.equal(dropped, 4, 'loaded again three times, no more');
});

test('Chromium reads the same events by WebSocket and EventSource as the JSON pages hold', { timeout: 60000 }, async (t) => {
  const { origin, base } = await site(t);
  const job = (await post(`${base}/v1/jobs`, { urls: [1, 2, 3, 4].map((i) => `${origin.url}/png?seed=${i}&delay=200`) })).json;
  const p = await page(await browser(t));
  await p.goto(`${base}/healthz`);
  const seen = await p.evaluate(async ([ws, sse]) => {
    const byWs = new Promise((done) => {
      const all = [];
      const s = new WebSocket(ws);
      s.onmessage = (m) => all.push(m.data);
      s.onclose = (e) => done({ all, code: e.code });
    });
    const bySse = new Promise((done) => {
      const all = [];
      const s = new EventSource(sse);
      const take = (m) => {
        all.push(m.data);
        if (/^job\.(succeeded|partial|failed|canceled)$/.test(m.type)) { s.close(); done(all); }
      };
      for (const type of ['job.created', 'job.started', 'job.progress', 'job.succeeded', 'job.partial', 'job.failed',
        'item.started', 'item.progress', 'item.succeeded', 'item.failed']) s.addEventListener(type, take);
    });
    return { ws: await byWs, sse: await bySse };
  }, [job.events_url, `${base}/v1/jobs/${job.id}/events`]);
  assert.equal(seen.ws.code, 1000);
  assert.deepEqual(seen.ws.all, seen.sse);
  const { events } = await log(base, job.id);
  assert.deepEqual(seen.ws.all.map((e) => JSON.parse(e)), events);
});

test('the page and the pages of errors carry a strict policy', async (t) => {
  const { base } = await site(t);
  for (const path of ['/', '/errors/fetch_timeout']) {
    const r = await get(`${base}${path}`);
    assert.equal(r.status, 200);
    assert.match(r.headers['content-security-policy'], /default-src 'none'/);
    assert.doesNotMatch(r.headers['content-security-policy'], /unsafe/);
    assert.equal(r.headers['x-content-type-options'], 'nosniff');
  }
  assert.match((await get(`${base}/errors/fetch_timeout`)).text, /--fetch-timeout/);
  assert.equal((await get(`${base}/errors/nope`)).status, 404);
});

test('it is usable without a mouse and by screen readers: axe finds nothing, light and dark, wide and narrow', { timeout: 120000 }, async (t) => {
  const { origin, base } = await site(t);
  const job = (await post(`${base}/v1/jobs`, { urls: [1, 2, 3, 4, 5, 6].map((i) => `${origin.url}/png?seed=${i}&w=400&h=300`).concat(`${origin.url}/status/500`), tag: 'sale' })).json;
  await ended(base, job.id);
  const b = await browser(t);
  for (const [width, colorScheme] of [[1280, 'light'], [1280, 'dark'], [390, 'light']]) {
    const p = await page(b, { width, height: 850 });
    await p.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    for (const where of ['#', `#${job.id}`]) {
      await p.goto(`${base}/${where}`);
      await p.locator('#state', { hasText: 'complete' }).waitFor();
      await until('the pictures', () => p.evaluate(() => document.querySelectorAll('img.there').length === 6));
      assert.deepEqual(await axe(p), [], `${where} at ${width}, ${colorScheme}`);
    }
    await p.locator('.open').first().focus();
    await p.keyboard.press('End');
    await p.keyboard.press('Enter');
    await p.locator('#detail[open]', { hasText: 'fetch_status' }).waitFor();
    assert.deepEqual(await axe(p), [], `the details at ${width}, ${colorScheme}`);
    await p.keyboard.press('Escape');
    assert.equal(await p.evaluate(() => document.activeElement.className), 'open', 'the focus is back on the card');
    assert.deepEqual(p.faults, []);
  }
});

test('lists and tables of URLs become what a job takes', async () => {
  const { urlsOf } = await import('../../src/api/page/words.js');
  const a = 'https://x.test/a,b.jpg', b = 'https://x.test/b.jpg';
  assert.deepEqual(urlsOf(`\n ${a}\r\n${b}  \n\n`), [a, b]);
  assert.deepEqual(urlsOf(`${b},${b}\n"${b}"`), [b, b, b]);
  assert.deepEqual(urlsOf(`sku,url,price\n17,${b},3\n"1,8","${a}",4\n`), [{ url: b, ref: '17' }, { url: a, ref: '1,8' }]);
  assert.deepEqual(urlsOf(`URL\n${b}`), [b]);
  assert.deepEqual(urlsOf(`${b};x\n${a};y`, true), [b, a]);
  assert.deepEqual(urlsOf('url\tref\nhttps://x.test/1\t"a ""b"""'), [{ url: 'https://x.test/1', ref: 'a "b"' }]);
  assert.deepEqual(urlsOf('\ufeffnonsense'), ['nonsense']);
});

test('a picture becomes HTML: the best packed first, none of another shape, nothing that breaks out', async () => {
  const { pictureHtml } = await import('../../src/api/page/words.js');
  const v = (name, format, width, height) => ({ name, format, width, height, url: `https://x.test/${name}?a=1&b=2` });
  const html = pictureHtml({ url: 'https://x.test/a%22%3E.jpg', source: { width: 3000, height: 2000 },
    variants: [v('thumb', 'jpeg', 150, 150), v('s', 'webp', 320, 213), v('m', 'jpeg', 640, 427), v('xl', 'webp', 1920, 1280), v('l', 'jpeg', 1280, 853)] });
  assert.equal(html, '<picture>\n  <source type="image/webp" srcset="https://x.test/s?a=1&amp;b=2 320w, https://x.test/xl?a=1&amp;b=2 1920w" sizes="100vw">\n'
    + '  <img src="https://x.test/l?a=1&amp;b=2" srcset="https://x.test/m?a=1&amp;b=2 640w, https://x.test/l?a=1&amp;b=2 1280w" sizes="100vw" width="1280" height="853" alt="a&quot;&gt;.jpg" loading="lazy" decoding="async">\n</picture>');
});

test('all that a browser loads for the page is under 150 KB compressed, and from this server', { timeout: 60000 }, async (t) => {
  const { base } = await site(t);
  const p = await page(await browser(t));
  const loaded = [];
  p.on('response', (r) => loaded.push(r));
  await p.goto(`${base}/`);
  await p.locator('#preset option').first().waitFor({ state: 'attached' });
  const files = loaded.filter((r) => /\/$|\/page\//.test(new URL(r.url()).pathname));
  const bytes = (await Promise.all(files.map((r) => r.body()))).reduce((n, b) => n + gzipSync(b).length, 0);
  t.diagnostic(`${files.length} files, ${bytes} bytes`);
  assert.ok(files.length > 10 && bytes > 5000 && bytes < 150000, `${files.length} files, ${bytes} bytes`);
  assert.deepEqual([...new Set(loaded.map((r) => new URL(r.url()).origin).filter((o) => o !== 'null'))], [base]);
});
