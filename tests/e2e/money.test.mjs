// What may be paid and what may not, against a stand-in that keeps its own books: budgets stop
// exactly where they say, every answer of a provider ends as the right code and the right count, what
// was bought is never bought again, and the key is nobody's to see.
import test from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import sharp from 'sharp';
import { call, freePort, get, post, run, until } from '../lib/harness.mjs';
import { assertModels, collect, cut, cutBytes, cutSite, KEY, put, result, rgba, said, small, submit, usage } from '../lib/cutouts.mjs';
import { composite } from '../lib/composites.mjs';
import { audit } from '../lib/money.mjs';
import { family } from '../lib/processes.mjs';
import { check, checkFolder } from '../lib/checker.mjs';

const remote = (max_cost, more) => ({ engine: 'remote', max_cost, ...more });
const pictures = (s, n, from = 1) => Array.from({ length: n }, (_, i) => `${s.origin.url}/png?seed=${from + i}`);
const codes = (list) => {
  const by = {};
  for (const { cutout } of list) by[cutout.error?.code ?? cutout.status] = (by[cutout.error?.code ?? cutout.status] ?? 0) + 1;
  return by;
};

/** Everything is over: no fault in the jobs, the books agree, and the key was never said. */
async function close(s, ids, opts) {
  assert.deepEqual(await check(s.base, ids), []);
  assert.deepEqual(await audit(s.base, s.bg, ids, opts), []);
  assert.ok(!said(s).includes(KEY), 'the key is in a log');
  for (const path of ['/metrics', '/v1/usage', '/v1/jobs', ...ids.map((id) => `/v1/jobs/${id}/items`), ...ids.map((id) => `/v1/jobs/${id}/events?after=0`)])
    assert.ok(!(await get(s.base + path)).text.includes(KEY), `the key is in ${path}`);
}

test('nothing is paid unless max_cost allows it', { timeout: 60000 }, async (t) => {
  const s = await cutSite(t, { paid: {} });
  const ids = [];
  for (const background of [{ engine: 'remote' }, remote(0), remote(0.5), { engine: 'auto', model: 'none' }]) {
    const { id, job, items: [item] } = await cut(s, pictures(s, 1), background);
    ids.push(id);
    assert.equal(job.status, 'partial');
    assert.equal(item.cutout.error.code, background.engine === 'auto' ? 'matte_unavailable' : 'matte_budget');
  }
  assert.equal(s.bg.calls.length, 0);
  assert.equal((await usage(s)).credits.spent, 0);
  await close(s, ids);
});

test('fifty cut-outs at a time under max_cost 5 make exactly five charges', { timeout: 60000 }, async (t) => {
  const s = await cutSite(t, { paid: {}, args: ['--workers', '64', '--per-host', '50'] });
  const { id, job, items } = await cut(s, pictures(s, 50), remote(5));
  assert.deepEqual(codes(items), { succeeded: 5, matte_budget: 45 });
  assert.equal(s.bg.calls.length, 5);
  assert.equal(s.bg.spent, 5);
  assert.equal(job.status, 'partial');
  assert.equal(job.counts.succeeded, 50);
  const { credits } = await usage(s);
  assert.deepEqual([credits.spent, credits.unknown, credits.reserved], [5, 0, 0]);
  await close(s, [id], { budget: 5 });
});

test('a reservation that was not needed is there for the next', { timeout: 60000 }, async (t) => {
  const s = await cutSite(t, { paid: {}, args: ['--workers', '64', '--max-tries', '1'] });
  s.bg.mode = (c) => (s.bg.calls.indexOf(c) < 10 ? 'unknown_foreground' : 'ok');
  const { id, items } = await cut(s, pictures(s, 40), remote(3));
  const by = codes(items);
  assert.equal(s.bg.spent, 3);
  assert.equal(by.succeeded, 3);
  assert.equal(by.matte_no_foreground, 10, 'what had no subject was free');
  await close(s, [id], { budget: 3 });
});

