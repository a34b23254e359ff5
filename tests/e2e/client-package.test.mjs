// The client library as a package: what is in it, its types, how big it is, what importing it touches, and
// the examples as they stand.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { copyFileSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import { root } from '../lib/harness.mjs';
import { site } from '../lib/site.mjs';
import { bundle, installed } from '../lib/client.mjs';

/** Runs a node program in a folder. */
function node(dir, file, { args = [], env } = {}) {
  return new Promise((ok) => execFile(process.execPath, [file, ...args], { cwd: dir, env: { ...process.env, ...env } },
    (fault, out, err) => ok({ code: fault?.code ?? 0, out, err })));
}

const entries = ['bulb-client', 'bulb-client/state', 'bulb-client/react', 'bulb-client/element', 'bulb-client/thumbhash'];

test('the package holds its sources, types, README and licence, and depends on nothing', (t) => {
  const { pkg } = installed(t);
  const doc = JSON.parse(readFileSync(join(pkg, 'package.json'), 'utf8'));
  assert.equal(doc.dependencies, undefined);
  assert.equal(doc.license, 'MIT');
  assert.deepEqual(readdirSync(pkg).sort(), ['LICENSE', 'README.md', 'package.json', 'src']);
  for (const { types, ...files } of Object.values(doc.exports).filter((e) => typeof e === 'object'))
    for (const file of [types, ...Object.values(files)]) assert.ok(readFileSync(join(pkg, file)).length > 0, file);
  for (const file of readdirSync(join(pkg, 'src'))) assert.match(readFileSync(join(pkg, 'src', file), 'utf8'), /^\/\/ SPDX-License-Identifier: MIT\n/);
});

test('importing it on a server touches no browser global', async (t) => {
  const { dir } = installed(t);
  writeFileSync(join(dir, 'server.mjs'), `
    const names = ['window', 'self', 'document', 'navigator', 'location', 'history', 'screen', 'localStorage', 'sessionStorage',
      'indexedDB', 'HTMLElement', 'Element', 'Node', 'Document', 'ShadowRoot', 'CSSStyleSheet', 'CSS', 'customElements', 'Image',
      'ImageData', 'HTMLImageElement', 'HTMLCanvasElement', 'CustomEvent', 'MutationObserver', 'IntersectionObserver',
      'ResizeObserver', 'requestAnimationFrame', 'requestIdleCallback', 'matchMedia', 'XMLHttpRequest', 'WebSocket', 'EventSource',
      'addEventListener', 'removeEventListener', 'getComputedStyle', 'alert', 'crypto', 'fetch'];
    const touched = [];
    const trap = (name) => new Proxy(function () {}, Object.fromEntries(['get', 'set', 'has', 'apply', 'construct', 'getPrototypeOf',
      'ownKeys', 'defineProperty', 'getOwnPropertyDescriptor'].map((what) => [what, () => { throw new Error(name + ': ' + what); }])));
    for (const name of names) {
      Object.defineProperty(globalThis, name, { configurable: true, get() { touched.push(name); return trap(name); } });
    }
    const exported = {};
    for (const entry of ${JSON.stringify(entries.filter((e) => !/react/.test(e)))}) exported[entry] = Object.keys(await import(entry));
    console.log(JSON.stringify({ touched, exported }));
    let now = touched.length;
    const { createClient } = await import('bulb-client');
    try { createClient({ server: 'http://h' }).watch('ws://h/v1/jobs/x/events'); } catch {}
    if (touched.length === now) throw new Error('the trap catches nothing');
  `);
  const r = await node(dir, 'server.mjs');
  assert.equal(r.code, 0, r.err);
  const { touched, exported } = JSON.parse(r.out);
  assert.deepEqual(touched, []);
  assert.deepEqual(exported['bulb-client/element'].sort(), ['BatchElement', 'LABELS', 'defineBatch']);
});

