/** What part of the plane is on the screen. Knows no canvas and no data. */

import type { Place, Places } from "./arrays";
import { bounds } from "./grid";

/** The plane's place in the middle of the screen, and how many pixels a unit of the plane takes.
 * The plane's y points up, the screen's down. */
export interface Camera {
  x: number;
  y: number;
  scale: number;
}

export interface Size {
  width: number;
  height: number;
}

const MARGIN = 0.06; // of the screen, free at each side
const WIDE = 700; // pixels: from this width on, what lies over the left side is kept free
const TALL = 500; // and from this height on, what lies over the top and the bottom
const ZOOM_OUT = 0.5; // of the scale at which everything is seen
const ZOOM_IN = 400;

/** Pixels at the sides of a screen that something lies over. */
export interface Covered {
  left: number;
  above: number;
  below: number;
}

/** The camera that sees every point; on a large screen none where it is covered. */
export function fit(places: Places, size: Size, covered?: Covered): Camera {
  const { left, right, low, high } = bounds(places);
  const free = 1 - 2 * MARGIN;
  const aside = covered && size.width >= WIDE ? covered.left : 0;
  const { above, below } = covered && size.height >= TALL ? covered : { above: 0, below: 0 };
  const scale = Math.min(
    ((size.width - aside) * free) / Math.max(right - left, 1e-6),
    ((size.height - above - below) * free) / Math.max(high - low, 1e-6),
  );
  return {
    x: (left + right) / 2 - aside / 2 / scale,
    y: (low + high) / 2 + (above - below) / 2 / scale,
    scale,
  };
}

export function toScreen(camera: Camera, size: Size, x: number, y: number): Place {
  return {
    x: size.width / 2 + (x - camera.x) * camera.scale,
    y: size.height / 2 - (y - camera.y) * camera.scale,
  };
}

export function toPlane(camera: Camera, size: Size, x: number, y: number): Place {
  return {
    x: camera.x + (x - size.width / 2) / camera.scale,
    y: camera.y - (y - size.height / 2) / camera.scale,
  };
}

/** The same camera after a drag by that many pixels. */
export function pan(camera: Camera, dx: number, dy: number): Camera {
  return { ...camera, x: camera.x - dx / camera.scale, y: camera.y + dy / camera.scale };
}

/** Zoomed about a place of the screen, which stays where it is; `all` is the camera that sees
 * everything, and bounds how far in and out one can go. */
export function zoom(camera: Camera, size: Size, at: Place, factor: number, all: Camera): Camera {
  const scale = Math.min(
    Math.max(camera.scale * factor, all.scale * ZOOM_OUT),
    all.scale * ZOOM_IN,
  );
  const under = toPlane(camera, size, at.x, at.y);
  return {
    x: under.x - (at.x - size.width / 2) / scale,
    y: under.y + (at.y - size.height / 2) / scale,
    scale,
  };
}

/** Between two cameras, `share` of the way; zoom goes evenly by factor. */
export function between(from: Camera, to: Camera, share: number): Camera {
  return {
    x: from.x + (to.x - from.x) * share,
    y: from.y + (to.y - from.y) * share,
    scale: from.scale * Math.pow(to.scale / from.scale, share),
  };
}
