// The commands that speak to a server: how they find it, what they send, how they end.
import test from 'node:test';
import assert from 'node:assert/strict';
import http from 'node:http';
import { writeFileSync } from 'node:fs';
import { bulb, bulbBin, freePort, get, run, start, tempDir, until } from '../lib/harness.mjs';
import { origin, site } from '../lib/site.mjs';

const variant = ['--variant', 'a width=32 format=jpeg'];

/** A server that notes what it was asked and answers every call with `status`. */
async function listener(t, status = 202) {
  const seen = [];
  const server = http.createServer((req, res) => {
    let body = '';
    req.on('data', (d) => (body += d));
    req.on('end', () => {
      seen.push({ method: req.method, url: req.url, headers: req.headers, body });
      res.writeHead(status, { 'content-type': 'application/json' }).end('{"id":"j1","status":"queued","jobs":[]}');
    });
  });
  await new Promise((ok) => server.listen(0, '127.0.0.1', ok));
  t.after(() => server.close());
  return { seen, url: `http://127.0.0.1:${server.address().port}` };
}

test('a key comes from BULB_KEY or a file, goes out as Bearer, and is never an argument', async (t) => {
  const s = await listener(t);
  const dir = tempDir(t);
  writeFileSync(`${dir}/key`, 'from-file\n');
  const env = { BULB_SERVER: s.url };
  assert.equal((await run(['submit', 'https://a.example/'], { env: { ...env, BULB_KEY: 'from-env' } })).out, 'j1\n');
  assert.equal((await run(['jobs', '--key-file', `${dir}/key`], { env })).code, 0);
  assert.equal((await run(['cancel', 'j1'], { env: { ...env, BULB_KEY_FILE: `${dir}/key` } })).code, 0);
  assert.equal((await run(['jobs', '--server', `${s.url}/`])).code, 0);
  assert.deepEqual(s.seen.map((r) => [r.method, r.url.split('?')[0], r.headers.authorization]), [['POST', '/v1/jobs', 'Bearer from-env'],
    ['GET', '/v1/jobs', 'Bearer from-file'], ['POST', '/v1/jobs/j1/cancel', 'Bearer from-file'], ['GET', '/v1/jobs', undefined]]);
  const argument = await run(['submit', '--key', 'planted-5', 'https://a.example/'], { env });
  assert.equal(argument.code, 64);
  assert.match(argument.err, /--key-file/);
  assert.ok(!argument.err.includes('planted-5'));
});

test('what submit is given becomes the request', async (t) => {
  const s = await listener(t);
  const env = { BULB_SERVER: s.url };
  const args = ['submit', '--preset', 'web', '--tag', 'spring', '--priority', 'bulk', '--cache', 'reload', '--deadline', '90s', '--idempotency-key', 'k-1'];
  assert.equal((await run([...args, '-'], { env, input: '# list\nhttps://a.example/1\n\n https://a.example/2 \n' })).code, 0);
  assert.equal(s.seen[0].headers['idempotency-key'], 'k-1');
  assert.deepEqual(JSON.parse(s.seen[0].body), { urls: ['https://a.example/1', 'https://a.example/2'], preset: 'web', tag: 'spring',
    priority: 'bulk', cache: 'reload', deadline: 90 });
  const whole = { from: { job: 'j0', status: 'failed' }, variants: [{ name: 'v', width: 3 }] };
  assert.equal((await run(['submit', '-f', '-'], { env, input: JSON.stringify(whole) })).code, 0);
  assert.deepEqual(JSON.parse(s.seen[1].body), whole);
  assert.equal((await run(['submit', './photo.jpg'], { env })).code, 0);
  assert.deepEqual(JSON.parse(s.seen[2].body).urls, ['./photo.jpg'], 'the server says what it takes');
});

test('what is no id of a job never becomes part of a path', async (t) => {
  const s = await listener(t, 200);
  for (const args of [['watch', '../jobs'], ['cancel', 'a/b'], ['retry', 'a?x=1'], ['jobs', '..']]) {
    const r = await run([...args, '--server', s.url]);
    assert.equal(r.code, 64, args.join(' '));
    assert.match(r.err, /not the id of a job/);
  }
  assert.equal(s.seen.length, 0);
});

test('watch waits for a server that is not there yet, and says so', { timeout: 60000 }, async (t) => {
  const source = await origin(t);
  const data = tempDir(t);
  const first = await bulb(t, data);
  const id = (await run(['submit', ...variant, `${source.url}/png?seed=1`, '--server', first.url])).out.trim();
  await until('its end', async () => (await get(`${first.url}/v1/jobs/${id}`)).json.status === 'succeeded');
  await first.stop();
  const port = await freePort();
  const w = await start(t, bulbBin, ['watch', id, '--server', `http://127.0.0.1:${port}`]);
  w.proc.stdout.on('data', (d) => (w.out += d));
  await until('it to say so', () => /trying again/.test(w.err));
  await bulb(t, data, ['--listen', `127.0.0.1:${port}`]);
  assert.deepEqual(await w.exit, { code: 0, signal: null });
  assert.equal(w.err.match(/trying again/g).length, 1);
  assert.match(w.out, /succeeded: 1 of 1 done/);
});

test('watch and submit --wait end as run does: 0, 2, 1, 64, 130', { timeout: 60000 }, async (t) => {
  const { origin: source, base } = await site(t, ['--max-tries', '1']);
  const env = { BULB_SERVER: base };
  const submit = (...urls) => run(['submit', '--wait', ...variant, ...urls], { env });
  assert.equal((await submit(`${source.url}/png?seed=1`)).code, 0);
  assert.equal((await submit(`${source.url}/png?seed=1`, `${source.url}/status/404`)).code, 2);
  assert.equal((await submit(`${source.url}/status/404`)).code, 2);
  assert.equal((await submit('ftp://a.example/')).code, 1);
  assert.equal((await run(['watch', 'no-such-job'], { env })).code, 1);
  assert.equal((await run(['watch'], { env })).code, 64);
  const w = await start(t, bulbBin, ['submit', '--wait', '--json', ...variant, `${source.url}/hang`], { env, ready: /(job\.started)/ });
  assert.deepEqual(await w.stop('SIGINT'), { code: 130, signal: null });
  const [job] = (await get(`${base}/v1/jobs`)).json.jobs;
  assert.equal(job.status, 'running', 'who stops watching does not stop the job');
});
