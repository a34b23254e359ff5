// Webhooks, from a job to what a receiver's own library says of the signature: what is sent, when it is sent again,
// what ends it, and that neither a crash nor a second server nor a slow receiver changes that.
import test from 'node:test';
import assert from 'node:assert/strict';
import { after, bulb, bulbBin, call, ended, get, items, log, post, run, start, tempDir, until } from '../lib/harness.mjs';
import { addKey, bearer, folder, leaks, secrets } from '../lib/access.mjs';
import { cluster, missing, postgres } from '../lib/engines.mjs';
import { isFrom, newSecret, receiver, secretFile, verified } from '../lib/receiver.mjs';
import { origin, small } from '../lib/site.mjs';

const quick = ['--webhook-schedule', '0s,500ms,500ms'];

/** A server without keys that may reach loopback, a source, a receiver. */
async function stage(t, { args = quick, answer, secret = newSecret() } = {}) {
  const s = { data: tempDir(t), secret, source: await origin(t), hook: await receiver(t, { answer }) };
  secrets.add(secret.slice(6));
  s.args = ['--webhook-secret-file', secretFile(tempDir(t), secret), ...args];
  s.begin = async () => {
    s.server = await bulb(t, s.data, s.args);
    s.base = s.server.url;
  };
  await s.begin();
  s.submit = (webhook, more = {}) => submit(s, webhook, more);
  return s;
}
async function submit(s, webhook, { key, paths = ['/png'], ...more } = {}) {
  const r = await post(`${s.base}/v1/jobs`, { urls: paths.map((p) => `${s.source.url}${p}`), variants: small, webhook, ...more }, { headers: bearer(key) });
  assert.equal(r.status, 202, r.text);
  return r.json.id;
}
const deliveries = async (base, query = '', key) => (await get(`${base}/v1/deliveries?${query}`, { headers: bearer(key) })).json.deliveries;
const settled = (base, job, ms) => until('the delivery to be settled', async () => {
  const all = await deliveries(base, `job=${job}`);
  return all.length && all.every((d) => d.status !== 'pending') && all;
}, ms);

test('a job\'s end is told at its URL, signed as the public library wants it', async (t) => {
  const s = await stage(t);
  const job = await s.submit({ url: `${s.hook.url}/end?k=1` }, { metadata: { order: 7 } });
  const [letter] = await s.hook.wait('/end?k=1');
  const event = verified(letter, s.secret);
  assert.equal(isFrom(letter, newSecret()), false);
  assert.equal(isFrom({ ...letter, body: letter.body.replace('succeeded', 'succeedeD') }, s.secret), false);
  assert.deepEqual([event.type, event.source, event.data.metadata], ['job.succeeded', `/v1/jobs/${job}`, { order: 7 }]);
  const inLog = (await log(s.base, job)).events.at(-1);
  assert.deepEqual(event, inLog, 'the event of the log');
  assert.equal((await get(event.data.links.items)).status, 200);
  const [d] = await settled(s.base, job);
  assert.deepEqual([d.id, d.type, d.status, d.tries, d.last_status, d.detail, d.next_try_at], [event.id, 'job.succeeded', 'succeeded', 1, 204, null, null]);
  assert.equal(s.hook.got.length, 1);
  assert.match((await get(`${s.base}/metrics`)).text, /bulb_webhook_deliveries_total\{outcome="succeeded"\} 1\n/);
});

test('only the events that were asked for, each once, with links that work', async (t) => {
  const s = await stage(t);
  const job = await s.submit({ url: `${s.hook.url}/`, events: ['job.created', 'item.succeeded', 'item.failed', 'job.partial'] }, { paths: ['/png?seed=1', '/png?seed=2', '/status/404'] });
  await ended(s.base, job);
  const all = await s.hook.wait('/', 5);
  assert.deepEqual(all.map((l) => l.event.type).sort(), ['item.failed', 'item.succeeded', 'item.succeeded', 'job.created', 'job.partial']);
  const item = all.find((l) => l.event.type === 'item.succeeded').event.data;
  assert.equal((await get(item.variants[0].url)).status, 200);
  assert.equal((await get(item.links.items)).json.items.length, 3);
  await settled(s.base, job);
  assert.equal(s.hook.got.length, 5);
});

