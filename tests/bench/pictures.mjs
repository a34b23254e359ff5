// The whole job on real photographs, as programs: `bulb run --no-cache` next to sharp, then `bulb serve`
// (download from loopback, sandbox, store, events) next to `bulb run`. Baseline and progressive files
// are reported apart, the baseline figure first; every picture has bytes of its own. Rounds alternate
// between the peers, so that whatever else the machine does hits all of them; the median counts.
import { execFileSync, spawn } from 'node:child_process';
import { appendFileSync, copyFileSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bulbBin, ended, photos, post, start } from '../lib/harness.mjs';
import { machine, percentile, row, tree } from '../lib/bench.mjs';
import { startOrigin } from '../lib/origin.mjs';

const rounds = Number(process.env.BENCH_ROUNDS ?? 5);
const copies = Number(process.env.BENCH_COPIES ?? 2);
const work = mkdtempSync(join(tmpdir(), 'bulb-bench-'));
const here = new URL('.', import.meta.url).pathname;

/** The photographs re-coded without loss, each twice under bytes of its own. */
function recode(kind, flags) {
  const dir = join(work, kind);
  mkdirSync(dir);
  return { kind, dir, files: readdirSync(photos).filter((f) => /_by_.*\.jpg$/.test(f)).flatMap((f) => {
    const first = join(dir, f);
    execFileSync('jpegtran', ['-copy', 'all', ...flags, '-outfile', first, join(photos, f)]);
    return Array.from({ length: copies }, (_, i) => {
      const name = join(dir, f.replace('.jpg', `-${i}.jpg`));
      copyFileSync(first, name);
      appendFileSync(name, `copy ${i}`); // bytes after the end of a JPEG change nothing in it
      return name;
    });
  }) };
}

/** Sum of proportional set sizes of a process tree, in bytes: shared pages count once. */
function memory(pid) {
  let sum = 0;
  for (const p of tree(pid)) {
    try {
      sum += 1024 * Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${p}/smaps_rollup`, 'utf8'))[1]);
    } catch { /* it has ended */ }
  }
  return sum;
}

function timed(cmd, args) {
  return new Promise((ok, fail) => {
    const began = performance.now();
    let peak = 0;
    let err = '';
    const p = spawn(cmd, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    p.stderr.on('data', (d) => (err += d));
    const timer = setInterval(() => (peak = Math.max(peak, memory(p.pid))), 50);
    p.on('close', (code) => {
      clearInterval(timer);
      if (code) fail(new Error(`${cmd} ended with ${code}: ${err}`));
      else ok({ seconds: (performance.now() - began) / 1000, peak });
    });
  });
}

let turn = 0;
const out = () => {
  const dir = join(work, `out-${turn++}`);
  mkdirSync(dir);
  return dir;
};
const peers = {
  sharp: ({ files }) => timed(process.execPath, [join(here, 'sharp-files.mjs'), out(), ...files]),
  run: ({ files }) => timed(bulbBin, ['run', '--no-cache', '-o', out(), ...files]),
  async serve({ files, dir }) {
    const origin = await start(null, process.execPath, [new URL('../lib/origin.mjs', import.meta.url).pathname, '--port', '0', '--dir', dir], { ready: /^listening on (\S+)/ });
    const server = await start(null, bulbBin, ['serve', '--listen', '127.0.0.1:0', '--data', out(), '--allow-address', '127.0.0.1', '--log-level', 'warn'], { ready: /^listening on (\S+)/ });
    const began = performance.now();
    const job = (await post(`${server.url}/v1/jobs`, { urls: files.map((f) => `${origin.url}/${f.slice(dir.length + 1)}`) })).json;
    const end = await ended(server.url, job.id, 600000);
    const seconds = (performance.now() - began) / 1000;
    const peak = memory(server.pid);
    if (end.status !== 'succeeded' || end.savings.encodes || end.savings.downloads) throw new Error(JSON.stringify(end));
    await Promise.all([server.stop('SIGKILL'), origin.stop('SIGKILL')]);
    return { seconds, peak };
  },
};

async function compare(set, goal) {
  const seen = { sharp: [], run: [], serve: [] };
  for (let i = 0; i < rounds; i++) for (const peer of Object.keys(peers)) seen[peer].push(await peers[peer](set));
  const rate = Object.fromEntries(Object.keys(peers).map((k) => [k, set.files.length / percentile(seen[k].map((r) => r.seconds), 50)]));
  const peak = Object.fromEntries(Object.keys(peers).map((k) => [k, Math.max(...seen[k].map((r) => r.peak))]));
  row(`${set.kind}: sharp, pictures/s`, rate.sharp.toFixed(2));
  row(`${set.kind}: bulb run, pictures/s`, rate.run.toFixed(2));
  row(`${set.kind}: bulb run to sharp`, `${(rate.run / rate.sharp).toFixed(2)} x`, `≥ ${goal} x`, rate.run / rate.sharp >= goal);
  row(`${set.kind}: bulb serve to bulb run`, (rate.serve / rate.run).toFixed(2), '≥ 0.80', rate.serve / rate.run >= 0.8);
  row(`${set.kind}: peak memory, sharp / bulb run`, `${(peak.sharp / 1e6).toFixed(0)} / ${(peak.run / 1e6).toFixed(0)} MB`, '≤ half', peak.run <= peak.sharp / 2);
}

try {
  console.log(`Pictures: the fifteen photographs × ${copies}, five variants each, ${rounds} rounds. ${machine()}`);
  await compare(recode('baseline', ['-optimize']), 1.15);
  await compare(recode('progressive', ['-progressive']), 1.8);
} finally {
  rmSync(work, { recursive: true, force: true });
}
process.exit(0);
