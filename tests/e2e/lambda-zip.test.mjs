// The zip package: how large it is, what is in it, and that it works where none of this system's
// libraries are, as they are not on Lambda.
import { before, describe, test } from 'node:test';
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, build, root, sanitized, sha256, tempDir } from '../lib/harness.mjs';
import { lambda } from '../lib/lambda_api.mjs';
import { origin, small } from '../lib/site.mjs';

const minute = { timeout: 120000 };
const missing = sanitized ? 'a sanitizer is no part of a package'
  : ['zip', 'unzip', 'strip'].some((c) => spawnSync('sh', ['-c', `command -v ${c}`]).status) && 'zip, unzip, strip: tools/deps test';
const sh = (line) => {
  const r = spawnSync('sh', ['-c', line], { encoding: 'utf8' });
  assert.equal(r.status, 0, `${line}: ${r.stderr}`);
  return r.stdout;
};

describe('the zip package', { skip: missing }, () => {
  let dir;
  const task = () => join(dir, 'task');
  before(() => {
    dir = mkdtempSync(join(process.env.TMPDIR ?? tmpdir(), 'bulb-test-'));
    sh(`${root}/tools/lambda-zip ${build} ${dir}/bulb.zip && unzip -q ${dir}/bulb.zip -d ${dir}/task`);
    process.on('exit', () => rmSync(dir, { recursive: true, force: true }));
  });

  test('fits Lambda\'s limits, and holds no ImageMagick', minute, () => {
    const files = sh(`cd ${task()} && find . -type f`).trim().split('\n').sort();
    const bytes = files.reduce((n, f) => n + statSync(join(task(), f)).size, 0);
    assert.ok(bytes < 250 << 20, `${bytes} bytes`);
    assert.ok(statSync(join(dir, 'bulb.zip')).size < 50e6, 'it can be uploaded without a bucket');
    for (const f of ['./bootstrap', './bulb', './lib/vips-heif.so']) assert.ok(files.includes(f), f);
    assert.ok(statSync(join(task(), 'bootstrap')).mode & 0o111);
    assert.deepEqual(files.filter((f) => /magick/i.test(f)), []);
    assert.equal(sh(`readelf -d ${task()}/bulb | grep -c RPATH || true`).trim(), '0');
  });

  test('is the same when it is made again', minute, () => {
    sh(`${root}/tools/lambda-zip ${build} ${dir}/again.zip`);
    assert.equal(sha256(readFileSync(join(dir, 'again.zip'))), sha256(readFileSync(join(dir, 'bulb.zip'))));
  });

  test('runs as it was unpacked under @vercel/fun', minute, async (t) => {
    const { createFunction } = createRequire(join(root, 'tests/package.json'))('@vercel/fun');
    const blobs = tempDir(t);
    const source = await origin(t, { dir: join(root, 'tests/lib') });
    const fn = await createFunction({ Code: { Directory: task() }, Handler: 'bulb', Runtime: 'provided', MemorySize: 1024,
      Environment: { Variables: { BULB_BLOB: `file:${blobs}`, BULB_ALLOW_ADDRESS: '127.0.0.0/8' } } });
    after(t, () => fn.destroy());
    const r = await fn.invoke({ InvocationType: 'RequestResponse', Payload: JSON.stringify({ job: { urls: [`${source.url}/png?seed=1`], variants: small } }) });
    assert.equal(JSON.parse(String(r.Payload)).job?.status, 'succeeded', String(r.Payload));
  });

  const alone = process.getuid() !== 0 || spawnSync('unshare', ['-m', 'true']).status !== 0 ? 'needs root and a mount namespace' : false;
  test('needs nothing of the system it runs on', { ...minute, skip: alone }, async (t) => {
    const host = tempDir(t);
    for (const d of ['proc', 'dev', 'tmp', 'blobs', 'var/task']) mkdirSync(join(host, d), { recursive: true });
    const inside = `mount --rbind /proc ${host}/proc && mount --bind /dev ${host}/dev && mount --bind -o ro ${task()} ${host}/var/task && mount -o remount,ro,bind ${host}/var/task
exec chroot ${host} /var/task/lib/$(cd ${task()}/lib && ls ld-linux*) --library-path /var/task/lib /var/task/bulb lambda "$@"`;
    const source = await origin(t, { dir: join(root, 'tests/lib') });
    const f = await lambda(t, { path: 'unshare', command: ['-m', 'sh', '-c', inside, 'sh'], args: ['--blob', 'file:/blobs', '--allow-address', '127.0.0.0/8'],
      env: { LAMBDA_TASK_ROOT: '/var/task' } });
    const variants = [{ name: 'j', width: 60, format: 'jpeg' }, { name: 'w', width: 60, format: 'webp' }, { name: 'a', width: 60, format: 'avif' }, { name: 'p', width: 60, format: 'png' }];
    const urls = [`${source.url}/png?seed=1`, `${source.url}/png?seed=2`];
    const r = await f.invoke({ job: { urls, variants } });
    assert.equal(r.json?.job.status, 'succeeded', `${JSON.stringify(r)} ${f.log}`);
    const libraries = new Set(readFileSync(`/proc/${f.pid}/maps`, 'utf8').split('\n').map((l) => l.split(/\s+/)[5]).filter((p) => p?.includes('.so')));
    assert.ok(libraries.size > 20);
    for (const path of libraries) assert.match(path, /\/task\/lib\/|\/var\/task\/lib\//);
    for (const v of r.json.items[0].variants) assert.equal(sha256(readFileSync(join(host, 'blobs', v.key))), v.sha256);
    assert.ok(!existsSync(join(host, 'lib')) && readdirSync(join(host, 'tmp')).length === 0, 'nothing is written but pictures');
  });
});
