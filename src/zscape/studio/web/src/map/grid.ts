/** A uniform grid over the points of a map: which is nearest, which lie in a box. */

import type { Bytes, Place, Places, Words } from "./arrays";

const PER_CELL = 4; // points in a cell, on average
const LARGEST = 1024; // cells along a side
const SCATTERED = 300_000; // points: above it their order within a cell is as it comes

/** Points sorted by cell: those of cell c are order[starts[c]] .. order[starts[c + 1] - 1]. */
export interface Grid {
  places: Places;
  side: number;
  left: number;
  low: number;
  cellWidth: number;
  cellHeight: number;
  starts: Words;
  order: Words;
}

export function buildGrid(places: Places): Grid {
  const count = places.length / 2;
  const side = Math.max(1, Math.min(LARGEST, Math.ceil(Math.sqrt(count / PER_CELL))));
  const box = bounds(places);
  const grid: Grid = {
    places,
    side,
    left: box.left,
    low: box.low,
    cellWidth: Math.max(box.right - box.left, 1e-9) / side,
    cellHeight: Math.max(box.high - box.low, 1e-9) / side,
    starts: new Uint32Array(side * side + 1),
    order: new Uint32Array(count),
  };
  const cells = new Uint32Array(count);
  for (let i = 0; i < count; i++) {
    const cell = row(grid, places[2 * i + 1]) * side + column(grid, places[2 * i]);
    cells[i] = cell;
    grid.starts[cell + 1]++;
  }
  for (let c = 0; c < side * side; c++) grid.starts[c + 1] += grid.starts[c];
  const next = grid.starts.slice();
  const step = count > SCATTERED ? 1 : stride(count);
  for (let k = 0, i = 0; k < count; k++, i += step) {
    if (i >= count) i -= count;
    grid.order[next[cells[i]]++] = i;
  }
  return grid;
}

/** How many places points take, given by steps of 16 bits across and up. */
export function countPlaces(steps: ArrayLike<number>): number {
  const keys = new Uint32Array(steps.length / 2);
  for (let i = 0; i < keys.length; i++) keys[i] = steps[2 * i] * 65536 + steps[2 * i + 1];
  keys.sort();
  return keys.reduce((found, key, i) => found + (i === 0 || key !== keys[i - 1] ? 1 : 0), 0);
}

/** How many others lie exactly where a point lies. */
export function countOthers(places: Places, point: number): number {
  const x = places[2 * point],
    y = places[2 * point + 1];
  let found = -1;
  for (let i = 0; i < places.length; i += 2) if (places[i] === x && places[i + 1] === y) found++;
  return found;
}

/** Values of each point, `each` numbers wide, in the order of the grid: neighbours together. Within
 * a cell the order is scattered, so that data sorted by class do not end with the last on top. */
export function inOrder<Values extends Bytes | Places>(
  grid: Grid,
  values: Values,
  each = 1,
): Values {
  const sorted = values.slice() as Values;
  const { order } = grid;
  for (let k = 0; k < order.length; k++) {
    for (let c = 0; c < each; c++) sorted[k * each + c] = values[order[k] * each + c];
  }
  return sorted;
}

/** How far apart the visited points are: near the golden section of the count, and without a
 * common divisor, so that each is met once. */
export function stride(count: number): number {
  let step = Math.max(1, Math.floor(count * 0.618));
  while (divisor(step, count) !== 1) step++;
  return step;
}

/** The index of the nearest point within `reach` of a place of the plane, or -1. Points whose
 * `shown` is 0 do not count. */
export function nearest(grid: Grid, at: Place, reach: number, shown?: Bytes): number {
  const right = column(grid, at.x + reach),
    top = row(grid, at.y + reach);
  let best = -1,
    least = reach * reach;
  for (let r = row(grid, at.y - reach); r <= top; r++) {
    const from = grid.starts[r * grid.side + column(grid, at.x - reach)];
    const to = grid.starts[r * grid.side + right + 1];
    for (let k = from; k < to; k++) {
      const i = grid.order[k];
      if (shown && !shown[i]) continue;
      const dx = grid.places[2 * i] - at.x,
        dy = grid.places[2 * i + 1] - at.y;
      const far = dx * dx + dy * dy;
      if (far <= least) {
        least = far;
        best = i;
      }
    }
  }
  return best;
}

/** The indices of the points in a box of the plane, at most `most`. */
export function within(
  grid: Grid,
  box: { left: number; right: number; low: number; high: number },
  most = Infinity,
): number[] {
  const found: number[] = [];
  const right = column(grid, box.right),
    top = row(grid, box.high);
  for (let r = row(grid, box.low); r <= top; r++) {
    const from = grid.starts[r * grid.side + column(grid, box.left)];
    const to = grid.starts[r * grid.side + right + 1];
    for (let k = from; k < to; k++) {
      const i = grid.order[k];
      const x = grid.places[2 * i],
        y = grid.places[2 * i + 1];
      if (x < box.left || x > box.right || y < box.low || y > box.high) continue;
      found.push(i);
      if (found.length >= most) return found;
    }
  }
  return found;
}

/** The nearest point in a direction of the keyboard (dx, dy of the plane), seen from `from`: among
 * those within 60 degrees of it, the one with the least distance, or -1. */
export function step(grid: Grid, from: Place, dx: number, dy: number, shown?: Bytes): number {
  const extent = grid.side * Math.max(grid.cellWidth, grid.cellHeight);
  for (let reach = extent / 64; reach <= extent * 2; reach *= 2) {
    const box = {
      left: from.x - reach,
      right: from.x + reach,
      low: from.y - reach,
      high: from.y + reach,
    };
    let best = -1,
      least = reach;
    for (const i of within(grid, box)) {
      const x = grid.places[2 * i] - from.x,
        y = grid.places[2 * i + 1] - from.y;
      const far = Math.hypot(x, y);
      if (far === 0 || far > least || (shown && !shown[i])) continue;
      if (x * dx + y * dy < far / 2) continue;
      least = far;
      best = i;
    }
    if (best >= 0) return best;
  }
  return -1;
}

function column(grid: Grid, x: number): number {
  return clamp(Math.floor((x - grid.left) / grid.cellWidth), grid.side - 1);
}

function row(grid: Grid, y: number): number {
  return clamp(Math.floor((y - grid.low) / grid.cellHeight), grid.side - 1);
}

function clamp(value: number, most: number): number {
  return value < 0 ? 0 : value > most ? most : value;
}

/** The box of all points `[2 N]`; the unit square where there are none. */
export function bounds(places: Places): { left: number; right: number; low: number; high: number } {
  if (places.length === 0) return { left: 0, right: 1, low: 0, high: 1 };
  let left = Infinity,
    right = -Infinity,
    low = Infinity,
    high = -Infinity;
  for (let i = 0; i < places.length; i += 2) {
    left = Math.min(left, places[i]);
    right = Math.max(right, places[i]);
    low = Math.min(low, places[i + 1]);
    high = Math.max(high, places[i + 1]);
  }
  return { left, right, low, high };
}

function divisor(a: number, b: number): number {
  while (b) [a, b] = [b, a % b];
  return a;
}
