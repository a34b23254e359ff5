// What people do on the page, and what the network does to them meanwhile: nothing is lost and nothing is
// shown twice.
import test from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { unzipSync } from 'fflate';
import { bulb, call, ended, freePort, get, items, nginx, post, sha256, tempDir, until } from '../lib/harness.mjs';
import { origin as startSource, site, small } from '../lib/site.mjs';
import { browser, page } from '../lib/browser.mjs';

const ids = (p) => p.evaluate(() => [...document.querySelectorAll('.card:not([hidden])')].map((c) => c.dataset.id));
const complete = (p) => p.locator('#state[data-phase=complete]').waitFor();
const jobIn = (p) => p.evaluate(() => location.hash.slice(1));
const list = (origin, n, query = '') => Array.from({ length: n }, (_, i) => `${origin.url}/png?seed=${i + 1}&w=60&h=40${query}`);

/** A browser of its own to each test, that may write to the clipboard. */
async function open(t, base, size) {
  const b = await browser(t);
  const p = await page(b, size);
  await p.context().grantPermissions(['clipboard-read', 'clipboard-write'], { origin: base });
  await p.goto(`${base}/`);
  await p.locator('#preset option').first().waitFor({ state: 'attached' });
  return p;
}

test('a file of URLs, variants of one\'s own, an estimate, the zip, HTML to copy, and the batch again in the history', { timeout: 90000 }, async (t) => {
  const { origin, base } = await site(t);
  const p = await open(t, base);
  const file = join(tempDir(t), 'list.csv');
  writeFileSync(file, `sku,url\nred,${origin.url}/png?seed=1&w=400&h=300\nblue,${origin.url}/png?seed=2&w=400&h=300\nred again,${origin.url}/png?seed=1&w=400&h=300\n`);
  await p.setInputFiles('#file', file);
  await p.locator('#urls-count', { hasText: '3 URLs' }).waitFor();
  for (const name of ['large', 'xl', 'thumb']) await p.uncheck(`#variants input[value=${name}]`);
  await p.click('#own summary');
  await p.fill('#own-name', 'square');
  await p.fill('#own-width', '64');
  await p.fill('#own-height', '64');
  await p.selectOption('#own-format', 'png');
  await p.click('#own-add');
  await p.fill('#tag', 'spring');
  await p.click('#estimate');
  await p.locator('#estimated', { hasText: '2 pictures: 2 downloads, 6 encodes; 0 are done already. 1 duplicate fall away.' }).waitFor();
  await p.click('#composer .primary');
  await complete(p);
  assert.equal(await p.locator('#title').textContent(), 'spring');
  const job = await jobIn(p);
  const made = await items(base, job);
  assert.deepEqual(made.map((i) => [i.refs, i.variants.map((v) => v.name)]), [[['red', 'red again'], ['small', 'medium', 'square']], [['blue'], ['small', 'medium', 'square']]]);

  const [download] = await Promise.all([p.waitForEvent('download'), p.click('#zip')]);
  const zip = unzipSync(readFileSync(await download.path()));
  assert.deepEqual(Object.values(zip).map(sha256).sort(), made.flatMap((i) => i.variants.map((v) => v.sha256)).sort());
  await p.click('#copy-all');
  const html = await p.evaluate(() => navigator.clipboard.readText());
  assert.equal(html.match(/<picture>/g).length, 2);
  assert.match(html, /srcset="http[^"]* 400w"/);

  await p.fill('#urls', `${origin.url}/png?seed=1&w=400&h=300`);
  await p.click('#composer .primary');
  await p.locator('#figures', { hasText: 'downloads saved1' }).waitFor();
  await p.locator('#jobs a').nth(1).click();
  await p.locator('#title', { hasText: 'spring' }).waitFor();
  await until('the two cards', async () => (await ids(p)).length === 2);
  await p.click('#forget');
  await p.locator('#empty').waitFor();
  assert.equal((await get(`${base}/v1/jobs/${job}`)).status, 404);
  assert.deepEqual(await p.evaluate(() => globalThis.violations), []);
  assert.deepEqual(p.faults, []);
  await p.evaluate(() => document.body.append(Object.assign(document.createElement('img'), { src: 'https://elsewhere.test/x.png' })));
  await until('what the policy forbids to be noticed', () => p.evaluate(() => globalThis.violations.length === 1));
});