test('a failure is tried again by the schedule, under the same id, and is given up at its end; redeliver sends it anew', async (t) => {
  let refuse = Infinity;
  const s = await stage(t, { answer: (letter, res) => res.writeHead(s.hook.got.length > refuse ? 200 : 500).end('what went wrong') });
  const job = await s.submit({ url: `${s.hook.url}/` });
  const [d] = await settled(s.base, job);
  assert.deepEqual([d.status, d.tries, d.last_status, d.detail], ['failed', 3, 500, 'answered 500']);
  assert.equal(new Set(s.hook.got.map((l) => l.headers['webhook-id'])).size, 1);
  assert.ok(s.hook.got.every((l) => isFrom(l, s.secret)));
  assert.ok(s.hook.got[2].at - s.hook.got[0].at >= 1000, 'pauses of half a second at least');
  refuse = 4; // the first of the next three fails, too
  const again = await post(`${s.base}/v1/deliveries/${d.id}/redeliver`);
  assert.deepEqual([again.status, again.json.status, again.json.id], [202, 'pending', d.id]);
  await s.hook.wait('/', 5);
  const [now] = await settled(s.base, job);
  assert.deepEqual([now.status, now.tries, now.last_status], ['succeeded', 5, 200]);
  assert.equal(new Set(s.hook.got.map((l) => l.headers['webhook-id'])).size, 1);
  assert.ok(new Set(s.hook.got.map((l) => l.headers['webhook-timestamp'])).size > 1, 'the time is that of the try');
  assert.match((await get(`${s.base}/metrics`)).text, /bulb_webhook_deliveries_total\{outcome="failed"\} 1\n/);
  for (const id of ['nope', `${job}.000000000001`, `${job}.x`, 'other.000000000001']) assert.equal((await post(`${s.base}/v1/deliveries/${id}/redeliver`)).status, 404, id);
});

test('bulb deliveries lists them and sends one again', async (t) => {
  const s = await stage(t);
  const job = await s.submit({ url: `${s.hook.url}/a` });
  await s.submit({ url: `${s.hook.url}/b` });
  await s.hook.wait('/b');
  const [d] = await settled(s.base, job);
  const listed = await run(['deliveries', '--server', s.base, '--job', job]);
  assert.equal(listed.code, 0, listed.err);
  assert.match(listed.out, new RegExp(`^${d.id} +job.succeeded +succeeded +1 +204 +- +${s.hook.url}/a`, 'm'));
  assert.equal(JSON.parse((await run(['deliveries', '--server', s.base, '--json'])).out).length, 2);
  assert.equal((await run(['deliveries', '--server', s.base, '--status', 'failed', '--json'])).out, '[]\n');
  const sent = await run(['deliveries', 'redeliver', d.id, '--server', s.base]);
  assert.deepEqual([sent.code, sent.out], [0, `${d.id} is due\n`]);
  await s.hook.wait('/a', 2);
  assert.equal((await run(['deliveries', 'redeliver', 'x.1', '--server', s.base])).code, 1);
  assert.equal((await run(['deliveries', 'again', '--server', s.base])).code, 64);
});

