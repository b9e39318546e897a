/** How crowded the plane is: tells a place among the data from one off them, and draws contours. */

import type { Floats, Place, Places } from "./arrays";
import { bounds } from "./grid";

const SIDE = 96;
const ROUNDS = 3; // of box blur: near a Gaussian

/** Counts of points by cell, smoothed, as shares of the most crowded cell. */
export interface Density {
  left: number;
  low: number;
  width: number;
  height: number;
  shares: Floats;
}

export function measureDensity(places: Places): Density {
  const { left, right, low, high } = bounds(places);
  const width = Math.max(right - left, 1e-9) * 1.2,
    height = Math.max(high - low, 1e-9) * 1.2;
  const box = { left: left - width / 12, low: low - height / 12, width, height };
  const counts = new Float32Array(SIDE * SIDE);
  for (let i = 0; i < places.length; i += 2) {
    const c = Math.floor(((places[i] - box.left) / width) * SIDE),
      r = Math.floor(((places[i + 1] - box.low) / height) * SIDE);
    if (c >= 0 && r >= 0 && c < SIDE && r < SIDE) counts[r * SIDE + c]++;
  }
  let shares = counts;
  for (let k = 0; k < ROUNDS; k++) shares = blur(shares);
  const most = shares.reduce((a, b) => Math.max(a, b), 1e-9);
  return { ...box, shares: shares.map((v) => v / most) };
}

/** The share of the highest density at a place of the plane, 0 to 1. */
export function densityAt(density: Density, at: Place): number {
  const c = Math.floor(((at.x - density.left) / density.width) * SIDE),
    r = Math.floor(((at.y - density.low) / density.height) * SIDE);
  return c < 0 || r < 0 || c >= SIDE || r >= SIDE ? 0 : density.shares[r * SIDE + c];
}

/** The line pieces where the density crosses a share, as x1 y1 x2 y2 of the plane (marching
 * squares; a saddle is cut one way). */
export function contour(density: Density, share: number): number[] {
  const pieces: number[] = [];
  for (let r = 0; r + 1 < SIDE; r++) {
    for (let c = 0; c + 1 < SIDE; c++) {
      const ends = crossings(density.shares, r, c, share);
      for (let k = 0; k + 3 < ends.length; k += 4) {
        pieces.push(
          density.left + ((ends[k] + 0.5) / SIDE) * density.width,
          density.low + ((ends[k + 1] + 0.5) / SIDE) * density.height,
          density.left + ((ends[k + 2] + 0.5) / SIDE) * density.width,
          density.low + ((ends[k + 3] + 0.5) / SIDE) * density.height,
        );
      }
    }
  }
  return pieces;
}

function crossings(shares: Floats, r: number, c: number, share: number): number[] {
  const corners: [number, number, number][] = [
    [c, r, shares[r * SIDE + c]],
    [c + 1, r, shares[r * SIDE + c + 1]],
    [c + 1, r + 1, shares[(r + 1) * SIDE + c + 1]],
    [c, r + 1, shares[(r + 1) * SIDE + c]],
  ];
  const ends: number[] = [];
  for (let k = 0; k < 4; k++) {
    const [ax, ay, a] = corners[k],
      [bx, by, b] = corners[(k + 1) % 4];
    if (a > share === b > share) continue;
    const part = (share - a) / (b - a);
    ends.push(ax + (bx - ax) * part, ay + (by - ay) * part);
  }
  return ends;
}

function blur(from: Floats): Floats {
  const across = new Float32Array(from.length),
    out = new Float32Array(from.length);
  const at = (grid: Floats, r: number, c: number) =>
    r < 0 || c < 0 || r >= SIDE || c >= SIDE ? 0 : grid[r * SIDE + c];
  for (let r = 0; r < SIDE; r++)
    for (let c = 0; c < SIDE; c++)
      across[r * SIDE + c] = (at(from, r, c - 1) + at(from, r, c) + at(from, r, c + 1)) / 3;
  for (let r = 0; r < SIDE; r++)
    for (let c = 0; c < SIDE; c++)
      out[r * SIDE + c] = (at(across, r - 1, c) + at(across, r, c) + at(across, r + 1, c)) / 3;
  return out;
}