test('React renders it on a server', async (t) => {
  const { dir } = installed(t);
  writeFileSync(join(dir, 'page.mjs'), await bundle(dir, `
    import { renderToString } from 'react-dom/server';
    import { useBatch } from 'bulb-client/react';
    function Batch() {
      const { items, done, total, progress, connection } = useBatch('wss://h/v1/jobs/x/events?token=t');
      return <p>{[items.length, done, total, progress, connection.phase].join()}</p>;
    }
    console.log(renderToString(<Batch />));
  `, { platform: 'node', minify: false, external: ['react', 'react-dom/server'] }));
  const r = await node(dir, 'page.mjs');
  assert.equal(r.out.trim(), '<p>0,0,0,0,idle</p>', r.err);
});

test('types: what is right compiles, what is wrong does not, and they name what there is', async (t) => {
  const { dir, pkg } = installed(t);
  copyFileSync(join(root, 'tests/lib/client_types.mjs'), join(dir, 'usage.mjs'));
  writeFileSync(join(dir, 'package.json'), '{"type": "module"}');
  const tsc = join(root, 'tests/node_modules/typescript/bin/tsc');
  writeFileSync(join(dir, 'tsconfig.json'), JSON.stringify({ files: ['usage.mjs'], compilerOptions: { noEmit: true, allowJs: true, checkJs: true, strict: true, types: [],
    target: 'es2022', lib: ['es2022', 'dom', 'dom.iterable', 'dom.asynciterable'], module: 'nodenext' } }));
  const said = await new Promise((ok) => execFile(process.execPath, [tsc, '-p', '.'], { cwd: dir }, (e, out) => ok(out)));
  assert.equal(said, '');
  const ts = (await import('typescript')).default;
  for (const file of ['index', 'state', 'element', 'thumbhash']) {
    const program = ts.createProgram([join(pkg, `src/${file}.d.ts`)], { module: ts.ModuleKind.NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext });
    const checker = program.getTypeChecker();
    const symbol = checker.getSymbolAtLocation(program.getSourceFile(join(pkg, `src/${file}.d.ts`)));
    const typed = checker.getExportsOfModule(symbol).filter((s) => s.flags & (ts.SymbolFlags.Value)).map((s) => s.name).sort();
    const real = Object.keys(await import(pathToFileURL(join(pkg, `src/${file === 'element' ? 'batch_element' : file}.js`)))).sort();
    assert.deepEqual(typed, real, file);
  }
});

test('it is small, as its README says', async (t) => {
  const { dir } = installed(t);
  const readme = readFileSync(join(root, 'clients/js/README.md'), 'utf8');
  const sizes = {};
  for (const entry of entries) {
    const text = await bundle(dir, `export * from '${entry}'`, { external: ['react'] });
    sizes[entry] = (gzipSync(text, { level: 9 }).length / 1000).toFixed(1);
    t.diagnostic(`${entry}: ${sizes[entry]} kB`);
  }
  const said = Object.fromEntries([...readme.matchAll(/^\| `(bulb-client\S*)` \| ([0-9.]+) kB/gm)].map((m) => [m[1], m[2]]));
  assert.deepEqual(Object.keys(said), entries);
  for (const entry of entries) assert.ok(Math.abs(said[entry] - sizes[entry]) <= 0.2, `${entry}: ${sizes[entry]} kB, not ${said[entry]}`);
});

test('the example for node, as it stands', async (t) => {
  const { origin, base } = await site(t);
  const { dir } = installed(t);
  const file = join(root, 'examples/node.mjs');
  copyFileSync(file, join(dir, basename(file)));
  const r = await node(dir, 'node.mjs', { args: [`${origin.url}/png?seed=1&w=700&h=500`, `${origin.url}/status/404`], env: { BULB_SERVER: base, BULB_KEY: undefined } });
  assert.equal(r.code, 0, r.err);
  assert.deepEqual(r.out.trim().split('\n').map((l) => l.split(' ')[0]), ['thumb', 'small', 'medium', 'large', 'xl']);
  const [name, size, url] = r.out.split('\n')[0].split(' ');
  assert.deepEqual([name, size, (await fetch(url)).status], ['thumb', '150x150', 200]);
  assert.match(r.err, /status\/404 fetch_status/);
});

test('examples are ten lines', () => {
  for (const file of readdirSync(join(root, 'examples'))) {
    const lines = readFileSync(join(root, 'examples', file), 'utf8').trim().split('\n');
    assert.ok(lines.length <= 11, `${file}: ${lines.length}`);
  }
});
