// Shared by the benchmarks: percentiles, a machine line, process figures from /proc, tables.
import { readFileSync, readdirSync } from 'node:fs';
import { cpus, totalmem, release } from 'node:os';

export const percentile = (list, p) => {
  const sorted = [...list].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor((p / 100) * sorted.length))];
};
export const ms = (v) => `${v.toFixed(v < 10 ? 2 : 1)} ms`;

export function machine() {
  return `${cpus().length} × ${cpus()[0].model}, ${Math.round(totalmem() / 2 ** 30)} GB, Linux ${release()}, node ${process.version}`;
}

/** user + system CPU seconds of one process so far. */
export function cpuSeconds(pid) {
  const f = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/.*\) /s, '').split(' ');
  return (Number(f[11]) + Number(f[12])) / 100;
}

/** Resident, private memory of one process in bytes. */
export function privateBytes(pid) {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  return 1024 * ['Private_Dirty', 'Private_Clean'].reduce((n, k) => n + Number(new RegExp(`^${k}:\\s+(\\d+)`, 'm').exec(text)[1]), 0);
}

/** A process and all below it. */
export function tree(pid) {
  const parent = (p) => {
    try {
      return Number(/\) \S (\d+)/.exec(readFileSync(`/proc/${p}/stat`, 'utf8'))[1]);
    } catch {
      return 0;
    }
  };
  const all = readdirSync('/proc').filter((n) => /^\d+$/.test(n)).map((n) => [Number(n), parent(n)]);
  const found = [pid];
  for (let i = 0; i < found.length; i++) found.push(...all.filter(([, up]) => up === found[i]).map(([p]) => p));
  return found;
}

export function row(name, value, goal, good) {
  console.log(`  ${name.padEnd(58)} ${String(value).padStart(12)}   ${goal ? `goal ${goal}`.padEnd(18) : ''}${good === undefined ? '' : good ? 'met' : 'MISSED'}`);
}