test('deliveries come in pages, newest first, and filters are held to', async (t) => {
  const s = await stage(t);
  const jobs = [];
  for (let i = 0; i < 5; i++) jobs.push(await s.submit({ url: `${s.hook.url}/`, events: ['job.created'] }));
  await s.hook.wait('/', 5);
  const seen = [];
  for (let token = ''; token !== undefined;) {
    const page = (await get(`${s.base}/v1/deliveries?page_size=2${token && `&page_token=${token}`}`)).json;
    seen.push(...page.deliveries.map((d) => d.job));
    token = page.next_page_token;
  }
  assert.deepEqual(seen.slice().sort(), jobs.slice().sort());
  const first = (await get(`${s.base}/v1/deliveries?page_size=2`)).json;
  assert.equal((await get(`${s.base}/v1/deliveries?page_size=2&status=failed&page_token=${first.next_page_token}`)).status, 422);
  assert.equal((await get(`${s.base}/v1/deliveries?status=odd`)).status, 422);
  assert.deepEqual(await deliveries(s.base, `job=${jobs[0]}&status=failed`), []);
  await call('DELETE', `${s.base}/v1/jobs/${jobs[0]}`);
  assert.deepEqual(await deliveries(s.base, `job=${jobs[0]}`), [], 'they go with their job');
});

test('without a secret a webhook is refused, and says what to do', async (t) => {
  const { url } = await receiver(t);
  const server = await bulb(t, tempDir(t));
  const r = await post(`${server.url}/v1/jobs`, { urls: ['https://a.example/'], webhook: { url } });
  assert.equal(r.status, 422);
  assert.equal(r.json.errors[0].pointer, '/webhook');
  assert.match(r.json.detail, /--webhook-secret-file/);
  for (const bad of ['short', 'whsec_!!!', newSecret(16), `${newSecret()} ${newSecret()} ${newSecret()}`]) {
    const end = await run(['serve', '--listen', '127.0.0.1:0', '--data', tempDir(t), '--webhook-secret-file', secretFile(tempDir(t), bad)]);
    assert.equal(end.code, 64, bad);
    assert.match(end.err, /webhook-secret/);
  }
  for (const bad of ['5x', '5s,,5s', 's', '-1s', '9999999d', Array(33).fill('1s').join()]) {
    const end = await run(['serve', '--listen', '127.0.0.1:0', '--data', tempDir(t), `--webhook-schedule=${bad}`]);
    assert.equal(end.code, 64, bad);
    assert.match(end.err, /webhook-schedule/);
  }
});

test('a server that is killed while it sends, and before it could, delivers when it is back', async (t) => {
  const s = await stage(t, { args: ['--webhook-schedule', '0s,2s,2s'], answer: () => {} });
  const hung = await s.submit({ url: `${s.hook.url}/hung` });
  const nobody = await receiver(t);
  await nobody.close();
  const refused = await s.submit({ url: `${nobody.url}/refused` });
  await s.hook.wait('/hung');
  await until('the other one to have failed once', async () => (await deliveries(s.base, `job=${refused}`))[0]?.tries === 1);
  await s.server.stop('SIGKILL');
  s.hook.answer = null;
  const back = await receiver(t, { port: nobody.port });
  await s.begin();
  const all = await s.hook.wait('/hung', 2);
  assert.equal(all[0].headers['webhook-id'], all[1].headers['webhook-id']);
  await back.wait('/refused');
  assert.deepEqual((await settled(s.base, hung)).map((d) => [d.status, d.tries]), [['succeeded', 1]], 'a try that nobody ended is none');
  assert.deepEqual((await settled(s.base, refused)).map((d) => [d.status, d.tries]), [['succeeded', 2]]);
});

test('an end that nobody has looked at when the server is killed is told by the next', async (t) => {
  const s = await stage(t);
  for (let i = 1; i <= 5; i++) {
    const r = await post(`${s.base}/v1/jobs`, { urls: [`${s.source.url}/png?seed=${i}`], variants: small, webhook: { url: `${s.hook.url}/${i}` } }, { headers: { prefer: 'wait=20' } });
    assert.equal(r.status, 200, r.text);
    await s.server.stop('SIGKILL');
    await s.begin();
    const [letter] = await s.hook.wait(`/${i}`);
    assert.deepEqual([letter.event.type, letter.event.source], ['job.succeeded', `/v1/jobs/${r.json.id}`]);
  }
});