test('an item\'s own max_cost is its own limit, and the sum of them that of a job without one', { timeout: 60000 }, async (t) => {
  const s = await cutSite(t, { paid: {} });
  const own = pictures(s, 4).map((url, i) => ({ url, background: { remove: true, ...remote(i % 2) } }));
  const r = await post(`${s.base}/v1/jobs`, { urls: own, variants: small });
  const { id, items } = await result(s, r.json.id);
  assert.deepEqual(items.map((it) => it.cutout.error?.code ?? 'paid'), ['matte_budget', 'paid', 'matte_budget', 'paid']);
  assert.equal(s.bg.spent, 2);
  await close(s, [id], { budget: 2 });
});

test('a month\'s limit holds over all jobs', { timeout: 60000 }, async (t) => {
  const s = await cutSite(t, { paid: {}, args: ['--max-cost-month', '3'] });
  const a = await cut(s, pictures(s, 2), remote(100));
  const b = await cut(s, pictures(s, 10, 50), remote(100));
  assert.deepEqual(codes(a.items), { succeeded: 2 });
  assert.deepEqual(codes(b.items), { succeeded: 1, matte_budget: 9 });
  assert.equal(s.bg.spent, 3);
  assert.equal((await usage(s)).credits.limit, 3);
  await close(s, [a.id, b.id], { budget: 3 });
});

// How the provider may answer → code, charged by it, spent and unknown as bulb counts them, calls.
const answers = [
  ['402: no credits', { mode: 'status', status: 402, code: 'insufficient_credits' }, 'matte_provider', 0, 0, 1],
  ['403: the key', { mode: 'status', status: 403, code: 'auth_failed' }, 'matte_provider', 0, 0, 1],
  ['400: the picture', 400, 'matte_provider', 0, 0, 1],
  ['400: no subject', 'unknown_foreground', 'matte_no_foreground', 0, 0, 1],
  ['500 each time', 500, 'matte_provider', 0, 0, 2],
  ['503 once', [503], 'succeeded', 1, 0, 2],
  ['502: a gateway lost sight of it', 502, 'matte_charge_unknown', 0, 1, 1],
  ['reset after the charge', 'reset', 'matte_charge_unknown', 0, 1, 1],
  ['reset before it', { mode: 'reset', charge: false }, 'matte_charge_unknown', 0, 1, 1],
  ['silence', 'hang', 'matte_charge_unknown', 0, 1, 1],
  ['half of an answer', 'cut', 'matte_charge_unknown', 0, 1, 1],
  ['half of one without a length', 'cut_quietly', 'matte_charge_unknown', 0, 1, 1],
  ['garbage', 'garbage', 'matte_charge_unknown', 0, 1, 1],
  ['a page', 'wrong_type', 'matte_charge_unknown', 0, 1, 1],
  ['nothing', 'empty', 'matte_charge_unknown', 0, 1, 1],
  ['slowly', { mode: 'slow', ms: 300 }, 'succeeded', 1, 0, 1],
  ['reset when the head has come: nobody knows what was read', 'early_reset', 'matte_charge_unknown', 0, 1, 0],
];
test('whatever a provider answers ends as the right code and the right count', { timeout: 120000 }, async (t) => {
  await Promise.all(answers.map(async ([what, mode, code, spent, unknown, calls], i) => {
    const s = await cutSite(t, { paid: {}, args: ['--max-tries', '2', '--provider-timeout', '2s', '--workers', '4', '--darkrooms', '1'] });
    if (Array.isArray(mode)) s.bg.next(...mode);
    else s.bg.mode = mode;
    const { id, job, items: [item] } = await cut(s, pictures(s, 1, i), remote(10));
    assert.equal(item.status, 'succeeded', what);
    assert.equal(item.cutout.error?.code ?? item.cutout.status, code, `${what}: ${JSON.stringify(item.cutout)}`);
    const { credits } = await usage(s);
    assert.deepEqual([credits.spent, credits.unknown, credits.reserved], [spent, unknown, 0], what);
    assert.equal(s.bg.calls.length, calls, `${what}: calls`);
    assert.equal(job.status, ['succeeded', 'matte_no_foreground'].includes(code) ? 'succeeded' : 'partial', what);
    await close(s, [id]);
    await s.server.stop('SIGKILL');
  }));
});

