// The client library as somebody has it who installed it: packed by npm, unpacked beside the packages
// that the tests have; and bundled, for what is written for bundlers.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, readdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { root, tempDir } from './harness.mjs';

export const sources = join(root, 'clients/js/src');

let packed; // npm takes its time: once a process
function pack(dir) {
  const said = execFileSync('npm', ['pack', '--json', '--silent', '--pack-destination', dir], { cwd: join(root, 'clients/js'), encoding: 'utf8' });
  return readFileSync(join(dir, JSON.parse(said)[0].filename));
}

/** A project folder whose node_modules has bulb-client: { dir, pkg }. */
export function installed(t) {
  const dir = tempDir(t);
  const pkg = join(dir, 'node_modules/bulb-client');
  mkdirSync(pkg, { recursive: true });
  packed ??= pack(dir);
  execFileSync('tar', ['-xz', '-C', pkg, '--strip-components=1'], { input: packed });
  const modules = join(root, 'tests/node_modules');
  for (const name of readdirSync(modules)) if (!name.startsWith('.') && name !== 'bulb-client') symlinkSync(join(modules, name), join(dir, 'node_modules', name));
  return { dir, pkg };
}

/** One file for a browser, as text. `external`: what is not to be in it. */
export async function bundle(dir, source, { external = [], minify = true, resolve, platform = 'browser' } = {}) {
  const { outputFiles } = await build({ stdin: { contents: source, resolveDir: dir, loader: 'jsx' }, bundle: true, write: false,
    format: 'esm', minify, external, platform, jsx: 'automatic', nodePaths: [join(dir, 'node_modules')], conditions: resolve,
    define: { 'process.env.NODE_ENV': '"development"' }, logLevel: 'error', target: 'es2022' });
  return outputFiles[0].text;
}
