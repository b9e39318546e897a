/** What part of the plane of rate and distortion is shown: a study's own path, and what is near. */

import { beyond } from "./settled";

export interface Point {
  rate: number;
  distortion: number;
  step: number;
}
export interface Way {
  name: string;
  points: Point[];
  ghost?: boolean;
}
export interface Frame {
  rates: [number, number];
  distortions: [number, number];
  /** How many first steps of the own path lie above it, and up to where. */
  early: number;
  most: number;
  /** The other studies that lie outside it, in part or wholly. */
  cut: string[];
}

const NEAR = 1; // times the size of the own path, to each side of it: what is further is cut
const FREE = 0.06; // of the frame, at each side

/** The frame of a plane: its own path lies inside, but for first steps that would press it flat;
 * other studies widen it only as far as the own path stays easy to see.
 *
 * @param whole show everything. */
export function frameOf(ways: Way[], whole = false): Frame {
  const all = ways.flatMap((way) => way.points);
  const own = ways.filter((way) => !way.ghost).flatMap((way) => way.points);
  const from = beyond(own.map((p) => p.distortion))?.from ?? Infinity;
  const early = Math.max(
    0,
    own.findIndex((p) => p.distortion <= from),
  );
  const settled = own.slice(early); // a step that rises later is told, however high
  const [rates, distortions] = [reach(settled, "rate"), reach(settled, "distortion")];
  const near = (p: Point) => within(p.rate, rates) && within(p.distortion, distortions);
  const others = all.filter((p) => !own.includes(p) && near(p));
  const shown = whole ? all : [...settled, ...others];
  const outside = (way: Way) => way.ghost && !way.points.every(near);
  return {
    rates: ends(shown.map((p) => p.rate)),
    distortions: ends(shown.map((p) => p.distortion)),
    early,
    most: Math.max(...own.slice(0, early).map((p) => p.distortion)),
    cut: ways.filter(outside).map((way) => way.name),
  };
}

function reach(points: Point[], of: "rate" | "distortion"): [number, number] {
  const values = points.map((p) => p[of]);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const wide = NEAR * (high - low || Math.abs(high) || 1);
  return [low - wide, high + wide];
}

function within(value: number, [low, high]: [number, number]): boolean {
  return low <= value && value <= high;
}

function ends(values: number[]): [number, number] {
  const low = Math.min(...values),
    high = Math.max(...values);
  const free = (high - low || Math.abs(high) || 1) * FREE;
  return [low - free, high + free];
}