test('SIGTERM waits for what is being sent', async (t) => {
  let let_go;
  const s = await stage(t, { answer: (letter, res) => (let_go = () => res.writeHead(200).end()) });
  const job = await s.submit({ url: `${s.hook.url}/` });
  await s.hook.wait('/');
  s.server.proc.kill('SIGTERM');
  await until('the server to close its door', () => call('GET', `${s.base}/healthz`).then(() => false, () => true));
  let_go();
  assert.deepEqual(await s.server.exit, { code: 0, signal: null });
  s.hook.answer = null;
  await s.begin();
  assert.deepEqual((await settled(s.base, job)).map((d) => [d.status, d.tries]), [['succeeded', 1]]);
  assert.equal(s.hook.got.length, 1);
});

test('410 ends it for the job, a redirect is a failure and is not followed, Retry-After is waited for', async (t) => {
  const bait = await receiver(t);
  const s = await stage(t, { answer: (letter, res) => {
    if (letter.path === '/gone') res.writeHead(410).end();
    else if (letter.path === '/moved') res.writeHead(307, { location: `${bait.url}/` }).end();
    else res.writeHead(s.hook.hits('/later').length > 1 ? 200 : 503, { 'retry-after': '3' }).end();
  } });
  const gone = await s.submit({ url: `${s.hook.url}/gone`, events: ['job.created', 'item.succeeded', 'job.succeeded'] });
  const moved = await s.submit({ url: `${s.hook.url}/moved` });
  const later = await s.submit({ url: `${s.hook.url}/later` });
  await ended(s.base, gone);
  const all = await settled(s.base, gone);
  assert.ok(all.every((d) => d.status === 'disabled'), JSON.stringify(all));
  assert.equal(all.at(-1).last_status, 410);
  assert.deepEqual((await settled(s.base, moved)).map((d) => [d.status, d.tries, d.last_status]), [['failed', 3, 307]]);
  assert.match((await deliveries(s.base, `job=${moved}`))[0].detail, /redirect/);
  assert.equal(bait.got.length, 0);
  const [first, second] = await s.hook.wait('/later', 2);
  assert.ok(second.at - first.at >= 3000, `${second.at - first.at} ms`);
  assert.deepEqual((await settled(s.base, later)).map((d) => [d.status, d.tries]), [['succeeded', 2]]);
  assert.ok(s.hook.hits('/gone').length <= 3);
  s.hook.answer = null; // it is back, and somebody says so
  const told = s.hook.hits('/gone').length;
  await post(`${s.base}/v1/deliveries/${all.at(-1).id}/redeliver`);
  await s.hook.wait('/gone', told + 1);
});

test('an address that downloads may not reach is none for webhooks either', async (t) => {
  const hook = await receiver(t);
  const server = await start(t, bulbBin, ['serve', '--listen', '127.0.0.1:0', '--data', tempDir(t), '--log-level', 'warn', ...quick,
    '--webhook-secret-file', secretFile(tempDir(t), newSecret())], { ready: /^listening on (http:\/\/\S+)/ });
  const s = { base: server.url, source: { url: hook.url } };
  for (const url of [hook.url, `http://localhost:${hook.port}`, 'http://169.254.169.254/latest', `http://[::ffff:127.0.0.1]:${hook.port}`]) {
    const job = await submit(s, { url, events: ['job.created'] });
    const [d] = await settled(s.base, job);
    assert.deepEqual([d.status, d.tries, d.last_status], ['failed', 3, null], url);
    assert.match(d.detail, /--allow-address/);
  }
  assert.equal(hook.got.length, 0);
});

