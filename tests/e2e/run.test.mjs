// bulb run: one batch without a server, and what its second run finds done.
import test from 'node:test';
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { bulbBin, tempDir, start, run, root, sha256, get, until } from '../lib/harness.mjs';
import { origin } from '../lib/site.mjs';
import { png } from '../lib/pictures.mjs';

const names = ['thumb.jpg', 'small.webp', 'medium.jpg', 'large.jpg', 'xl.webp'];

function folder(t, n) {
  const dir = tempDir(t);
  mkdirSync(join(dir, 'in'));
  for (let i = 0; i < n; i++) writeFileSync(join(dir, 'in', `p${i}.png`), png(80, 60, i + 1));
  return { dir, files: Array.from({ length: n }, (_, i) => join(dir, 'in', `p${i}.png`)), out: join(dir, 'out') };
}

test('local files become five variants each, a manifest, and exit status 0', async (t) => {
  const { files, out } = folder(t, 3);
  const r = await run(['run', '-o', out, ...files]);
  assert.equal(r.code, 0, r.err);
  for (let i = 0; i < 3; i++) for (const n of names) assert.ok(existsSync(join(out, `p${i}-${n}`)), `p${i}-${n}`);
  const manifest = JSON.parse(readFileSync(join(out, 'manifest.json')));
  assert.equal(manifest.job.status, 'succeeded');
  assert.equal(manifest.items.length, 3);
  manifest.items.forEach((it, i) => {
    assert.equal(it.variants.length, 5);
    for (const v of it.variants) {
      const bytes = readFileSync(join(out, v.url));
      assert.equal(sha256(bytes), v.sha256);
      assert.equal(bytes.length, v.bytes);
    }
    assert.equal(it.source.sha256, sha256(readFileSync(files[i])));
    assert.equal(sha256(readFileSync(join(out, it.source.url))), it.source.sha256);
  });
});

test('a second run does only what is new', async (t) => {
  const { dir, files, out } = folder(t, 3);
  const source = await start(t, process.execPath, [`${root}/tests/lib/origin.mjs`, '--port', '0'], { ready: /^listening on (\S+)/ });
  const urls = [0, 1, 2].map((i) => `${source.url}/png?seed=${i}`);
  const args = ['run', '--allow-address', '127.0.0.1', '-o', out];
  assert.equal((await run([...args, ...urls.slice(0, 2)])).code, 0);
  const again = await run([...args, '--json', ...urls, files[0]]);
  assert.equal(again.code, 0, again.err);
  const events = again.out.trim().split('\n').map((l) => JSON.parse(l));
  const end = events.at(-1);
  assert.equal(end.type, 'job.succeeded');
  assert.equal(end.data.counts.cached, 2);
  assert.equal(end.data.savings.downloads, 2);
  assert.equal(end.data.savings.encodes, 10);
  const hits = (await get(`${source.url}/__hits`)).json;
  assert.equal(hits['/png?seed=0'], 1);
  assert.equal(hits['/png?seed=2'], 1);
  assert.equal(JSON.parse(readFileSync(join(out, 'manifest.json'))).items.length, 4);
  assert.ok(statSync(join(dir, 'out', '.bulb')).isDirectory());
});

test('--no-cache does everything and leaves only the results', async (t) => {
  const { files, out } = folder(t, 2);
  for (let i = 0; i < 2; i++) {
    const r = await run(['run', '--no-cache', '--json', '-o', out, ...files]);
    assert.equal(r.code, 0, r.err);
    const end = JSON.parse(r.out.trim().split('\n').at(-1));
    assert.deepEqual(end.data.savings, { downloads: 0, encodes: 0, paid_calls: 0 });
  }
  assert.ok(!existsSync(join(out, '.bulb')));
  assert.equal(readdirSync(out).length, 2 * 5 + 1);
});

test('one bad file fails alone: exit status 2, the others are there', async (t) => {
  const { dir, files, out } = folder(t, 2);
  const bad = join(dir, 'in', 'bad.jpg');
  writeFileSync(bad, '<html>not a picture</html>');
  const r = await run(['run', '-o', out, files[0], bad, files[1]]);
  assert.equal(r.code, 2);
  assert.match(r.out, /failed .*bad\.jpg.*fetch_not_image/);
  assert.ok(existsSync(join(out, 'p0-thumb.jpg')) && existsSync(join(out, 'p1-xl.webp')));
  const item = JSON.parse(readFileSync(join(out, 'manifest.json'))).items[1];
  assert.equal(item.status, 'failed');
  assert.equal(item.error.code, 'fetch_not_image');
});

