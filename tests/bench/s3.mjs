// Small blobs into a bucket: 1,000 PUTs over one kept-alive connection against a bare libcurl loop, in
// turns. Against OpenStack Swift, which is what a bucket costs, and against a server that does nothing
// but answer, where all that is left is ours.
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

async function measure(name, env, bytes) {
  const all = { ...process.env, ...env };
  await run(join(build, 'tests/unit/blob/s3_tool'), ['s3://bench', 'make-bucket'], { env: all });
  const { stdout } = await run(join(build, 'tests/bench/bench_s3'), ['s3://bench', `${puts}`, `${bytes}`], { env: all });
  const [ours, bare] = stdout.trim().split(' ').map(Number);
  const share = bare / ours;
  row(`${name}, ${bytes / 1000} kB: ours / bare libcurl`, `${Math.round((puts * 1e6) / ours)}/s ${Math.round(share * 100)} %`, '≥ 90 %', share >= 0.9);
}

const nothing = http.createServer((req, res) => {
  req.resume();
  req.on('end', () => res.writeHead(200, { 'content-length': 0, etag: '"x"' }).end());
}).listen(0, '127.0.0.1');
await once(nothing, 'listening');
console.log(`S3 PUT, ${puts} in a row over one connection (${machine()})`);
try {
  await measure('a server that only answers', { ...keys, AWS_ENDPOINT_URL_S3: `http://127.0.0.1:${nothing.address().port}` }, 10000);
  if (missing) console.log(`  ${missing}`);
  else await measure('OpenStack Swift', (await swift(t)).env, 10000);
} finally {
  nothing.closeAllConnections();
  nothing.close();
  for (const f of hooks.reverse()) await f();
}