test('a secret that is rotated: both sign until the old one is dropped', async (t) => {
  const data = tempDir(t);
  const key = await addKey(data, 'shop');
  const s = { source: await origin(t), hook: await receiver(t), base: (await bulb(t, data, quick)).url };
  const rotate = async (...more) => {
    const r = await run(['key', 'rotate-webhook', 'shop', '--data', data, ...more]);
    assert.equal(r.code, 0, r.err);
    const made = /whsec_\S+/.exec(r.out)?.[0];
    if (made) secrets.add(made.slice(6));
    return made;
  };
  const signers = async (path, ...all) => {
    await submit(s, { url: `${s.hook.url}${path}`, events: ['job.created'] }, { key: key.key });
    const [letter] = await s.hook.wait(path);
    return all.map((secret) => isFrom(letter, secret));
  };
  const old = key.webhook_secret;
  assert.deepEqual(await signers('/1', old), [true]);
  const fresh = await rotate();
  assert.deepEqual(await signers('/2', old, fresh), [true, true]);
  await rotate('--drop-old');
  assert.deepEqual(await signers('/3', old, fresh), [false, true]);
  const two = [newSecret(), newSecret()];
  const keyless = { ...s, base: (await bulb(t, tempDir(t), ['--webhook-secret-file', secretFile(tempDir(t), ...two)])).url };
  await submit(keyless, { url: `${s.hook.url}/4`, events: ['job.created'] });
  const [letter] = await s.hook.wait('/4');
  assert.deepEqual(two.map((secret) => isFrom(letter, secret)), [true, true]);
});

test('what is over 20 KB is cut, and says where the rest is', async (t) => {
  const s = await stage(t);
  const variants = Array.from({ length: 20 }, (_, i) => ({ name: `v${'x'.repeat(58)}${i}`, width: 8 + i, format: 'png' }));
  const refs = Array.from({ length: 32 }, (_, i) => `${i}`.padEnd(128, 'r'));
  const url = `${s.source.url}/png?long=${'u'.repeat(3900)}`;
  const r = await post(`${s.base}/v1/jobs`, { urls: refs.map((ref) => ({ url, ref, metadata: { note: 'm'.repeat(4000) } })), variants,
    webhook: { url: `${s.hook.url}/`, events: ['item.succeeded'] } });
  assert.equal(r.status, 202, r.text);
  const [letter] = await s.hook.wait('/');
  const { data } = verified(letter, s.secret);
  assert.equal(data.truncated, true, `${letter.body.length} bytes`);
  assert.ok(Buffer.byteLength(letter.body) <= 20000 && Buffer.byteLength(letter.body) > 10000);
  const [whole] = (await get(data.links.items)).json.items;
  assert.deepEqual([whole.id, whole.refs.length, whole.variants.length], [data.id, 32, 20]);
  assert.equal(s.hook.faults.length, 0);
});

test('a receiver that lets everybody wait delays its own deliveries only', async (t) => {
  const s = await stage(t, { args: ['--webhook-lanes', '16', '--webhook-schedule', '0s'] });
  const slow = await receiver(t, { answer: () => {} });
  const jobs = [];
  for (let i = 0; i < 20; i++) jobs.push(await s.submit({ url: `${slow.url}/`, events: ['job.created'] }));
  const [first] = await slow.wait('/', 2);
  const began = Date.now();
  for (let i = 0; i < 10; i++) await s.submit({ url: `${s.hook.url}/`, events: ['job.created'] });
  await s.hook.wait('/', 10);
  assert.ok(Date.now() - began < 10000, 'long before the first of the slow ones has timed out');
  assert.equal(slow.got.length, 2, 'an eighth of the lanes');
  await slow.wait('/', 3, 30000);
  assert.ok(slow.got[2].at - first.at >= 14500, 'its time is fifteen seconds');
  const late = await until('a try to have ended', async () => (await deliveries(s.base, 'status=failed'))[0]);
  assert.ok(jobs.includes(late.job));
  assert.deepEqual([late.tries, late.last_status], [1, null]);
  assert.match(late.detail, /127.0.0.1.*(time|answer)/);
});