test('429 with Retry-After is waited for, and nothing else waits with it', { timeout: 60000 }, async (t) => {
  const s = await cutSite(t, { paid: {} });
  const at = [];
  s.bg.events.on('received', () => at.push(performance.now()));
  s.bg.next({ mode: 'rate_limited', after: 2 });
  const id = await submit(s, pictures(s, 1), remote(1));
  await s.bg.received();
  const plain = await cut(s, pictures(s, 5, 20), { remove: false });
  assert.equal(plain.job.status, 'succeeded');
  assert.equal(at.length, 1, 'it still waits');
  const { items: [item] } = await result(s, id);
  assert.equal(item.cutout.status, 'succeeded');
  assert.ok(at[1] - at[0] >= 1990, `asked again after ${Math.round(at[1] - at[0])} ms`);
  assert.equal(s.bg.spent, 1);
  await close(s, [id], { budget: 1 });
});

test('above ten megapixels the zip form is asked for, and comes out as large as it went in', { timeout: 60000 }, async (t) => {
  const s = await cutSite(t, { paid: { matte: 'white' } });
  const [width, height] = [4000, 2700];
  const disc = Buffer.from(`<svg width="${width}" height="${height}"><rect width="100%" height="100%" fill="#fff"/>
    <circle cx="2000" cy="1350" r="900" fill="#c30"/></svg>`);
  const { job, cutout } = await cutBytes(s, await sharp(disc).flatten().jpeg().toBuffer(), remote(5));
  assert.equal(job.status, 'succeeded', JSON.stringify(cutout));
  assert.equal(s.bg.calls[0].format, 'zip');
  assert.equal(s.bg.calls[0].size, 'full');
  assert.deepEqual([cutout.width, cutout.height], [width, height]);
  const out = await rgba(cutout);
  assert.equal(out.alpha[0], 0);
  assert.equal(out.alpha[1350 * width + 2000], 255);
  assert.ok(Math.abs(out.data[4 * (1350 * width + 2000)] - 0xcc) < 8);
  await close(s, [job.id]);
});

const pear = await composite('pear', { width: 400, height: 300 });
const other = await composite('leaf', { width: 400, height: 300 });

test('auto asks the provider only where the model is not sure, and says why', { timeout: 60000 }, async (t) => {
  assertModels();
  const sure = await cutSite(t, { paid: {}, args: ['--matte-threshold', '0.5'] });
  const a = await cutBytes(sure, pear.jpeg, { engine: 'auto', max_cost: 5 });
  assert.deepEqual([a.cutout.engine, a.cutout.reason, a.cutout.cost], ['local:u2netp', 'confident', 0]);
  assert.equal(sure.bg.calls.length, 0);
  const unsure = await cutSite(t, { paid: {}, args: ['--matte-threshold', '1'] });
  const b = await cutBytes(unsure, pear.jpeg, { engine: 'auto', max_cost: 1 });
  assert.deepEqual([b.cutout.engine, b.cutout.reason, b.cutout.cost], ['remote:127.0.0.1', 'low_confidence', 1]);
  const c = await cutBytes(unsure, other.jpeg, { engine: 'auto' });
  assert.deepEqual([c.cutout.engine, c.cutout.reason], ['local:u2netp', 'no_budget']);
  unsure.bg.mode = 'reset';
  const kite = await composite('kite', { width: 400, height: 300 });
  const d = await cutBytes(unsure, kite.jpeg, { engine: 'auto', max_cost: 1 });
  assert.deepEqual([d.job.status, d.cutout.engine, d.cutout.reason], ['succeeded', 'local:u2netp', 'charge_unknown']);
  assert.deepEqual([unsure.bg.spent, (await usage(unsure)).credits.spent, (await usage(unsure)).credits.unknown], [2, 1, 1]);
  await close(unsure, [b.job.id, c.job.id, d.job.id]);
  const poor = await cutSite(t, { args: ['--matte-threshold', '1'] });
  const e = await cutBytes(poor, pear.jpeg, { engine: 'auto', max_cost: 5 });
  assert.deepEqual([e.cutout.engine, e.cutout.reason], ['local:u2netp', 'no_provider']);
});

