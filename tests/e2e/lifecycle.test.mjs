// Starting, draining, ending, and the commands that speak to a server.
import test from 'node:test';
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { WebSocket } from '../lib/socket.mjs';
import { tempDir, bulb, bulbBin, start, run, post, get, call, ended, items, log, until } from '../lib/harness.mjs';
import { origin, small } from '../lib/site.mjs';
import { check } from '../lib/checker.mjs';
import { sql } from '../lib/database.mjs';
import { alive, darkroom, family } from '../lib/processes.mjs';

test('SIGTERM drains: running items finish, sockets close with 1001, nothing is lost', { timeout: 60000 }, async (t) => {
  const source = await origin(t);
  const data = tempDir(t);
  const server = await bulb(t, data, ['--workers', '4', '--per-host', '2']);
  const urls = Array.from({ length: 20 }, (_, i) => `${source.url}/png?seed=${i}&delay=400`);
  const job = (await post(`${server.url}/v1/jobs`, { urls, variants: small })).json;
  const ws = new WebSocket(job.events_url);
  const closed = new Promise((done) => ws.on('close', done));
  await new Promise((ok) => ws.once('open', ok));
  await until('some items to end', async () => (await get(`${server.url}/v1/jobs/${job.id}`)).json.counts.succeeded >= 2);
  const processes = family(server.pid);
  assert.ok(processes.length >= 3, 'the darkroom and a child run');
  server.proc.kill('SIGTERM');
  assert.equal(await closed, 1001);
  assert.deepEqual(await server.exit, { code: 0, signal: null });
  await until('the darkroom to end', () => !processes.some(alive), 1000);
  const asked = source.seen.requests;
  assert.ok(asked < 20, 'no new work was taken');
  const second = await bulb(t, data);
  const end = await ended(second.url, job.id);
  assert.equal(end.status, 'succeeded');
  assert.ok(source.seen.requests <= 20 + 2, `${source.seen.requests} requests: what had run was not run again`);
  assert.deepEqual(await check(second.url, [job.id]), []);
});

test('a second SIGTERM ends at once and loses nothing', { timeout: 60000 }, async (t) => {
  const source = await origin(t);
  const data = tempDir(t);
  const server = await bulb(t, data);
  const job = (await post(`${server.url}/v1/jobs`, { urls: [`${source.url}/png?seed=1&delay=8000`, `${source.url}/png?seed=2`], variants: small })).json;
  await until('the download to start', () => source.seen.requests === 2);
  server.proc.kill('SIGTERM');
  await until('draining', async () => (await get(`${server.url}/readyz`).catch(() => ({ status: 503 }))).status === 503);
  const began = Date.now();
  server.proc.kill('SIGTERM');
  await server.exit;
  assert.ok(Date.now() - began < 2000);
  const second = await bulb(t, data);
  assert.equal((await ended(second.url, job.id)).status, 'succeeded');
  assert.deepEqual(await check(second.url, [job.id]), []);
});

test('/readyz looks at the darkroom, and starts a lost one again', { timeout: 60000 }, async (t) => {
  const source = await origin(t);
  const server = await bulb(t, tempDir(t));
  const ready = () => get(`${server.url}/readyz`);
  const { keeper } = darkroom(server.pid);
  // No program can start with so small a stack; the server has its threads already.
  const stack = (bytes) => execFileSync('prlimit', ['--pid', String(server.pid), `--stack=${bytes}:`]);
  stack(4096);
  process.kill(keeper, 'SIGKILL');
  const r = await until('the darkroom to be missed', async () => {
    const answer = await ready();
    return answer.status === 503 && answer;
  });
  assert.equal(r.json.failing, 'darkroom', r.text);
  assert.match(r.json.detail, /darkroom/);
  assert.match(r.headers['retry-after'], /^\d+$/);
  assert.equal((await get(`${server.url}/healthz`)).status, 200);
  stack(8 << 20);
  await until('readiness', async () => (await ready()).status === 200);
  assert.notEqual(darkroom(server.pid).keeper, keeper);
  const job = (await post(`${server.url}/v1/jobs`, { urls: [`${source.url}/png?seed=1`], variants: small })).json;
  assert.equal((await ended(server.url, job.id)).status, 'succeeded');
});