test('tenants: each signs with its own secret and sees its own deliveries', async (t) => {
  const data = tempDir(t);
  const [a, b] = [await addKey(data, 'a'), await addKey(data, 'b')];
  const s = { source: await origin(t), hook: await receiver(t) };
  const server = await bulb(t, data, [...quick, '--log-level', 'debug', '--webhook-secret-file', secretFile(tempDir(t), newSecret())]);
  s.base = server.url;
  const job = await submit(s, { url: `${s.hook.url}/a?secret=hush` }, { key: a.key });
  await submit(s, { url: `${s.hook.url}/b` }, { key: b.key });
  const [[ofA], [ofB]] = [await s.hook.wait('/a?secret=hush'), await s.hook.wait('/b')];
  assert.deepEqual([isFrom(ofA, a.webhook_secret), isFrom(ofA, b.webhook_secret), isFrom(ofB, b.webhook_secret)], [true, false, true]);
  assert.deepEqual((await deliveries(s.base, '', b.key)).map((d) => d.url), [`${s.hook.url}/b`]);
  assert.deepEqual(await deliveries(s.base, `job=${job}`, b.key), []);
  const [d] = await deliveries(s.base, '', a.key);
  const path = `${s.base}/v1/deliveries/${d.id}/redeliver`;
  assert.equal((await call('POST', path, { headers: bearer(b.key) })).status, 404);
  assert.equal((await call('POST', path)).status, 401);
  assert.equal((await call('POST', path, { headers: bearer(a.key) })).status, 202);
  await s.hook.wait('/a?secret=hush', 2);
  const reads = await addKey(data, 'r', '--tenant', 'a', '--scopes', 'read');
  assert.equal((await call('POST', path, { headers: bearer(reads.key) })).status, 403);
  await server.stop();
  assert.deepEqual(leaks(server.err), []);
  assert.ok(!server.err.includes('hush'), 'nor what stands behind the question mark');
  assert.match(server.err, /webhook_sent/);
  assert.deepEqual(leaks(s.hook.got.map((l) => l.body).join()), [], 'no key, token or secret in what is sent');
  assert.ok(s.hook.got.every((l) => !/token=/.test(l.body)));
  assert.deepEqual(leaks(folder(data)), []);
});

test('two servers on one database: each event once, and one that is killed is followed by the other', { skip: missing('initdb'), timeout: 120000 }, async (t) => {
  const db = await postgres(t);
  const c = cluster(t, { store: db.url, bus: 'postgres:' });
  const secret = newSecret();
  const args = ['--allow-address', '127.0.0.0/8', '--webhook-secret-file', secretFile(tempDir(t), secret), '--webhook-schedule', '0s,1s,1s,1s'];
  const servers = [await c.serve(args), await c.serve(args)];
  const s = { source: await origin(t), hook: await receiver(t), base: servers[0].url };
  await c.work();
  for (let i = 0; i < 30; i++) await submit({ ...s, base: servers[i % 2].url }, { url: `${s.hook.url}/once`, events: ['job.created', 'job.succeeded'] }, { paths: [`/png?seed=${i}`] });
  await s.hook.wait('/once', 60);
  await until('all to be settled', async () => (await deliveries(servers[1].url, 'status=pending')).length === 0);
  assert.equal(s.hook.got.length, 60, 'none twice');
  assert.equal(new Set(s.hook.got.map((l) => l.headers['webhook-id'])).size, 60);
  assert.ok(s.hook.got.every((l) => isFrom(l, secret)));
  s.hook.answer = () => {};
  const job = await submit(s, { url: `${s.hook.url}/killed`, events: ['job.created'] });
  await s.hook.wait('/killed');
  s.hook.answer = null;
  for (const server of servers) await server.stop('SIGKILL');
  await db.sql('UPDATE delivery SET next_ms = 0'); // its lease, a minute, is over
  const third = await c.serve(args);
  await s.hook.wait('/killed', 2);
  assert.deepEqual((await settled(third.url, job)).map((d) => [d.status, d.tries]), [['succeeded', 1]]);
});
