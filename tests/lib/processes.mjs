// The processes of a running bulb, found and measured through /proc.
import { readdirSync, readFileSync } from 'node:fs';

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
