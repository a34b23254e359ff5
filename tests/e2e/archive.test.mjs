// The results of a job as a zip that is made while it is read.
import test from 'node:test';
import assert from 'node:assert/strict';
import http from 'node:http';
import { readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { unzipSync } from 'fflate';
import { after, bulb, call, ended, get, items, post, sanitized, sha256, tempDir, until } from '../lib/harness.mjs';
import { startOrigin } from '../lib/origin.mjs';

const variants = [{ name: 'a', width: 40, format: 'png' }, { name: 'b', width: 20, format: 'jpeg' }];

async function done(t, urls, args) {
  const origin = await startOrigin();
  after(t, () => origin.close());
  const data = tempDir(t);
  const server = await bulb(t, data, args);
  const job = await ended(server.url, (await post(`${server.url}/v1/jobs`, { urls: urls.map((u) => `${origin.url}${u}`), variants })).json.id);
  return { server, job, data, at: `${server.url}/v1/jobs/${job.id}/archive` };
}

test('every variant is in it, byte for byte, under the names of bulb run; equal names get a number', async (t) => {
  const { server, job, at } = await done(t, ['/png?seed=1', '/png?seed=2', '/status/404', '/x/../png?seed=3']);
  const zip = await get(at);
  assert.equal(zip.status, 200);
  assert.equal(zip.headers['content-type'], 'application/zip');
  assert.equal(zip.headers['content-disposition'], `attachment; filename="${job.id}.zip"`);
  const files = unzipSync(zip.bytes);
  const wanted = (await items(server.url, job.id)).flatMap((it) => it.variants.map((v) => v.sha256));
  assert.deepEqual(Object.values(files).map(sha256).sort(), wanted.sort());
  assert.deepEqual(Object.keys(files).sort(), ['png-a-2.png', 'png-a-3.png', 'png-a.png', 'png-b-2.jpg', 'png-b-3.jpg', 'png-b.jpg']);
});

test('one variant, the originals, none at all; with the job\'s token, HEAD, and a job that is not there', async (t) => {
  const { server, job, at } = await done(t, ['/png?seed=1', '/png?seed=2']);
  const names = async (query) => Object.keys(unzipSync((await get(`${at}${query}`)).bytes)).sort();
  assert.deepEqual(await names('?variant=b'), ['png-b-2.jpg', 'png-b.jpg']);
  assert.deepEqual(await names('?variant=original'), ['png-original-2.png', 'png-original.png']);
  assert.deepEqual(await names('?variant=nobody'), []);
  const token = new URL(job.events_url).searchParams.get('token');
  assert.equal((await get(`${at}?token=${token}`)).status, 200);
  const head = await call('HEAD', at);
  assert.deepEqual([head.status, head.bytes.length], [200, 0]);
  assert.equal((await get(`${server.url}/v1/jobs/nobody/archive`)).json.code, 'not_found');
  assert.equal((await get(`${at}?token=${token}x`)).status, 401);
});

test('a file that is gone is named in the archive, and the others are there', async (t) => {
  const { server, job, data, at } = await done(t, ['/png?seed=1']);
  const [item] = await items(server.url, job.id);
  rmSync(join(data, 'blobs', item.variants[0].key));
  const files = unzipSync((await get(at)).bytes);
  assert.deepEqual(Object.keys(files).sort(), ['png-a.missing.txt', 'png-b.jpg']);
  assert.match(Buffer.from(files['png-a.missing.txt']).toString(), new RegExp(item.variants[0].key));
});

test('a reader who stops holds a few files of the server, no more memory, and lets go of them', async (t) => {
  const { server, job, data, at } = await done(t, Array.from({ length: 20 }, (_, i) => `/png?seed=${i}`));
  for (const item of await items(server.url, job.id)) writeFileSync(join(data, 'blobs', item.variants[0].key), Buffer.alloc(4 << 20));
  const dir = `/proc/${server.pid}/fd`;
  const target = (fd) => {
    try {
      return readlinkSync(join(dir, fd));
    } catch {
      return ''; // closed meanwhile
    }
  };
  const files = () => readdirSync(dir).filter((fd) => /\/blobs\/.*\.(png|jpg)$/.test(target(fd))).length;
  writeFileSync(`/proc/${server.pid}/clear_refs`, '5');
  const rss = (name) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(readFileSync(`/proc/${server.pid}/status`, 'utf8'))[1]) / 1024;
  const start = rss('VmRSS');
  const stopped = await Promise.all(Array.from({ length: 16 }, () => new Promise((ok, fail) => {
    const req = http.get(at, { agent: false }, (res) => res.once('readable', () => ok(req)));
    req.on('error', fail);
  })));
  const whole = await get(`${at}?variant=b`); // others are served meanwhile
  assert.equal(Object.keys(unzipSync(whole.bytes)).length, 20);
  const grown = rss('VmHWM') - start;
  assert.ok(sanitized || grown < 48, `${grown} MB for 16 readers of 80 MB each`);
  assert.ok(files() > 0 && files() <= stopped.length, `${files()} files are open`);
  for (const req of stopped) req.destroy();
  await until('their files to be closed', () => files() === 0);
});