test('a provider that is away opens the breaker: auto goes on with the model and asks no more', { timeout: 90000 }, async (t) => {
  assertModels();
  const s = await cutSite(t, { paid: {}, args: ['--matte-threshold', '1', '--max-tries', '1'] });
  s.bg.mode = 503;
  const many = await Promise.all(Array.from({ length: 9 }, async (_, i) =>
    put(s, await sharp(pear.png).modulate({ brightness: 1 + i / 100 }).png().toBuffer())));
  const { id, job, items } = await cut(s, many, { engine: 'auto', max_cost: 50 });
  assert.equal(job.status, 'succeeded');
  for (const { cutout } of items) assert.deepEqual([cutout.engine, cutout.reason], ['local:u2netp', 'provider_failed']);
  assert.ok(s.bg.calls.length >= 5 && s.bg.calls.length <= 7, `${s.bg.calls.length} calls`);
  assert.equal((await get(`${s.base}/readyz`)).status, 200, 'a paid service is no part of being ready');
  await close(s, [id], { budget: 0 });
  const dead = await cutSite(t, { env: { BULB_PROVIDER_KEY: KEY },
    args: ['--matte-threshold', '1', '--max-tries', '1', '--provider-url', `http://127.0.0.1:${await freePort()}/v1.0`] });
  const one = await cutBytes(dead, pear.jpeg, { engine: 'auto', max_cost: 5 });
  assert.deepEqual([one.cutout.engine, one.cutout.reason], ['local:u2netp', 'provider_failed']);
});

test('an answer that was bought serves every finish: crop, fill and format cost nothing more', { timeout: 60000 }, async (t) => {
  const s = await cutSite(t, { paid: {} });
  const [url] = pictures(s, 1);
  const ids = [];
  for (const more of [{}, { crop: true }, { fill: '#ff0000' }, { format: 'webp' }, { apply: 'both' }, { crop: true, margin: '5%', format: 'webp' }]) {
    const { id, job, items: [item] } = await cut(s, [url], remote(1, more));
    assert.equal(item.cutout.status, 'succeeded', JSON.stringify(more));
    assert.equal(job.savings.paid_calls, ids.length ? 1 : 0, JSON.stringify(more));
    ids.push(id);
  }
  assert.equal(s.bg.calls.length, 1);
  const u = await usage(s);
  assert.deepEqual([u.credits.spent, u.saved.paid_calls, u.saved.credits, u.totals.paid_calls], [1, 5, 5, 1]);
  await close(s, ids, { budget: 1 });
  await s.restart('SIGTERM');
  assert.equal((await cut(s, [url], remote(1, { fill: '#00ff00' }))).items[0].cutout.status, 'succeeded');
  assert.equal(s.bg.calls.length, 1, 'after a restart as well');
});

test('an unknown charge is not bought again until somebody confirms, by retry or by a new job', { timeout: 60000 }, async (t) => {
  const s = await cutSite(t, { paid: {} });
  const urls = pictures(s, 2);
  s.bg.mode = 'reset';
  const first = await cut(s, urls, remote(2));
  assert.deepEqual(codes(first.items), { matte_charge_unknown: 2 });
  assert.equal(first.items[0].cutout.error.retryable, false);
  s.bg.mode = 'ok';
  const again = await call('POST', `${s.base}/v1/jobs/${first.id}/retry`);
  assert.equal(again.status, 200, 'retry alone does not reach them');
  const next = await cut(s, urls, remote(2));
  assert.deepEqual(codes(next.items), { matte_charge_unknown: 2 }, 'nor does another job');
  assert.equal(s.bg.calls.length, 2);
  const confirmed = await cut(s, urls.slice(0, 1), remote(1, { confirm_charge: true }));
  assert.deepEqual(codes(confirmed.items), { succeeded: 1 });
  const r = await post(`${s.base}/v1/jobs/${next.id}/retry`, { confirm_charge: true });
  assert.equal(r.status, 202, r.text);
  assert.deepEqual(codes((await result(s, next.id)).items), { succeeded: 2 });
  assert.equal(s.bg.calls.length, 4);
  const { credits } = await usage(s);
  assert.deepEqual([credits.spent, credits.unknown], [2, 2]);
  await close(s, [first.id, next.id, confirmed.id], { confirmed: new Map([...s.bg.charged.keys()].map((sha) => [sha, 1])) });
});

