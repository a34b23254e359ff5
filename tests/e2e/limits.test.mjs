// What keys are held to: rates, quotas, and that one who is at the limit, or has a hundred jobs, costs the
// others nothing. Everything is counted, not timed.
import test from 'node:test';
import assert from 'node:assert/strict';
import { bulb, call, run, tempDir, until } from '../lib/harness.mjs';
import { addKey, bearer } from '../lib/access.mjs';
import { origin, small } from '../lib/site.mjs';

const ask = (method, url, { key }, more = {}) => call(method, url, { ...more, headers: { ...bearer(key), ...more.headers } });
const submit = (base, key, urls, more = {}) => ask('POST', `${base}/v1/jobs`, key, { json: { urls, variants: small, ...more } });
async function finished(base, key, id) {
  return until('the job to end', async () => {
    const { json } = await ask('GET', `${base}/v1/jobs/${id}?wait=5`, key);
    return !['queued', 'running'].includes(json.status) && json;
  }, 60000);
}
/** Structured fields: '"a";q=1;w=2, "b";q=3' → {a: {q: 1, w: 2}, b: {q: 3}}. */
const fields = (text) => Object.fromEntries(text.split(', ').map((item) => {
  const [name, ...params] = item.split(';');
  assert.match(name, /^"[a-z_]+"$/);
  return [name.slice(1, -1), Object.fromEntries(params.map((p) => {
    assert.match(p, /^[qrwt]=\d+$/);
    return [p[0], Number(p.slice(2))];
  }))];
}));

test('a key at its rate gets 429 with the fields that say when to come again; another notices nothing', { timeout: 120000 }, async (t) => {
  const source = await origin(t);
  const data = tempDir(t);
  const slow = await addKey(data, 'slow', '--limits', 'jobs_per_second=0.5');
  const free = await addKey(data, 'free');
  const { url } = await bulb(t, data);
  const picture = (who, i) => [`${source.url}/png?seed=${who}${i}`];
  const hammer = [];
  const others = [];
  for (let i = 0; i < 60; i++) {
    hammer.push(submit(url, slow, picture('s', i)));
    others.push(submit(url, free, picture('f', i)));
  }
  const [slows, frees] = [await Promise.all(hammer), await Promise.all(others)];
  assert.ok(frees.every((r) => r.status === 202), 'each of the others');
  const taken = slows.filter((r) => r.status === 202);
  const not = slows.filter((r) => r.status === 429);
  assert.equal(taken.length + not.length, 60);
  assert.ok(taken.length >= 5 && taken.length <= 12, `${taken.length} taken: ten seconds' worth, and what came in meanwhile`);
  for (const r of slows) {
    const policy = fields(r.headers['ratelimit-policy']).jobs_per_second;
    const state = fields(r.headers.ratelimit).jobs_per_second;
    assert.deepEqual(policy, { q: 5, w: 10 });
    assert.ok(state.r >= 0 && state.r < 5 && state.t <= 10, JSON.stringify(state));
  }
  for (const r of not) {
    assert.equal(r.json.code, 'rate_limited');
    assert.match(r.json.detail, /jobs_per_second/);
    assert.ok(r.headers['retry-after'] >= 1 && r.headers['retry-after'] <= 2, r.headers['retry-after']);
    assert.equal(fields(r.headers.ratelimit).jobs_per_second.r, 0);
  }
  assert.equal(frees[0].headers.ratelimit, undefined);
  for (const r of frees) assert.equal((await finished(url, free, r.json.id)).status, 'succeeded');
  const again = Date.now() + Number(not.at(-1).headers['retry-after']) * 1000;
  await until('the time that was said', async () => Date.now() > again);
  assert.equal((await submit(url, slow, picture('s', 'again'))).status, 202, 'who waits as long as was said is let in');
});

test('a job larger than the bucket is let in, and paid off afterwards', async (t) => {
  const source = await origin(t);
  const data = tempDir(t);
  const key = await addKey(data, 'k', '--limits', 'urls_per_second=2');
  const { url } = await bulb(t, data);
  const urls = Array.from({ length: 100 }, (_, i) => `${source.url}/png?seed=${i}`);
  assert.equal((await submit(url, key, urls)).status, 202);
  const next = await submit(url, key, urls.slice(0, 1));
  assert.equal(next.status, 429);
  assert.ok(next.headers['retry-after'] >= 30 && next.headers['retry-after'] <= 41, next.headers['retry-after']);
});

