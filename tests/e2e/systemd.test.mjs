// Listening: where it may, and what systemd hands over and wants to hear. tests/lib/under_systemd.c
// plays systemd.
import test from 'node:test';
import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build, bulbBin, bulb, freePort, get, listens, run, start, tempDir, until } from '../lib/harness.mjs';

const helper = join(build, 'tests', 'under_systemd');
const ready = /^listening on (http:\/\/\S+)/;
const serve = (t, args, opts) => start(t, bulbBin, ['serve', '--log-level', 'warn', ...args], { ready, ...opts });

test('a service of Type=notify: socket, readiness, watchdog, state directory, stopping', { timeout: 60000 }, async (t) => {
  const dir = tempDir(t);
  const s = await start(t, helper, ['127.0.0.1', '200', bulbBin, 'serve', '--log-level', 'warn'],
    { ready, env: { STATE_DIRECTORY: `${dir}/state:/nowhere` } });
  assert.equal((await get(`${s.url}/readyz`)).status, 200);
  assert.ok(existsSync(`${dir}/state/bulb.db`), 'everything is below the first state directory');
  await until('two signs of life', () => s.out.match(/notify: WATCHDOG=1/g)?.length >= 2);
  assert.match(s.out, /notify: READY=1/);
  assert.deepEqual(await s.stop(), { code: 0, signal: null });
  assert.match(s.out, /notify: STOPPING=1/);
});

test('without a key nothing but loopback is listened on, unless --open says so', async (t) => {
  const dir = tempDir(t);
  for (const address of ['0.0.0.0:0', '[::]:0', ':0']) {
    const r = await run(['serve', '--data', dir, '--listen', address]);
    assert.equal(r.code, 64, address);
    assert.match(r.err, /--open/);
    assert.equal(r.out, '');
  }
  const handed = await start(t, helper, ['0.0.0.0', '0', bulbBin, 'serve', '--data', dir]);
  assert.equal((await handed.exit).code, 64);
  assert.match(handed.err, /--open/);
  for (const address of ['localhost:0', '[::1]:0']) await (await serve(t, ['--data', dir, '--listen', address])).stop();
  const open = await serve(t, ['--data', dir, '--listen', '0.0.0.0:0', '--open']);
  const port = new URL(open.url).port;
  assert.equal((await get(`http://127.0.0.1:${port}/v1/jobs`, { headers: { host: 'any.example' } })).status, 200);
});

test('PORT serves where --listen is not given', async (t) => {
  const port = await freePort();
  const s = await serve(t, ['--data', tempDir(t)], { env: { PORT: String(port) } });
  assert.equal(s.url, `http://127.0.0.1:${port}`);
  const bad = await run(['serve', '--data', tempDir(t)], { env: { PORT: 'many' } });
  assert.equal(bad.code, 64);
  assert.match(bad.err, /PORT/);
});

test('--ops-listen serves health and figures, and nothing else', async (t) => {
  const s = await bulb(t, tempDir(t), ['--ops-listen', '127.0.0.1:0']);
  const ops = await until('its address', () => /^health and metrics on (\S+)$/m.exec(s.out)?.[1]);
  for (const path of ['/healthz', '/readyz', '/metrics'])
    assert.equal((await get(`${ops}${path}`, { headers: { host: 'prometheus.example' } })).status, 200, path);
  for (const path of ['/', '/v1/jobs', '/v1/presets']) assert.equal((await get(`${ops}${path}`)).status, 404, path);
});

test('settings come from flags, then the environment, then a file; unknown ones are refused with a hint', async (t) => {
  const dir = tempDir(t);
  writeFileSync(`${dir}/bulb.conf`, `# a comment\ndata = ${dir}/from-file\nlisten = 127.0.0.1:0\nmax-urls = 3\n`);
  const s = await serve(t, ['--config', `${dir}/bulb.conf`], { env: { BULB_DATA: `${dir}/from-env` } });
  assert.ok(existsSync(`${dir}/from-env/bulb.db`));
  await s.stop();
  const flag = await serve(t, ['--data', `${dir}/from-flag`], { env: { BULB_CONFIG: `${dir}/bulb.conf`, BULB_DATA: `${dir}/env2` } });
  assert.ok(existsSync(`${dir}/from-flag/bulb.db`) && !existsSync(`${dir}/env2`));
  await flag.stop();
  writeFileSync(`${dir}/bad.conf`, 'lissten = 127.0.0.1:0\n');
  for (const [args, env, says] of [
    [['--lissten', ':0'], {}, /--lissten.*--listen/s],
    [[], { BULB_LISTENN: ':0' }, /BULB_LISTENN.*BULB_LISTEN/s],
    [['--config', `${dir}/bad.conf`], {}, /bad\.conf.*lissten.*listen/s],
    [['--keep', 'soon'], {}, /--keep.*soon/s],
    [['--config', `${dir}/none.conf`], {}, /none\.conf/],
    [['stray'], {}, /stray/],
    [['--store', 'mysql://h/db'], {}, /mysql.*sqlite:/],
    [['--bus', 'amqp://h'], {}, /amqp:.*local:/],
    [['--blob', 'gs://b/p'], {}, /gs:.*file:/],
  ]) {
    const r = await run(['serve', ...args], { env, cwd: dir });
    assert.equal(r.code, 64, `${args}: ${r.err}`);
    assert.match(r.err, says);
  }
});

test('every command has --help and --version', async () => {
  const top = await run(['--help']);
  assert.equal(top.code, 0);
  const names = [...top.out.matchAll(/^ {2}(\w+) {2}/gm)].map((m) => m[1]);
  assert.deepEqual(names, ['run', 'serve', 'work', 'lambda', 'submit', 'watch', 'cancel', 'retry', 'jobs', 'usage', 'deliveries', 'key', 'model', 'doctor', 'copy', 'gc']);
  for (const name of names) {
    const help = await run([name, '--help']);
    assert.equal(help.code, 0, name);
    assert.match(help.out, new RegExp(`^usage: bulb ${name}`));
    assert.equal(help.err, '');
    const version = await run([name, '--version']);
    assert.match(version.out, /^bulb \d+\.\d+\.\d+\n$/);
  }
  const near = await run(['serv']);
  assert.equal(near.code, 64);
  assert.match(near.err, /serve/);
});

test('a port that is taken is said, and logs go to standard error as asked', async (t) => {
  const s = await bulb(t, tempDir(t));
  const { port } = new URL(s.url);
  const second = await run(['serve', '--data', tempDir(t), '--listen', `127.0.0.1:${port}`]);
  assert.equal(second.code, 1);
  assert.match(second.err, new RegExp(port));
  assert.ok(await listens(Number(port)));
  const json = await serve(t, ['--data', tempDir(t), '--listen', '127.0.0.1:0', '--log-format', 'json', '--log-level', 'info']);
  const line = await until('a log line', () => json.err.split('\n').find((l) => l.includes('serve_start')));
  assert.equal(JSON.parse(line).event, 'serve_start');
  assert.equal(json.out.trim().split('\n').length, 1, 'standard output is for results');
});