test('a confirmed try that finds no subject says so, and what was unknown stays unknown', { timeout: 60000 }, async (t) => {
  const s = await cutSite(t, { paid: {} });
  const urls = pictures(s, 1);
  s.bg.mode = 'reset';
  const first = await cut(s, urls, remote(2));
  assert.deepEqual(codes(first.items), { matte_charge_unknown: 1 });
  s.bg.mode = 'unknown_foreground';
  assert.equal((await post(`${s.base}/v1/jobs/${first.id}/retry`, { confirm_charge: true })).status, 202);
  assert.deepEqual(codes((await result(s, first.id)).items), { matte_no_foreground: 1 });
  s.bg.mode = 'ok';
  const { credits } = await usage(s);
  assert.deepEqual([credits.spent, credits.unknown, credits.reserved, s.bg.spent], [0, 1, 0, 1]);
  const confirmers = new Set([first.id]), opts = { confirmers, data: s.data };
  await close(s, [first.id], opts);
  assert.match((await audit(s.base, s.bg, [first.id], { data: s.data })).join(), /was charged, its cut-outs say matte_no_foreground/, 'nobody may end so who did not confirm');
  const next = await cut(s, urls, remote(2));
  assert.equal(s.bg.calls.length, 2, `not asked again without a word: ${JSON.stringify(codes(next.items))}`);
  await close(s, [first.id, next.id], opts);
});

test('two that want the same bytes finished in two ways at the same time make one call', { timeout: 60000 }, async (t) => {
  const s = await cutSite(t, { paid: {} });
  s.bg.mode = { mode: 'ok', delay: 300 };
  const urls = pictures(s, 3);
  const ids = await Promise.all([{}, { crop: true }, { fill: '#000000' }, { format: 'webp' }].map((more) => submit(s, urls, remote(3, more))));
  for (const id of ids) assert.deepEqual(codes((await result(s, id)).items), { succeeded: 3 });
  assert.equal(s.bg.calls.length, 3);
  assert.equal((await usage(s)).credits.spent, 3);
  await close(s, ids, { budget: 3, data: s.data });
});

test('one who pays and one who does not want the same: each gets what it asked for, and then it is free', { timeout: 60000 }, async (t) => {
  const s = await cutSite(t, { paid: {} });
  s.bg.mode = { mode: 'ok', delay: 200 };
  const [url] = pictures(s, 1);
  const [paying, poor] = await Promise.all([cut(s, [url], remote(1)), cut(s, [url], remote(0))]);
  assert.deepEqual(codes(paying.items), { succeeded: 1 });
  assert.ok(['matte_budget', 'succeeded'].includes(Object.keys(codes(poor.items))[0]), 'it may have come late enough');
  const later = await cut(s, [url], remote(0));
  assert.deepEqual(codes(later.items), { succeeded: 1 }, 'what is there costs nothing');
  const other = await cut(s, [url], remote(0, { crop: true }));
  assert.deepEqual(codes(other.items), { succeeded: 1 }, 'finished in another way neither');
  assert.equal(s.bg.calls.length, 1);
  await close(s, [paying.id, poor.id, later.id, other.id], { budget: 1 });
});

test('a server that is told to end waits for an answer that is paid for', { timeout: 60000 }, async (t) => {
  const s = await cutSite(t, { paid: {}, args: ['--drain', '20s'] });
  let release;
  s.bg.mode = () => new Promise((ok) => (release = ok));
  const id = await submit(s, pictures(s, 1), remote(1));
  await s.bg.received();
  const ended = s.server.stop('SIGTERM');
  await until('it to take no more', async () => (await get(`${s.base}/readyz`).catch(() => ({ status: 0 }))).status !== 200);
  release('ok');
  assert.equal((await ended).code, 0);
  s.bg.mode = 'ok';
  await s.serve();
  assert.deepEqual(codes((await result(s, id)).items), { succeeded: 1 });
  assert.equal(s.bg.calls.length, 1);
  await close(s, [id], { budget: 1 });
});