test('no process is left one second after SIGKILL of the server', async (t) => {
  const source = await origin(t);
  const server = await bulb(t, tempDir(t));
  await post(`${server.url}/v1/jobs`, { urls: [`${source.url}/png?seed=1`], variants: small }, { headers: { prefer: 'wait=10' } });
  const processes = family(server.pid);
  assert.ok(processes.length >= 3);
  server.proc.kill('SIGKILL');
  await server.exit;
  await until('every process to end', () => !processes.some(alive), 1000);
});

test('a darkroom that vanishes is said to be lost, and a new one goes on', { timeout: 60000 }, async (t) => {
  const source = await origin(t);
  const server = await bulb(t, tempDir(t));
  const submit = (i) => post(`${server.url}/v1/jobs`, { urls: [`${source.url}/png?seed=${i}`], variants: small }, { headers: { prefer: 'wait=20' } });
  assert.equal((await submit(1)).json.status, 'succeeded');
  const { keeper } = darkroom(server.pid);
  process.kill(keeper, 'SIGKILL');
  assert.equal((await submit(2)).json.status, 'succeeded');
  assert.notEqual(darkroom(server.pid).keeper, keeper);
  await until('it to be logged', () => /error +darkroom_lost/.test(server.err));
  assert.match((await get(`${server.url}/metrics`)).text, /^bulb_darkroom_restarts_total\{reason="lost"\} [1-9]/m);
});

test('a second server on the same folder is refused; gc reaches it', async (t) => {
  const source = await origin(t);
  const data = tempDir(t);
  const server = await bulb(t, data);
  const job = (await post(`${server.url}/v1/jobs`, { urls: [`${source.url}/png?seed=1`], variants: small }, { headers: { prefer: 'wait=10' } })).json;
  const second = await run(['serve', '--listen', '127.0.0.1:0', '--data', data]);
  assert.equal(second.code, 1);
  assert.match(second.err, /store_in_use/);
  const gc = await run(['gc', '--data', data, '--keep-results', '0']);
  assert.equal(gc.code, 0, gc.err);
  assert.match((await run(['gc', '--dry-run', '--data', data])).out, /^would drop 0 jobs/);
  assert.equal((await run(['gc', '--data', `${data}/mistyped`])).code, 64);
  assert.deepEqual(await check(server.url, [job.id]), []);
});

test('gc lets a blob lie until the longest link to it has died', async (t) => {
  const source = await origin(t);
  const data = tempDir(t);
  const server = await bulb(t, data);
  const job = (await post(`${server.url}/v1/jobs`, { urls: [`${source.url}/png?seed=1`], variants: small }, { headers: { prefer: 'wait=10' } })).json;
  assert.equal((await call('DELETE', `${server.url}/v1/jobs/${job.id}`)).status, 204);
  const gc = await run(['gc', '--data', data, '--keep-results', '0', '--link-ttl', '48h']);
  assert.match(gc.out, /1 originals, 1 results/);
  const [[blobs, hours]] = await sql(data, "SELECT count(*), min(after_ms) / 3600000 - strftime('%s') / 3600 FROM trash");
  assert.equal(blobs, '2');
  assert.ok(hours >= 48, `they may go in ${hours} h`);
});

