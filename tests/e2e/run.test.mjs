// bulb run: one batch without a server, and what its second run finds done.
import test from 'node:test';
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { tempDir, start, run, root, sha256, get } from '../lib/harness.mjs';
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
  const { bulbBin } = await import('../lib/harness.mjs');
  const urls = Array.from({ length: 30 }, (_, i) => `${source.url}/png?seed=${i}&delay=200`);
  const p = await start(t, bulbBin, ['run', '--json', '--allow-address', '127.0.0.1', '-o', out, ...urls], { ready: /(item\.succeeded)/ });
  assert.deepEqual(await p.stop('SIGINT'), { code: 130, signal: null });
  const again = await run(['run', '--json', '--allow-address', '127.0.0.1', '-o', out, ...urls]);
  assert.equal(again.code, 0, again.err);
  const end = JSON.parse(again.out.trim().split('\n').at(-1));
  assert.ok(end.data.counts.cached >= 1);
});
