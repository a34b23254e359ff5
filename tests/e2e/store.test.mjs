// What the store promises of the whole server besides that nothing is lost (crash, power, disk-full):
// many requests share few commits, and an older binary keeps its hands off a newer folder.
import test from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { tempDir, bulb, get, post, run, sha256 } from '../lib/harness.mjs';
import { sql } from '../lib/database.mjs';

async function commits(base) {
  const { text } = await get(`${base}/metrics`);
  return Number(/^bulb_store_commits_total (\d+)/m.exec(text)?.[1] ?? 0);
}

test('200 concurrent POSTs cost at most 20 commits', async (t) => {
  const server = await bulb(t, tempDir(t), ['--workers', '0']);
  const before = await commits(server.url);
  const answers = await Promise.all(Array.from({ length: 200 }, (_, i) =>
    post(`${server.url}/v1/jobs`, { urls: [`https://a.test/${i}`] })));
  const cost = await commits(server.url) - before;
  t.diagnostic(`${cost} commits`);
  assert.deepEqual([...new Set(answers.map((r) => r.status))], [202]);
  assert.equal(new Set(answers.map((r) => r.json.id)).size, 200);
  assert.ok(cost > 0 && cost <= 20, `${cost} commits`);
});

test('a folder that a newer bulb wrote is refused and left as it is', async (t) => {
  const data = tempDir(t);
  const first = await bulb(t, data, ['--workers', '0']);
  const { id } = (await post(`${first.url}/v1/jobs`, { urls: ['https://a.test/1'] })).json;
  await first.stop();
  const [[version]] = await sql(data, 'SELECT version FROM meta');
  await sql(data, 'UPDATE meta SET version = version + 1; PRAGMA wal_checkpoint(TRUNCATE)');
  const before = sha256(readFileSync(join(data, 'bulb.db')));
  const r = await run(['serve', '--listen', '127.0.0.1:0', '--data', data]);
  assert.equal(r.code, 1);
  assert.match(r.err, /store_newer/);
  assert.match(r.err, new RegExp(`schema ${Number(version) + 1}; .* ${version}`));
  assert.equal(sha256(readFileSync(join(data, 'bulb.db'))), before);
  await sql(data, 'UPDATE meta SET version = version - 1');
  const again = await bulb(t, data, ['--workers', '0']);
  assert.equal((await get(`${again.url}/v1/jobs/${id}`)).status, 200);
});
