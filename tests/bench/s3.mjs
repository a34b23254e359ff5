// Small blobs into a bucket: 1,000 PUTs over one kept-alive connection against a bare libcurl loop, in
// turns. The goal counts against OpenStack Swift, a real bucket; a server that does nothing but answer
// shows what signing and digests cost by themselves.
import http from 'node:http';
import { once } from 'node:events';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { join } from 'node:path';
import { build } from '../lib/harness.mjs';
import { machine, row } from '../lib/bench.mjs';
import { keys, missing, swift } from '../lib/swift.mjs';

const run = promisify(execFile);
const hooks = [];
const t = { after: (f) => hooks.push(f) };
const puts = Number(process.env.BENCH_PUTS ?? 1000);

async function measure(env, bytes) {
  const all = { ...process.env, ...env };
  await run(join(build, 'tests/unit/blob/s3_tool'), ['s3://bench', 'make-bucket'], { env: all });
  const { stdout } = await run(join(build, 'tests/bench/bench_s3'), ['s3://bench', `${puts}`, `${bytes}`], { env: all });
  const [ours, bare] = stdout.trim().split(' ').map(Number);
  return { rate: (puts * 1e6) / ours, share: bare / ours, extra: (ours - bare) / puts };
}

const nothing = http.createServer((req, res) => {
  req.resume();
  req.on('end', () => res.writeHead(200, { 'content-length': 0, etag: '"x"' }).end());
}).listen(0, '127.0.0.1');
await once(nothing, 'listening');
console.log(`S3 PUT, ${puts} of 10 kB in a row over one connection (${machine()})`);
try {
  const own = await measure({ ...keys, AWS_ENDPOINT_URL_S3: `http://127.0.0.1:${nothing.address().port}` }, 10000);
  row('a server that only answers: what we add to libcurl', `${Math.round(own.extra)} µs a PUT`);
  if (missing) throw new Error(missing);
  const real = await measure((await swift(t)).env, 10000);
  row('OpenStack Swift: ours', `${Math.round(real.rate)}/s`);
  row('OpenStack Swift: share of a bare libcurl loop', `${Math.round(real.share * 100)} %`, '≥ 90 %', real.share >= 0.9);
} finally {
  nothing.closeAllConnections();
  nothing.close();
  for (const f of hooks.reverse()) await f();
}
