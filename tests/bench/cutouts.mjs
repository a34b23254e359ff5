// Cut-outs with the model `fast`: how much of a cut-out's time is the model's own (bench_cut, one
// process, in turns), what that leaves of it through the whole program, memory, whether plain
// variants keep flowing beside cut-outs, and the peer @imgly/background-removal-node where npm has it. The
// peer is under the AGPL: it is put into a folder of its own that goes away afterwards.
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { build, bulbBin, ended, log, post, start } from '../lib/harness.mjs';
import { machine, ms, percentile, row, tree } from '../lib/bench.mjs';
import { composite, composites } from '../lib/composites.mjs';
import { assertModels, models } from '../lib/cutouts.mjs';
import { startOrigin } from '../lib/origin.mjs';

const rounds = Number(process.env.BENCH_ROUNDS ?? 5);
const work = mkdtempSync(join(tmpdir(), 'bulb-bench-'));
const size = { width: 1462, height: 1080 }; // 1.5 megapixels after the model's own measurements
let turn = 0;
const folder = () => {
  const dir = join(work, `f${turn++}`);
  mkdirSync(dir);
  return dir;
};

const cut = (file, runs = 7) => JSON.parse(execFileSync(join(build, 'tests/bench/bench_cut'), [models, file, String(runs)], { encoding: 'utf8' }));
const middle = (list) => percentile(list, 50);

/** The rooms alone. Of wall times the best of all turns counts, which other load disturbs least; CPU
 * time tells what a busy machine hides: there the run is taken to have had two cores. */
function rooms(files) {
  const each = files.slice(0, 3).map((f) => cut(f));
  const around = (r, kind) => r.whole[kind] - r.run[kind] - r.encode[kind];
  const wall = middle(each.map((r) => r.bare.best / (r.whole.best - r.encode.best)));
  const cpu = middle(each.map((r) => r.bare.cpu / 2 / (r.bare.cpu / 2 + around(r, 'cpu'))));
  row('the model\'s bare run, wall / CPU', `${ms(middle(each.map((r) => r.bare.wall)))} / ${ms(middle(each.map((r) => r.bare.cpu)))}`);
  row('all around it, without the encoder, CPU', ms(middle(each.map((r) => around(r, 'cpu')))));
  row('the encoder (PNG), CPU', ms(middle(each.map((r) => r.encode.cpu))));
  for (const part of ['decode', 'placeholder', 'rgb', 'refine', 'colours']) row(`  of what is around it: ${part}, CPU`, ms(middle(each.map((r) => r[part].cpu))));
  row('speed of a cut-out to the bare run, best wall of turns', wall.toFixed(3), '≥ 0.90', wall >= 0.9);
  row('the same by CPU time, had the run two cores to itself', cpu.toFixed(3), '≥ 0.90', cpu >= 0.9);
  row('the same with the encoder, wall', middle(each.map((r) => r.bare.wall / r.whole.wall)).toFixed(3));
  const peak = Math.max(...each.map((r) => r.peak_mb));
  row('peak memory of the process', `${peak} MB`, '≤ 450 MB', peak <= 450);
  return middle(each.map((r) => r.bare.wall));
}

async function large() {
  const file = join(work, 'large.jpg');
  const { jpeg } = await composite('pear', size);
  await sharp(jpeg).resize(11600, 8600).jpeg({ quality: 88 }).toFile(file);
  const { peak_mb: peak, whole } = cut(file, 1);
  row('100 megapixels: peak memory', `${peak} MB`, '< 1000 MB', peak < 1000);
  row('100 megapixels: time with the encoder', ms(whole.wall));
}

function timed(cmd, args, opts) {
  const began = performance.now();
  return new Promise((ok, fail) => {
    let err = '';
    let peak = 0;
    const p = spawn(cmd, args, { stdio: ['ignore', 'ignore', 'pipe'], ...opts });
    p.stderr.on('data', (d) => (err += d));
    const timer = setInterval(() => {
      for (const pid of tree(p.pid)) {
        try {
          peak = Math.max(peak, 1024 * Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]));
        } catch { /* it has ended */ }
      }
    }, 50);
    p.on('error', fail);
    p.on('close', (code) => {
      clearInterval(timer);
      if (code) fail(new Error(`${cmd} ended with ${code}: ${err.slice(-500)}`));
      else ok({ seconds: (performance.now() - began) / 1000, peak });
    });
  });
}

/** The whole program: files in, cut-outs out, next to what the model alone would take. */
async function program(files, bare) {
  const args = ['run', '--no-cache', '--models', models, '--variant', 'a width=32 height=32 format=jpeg', '--background', '{"remove":true}'];
  const seen = [];
  for (let i = 0; i < Math.min(rounds, 3); i++) seen.push(await timed(bulbBin, [...args, '-o', folder(), ...files]));
  const seconds = middle(seen.map((r) => r.seconds));
  row('bulb run: cut-outs a minute (start, PNG and variants included)', (files.length / seconds * 60).toFixed(0));
  row('bulb run: speed to the bare run (measured before it)', (files.length * bare / 1000 / seconds).toFixed(2));
  const peak = Math.max(...seen.map((r) => r.peak)) / 1e6;
  row('bulb run: largest process', `${peak.toFixed(0)} MB`, '≤ 450 MB', peak <= 450);
  return seconds / files.length;
}