test('names: the template, and -2 where a name is taken', async (t) => {
  const { dir, files, out } = folder(t, 1);
  mkdirSync(join(dir, 'other'));
  writeFileSync(join(dir, 'other', 'p0.png'), png(80, 60, 99));
  const r = await run(['run', '-o', out, '--variant', 'icon width=16 height=16 format=png', files[0], join(dir, 'other', 'p0.png')]);
  assert.equal(r.code, 0, r.err);
  assert.ok(existsSync(join(out, 'p0-icon.png')) && existsSync(join(out, 'p0-icon-2.png')));
  const s = await run(['run', '-o', out, '--name', '{index}/{variant}-{sha256}.{ext}', '--variant', 'icon width=16 format=webp', files[0]]);
  assert.equal(s.code, 0, s.err);
  assert.ok(existsSync(join(out, '1', `icon-${sha256(readFileSync(files[0]))}.webp`)));
});

test('a list from standard input, and from -f', async (t) => {
  const { dir, files, out } = folder(t, 2);
  const r = await run(['run', '-o', out, '-'], { input: `# pictures\n${files.join('\n')}\n\n` });
  assert.equal(r.code, 0, r.err);
  assert.equal(JSON.parse(readFileSync(join(out, 'manifest.json'))).items.length, 2);
  writeFileSync(join(dir, 'list.txt'), `${files[0]}\r\n`);
  const s = await run(['run', '-o', out, '-f', join(dir, 'list.txt')]);
  assert.equal(s.code, 0, s.err);
});

/** The same command on a terminal of its own. */
function onTerminal(args, env = {}) {
  const line = [bulbBin, ...args].map((a) => `'${a}'`).join(' ');
  return new Promise((ok) => {
    const p = spawn('script', ['-qec', line, '/dev/null'], { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'inherit'] });
    let out = '';
    p.stdout.on('data', (d) => (out += d));
    p.on('close', (code) => ok({ code, out }));
  });
}

