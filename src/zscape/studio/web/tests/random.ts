import type { Places } from "../src/map/arrays";

/** Places scattered evenly over [-1, 1], the same for a seed (mulberry32). */
export function scattered(count: number, seed: number): Places {
  let state = seed;
  return Float32Array.from({ length: 2 * count }, () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2147483648 - 1;
  });
}