/** Until the variants of the last item are there, from the log's own clock. */
async function variantsReady(origin, urls, background) {
  const server = await start(null, bulbBin, ['serve', '--listen', '127.0.0.1:0', '--data', folder(), '--models', models,
    '--allow-address', '127.0.0.1', '--log-level', 'warn'], { ready: /^listening on (\S+)/ });
  const { id } = (await post(`${server.url}/v1/jobs`, { urls, ...(background && { background }) })).json;
  const end = await ended(server.url, id, 600000);
  const { events: all } = await log(server.url, id);
  await server.stop('SIGKILL');
  if (end.status !== 'succeeded') throw new Error(JSON.stringify(end));
  const at = (e) => Date.parse(e.time);
  const ready = new Map();
  for (const e of all) if ((e.type === 'item.progress' || e.type === 'item.succeeded') && !ready.has(e.subject)) ready.set(e.subject, at(e));
  const began = at(all[0]);
  return { ready: (Math.max(...ready.values()) - began) / 1000, all: (at(all.at(-1)) - began) / 1000, progress: all.filter((e) => e.type === 'item.progress').length };
}

/** Thirty pictures with cut-outs and without: what the variants wait for is their share of the cores only. */
async function flow(files) {
  const dir = folder();
  const names = Array.from({ length: 30 }, (_, i) => {
    writeFileSync(join(dir, `${i}.jpg`), Buffer.concat([readFileSync(files[i % files.length]), Buffer.from(`copy ${i}`)]));
    return `${i}.jpg`;
  });
  const origin = await startOrigin({ dir });
  const urls = names.map((n) => `${origin.url}/${n}`);
  const plain = [], both = [];
  for (let i = 0; i < Math.min(rounds, 3); i++) {
    plain.push(await variantsReady(origin, urls));
    both.push(await variantsReady(origin, urls, { remove: true }));
  }
  origin.close();
  const a = middle(plain.map((r) => r.ready)), b = middle(both.map((r) => r.ready)), all = middle(both.map((r) => r.all));
  row('30 pictures, variants alone: until the last has its variants', ms(a * 1000));
  row('the same with cut-outs: until the last has its variants', ms(b * 1000));
  row('the same with cut-outs: until all is done', ms(all * 1000));
  row('speed of variants beside cut-outs to variants alone', (a / b).toFixed(2));
  row('variants with cut-outs beside them, of the whole time', `${(100 * b / all).toFixed(0)} %`, '≤ 50 %', b <= all / 2);
}

/** In a folder of its own; null where npm does not have it. Its sharp 0.32 would fetch libvips from GitHub. */
function installPeer() {
  const dir = folder();
  writeFileSync(join(dir, 'package.json'), JSON.stringify({ private: true, dependencies: { '@imgly/background-removal-node': '1.4.5' },
    overrides: { sharp: '0.33.5', 'onnxruntime-node': '1.17.3' } }));
  try {
    execFileSync('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel', 'error'], { cwd: dir, stdio: ['ignore', 'ignore', 'pipe'], timeout: 300000 });
    return dir;
  } catch (e) {
    console.log(`  @imgly/background-removal-node could not be installed: ${String(e.stderr ?? e).trim().split('\n')[0]}`);
    return null;
  }
}

async function peer(file, ours) {
  const dir = process.env.BENCH_PEER === 'no' ? null : installPeer();
  if (!dir) return;
  const script = join(dir, 'peer.mjs');
  writeFileSync(script, `import { removeBackground } from '@imgly/background-removal-node';
import { writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
const blob = await removeBackground(pathToFileURL(process.argv[2]).href, { model: 'small' });
writeFileSync(process.argv[3], Buffer.from(await blob.arrayBuffer()));
`);
  try {
    const r = await timed(process.execPath, [script, file, join(dir, 'out.png')], { cwd: dir });
    row('@imgly/background-removal-node 1.4.5, model small: a picture', ms(r.seconds * 1000));
    row('its peak memory', `${(r.peak / 1e6).toFixed(0)} MB`);
    row('bulb run, in the same run: a picture', ms(ours * 1000));
    console.log('  What differs: its model (ISNet, 8 bit, 1024 px; ours U-2-Netp, 320 px), its runtime (ONNX Runtime 1.17),\n' +
      '  that it starts node and loads the model for this one picture, and that ours makes a small variant as well. No ratio is made of it.');
  } catch (e) {
    console.log(`  @imgly/background-removal-node did not run: ${e.message.split('\n')[0]}`);
  }
}

try {
  assertModels();
  console.log(`Cut-outs: composites of ${size.width} × ${size.height}, model fast. ${machine()}; load ${loadavg()[0].toFixed(1)}`);
  const files = (await composites(size)).map(({ jpeg }, i) => {
    const name = join(work, `${i}.jpg`);
    writeFileSync(name, jpeg);
    return name;
  });
  const bare = rooms(files);
  await large();
  const each = await program(files, bare);
  await flow(files);
  await peer(files[0], each);
  console.log(`  load at the end ${loadavg()[0].toFixed(1)}`);
} finally {
  rmSync(work, { recursive: true, force: true });
}
process.exit(0);
