// The processes of a running bulb, found and measured through /proc.
import { closeSync, openSync, readdirSync, readFileSync, readSync } from 'node:fs';

const read = (path) => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
};
// After the name, which may hold anything: state, parent, …
const stat = (pid) => read(`/proc/${pid}/stat`).replace(/^.*\) /s, '').split(' ');

function childrenByParent() {
  const by = new Map();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const [state, parent] = stat(name);
    if (state !== 'Z') by.set(Number(parent), [...(by.get(Number(parent)) ?? []), Number(name)]);
  }
  return by;
}

/** The darkroom of a server: the process that keeps it, and the children in which pictures are. */
export function darkroom(server) {
  const by = childrenByParent();
  const [keeper] = by.get(server) ?? [];
  return { keeper, children: by.get(keeper) ?? [] };
}

/** All darkrooms of a server, one for each model beside the plain one: { keeper, children, matte }. */
export function darkrooms(server) {
  const by = childrenByParent();
  const matte = (pid) => /onnxruntime/.test(read(`/proc/${pid}/maps`));
  return (by.get(server) ?? []).map((keeper) => {
    const children = by.get(keeper) ?? [];
    return { keeper, children, matte: [keeper, ...children].some(matte) };
  });
}

/** A server's process, its children and theirs. */
export function family(pid) {
  const by = childrenByParent();
  const kids = by.get(pid) ?? [];
  return [pid, ...kids, ...kids.flatMap((k) => by.get(k) ?? [])];
}

export const alive = (pid) => !['', 'Z', 'X'].includes(stat(pid)[0]);

/** Tells a process from a later one that was given the same number; undefined when there is none. */
export const born = (pid) => stat(pid)[19];

/** Processor time it has used, in hundredths of a second. */
export const ticks = (pid) => Number(stat(pid)[11] ?? 0) + Number(stat(pid)[12] ?? 0);

/** A line of what the kernel says of a process or thread. */
export const status = (pid, name) => new RegExp(`^${name}:\\s+(.*)$`, 'm').exec(read(`/proc/${pid}/status`))[1];

/** How many of these are somewhere in the memory of a process, and how much was looked at. */
export function searchMemory(pid, secrets) {
  const found = new Set();
  let looked = 0;
  const fd = openSync(`/proc/${pid}/mem`, 'r');
  for (const line of readFileSync(`/proc/${pid}/maps`, 'latin1').trim().split('\n')) {
    const [, from, to, readable] = /^([0-9a-f]+)-([0-9a-f]+) (r|-)/.exec(line);
    const size = Number(BigInt(`0x${to}`) - BigInt(`0x${from}`));
    if (readable !== 'r' || size > 2 ** 30 || /\[v(var|syscall)/.test(line)) continue;
    const block = Buffer.alloc(size);
    let n = 0;
    try {
      n = readSync(fd, block, 0, size, BigInt(`0x${from}`));
    } catch {
      continue; // a guard page
    }
    looked += n;
    for (const s of secrets) if (block.subarray(0, n).includes(s)) found.add(s);
  }
  closeSync(fd);
  return { found: found.size, looked };
}
