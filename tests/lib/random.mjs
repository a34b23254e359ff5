// Chance that can be repeated: the same seed makes the same choices.
export function random(seed) {
  let a = seed >>> 0;
  const next = () => { // mulberry32
    a = (a + 0x6d2b79f5) >>> 0;
    let x = Math.imul(a ^ (a >>> 15), 1 | a);
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x;
    return ((x ^ (x >>> 14)) >>> 0) / 4294967296;
  };
  const below = (n) => Math.floor(next() * n);
  return { below, between: (from, to) => from + below(to - from + 1), chance: (p) => next() < p, pick: (list) => list[below(list.length)] };
}

export const seedOfRun = () => Number(process.env.TEST_SEED ?? Date.now() % 1000000000);
