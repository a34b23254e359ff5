// Makes docs/images/page.jpg: the page with the photographs of lomiri-wallpapers-16.04, in Chromium.
//   node tools/screenshot.mjs BUILD
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

process.env.TEST_BUILD = resolve(process.argv[2] ?? 'build');
process.env.TEST_BIN = join(process.env.TEST_BUILD, 'bulb');
const { bulbBin, ended, photos, post, root, start } = await import('../tests/lib/harness.mjs');
const { startOrigin } = await import('../tests/lib/origin.mjs');
const { browser, page } = await import('../tests/lib/browser.mjs');

const dir = mkdtempSync(join(tmpdir(), 'bulb-shot-'));
const origin = await startOrigin({ dir: photos });
const server = await start(null, bulbBin, ['serve', '--listen', '127.0.0.1:0', '--data', dir, '--allow-address', '127.0.0.1', '--log-level', 'warn'], { ready: /^listening on (\S+)/ });
const urls = readdirSync(photos).filter((f) => /_by_.*\.jpg$/.test(f)).map((f) => `${origin.url}/${f}`);
const submit = async (list, tag) => ended(server.url, (await post(`${server.url}/v1/jobs`, { urls: list, tag })).json.id);
await submit(urls.slice(0, 6), 'first try');
const job = await submit(urls, 'autumn catalogue');
const b = await browser();
const p = await page(b, { width: 1240, height: 760 });
await p.goto(`${server.url}/#${job.id}`);
await p.locator('#state', { hasText: 'complete' }).waitFor();
await p.waitForLoadState('networkidle');
await p.screenshot({ path: join(root, 'docs/images/page.jpg'), type: 'jpeg', quality: 82 });
await b.close();
await server.stop();
origin.close();
rmSync(dir, { recursive: true, force: true });
process.exit(0);
