/** All that lies over the points, from back to front. */

import type { Bytes, Place } from "./arrays";
import type { Density } from "./density";
import type { Grid } from "./grid";
import type { Colouring } from "./look";
import type { Inks, Layers, Mark, middlesOf, Overlay } from "./overlay";
import type { Sheets } from "./sheets";

export interface Scene {
  grid: Grid;
  density: Density;
  states: Bytes;
  colouring: Colouring | null;
  layers: Layers;
  sheets: Sheets | null;
  /** Marks of points with a thin ring; items with a heavy one; items that are pointed at. */
  ringed: Bytes | null;
  rung: number[];
  pointed: number[];
  middles: ReturnType<typeof middlesOf>;
  trail: Place[];
  here: Place | null;
  ends: Mark[];
  /** Of pictures, in pixels. */
  side: number;
  /** The outline under way, in pixels of the screen. */
  outline: Place[];
}

export function drawScene(over: Overlay, scene: Scene, inks: Inks): void {
  const { grid, layers, sheets } = scene;
  const placeOf = (i: number) => ({ x: grid.places[2 * i], y: grid.places[2 * i + 1] });
  if (layers.contours) over.contours(scene.density, inks);
  if (layers.pictures && sheets) {
    over.pictures(grid, sheets, scene.side, scene.states, scene.colouring);
  } else over.names(scene.middles, inks);
  if (scene.ringed) over.rings(grid, scene.ringed, inks.ink);
  over.trail(scene.trail, inks.accent);
  for (const i of scene.rung) over.ring(placeOf(i), inks.ink, 3);
  for (const i of scene.pointed) over.ring(placeOf(i), inks.accent, 2);
  if (scene.here) over.cross(scene.here, inks);
  for (const end of scene.ends) over.end(end, inks);
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