test('a bar on a terminal, plain lines in a pipe, colour unless NO_COLOR', async (t) => {
  const { dir, files, out } = folder(t, 3);
  const bad = join(dir, 'in', 'bad.jpg');
  writeFileSync(bad, 'no picture');
  const args = ['run', '--no-cache', '--variant', 'v width=16', '-o', out, ...files, bad];
  const shown = await onTerminal(args);
  assert.equal(shown.code, 2);
  assert.match(shown.out, /\[-+\] 0\/4 .*\[#{30}\] 4\/4 {2}0 running, 0 cached, 1 failed/s);
  assert.match(shown.out, /\x1b\[31mfailed\x1b\[0m .*bad\.jpg.*fetch_not_image/);
  for (const m of shown.out.matchAll(/(\d+)\/4 {2}(\d+) running/g)) assert.ok(Number(m[1]) + Number(m[2]) <= 4, m[0]);
  const plain = await onTerminal(args, { NO_COLOR: '1' });
  assert.match(plain.out, /failed .*bad\.jpg/);
  assert.ok(!plain.out.includes('\x1b[31m'));
  const piped = await run(args);
  assert.equal(piped.out.split('\n').filter((l) => /^succeeded {2}file:/.test(l)).length, 3);
  assert.ok(!piped.out.includes('\x1b') && !piped.err.includes('\x1b'));
});

test('a job as JSON by -f, and every word of --name', async (t) => {
  const { dir, files, out } = folder(t, 1);
  const urls = [{ url: `file://${files[0]}`, ref: 'sku/17' }];
  writeFileSync(join(dir, 'job.json'), JSON.stringify({ urls, variants: [{ name: 'v', width: 16, format: 'webp' }] }));
  const r = await run(['run', '-o', out, '-f', join(dir, 'job.json'), '--name', '{index}/{ref}.{name}.{sha256}-{variant}.{ext}']);
  assert.equal(r.code, 0, r.err);
  assert.deepEqual(readdirSync(join(out, '1')), [`sku_17.p0.${sha256(readFileSync(files[0]))}-v.webp`]);
  const piped = await run(['run', '-o', out, '-f', '-'], { input: readFileSync(join(dir, 'job.json')) });
  assert.equal(piped.code, 0, piped.err);
  assert.ok(existsSync(join(out, 'p0-v.webp')));
  const both = await run(['run', '-o', out, '-f', join(dir, 'job.json'), files[0]]);
  assert.equal(both.code, 64);
  assert.match(both.err, /whole job/);
  writeFileSync(join(dir, 'job.json'), JSON.stringify({ from: { job: 'other' } }));
  const from = await run(['run', '-o', out, '-f', join(dir, 'job.json')]);
  assert.equal(from.code, 64);
  assert.match(from.err, /server/);
});

test('nothing is written outside the folder, whatever lies in it and however pictures are called', async (t) => {
  const { dir, files, out } = folder(t, 2);
  mkdirSync(join(dir, 'elsewhere'));
  mkdirSync(out);
  symlinkSync(join(dir, 'elsewhere', 'victim'), join(out, 'p0-v.jpg.part'));
  symlinkSync(join(dir, 'elsewhere', 'victim'), join(out, 'manifest.json'));
  symlinkSync(join(dir, 'elsewhere'), join(out, 'p1'));
  const r = await run(['run', '-o', out, '--variant', 'v width=16', files[0]]);
  assert.equal(r.code, 0, r.err);
  const through = await run(['run', '-o', out, '--variant', 'v width=16', '--name', '{name}/{variant}.{ext}', files[1]]);
  assert.equal(through.code, 1);
  assert.match(through.err, /symbolic link/);
  assert.deepEqual(readdirSync(join(dir, 'elsewhere')), []);
  // A name that is no UTF-8 is a name all the same.
  const odd = [1, 2].map((i) => Buffer.concat([Buffer.from(`${dir}/in/${i}/`), Buffer.from([0x62, 0xff]), Buffer.from('.png')]));
  odd.forEach((f, i) => {
    mkdirSync(join(dir, 'in', String(i + 1)));
    writeFileSync(f, png(80, 60, 50 + i));
  });
  const list = Buffer.concat(odd.flatMap((f) => [f, Buffer.from('\n')]));
  const s = await run(['run', '-o', join(dir, 'out2'), '--variant', 'v width=16', '-'], { input: list });
  assert.equal(s.code, 0, s.err);
  assert.ok(existsSync(join(dir, 'out2', 'b_-v.jpg')) && existsSync(join(dir, 'out2', 'b_-v-2.jpg')));
});

test('exit status 1 when nothing could run', async (t) => {
  const { dir, files } = folder(t, 1);
  writeFileSync(join(dir, 'file'), '');
  const r = await run(['run', '-o', join(dir, 'file', 'below'), files[0]]);
  assert.equal(r.code, 1);
  assert.match(r.err, /file\/below/);
  assert.equal((await run(['run', '-o', join(dir, 'out'), '-f', join(dir, 'no-list')])).code, 1);
});

test('bad usage is 64 with the name of the setting', async (t) => {
  const { files, out } = folder(t, 1);
  for (const [args, says] of [
    [['--qualty', '3'], /qualty/], [['--name', '/tmp/{variant}'], /--name/], [['--preset', 'nope', '-o', out, files[0]], /nope/],
    [['--workers', 'many', files[0]], /workers/], [['no-such-file.jpg'], /no-such-file/],
    [['-o', out, '--variant', 'x widht=3', files[0]], /width/],
  ]) {
    const r = await run(['run', ...args]);
    assert.equal(r.code, 64, `${args}: ${r.err}`);
    assert.match(r.err, says);
  }
  const none = await run(['run'], { input: '' });
  assert.equal(none.code, 64);
});

test('Ctrl-C ends with 130, and the next run goes on', async (t) => {
  const { out } = folder(t, 1);
  const source = await start(t, process.execPath, [`${root}/tests/lib/origin.mjs`, '--port', '0'], { ready: /^listening on (\S+)/ });
  const urls = Array.from({ length: 30 }, (_, i) => `${source.url}/png?seed=${i}&delay=200`);
  const p = await start(t, bulbBin, ['run', '--json', '--allow-address', '127.0.0.1', '-o', out, ...urls], { ready: /(item\.succeeded)/ });
  assert.deepEqual(await p.stop('SIGINT'), { code: 130, signal: null });
  const again = await run(['run', '--json', '--allow-address', '127.0.0.1', '-o', out, ...urls]);
  assert.equal(again.code, 0, again.err);
  const end = JSON.parse(again.out.trim().split('\n').at(-1));
  assert.ok(end.data.counts.cached >= 1);
});

test('what a killed run left undone is not done by the next that asks for something else', async (t) => {
  const source = await origin(t);
  const { files, out } = folder(t, 1);
  const urls = Array.from({ length: 60 }, (_, i) => `${source.url}/hang?n=${i}`);
  const p = await start(t, bulbBin, ['run', '-o', out, '--allow-address', '127.0.0.0/8', ...urls]);
  await until('it to have asked for as much as one host is asked at a time', () => source.seen.requests === 6);
  await p.stop('SIGKILL');
  source.reset();
  const r = await run(['run', '-o', out, '--allow-address', '127.0.0.0/8', `${source.url}/png?seed=1&delay=1500`, ...files]);
  assert.equal(r.code, 0, r.err);
  assert.equal(source.seen.requests, 1, 'only what this run asked for');
});

test('a full disk ends the run with its code instead of waiting for ever', { skip: process.getuid() !== 0 && 'mounting needs root', timeout: 60000 }, async (t) => {
  const { files, dir } = folder(t, 1);
  const small = join(dir, 'small');
  mkdirSync(small);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', small]);
  try {
    writeFileSync(join(dir, 'in', 'large.png'), png(1400, 1000, 3));
    execFileSync('sh', ['-c', `head -c 700k /dev/urandom > '${small}/filler'`]);
    const r = await run(['run', '-o', join(small, 'out'), ...files, join(dir, 'in', 'large.png'), '--variant', 'a width=1300 format=png']);
    assert.notEqual(r.code, 0);
    assert.match(r.err, /\((store_unavailable|blob_io|system)\)/);
  } finally {
    execFileSync('umount', ['-l', small]);
  }
});
