// What was used, paid and saved: GET /v1/usage, bulb usage, dry runs, and a retry that confirms a charge.
import test from 'node:test';
import assert from 'node:assert/strict';
import { get, post, run } from '../lib/harness.mjs';
import { cutSite, put, submit, result, usage, rgba } from '../lib/cutouts.mjs';
import sharp from 'sharp';

const picture = (color) => sharp({ create: { width: 200, height: 160, channels: 3, background: color } }).png().toBuffer();
const paid = { engine: 'remote', max_cost: 5 };

test('a paid cut-out is spent once; the same bytes under another URL are saved', async (t) => {
  const s = await cutSite(t, { paid: {} });
  const bytes = await picture('#a31');
  const first = await result(s, await submit(s, [put(s, bytes)], paid));
  const again = await result(s, await submit(s, [put(s, bytes)], paid));
  assert.equal(first.items[0].cutout.cost, 1);
  assert.equal(again.items[0].cutout.status, 'succeeded');
  assert.equal(s.bg.spent, 1);
  const u = await usage(s);
  assert.deepEqual([u.totals.jobs, u.totals.items, u.totals.paid_calls], [2, 2, 1]);
  assert.deepEqual(u.limits, {}, 'without a key nothing is limited');
  assert.deepEqual(u.credits, { spent: 1, unknown: 0, reserved: 0, limit: null });
  assert.deepEqual([u.saved.paid_calls, u.saved.credits], [1, 1]);
  assert.equal(u.days.length, 1);
  const cli = await run(['usage', '--server', s.base]);
  assert.equal(cli.code, 0, cli.err);
  assert.match(cli.out, /^total +2 +2 /m);
  assert.match(cli.out, /credits: 1 spent, 0 unknown, 0 reserved/);
  assert.deepEqual(JSON.parse((await run(['usage', '--json', '--server', s.base])).out), u);
  assert.equal((await run(['usage', '--since', 'monday', '--server', s.base])).code, 1);
});

test('the month\'s limit is told', async (t) => {
  const s = await cutSite(t, { paid: {}, args: ['--max-cost-month', '7.5'] });
  assert.equal((await usage(s)).credits.limit, 7.5);
  assert.match((await run(['usage', '--server', s.base])).out, /at most 7\.5 in a month/);
});

test('a dry run tells what a job would fetch, make and pay, and the job then does that', async (t) => {
  const s = await cutSite(t, { paid: {} });
  const url = put(s, await picture('#173'));
  const ask = async () => (await post(`${s.base}/v1/jobs`,
    { urls: [url], variants: [{ name: 'a', width: 32, format: 'jpeg' }], background: { remove: true, ...paid }, dry_run: true })).json;
  const before = await ask();
  assert.deepEqual(before, { dry_run: true, counts: { total: 1, duplicates: 0 },
    estimate: { downloads: 1, revalidations: 0, encodes: 1, cutouts: 1, paid_calls: 1, cost: 1, hits: 0 } });
  assert.equal((await get(`${s.base}/v1/jobs`)).json.jobs.length, 0);
  assert.equal(s.bg.calls.length, 0);
  await result(s, await submit(s, [url], paid));
  assert.equal(s.bg.spent, 1);
  const { estimate } = await ask();
  assert.deepEqual(estimate, { downloads: 0, revalidations: 0, encodes: 0, cutouts: 0, paid_calls: 0, cost: 0, hits: 1 });
  const cli = await run(['submit', '--dry-run', '--background', JSON.stringify({ remove: true, ...paid }), '--server', s.base, url]);
  assert.equal(cli.code, 0, cli.err);
  assert.match(cli.out, /at most 0 paid calls for 0 credits/); // the bytes are bought, whatever is made of them
});

test('what may have been charged is bought again only when the retry confirms it', { timeout: 120000 }, async (t) => {
  const s = await cutSite(t, { paid: {}, args: ['--provider-timeout', '20s'] });
  s.bg.next('reset');
  const id = await submit(s, [put(s, await picture('#317'))], paid);
  const { job, items: [item] } = await result(s, id);
  assert.equal(job.status, 'partial');
  assert.equal(item.cutout.error.code, 'matte_charge_unknown');
  assert.equal((await usage(s)).credits.unknown, 1);
  const plain = await run(['retry', id, '--server', s.base]);
  assert.equal(plain.code, 0, plain.err);
  assert.equal((await result(s, id)).items[0].cutout.status, 'failed');
  assert.equal(s.bg.calls.length, 1);
  const sure = await run(['retry', id, '--confirm-charge', '--server', s.base]);
  assert.equal(sure.code, 0, sure.err);
  const after = await result(s, id);
  assert.equal(after.job.status, 'succeeded');
  assert.equal(after.items[0].cutout.cost, 1);
  assert.equal((await rgba(after.items[0].cutout)).width, 200);
  const { credits } = await usage(s);
  assert.deepEqual([credits.spent, credits.unknown], [1, 1]);
});