test('submit, watch, jobs, cancel and retry from a terminal', { timeout: 60000 }, async (t) => {
  const source = await origin(t);
  const server = await bulb(t, tempDir(t), ['--max-tries', '1']);
  const env = { BULB_SERVER: server.url };
  const submitted = await run(['submit', '--variant', 'a width=32 format=jpeg', '--tag', 'cli', `${source.url}/png?seed=1`, `${source.url}/flaky?fail=1`], { env });
  assert.equal(submitted.code, 0, submitted.err);
  const id = submitted.out.trim();
  const watched = await run(['watch', id], { env });
  assert.equal(watched.code, 2, watched.err);
  assert.match(watched.out, /failed .*flaky.*fetch_status/);
  assert.match(watched.out, /partial: 1 of 2 done, 1 failed/);
  const retried = await run(['retry', id], { env });
  assert.equal(retried.code, 0, retried.err);
  const again = await run(['watch', '--json', id], { env });
  assert.equal(again.code, 0, again.out);
  assert.equal(JSON.parse(again.out.trim().split('\n').at(-1)).type, 'job.succeeded');
  assert.match((await run(['jobs'], { env })).out, new RegExp(`${id}  succeeded +2 +2 +0 .*cli`));
  assert.match((await run(['jobs', id], { env })).out, /64x48/);
  const slow = (await run(['submit', '--variant', 'a width=32 format=jpeg', `${source.url}/png?seed=3&delay=5000`], { env })).out.trim();
  assert.match((await run(['cancel', slow], { env })).out, /canceled/);
  assert.equal((await run(['watch', slow], { env })).code, 2);
  const missing = await run(['watch', 'nope'], { env });
  assert.equal(missing.code, 1);
  assert.match(missing.err, /not_found/);
  const wait = await run(['submit', '--wait', '--variant', 'a width=32 format=jpeg', `${source.url}/png?seed=1`], { env });
  assert.equal(wait.code, 0);
  assert.match(wait.out, /1 cached/);
});

test('watch goes on by itself when the server is restarted', { timeout: 60000 }, async (t) => {
  const source = await origin(t);
  const data = tempDir(t);
  const server = await bulb(t, data);
  const port = new URL(server.url).port;
  const urls = Array.from({ length: 12 }, (_, i) => `${source.url}/png?seed=${i}&delay=500`);
  const job = (await post(`${server.url}/v1/jobs`, { urls, variants: small })).json;
  const watching = start(t, bulbBin, ['watch', '--json', job.id], { env: { BULB_SERVER: server.url }, ready: /("item\.succeeded")/ });
  const w = await watching;
  await server.stop('SIGKILL');
  await bulb(t, data, ['--listen', `127.0.0.1:${port}`]);
  assert.deepEqual(await w.exit, { code: 0, signal: null });
  const seen = w.out.trim().split('\n').map((l) => Number(JSON.parse(l).sequence));
  assert.deepEqual(seen, seen.map((_, i) => i + 1));
});

test('doctor is content here, and names what is wrong elsewhere', async (t) => {
  const data = tempDir(t);
  const good = await run(['doctor', '--data', `${data}/d`, '--listen', '127.0.0.1:0']);
  assert.equal(good.code, 0, good.out);
  assert.match(good.out, /ok +sandbox/);
  assert.match(good.out, /ok +jail .*\n +seccomp: filter in force/);
  const open = await run(['doctor', '--data', `${data}/d`, '--listen', '0.0.0.0:0']);
  assert.equal(open.code, 1);
  assert.match(open.out, /FAIL +listen .*--open/);
  writeFileSync(`${data}/file`, '');
  const bad = await run(['doctor', '--data', `${data}/file/below`, '--listen', '127.0.0.1:0']);
  assert.equal(bad.code, 1);
  assert.match(bad.out, /FAIL +data/);
});

test('a deadline ends what is open, with its code', async (t) => {
  const source = await origin(t);
  const server = await bulb(t, tempDir(t));
  const job = (await post(`${server.url}/v1/jobs`, { urls: [`${source.url}/png?seed=1`, `${source.url}/hang`], variants: small, deadline: 1 })).json;
  const end = await ended(server.url, job.id);
  assert.equal(end.status, 'canceled');
  const [good, late] = await items(server.url, job.id);
  assert.equal(good.status, 'succeeded');
  assert.equal(late.status, 'canceled');
  assert.equal(late.error.code, 'deadline');
  assert.deepEqual(await check(server.url, [job.id]), []);
});

test('a job that is deleted closes its readers with 1008 gone', async (t) => {
  const source = await origin(t);
  const server = await bulb(t, tempDir(t));
  const job = (await post(`${server.url}/v1/jobs`, { urls: [`${source.url}/hang`], variants: small })).json;
  const ws = new WebSocket(job.events_url);
  const closed = new Promise((done) => ws.on('close', (code, reason) => done([code, String(reason)])));
  await new Promise((ok) => ws.once('message', ok));
  assert.equal((await call('DELETE', `${server.url}/v1/jobs/${job.id}`)).status, 204);
  assert.deepEqual(await closed, [1008, 'gone']);
  await assert.rejects(log(server.url, job.id), /404/);
});