test('what failed is explained, filtered, and runs again; what runs is canceled', { timeout: 90000 }, async (t) => {
  const { origin, base } = await site(t, ['--max-tries', '1']);
  const p = await open(t, base);
  await p.fill('#urls', [`${origin.url}/flaky?fail=1`, ...list(origin, 3)].join('\n'));
  await p.click('#composer .primary');
  await p.locator('#status', { hasText: 'partial' }).waitFor();
  await p.click('#filters [data-id=failed]');
  await until('only the one that failed', async () => (await ids(p)).length === 1);
  await p.locator('.card:not([hidden]) .open').click();
  const link = p.locator('#detail a', { hasText: 'What to do' });
  assert.match((await get(await link.getAttribute('href'))).text, /What to do/);
  await p.keyboard.press('Escape');
  await p.click('#filters [data-id=all]');
  await p.fill('#find', 'nothing is called this');
  await p.locator('#none').waitFor();
  await p.fill('#find', '');
  await p.click('#retry');
  await p.locator('#status', { hasText: 'succeeded' }).waitFor();
  await complete(p);
  assert.equal(new Set(await ids(p)).size, 4);

  await p.click('#new');
  await p.fill('#urls', list(origin, 30, '&delay=60000').join('\n'));
  await p.click('#composer .primary');
  await p.click('#cancel');
  await p.locator('#status', { hasText: 'canceled' }).waitFor();
  await p.locator('#totals', { hasText: '30 of 30 done, 30 canceled' }).waitFor();
});

test('what is wrong with a request is said by its place', { timeout: 60000 }, async (t) => {
  const { base } = await site(t);
  const p = await open(t, base);
  await p.click('#composer .primary');
  await p.locator('#refused', { hasText: 'There is no URL yet' }).waitFor();
  await p.fill('#urls', 'https://x.test/1.jpg\nnonsense');
  await p.click('#composer .primary');
  await p.locator('#refused', { hasText: /URL 2/ }).waitFor();
  await p.goto(`${base}/#nobody`);
  await p.locator('#empty', { hasText: 'There is no such batch' }).waitFor();
});

/** Cards that were ever shown twice, or that went away, between now and the end. */
async function watched(p, total) {
  await p.evaluate(() => {
    globalThis.doubled = 0;
    new MutationObserver(() => {
      const all = [...document.querySelectorAll('.card:not([hidden])')].map((c) => c.dataset.id);
      if (new Set(all).size < all.length) globalThis.doubled++;
    }).observe(document.getElementById('sheet'), { childList: true, subtree: true, attributes: true, attributeFilter: ['data-id', 'hidden'] });
  });
  return async () => {
    await complete(p);
    await p.locator('#totals', { hasText: `${total} of ${total} done` }).waitFor();
    await until(`${total} pictures`, () => p.evaluate((n) => document.querySelectorAll('.card[data-status=succeeded]').length === n, total));
    assert.equal(await p.evaluate(() => globalThis.doubled), 0);
    assert.deepEqual(await p.evaluate(() => globalThis.violations), []);
    assert.equal(new Set(await ids(p)).size, total);
  };
}

test('offline and back in mid-batch: it says from which event it resumes, and goes on from there', { timeout: 90000 }, async (t) => {
  const { origin, base } = await site(t, ['--workers', '2']);
  const p = await open(t, base, { width: 1500, height: 2400 });
  await p.fill('#urls', list(origin, 24, '&delay=250').join('\n'));
  await p.click('#composer .primary');
  await until('some pictures', async () => (await p.locator('.card[data-status=succeeded]').count()) >= 4);
  const whole = await watched(p, 24);
  await p.evaluate(() => {
    const state = document.getElementById('state');
    globalThis.said = [];
    new MutationObserver(() => globalThis.said.push(state.textContent)).observe(state, { childList: true, subtree: true, characterData: true });
  });
  await p.context().setOffline(true);
  await until('the batch to go on without it', async () => (await get(`${base}/v1/jobs/${await jobIn(p)}`)).json.counts.succeeded >= 12);
  await p.context().setOffline(false);
  await whole();
  const resumed = (await p.evaluate(() => globalThis.said)).map((line) => /resuming from event (\d+)/.exec(line)?.[1]).find(Boolean);
  assert.ok(Number(resumed) >= 4, `it resumed from event ${resumed}`);
});

