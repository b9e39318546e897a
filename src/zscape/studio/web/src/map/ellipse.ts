/** How sure a code is, as an ellipse on the plane: the shadow of a posterior whose units are apart. */

import type { Place } from "./arrays";

/** One standard deviation about a place, in the measure of the plane; `angle` is that of the longer
 * axis, in radians from x towards y. */
export interface Ellipse extends Place {
  long: number;
  short: number;
  angle: number;
}

/** The ellipse of a posterior about a place of the plane.
 *
 * @param axes of the plane, two codes at right angles, each of D numbers.
 * @param scale the posterior's standard deviation of each of the D units. */
export function ellipseAt(
  { x, y }: Place,
  axes: [number[], number[]],
  scale: ArrayLike<number>,
): Ellipse {
  const [across, up] = axes.map((axis) => {
    const length = axis.reduce((sum, v) => sum + v * v, 0) || 1;
    return axis.map((v) => v / length);
  });
  let xx = 0,
    yy = 0,
    xy = 0;
  for (let d = 0; d < scale.length; d++) {
    const variance = scale[d] * scale[d];
    xx += variance * across[d] * across[d];
    yy += variance * up[d] * up[d];
    xy += variance * across[d] * up[d];
  }
  const middle = (xx + yy) / 2,
    half = Math.hypot((xx - yy) / 2, xy);
  return {
    x,
    y,
    long: Math.sqrt(middle + half),
    short: Math.sqrt(Math.max(middle - half, 0)),
    angle: Math.atan2(2 * xy, xx - yy) / 2,
  };
}
