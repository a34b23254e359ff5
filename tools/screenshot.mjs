// Makes docs/images/page.jpg, the page with the photographs of lomiri-wallpapers-16.04 in Chromium, and
// docs/images/batch.webp, the same batch as it comes in: handed in, cut off from the server for a while, resumed.
//   node tools/screenshot.mjs BUILD     BUILD/models is there after tools/models BUILD
import { createRequire } from 'node:module';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

process.env.TEST_BUILD = resolve(process.argv[2] ?? 'build');
process.env.TEST_BIN = join(process.env.TEST_BUILD, 'bulb');
const { bulbBin, ended, get, photos, post, root, start, until } = await import('../tests/lib/harness.mjs');
const { startOrigin } = await import('../tests/lib/origin.mjs');
const { browser, page } = await import('../tests/lib/browser.mjs');
const sharp = createRequire(join(root, 'tests/package.json'))('sharp');

const FRAME_MS = 160, LAST_MS = 2500, WIDTH = 720;
const dir = mkdtempSync(join(tmpdir(), 'bulb-shot-'));
const origin = await startOrigin({ dir: photos });
const models = join(process.env.TEST_BUILD, 'models');
const server = await start(null, bulbBin, ['serve', '--listen', '127.0.0.1:0', '--data', dir, '--workers', '3', '--models', models,
  '--allow-address', '127.0.0.1', '--log-level', 'warn'], { ready: /^listening on (\S+)/ });
const files = readdirSync(photos).filter((f) => /_by_.*\.jpg$/.test(f));
const submit = async (list, tag, more = {}) => ended(server.url, (await post(`${server.url}/v1/jobs`, { urls: list, tag, ...more })).json.id, 180000);
const image = (name) => join(root, 'docs/images', name);

const b = await browser();

async function film() {
  const p = await page(b, { width: 1200, height: 760 });
  await p.goto(`${server.url}/`);
  await p.locator('#preset option').first().waitFor({ state: 'attached' });
  const frames = [];
  let rolling = true;
  const roll = (async () => {
    while (rolling) {
      const at = Date.now();
      frames.push(await p.screenshot({ type: 'jpeg', quality: 90 }));
      await new Promise((r) => setTimeout(r, Math.max(0, FRAME_MS - (Date.now() - at))));
    }
  })();
  await p.fill('#urls', files.map((f) => `${origin.url}/${f}?delay=300`).join('\n'));
  await p.fill('#tag', 'autumn catalogue');
  await p.click('#composer .primary');
  await p.locator('.card[data-status=succeeded]').nth(4).waitFor();
  await p.context().setOffline(true);
  const id = await p.evaluate(() => location.hash.slice(1));
  await until('the batch to go on', async () => (await get(`${server.url}/v1/jobs/${id}`)).json.counts.succeeded >= 9);
  await p.context().setOffline(false);
  await p.locator('#state', { hasText: /resuming from event \d+/ }).waitFor();
  await p.locator('#state[data-phase=complete]').waitFor({ timeout: 120000 });
  rolling = false;
  await roll;
  await p.waitForLoadState('networkidle');
  frames.push(await p.screenshot({ type: 'jpeg', quality: 90 }));
  const small = await Promise.all(frames.map((f) => sharp(f).resize({ width: WIDTH }).png().toBuffer()));
  await sharp(small, { join: { animated: true } })
    .webp({ quality: 55, effort: 4, loop: 0, delay: small.map((_, i) => (i === small.length - 1 ? LAST_MS : FRAME_MS)) }).toFile(image('batch.webp'));
  await p.close();
}

await film();
const urls = files.map((f) => `${origin.url}/${f}`);
const job = await submit([...urls, `${origin.url}/status/404`], 'winter catalogue', { background: { remove: true } });
if (job.counts.cutouts.failed) throw new Error(`${job.counts.cutouts.failed} cut-outs failed: is the model in ${models}?`);
const p = await page(b, { width: 1240, height: 800 });
await p.goto(`${server.url}/#${job.id}`);
await p.locator('#state[data-phase=complete]').waitFor();
await p.waitForFunction(() => document.querySelectorAll('img.there').length > 5);
await p.waitForLoadState('networkidle');
await p.screenshot({ path: image('page.jpg'), type: 'jpeg', quality: 82 });
await b.close();
await server.stop();
origin.close();
rmSync(dir, { recursive: true, force: true });
process.exit(0);
