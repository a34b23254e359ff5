// The page at / in a real browser: hand in URLs, see them become pictures, live; and Chromium as an
// independent WebSocket and EventSource client.
import test from 'node:test';
import assert from 'node:assert/strict';
import { post, get, ended, log, until } from '../lib/harness.mjs';
import { site } from '../lib/site.mjs';
import { browser, page } from '../lib/browser.mjs';
import { cutSite, put } from '../lib/cutouts.mjs';
import sharp from 'sharp';

test('a batch handed in on the page becomes pictures in it', { timeout: 60000 }, async (t) => {
  const { origin, base } = await site(t);
  const p = await page(await browser(t));
  await p.goto(`${base}/`);
  await p.fill('#urls', `${origin.url}/png?seed=1&w=700&h=500\n${origin.url}/html\n${origin.url}/png?seed=2&w=700&h=500`);
  await p.click('button');
  await p.locator('#totals', { hasText: 'partial: 3 of 3 done, 1 failed' }).waitFor();
  await p.locator('#state', { hasText: 'complete' }).waitFor();
  assert.equal(await p.locator('article').count(), 3);
  await until('two pictures', () => p.evaluate(() =>
    document.images.length === 2 && [...document.images].every((i) => i.complete && i.naturalWidth > 0)));
  assert.match(await p.locator('article .failed').textContent(), /fetch_not_image/);
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
  await p.click('button');
  await p.locator('#state', { hasText: 'complete' }).waitFor();
  await p.locator('.about p', { hasText: /^cut out by local:u2netp, \d+ % sure$/ }).waitFor();
  await p.locator('.about p', { hasText: 'no subject to cut out' }).waitFor();
  await until('the cut-out', () => p.evaluate(() => {
    const cutouts = [...document.querySelectorAll('.cutout img')];
    return cutouts.length === 1 && cutouts[0].complete && cutouts[0].naturalWidth === 300;
  }));
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
