// Debian's Chromium, driven by playwright-core, for tests and pictures of the page.
import { chromium } from 'playwright-core';

export async function browser(t) {
  const b = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu',
    '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'] });
  t?.after(() => b.close());
  return b;
}

/** A page that collects what went wrong in it. */
export async function page(b, size = { width: 1280, height: 900 }) {
  const p = await b.newPage({ viewport: size });
  p.faults = [];
  // A click that changes the hash is no navigation to wait for; rarely playwright then misses its end.
  const click = p.click.bind(p);
  p.click = (where, options) => click(where, { noWaitAfter: true, ...options });
  await p.addInitScript(() => {
    globalThis.violations = []; // of the page's own policy
    addEventListener('securitypolicyviolation', (e) => globalThis.violations.push(`${e.violatedDirective} ${e.blockedURI}`));
  });
  p.on('console', (m) => m.type() === 'error' && p.faults.push(m.text()));
  p.on('pageerror', (e) => p.faults.push(e.message));
  return p;
}
