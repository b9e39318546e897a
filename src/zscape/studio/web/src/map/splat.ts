/** Draws points into the pixels of a picture by the processor: no WebGL, the same bytes every time.
 * Knows no canvas: pixels are a word each, as ImageData holds them (alpha, blue, green, red). */

import type { Bytes, Places, Words } from "./arrays";
import type { Camera, Size } from "./camera";

/** How a point is drawn, in the order of drawing. */
export const HIDDEN = 0,
  DIM = 1,
  PLAIN = 2,
  CHOSEN = 3;

/** How the points look: `slots` [N] is the slot of the palette of each, `states` [N] one of the
 * states above. Slot 255 is for what has no value. */
export interface Look {
  slots: Bytes;
  palette: Words;
  states: Bytes;
  dim: number;
}

/** One mark, as offsets in pixels and how much of each pixel it covers, of 256. */
interface Stamp {
  dx: Int8Array;
  dy: Int8Array;
  cover: Uint16Array;
  reach: number;
}

type Shape = "disc" | "square" | "diamond" | "triangle";
const SHAPES: Shape[] = ["disc", "square", "diamond", "triangle"];
const SHAPED = 3.5; // pixels: from this radius on, shape tells groups apart beside colour
const OPACITY = 200; // of 256, so that crowds show
const DIM_OPACITY = 90;
const FAINT_AT = 300_000; // points: above it a point is a single faint pixel

/** The radius of a point in pixels: smaller where there are many, larger when zoomed in. */
export function radiusFor(count: number, zoomed: number, ratio = 1): number {
  const crowd = count <= 2_000 ? 3.4 : count <= 20_000 ? 2.5 : count <= 120_000 ? 1.7 : 0.8;
  return Math.min(crowd * Math.pow(Math.max(zoomed, 0.7), 0.35), 7) * ratio;
}

/** Fills `pixels` [height * width] with the ground and draws every point in view.
 *
 * Points are visited in strides, so that data sorted by class do not end with the last class on
 * top; chosen ones come last, dim ones first. */
export function splat(
  pixels: Words,
  size: Size,
  places: Places,
  camera: Camera,
  look: Look,
  radius: number,
  ground: number,
): void {
  pixels.fill(ground);
  const stamps = SHAPES.map((shape) => makeStamp(radius >= SHAPED ? shape : "disc", radius));
  const chosen = makeStamp("disc", radius + 1);
  const has = statesIn(look.states);
  if (has[DIM]) drawState(pixels, size, places, camera, look, DIM, stamps, DIM_OPACITY);
  if (has[PLAIN]) drawState(pixels, size, places, camera, look, PLAIN, stamps, OPACITY);
  if (has[CHOSEN]) {
    const marks = radius >= SHAPED ? stamps : [chosen, chosen, chosen, chosen];
    drawState(pixels, size, places, camera, look, CHOSEN, marks, 256);
  }
}

/** How far apart the visited points are: near the golden section of the count, and without a
 * common divisor, so that each is met once. */
export function stride(count: number): number {
  let step = Math.max(1, Math.floor(count * 0.618));
  while (divisor(step, count) !== 1) step++;
  return step;
}

function drawState(
  pixels: Words,
  size: Size,
  places: Places,
  camera: Camera,
  look: Look,
  state: number,
  stamps: Stamp[],
  opacity: number,
): void {
  const count = places.length / 2;
  const { width, height } = size;
  const { slots, palette, states } = look;
  const left = width / 2 - camera.x * camera.scale,
    top = height / 2 + camera.y * camera.scale;
  const step = count > FAINT_AT ? 1 : stride(count);
  const edge = stamps[0].reach;
  const single = edge === 0;
  for (let k = 0, i = 0; k < count; k++, i += step) {
    if (i >= count) i -= count;
    if (states[i] !== state) continue;
    const x = Math.round(left + places[2 * i] * camera.scale),
      y = Math.round(top - places[2 * i + 1] * camera.scale);
    if (x < -edge || y < -edge || x >= width + edge || y >= height + edge) continue;
    const colour = state === DIM ? look.dim : palette[slots[i]];
    if (single) {
      const at = y * width + x;
      pixels[at] = mix(pixels[at], colour, opacity);
    } else {
      press(pixels, width, height, x, y, stamps[slots[i] & 3], colour, opacity);
    }
  }
}

function press(
  pixels: Words,
  width: number,
  height: number,
  x: number,
  y: number,
  stamp: Stamp,
  colour: number,
  opacity: number,
): void {
  const { dx, dy, cover, reach } = stamp;
  const inside = x >= reach && y >= reach && x < width - reach && y < height - reach;
  for (let k = 0; k < dx.length; k++) {
    const px = x + dx[k],
      py = y + dy[k];
    if (!inside && (px < 0 || py < 0 || px >= width || py >= height)) continue;
    const at = py * width + px;
    pixels[at] = mix(pixels[at], colour, (cover[k] * opacity) >> 8);
  }
}

/** `share` of 256 of a colour over another, both opaque; red and blue are mixed in one product. */
export function mix(under: number, over: number, share: number): number {
  const rest = 256 - share;
  const outer =
    ((Math.imul(over & 0xff00ff, share) + Math.imul(under & 0xff00ff, rest)) >>> 8) & 0xff00ff;
  const middle =
    ((Math.imul(over & 0xff00, share) + Math.imul(under & 0xff00, rest)) >>> 8) & 0xff00;
  return (0xff000000 | outer | middle) >>> 0;
}

function makeStamp(shape: Shape, radius: number): Stamp {
  if (radius < 1) return { ...emptyStamp(), reach: 0 };
  const reach = Math.ceil(radius);
  const found: [number, number, number][] = [];
  for (let y = -reach; y <= reach; y++) {
    for (let x = -reach; x <= reach; x++) {
      const share = Math.min(Math.max(radius - distance(shape, x, y) + 0.5, 0), 1);
      if (share > 0.05) found.push([x, y, Math.round(share * 256)]);
    }
  }
  return {
    dx: Int8Array.from(found, (f) => f[0]),
    dy: Int8Array.from(found, (f) => f[1]),
    cover: Uint16Array.from(found, (f) => f[2]),
    reach,
  };
}

/** How far out a pixel lies, in a measure whose balls have the shape. */
function distance(shape: Shape, x: number, y: number): number {
  if (shape === "square") return Math.max(Math.abs(x), Math.abs(y)) * 1.12;
  if (shape === "diamond") return (Math.abs(x) + Math.abs(y)) * 0.86;
  if (shape === "triangle") return Math.max(y * 1.25, Math.abs(x) * 1.25 - y * 0.72);
  return Math.hypot(x, y);
}

function emptyStamp(): Stamp {
  return { dx: new Int8Array(0), dy: new Int8Array(0), cover: new Uint16Array(0), reach: 0 };
}

function statesIn(states: Bytes): boolean[] {
  const has = [false, false, false, false];
  for (let i = 0; i < states.length; i++) has[states[i]] = true;
  return has;
}

function divisor(a: number, b: number): number {
  while (b) [a, b] = [b, a % b];
  return a;
}
