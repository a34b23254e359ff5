// The processes in which models look at strangers' pictures are locked in as those without a model
// are, every thread of the runtime; and no secret is within their reach, that of the provider least.
import test from 'node:test';
import assert from 'node:assert/strict';
import { createHmac, randomBytes } from 'node:crypto';
import { readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { sanitized, until } from '../lib/harness.mjs';
import { assertModels, cut, cutSite, KEY, matteRoom, plainRoom, put, result, submit } from '../lib/cutouts.mjs';
import { composite } from '../lib/composites.mjs';
import { searchMemory, status, ticks } from '../lib/processes.mjs';

const notRoot = process.getuid() !== 0 && 'only root may look into a child';
const pear = await composite('pear', { width: 400, height: 300 });

test('a process with a model is jailed, at work and at rest, all threads of it', { skip: notRoot, timeout: 60000 }, async (t) => {
  assertModels();
  const s = await cutSite(t, { args: ['--matte-threads', '3'] });
  const large = await composite('cat', { width: 2400, height: 1800 });
  const id = await submit(s, [put(s, large.jpeg, 'jpg')], {});
  const pid = await until('the model to be busy', () => (matteRoom(s)?.children ?? []).find((p) => ticks(p) >= 10), 30000);
  const fds = [];
  const look = () => {
    const threads = readdirSync(`/proc/${pid}/task`);
    fds.push(readdirSync(`/proc/${pid}/fd`).length);
    for (const tid of threads) {
      const at = `${pid}/task/${tid}`;
      assert.equal(status(at, 'Seccomp'), '2');
      assert.equal(status(at, 'NoNewPrivs'), '1');
      assert.equal(status(at, 'CapEff'), '0000000000000000');
      assert.equal(status(at, 'Uid'), '65534\t65534\t65534\t65534');
    }
    return threads.length;
  };
  look();
  const { items: [item] } = await result(s, id);
  assert.equal(item.cutout.status, 'succeeded');
  await cut(s, [put(s, pear.png)], {});
  assert.deepEqual(matteRoom(s).children, [pid], 'the same process serves again');
  assert.ok(look() >= 3, 'the threads of the runtime');
  assert.ok(Math.max(...fds) <= 5, `it has ${fds} descriptors`);
  assert.equal(readFileSync(`/proc/${pid}/environ`).length, 0);
  assert.equal(readFileSync(`/proc/${matteRoom(s).keeper}/environ`).length, 0);
  assert.notEqual(readlinkSync(`/proc/${pid}/ns/net`), readlinkSync('/proc/self/ns/net'), 'no network');
  const files = readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(join(`/proc/${pid}/fd`, fd)));
  assert.ok(!files.some((f) => f.startsWith(s.data) || f.startsWith(s.folder)), `open: ${files}`);
});

const noSearch = notRoot || (sanitized && 'a sanitizer has too much memory');
test('no secret is in the memory of a process that cuts out, not the provider\'s key either', { skip: noSearch, timeout: 60000 }, async (t) => {
  assertModels();
  const environment = `planted-${randomBytes(16).toString('hex')}`;
  const s = await cutSite(t, { paid: {}, env: { PLANTED: environment } });
  await cut(s, [put(s, pear.png)], { engine: 'remote', max_cost: 1 }); // prepared and put together in the plain one
  await cut(s, [put(s, pear.png)], { engine: 'local' });
  const root = readFileSync(join(s.data, 'secret'));
  const keys = ['bulb link', 'bulb seal'].map((name) => createHmac('sha256', root).update(name).digest());
  const secrets = [Buffer.from(KEY), Buffer.from(environment), ...keys];
  assert.equal(searchMemory(s.server.pid, secrets).found, 4, 'the search finds what is there');
  const rooms = [matteRoom(s), plainRoom(s)];
  for (const pid of rooms.flatMap((r) => [r.keeper, ...r.children])) {
    const { found, looked } = searchMemory(pid, [...secrets, root]);
    assert.equal(found, 0, `${pid} of ${JSON.stringify(rooms)}`);
    assert.ok(looked > 1 << 20, `only ${looked} bytes could be read`);
  }
  assert.ok(rooms.every((r) => r.children.length > 0));
});
