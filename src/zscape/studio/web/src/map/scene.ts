/** All that lies over the points, from back to front. */

import type { Bytes, Place } from "./arrays";
import type { Density } from "./density";
import type { Ellipse } from "./ellipse";
import type { Grid } from "./grid";
import type { Colouring } from "./look";
import type { Inks, Layers, Mark, middlesOf, Overlay } from "./overlay";
import type { Sheets } from "./sheets";

/** What a view lays over the points of its map, each if there is any. */
export interface Extras {
  /** Marks of points with a thin ring. */
  ringed?: Bytes | null;
  ends?: Mark[];
  trail?: Place[];
  /** Where one stands, if that is no item. */
  here?: Place | null;
  ellipses?: Ellipse[];
  /** From where to where items lie in two maps. */
  drifts?: [Place, Place][];
}

export interface Scene {
  grid: Grid;
  density: Density;
  states: Bytes;
  colouring: Colouring | null;
  layers: Layers;
  sheets: Sheets | null;
  extras: Extras;
  /** Items with a heavy ring; items that are pointed at. */
  rung: number[];
  pointed: number[];
  middles: ReturnType<typeof middlesOf>;
  /** Of pictures, in pixels. */
  side: number;
  /** The outline under way, in pixels of the screen. */
  outline: Place[];
}

export function drawScene(over: Overlay, scene: Scene, inks: Inks): void {
  const { grid, layers, sheets } = scene;
  const { ringed, ends = [], trail = [], here, ellipses = [], drifts = [] } = scene.extras;
  const placeOf = (i: number) => ({ x: grid.places[2 * i], y: grid.places[2 * i + 1] });
  if (layers.contours) over.contours(scene.density, inks);
  if (layers.pictures && sheets) {
    over.pictures(grid, sheets, scene.side, scene.states, scene.colouring);
  } else over.names(scene.middles, here ? [...ends, here] : ends, inks);
  if (ringed) over.rings(grid, ringed, inks.ink);
  over.drifts(drifts, inks);
  over.ellipses(ellipses, inks.ink);
  over.trail(trail, inks.accent);
  for (const i of scene.rung) over.ring(placeOf(i), inks.ink, 3);
  for (const i of scene.pointed) over.ring(placeOf(i), inks.accent, 2);
  if (here) over.cross(here, inks);
  for (const end of ends) over.end(end, inks);
  if (scene.outline.length > 1) over.outline(scene.outline, inks.accent, scene.outline.length > 2);
}

/** The colours of the tokens, which the two canvases carry as their own. */
export function readInks(points: HTMLCanvasElement, over: HTMLCanvasElement): Inks {
  const style = getComputedStyle(over);
  return {
    ink: style.color,
    ground: getComputedStyle(points).backgroundColor,
    line: style.borderTopColor,
    accent: style.outlineColor,
    a: style.borderLeftColor,
    b: style.borderRightColor,
  };
}

/** Whether the person asked for no motion. */
export function still(): boolean {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
}