test('quotas: of jobs, of URLs, of bytes, of what is stored; raised while the server runs', { timeout: 120000 }, async (t) => {
  const source = await origin(t);
  const data = tempDir(t);
  const key = await addKey(data, 'k', '--limits', 'jobs_per_day=4,urls_per_month=5');
  const { url } = await bulb(t, data);
  const one = (n) => [`${source.url}/png?seed=${n}`];
  const first = await submit(url, key, [...one(1), ...one(2)]);
  assert.equal(first.status, 202);
  const { jobs_per_day: day, urls_per_month: month } = fields(first.headers.ratelimit);
  assert.equal(day.r, 3);
  assert.equal(month.r, 3);
  const midnight = 86400 - Math.floor(Date.now() / 1000) % 86400;
  assert.ok(Math.abs(day.t - midnight) <= 5 && month.t >= day.t, JSON.stringify({ day, month, midnight }));
  assert.equal(fields(first.headers['ratelimit-policy']).jobs_per_day.w, 86400);
  const usage = async () => (await ask('GET', `${url}/v1/usage`, key)).json.limits;
  const told = await usage();
  assert.deepEqual(Object.keys(told), ['jobs_per_day', 'urls_per_month']);
  assert.match((await run(['usage', '--server', url], { env: { BULB_KEY: key.key } })).out, /^limit: jobs_per_day 4, 3 left$/m);
  const { resets_at: end, ...today } = told.jobs_per_day;
  assert.deepEqual([today, told.urls_per_month.left], [{ limit: day.r + 1, left: day.r }, month.r]);
  assert.ok(/T00:00:00\.000Z$/.test(end) && Math.abs(Date.parse(end) - Date.now() - day.t * 1000) < 30000, end);
  const many = await submit(url, key, Array.from({ length: 4 }, (_, i) => one(10 + i)[0]));
  assert.equal(many.status, 429);
  assert.equal(many.json.code, 'quota_exceeded');
  assert.match(many.json.detail, /urls_per_month/);
  assert.ok(Math.abs(many.headers['retry-after'] - month.t) <= 5);
  const rush = await Promise.all(Array.from({ length: 20 }, (_, i) => submit(url, key, one(100 + i))));
  assert.equal(rush.filter((r) => r.status === 202).length, 3, 'twenty at once get what is left and no more');
  const set = async (limits) => {
    const r = await run(['key', 'limits', 'k', '--data', data, '--limits', limits]);
    assert.equal(r.code, 0, r.err);
  };
  const refusedBy = async (limit, n) => until(`${limit} to hold`, async () => {
    const r = await submit(url, key, one(n));
    return r.status === 429 && r.json.detail.includes(limit);
  });
  await set('jobs_per_day=none,urls_per_month=none,download_bytes_per_day=1');
  await refusedBy('download_bytes_per_day', 200);
  await set('download_bytes_per_day=none,stored_bytes=1');
  await refusedBy('stored_bytes', 201);
  assert.deepEqual(await usage(), { stored_bytes: { limit: 1, left: 0 } });
  await set('stored_bytes=none');
  await until('it to be lifted', async () => (await submit(url, key, one(300))).status === 202);
  const jobs = (await ask('GET', `${url}/v1/jobs?page_size=1000`, key)).json.jobs;
  for (const j of jobs) await finished(url, key, j.id);
  for (const j of jobs) assert.equal((await ask('DELETE', `${url}/v1/jobs/${j.id}?results=true`, key)).status, 204);
  await set('stored_bytes=1');
  await until('what was deleted to count no more', async () => (await submit(url, key, one(400))).status === 202);
});

test('the same request again is no second job, and costs no quota', async (t) => {
  const data = tempDir(t);
  const key = await addKey(data, 'k', '--limits', 'jobs_per_day=1');
  const { url } = await bulb(t, data);
  const put = (id) => ask('PUT', `${url}/v1/jobs/${id}`, key, { json: { urls: ['http://127.0.0.1:1/'], variants: small } });
  assert.equal((await put('a')).status, 202);
  assert.equal((await put('a')).status, 200);
  assert.equal((await put('b')).status, 429);
});

/** How many of `many`'s pictures were asked for while `few`'s one job of n was on its way. */
async function together(t, jobs, each, n) {
  const source = await origin(t);
  const data = tempDir(t);
  const [many, few] = [await addKey(data, 'many'), await addKey(data, 'few')];
  const { url } = await bulb(t, data, ['--workers', '4', '--per-host', '100']);
  const of = (who) => Object.entries(source.seen.hits).filter(([p]) => p.includes(`seed=${who}`)).length;
  const list = (who, k) => Array.from({ length: k }, (_, i) => `${source.url}/png?seed=${who}-${i}&delay=20`);
  await Promise.all(Array.from({ length: jobs }, (_, j) => submit(url, many, list(`many-${j}`, each))));
  await until('many to be under way', () => of('many') > 20);
  const before = of('many');
  const job = await submit(url, few, list('few', n));
  assert.equal(job.status, 202);
  await finished(url, few, job.json.id);
  return of('many') - before;
}

test('a tenant with a hundred jobs leaves another its half', { timeout: 180000 }, async (t) => {
  const went = await together(t, 100, 20, 100);
  assert.ok(went <= 250, `${went} of the hundred jobs' went before the last of the one's 100`);
});

test('and so does one with a thousand small jobs', { timeout: 180000 }, async (t) => {
  const went = await together(t, 1000, 1, 100);
  assert.ok(went <= 250, `${went} of the thousand jobs went before the last of the one's 100`);
});