test('the server is killed and started again in mid-batch: the page resumes after the last event it had', { timeout: 120000 }, async (t) => {
  const origin = await startSource(t);
  const data = tempDir(t), port = await freePort();
  const args = ['--listen', `127.0.0.1:${port}`, '--workers', '2'];
  const first = await bulb(t, data, args);
  const p = await open(t, first.url, { width: 1500, height: 2400 });
  await p.fill('#urls', list(origin, 24, '&delay=250').join('\n'));
  await p.click('#composer .primary');
  await until('some pictures', async () => (await p.locator('.card[data-status=succeeded]').count()) >= 4);
  const whole = await watched(p, 24);
  await first.stop('SIGKILL');
  const said = p.locator('#state', { hasText: /resuming from event \d+/ });
  await said.waitFor();
  const from = Number(/event (\d+)/.exec(await said.textContent())[1]);
  assert.ok(from >= 4, `it resumes from ${from}`);
  const asked = [];
  p.on('websocket', (ws) => asked.push(Number(new URL(ws.url()).searchParams.get('after') ?? 0)));
  await bulb(t, data, args);
  await whole();
  assert.ok(asked.length > 0 && asked.every((n) => n >= from), `asked for what comes after ${asked}, resumed from ${from}`);
});

test('through a gateway that cuts every 3 s', { timeout: 120000 }, async (t) => {
  const { origin, server } = await site(t, ['--workers', '2', '--trusted-proxy', '127.0.0.1']);
  const gateway = await nginx(t, server.url, { seconds: 3, location: 'proxy_send_timeout 3s;' });
  const p = await open(t, gateway.url, { width: 1500, height: 2400 });
  await p.fill('#urls', list(origin, 40, '&delay=400').join('\n'));
  await p.click('#composer .primary');
  const whole = await watched(p, 40);
  await whole();
});

test('5,000 items: some dozens of cards in the document, wherever one is, and a heap under 200 MB', { timeout: 180000 }, async (t) => {
  const { base } = await site(t);
  const urls = Array.from({ length: 5000 }, (_, i) => `http://127.0.0.1:1/${i}.jpg`);
  const job = (await post(`${base}/v1/jobs`, { urls, cache: 'only_if_cached', variants: small })).json;
  await ended(base, job.id, 120000);
  const p = await page(await browser(t));
  await p.goto(`${base}/#${job.id}`);
  await p.locator('#totals', { hasText: '5000 of 5000 done' }).waitFor({ timeout: 60000 });
  await complete(p);
  const count = () => p.locator('.card').count();
  assert.ok(await count() < 150);
  await p.locator('.open').first().focus();
  await p.keyboard.press('End');
  await until('the last card', () => p.evaluate((id) => document.activeElement.parentElement.dataset.id === id, `${job.id}.5000`));
  assert.equal(await p.evaluate(() => document.activeElement.parentElement.getAttribute('aria-posinset')), '5000');
  assert.ok(await count() < 150);
  const client = await p.context().newCDPSession(p);
  await client.send('HeapProfiler.collectGarbage');
  const { usedSize } = await client.send('Runtime.getHeapUsage');
  t.diagnostic(`heap ${(usedSize / 1e6).toFixed(1)} MB, ${await count()} cards`);
  assert.ok(usedSize < 200e6, `${usedSize} bytes`);
});

test('a page of another origin is not let in', { timeout: 60000 }, async (t) => {
  const { base, origin } = await site(t);
  const r = await call('POST', `${base}/v1/jobs`, { json: { urls: [`${origin.url}/png`] }, headers: { origin: 'https://evil.test' } });
  assert.equal(r.json.code, 'auth_forbidden');
});

test('a server with keys: the page asks for one, keeps it in its tab only, and works', { timeout: 60000 }, async (t) => {
  const file = join(tempDir(t), 'root');
  const key = `bulb_page_${'k'.repeat(43)}`;
  writeFileSync(file, `${key}\n`);
  const { origin, base } = await site(t, ['--root-key-file', file]);
  const b = await browser(t);
  const p = await page(b);
  await p.goto(`${base}/`);
  await p.locator('#key-dialog[open]').waitFor();
  await p.fill('#key-text', `${key.slice(0, -1)}x`);
  await p.keyboard.press('Enter');
  await p.locator('#key-refused', { hasText: 'not one of this server' }).waitFor();
  await p.fill('#key-text', key);
  await p.keyboard.press('Enter');
  await p.locator('#preset option').first().waitFor({ state: 'attached' });
  await p.fill('#urls', list(origin, 3).join('\n'));
  await p.click('#composer .primary');
  await complete(p);
  await until('three pictures', () => p.evaluate(() => document.querySelectorAll('img.there').length === 3));
  const [download] = await Promise.all([p.waitForEvent('download'), p.click('#zip')]);
  assert.ok(Object.keys(unzipSync(readFileSync(await download.path()))).length >= 3);
  assert.equal(await p.evaluate((k) => JSON.stringify(localStorage).includes(k) || document.cookie.includes(k) || location.href.includes(k), key), false);
  const other = await page(b);
  await other.goto(`${base}/`);
  await other.locator('#key-dialog[open]').waitFor();
});