test('answers are kept as long as results; when they have gone the same is bought anew', { timeout: 60000 }, async (t) => {
  const s = await cutSite(t, { paid: {} });
  const urls = pictures(s, 2);
  const first = await cut(s, urls, remote(5));
  assert.equal((await call('DELETE', `${s.base}/v1/jobs/${first.id}`)).status, 204);
  await collect(s, ['--keep-results', '0']);
  assert.deepEqual(await checkFolder(s.data), []);
  await s.serve();
  const again = await cut(s, urls, remote(5));
  assert.deepEqual(codes(again.items), { succeeded: 2 });
  assert.equal(s.bg.calls.length, 4);
  assert.equal((await usage(s)).credits.spent, 4);
  await close(s, [again.id], { confirmed: new Map([...s.bg.charged.keys()].map((sha) => [sha, 1])) });
});

test('a dry run pays nothing and foretells what a real one does', { timeout: 60000 }, async (t) => {
  const s = await cutSite(t, { paid: {} });
  await cut(s, pictures(s, 1), remote(5));
  const body = { urls: pictures(s, 4), variants: small, background: { remove: true, ...remote(2) } };
  const dry = await post(`${s.base}/v1/jobs`, { ...body, dry_run: true });
  assert.equal(dry.status, 200, dry.text);
  assert.equal(dry.json.dry_run, true);
  const { estimate } = dry.json;
  assert.equal(s.bg.calls.length, 1);
  assert.deepEqual([estimate.downloads, estimate.encodes, estimate.hits], [3, 3, 1]);
  assert.ok(estimate.cost <= 2 && estimate.cost >= 1, `it foretells ${estimate.cost}`);
  assert.equal((await get(`${s.base}/v1/jobs`)).json.jobs.length, 1);
  const { id } = await cut(s, body.urls, body.background);
  assert.equal(s.bg.spent - 1, estimate.cost, 'no more and no less');
  await close(s, [id]);
});

test('usage and bulb usage show what was spent, saved, and may have been', { timeout: 60000 }, async (t) => {
  const s = await cutSite(t, { paid: {} });
  await cut(s, pictures(s, 3), remote(3));
  await cut(s, pictures(s, 2), remote(3, { crop: true }));
  s.bg.mode = 'cut';
  await cut(s, pictures(s, 1, 40), remote(3));
  const u = await usage(s);
  assert.deepEqual([u.credits.spent, u.credits.unknown, u.saved.paid_calls, u.saved.credits], [3, 1, 2, 2]);
  assert.deepEqual([u.totals.paid_calls, u.totals.unknown_calls, u.days.length], [3, 1, 1]);
  const cli = await run(['usage', '--server', s.base]);
  assert.equal(cli.code, 0, cli.err);
  for (const n of [/spent.*3|3.*spent/is, /unknown/i, /saved/i]) assert.match(cli.out, n);
  const metrics = (await get(`${s.base}/metrics`)).text;
  assert.match(metrics, /^bulb_provider_calls_total\{outcome="ok"\} 3$/m);
  assert.match(metrics, /^bulb_provider_calls_total\{outcome="unknown"\} 1$/m);
});

test('the key stands on no command line, nor in the environment of a child; another key is told as that', { timeout: 30000 }, async (t) => {
  const s = await cutSite(t, { paid: {}, args: ['--log-level', 'debug'] });
  const { id } = await cut(s, pictures(s, 2), remote(2));
  assert.ok(said(s).length > 0);
  for (const pid of family(s.server.pid)) {
    assert.ok(!readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(KEY));
    assert.ok(pid === s.server.pid || !readFileSync(`/proc/${pid}/environ`, 'latin1').includes(KEY));
  }
  s.bg.key = 'another';
  const { items: [item] } = await cut(s, pictures(s, 1, 9), remote(1));
  assert.equal(item.cutout.error.code, 'matte_provider');
  assert.match(item.cutout.error.detail, /key/i);
  await close(s, [id]);
});
