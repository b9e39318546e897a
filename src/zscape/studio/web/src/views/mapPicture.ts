/** The map as it would stand in a paper: on white, all of it, what its colours mean beside it. */

import { fit } from "../map/camera";
import { css, groupPalette, parse, rampAt, toWord } from "../map/colours";
import type { Bytes, Places } from "../map/arrays";
import type { Colouring, Grouped, Numbered } from "../map/look";
import { pathOf, shapeOf } from "../map/marks";
import { isShaped, radiusFor, splat } from "../map/splat";
import { count, number } from "../components/words";

const MOST = 24; // groups that are named
const BESIDE = 0.24; // of the side: what the legend takes

/** Draws the points of a map, `side` pixels high, with its legend.
 *
 * @param shown the state of each point. */
export function drawMap(
  places: Places,
  colouring: Colouring | null,
  shown: Bytes,
  side: number,
): HTMLCanvasElement {
  const canvas = document.createElement("canvas");
  canvas.width = side + (colouring ? Math.round(side * BESIDE) : 0);
  canvas.height = side;
  const context = canvas.getContext("2d")!;
  context.fillStyle = "#ffffff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  const image = context.createImageData(side, side);
  const size = { width: side, height: side };
  const radius = radiusFor(shown.length, 1, side / 800);
  const look = {
    slots: colouring?.slots ?? new Uint8Array(shown.length),
    palette: colouring?.palette ?? groupPalette(),
    states: shown,
    dim: toWord(parse("#e1e4e8")),
    grouped: colouring?.kind === "groups",
  };
  const words = new Uint32Array(image.data.buffer as ArrayBuffer);
  splat(words, size, places, fit(places, size), look, radius, 0xffffffff);
  context.putImageData(image, 0, 0);
  if (colouring) {
    context.translate(side + 8, 0);
    context.scale(side / 800, side / 800); // the legend is laid out for 800 pixels
    context.font = "600 13px system-ui, sans-serif";
    context.fillStyle = "#14181d";
    context.fillText(fitted(context, colouring.name, WIDE), 0, 30);
    context.font = "13px system-ui, sans-serif";
    if (colouring.kind === "groups") drawGroups(context, colouring, isShaped(radius));
    else drawRamp(context, colouring);
  }
  return canvas;
}

const WIDE = 172; // pixels, as are all below

function drawGroups(context: CanvasRenderingContext2D, colouring: Grouped, shaped: boolean): void {
  const { groups, palette } = colouring;
  groups.slice(0, MOST).forEach((group, k) => {
    const y = 54 + 24 * k;
    context.save();
    context.translate(7, y - 4);
    context.fillStyle = css(palette[group.slot]);
    context.fill(new Path2D(pathOf(shaped ? shapeOf(group.slot) : "disc")));
    context.restore();
    context.fillStyle = "#14181d";
    context.fillText(fitted(context, group.name, WIDE - 20), 20, y);
  });
  if (groups.length > MOST) {
    context.fillText(`and ${count(groups.length - MOST)} more`, 20, 54 + 24 * MOST);
  }
}

function drawRamp(context: CanvasRenderingContext2D, { ramp, low, high, unit }: Numbered): void {
  const colours = context.createLinearGradient(0, 0, WIDE, 0);
  for (let k = 0; k <= 12; k++) {
    colours.addColorStop(k / 12, `rgb(${rampAt(ramp, k / 12).join(",")})`);
  }
  context.fillStyle = colours;
  context.fillRect(0, 44, WIDE, 12);
  context.fillStyle = "#14181d";
  context.fillText(number(low), 0, 74);
  context.textAlign = "right";
  context.fillText(`${number(high)} ${unit}`.trim(), WIDE, 74);
}

/** As much of a name as there is room for. */
function fitted(context: CanvasRenderingContext2D, name: string, wide: number): string {
  let kept = name;
  while (kept && context.measureText(kept === name ? name : `${kept}…`).width > wide) {
    kept = kept.slice(0, -1);
  }
  return kept === name ? name : `${kept}…`;
}
