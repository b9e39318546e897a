/** Draws points into the pixels of a picture by the processor: no WebGL, the same bytes every time.
 * Knows no canvas: pixels are a word each, as ImageData holds them (alpha, blue, green, red). */

import type { Bytes, Places, Words } from "./arrays";
import type { Camera, Size } from "./camera";
import { shapeOf, type Shape } from "./marks";

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
  /** Whether slots are groups, which shapes tell apart; numbers on a ramp are discs. */
  grouped: boolean;
}

/** One mark: its pixels as offsets across, down and in the array, and how much of each it covers,
 * of 256. */
interface Stamp {
  dx: Int8Array;
  dy: Int8Array;
  steps: Int32Array;
  cover: Int32Array;
  reach: number;
}

const SHAPED = 3.5; // pixels
const OPACITY = 200; // of 256, so that crowds show
const DIM_OPACITY = 90;

/** The radius of a point in pixels: smaller where there are many, larger when zoomed in. */
export function radiusFor(count: number, zoomed: number, ratio = 1): number {
  const crowd = count <= 2_000 ? 3.4 : count <= 20_000 ? 2.5 : count <= 120_000 ? 1.7 : 0.8;
  return Math.min(crowd * Math.pow(Math.max(zoomed, 0.7), 0.35), 7) * ratio;
}

/** Whether points of a radius are large enough that shape tells groups apart beside colour. */
export function isShaped(radius: number): boolean {
  return radius >= SHAPED;
}

/** Fills `pixels` [height * width] with the ground and draws every point in view: dim ones first,
 * chosen ones last, and else in the order given. Neighbours in the plane should stand together
 * (`inOrder`): they touch the same pixels, and a processor waits for pixels more than for sums. */
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
  const sheet = sheetOf(pixels, size);
  const shaped = look.grouped && isShaped(radius);
  const stamps = [0, 1, 2, 3].map((slot) =>
    makeStamp(shaped ? shapeOf(slot) : "disc", radius, size.width),
  );
  const chosen = makeStamp("disc", radius + 1, size.width);
  const has = statesIn(look.states);
  if (has[DIM]) drawState(sheet, places, camera, look, DIM, stamps, DIM_OPACITY);
  if (has[PLAIN]) drawState(sheet, places, camera, look, PLAIN, stamps, OPACITY);
  if (has[CHOSEN]) {
    const marks = isShaped(radius) ? stamps : [chosen, chosen, chosen, chosen];
    drawState(sheet, places, camera, look, CHOSEN, marks, 256);
  }
}

/** Pixels as signed words: unsigned ones above 2^31 are no small integers to a browser, and cost
 * four times as much. */
interface Sheet extends Size {
  words: Int32Array<ArrayBuffer>;
}

function sheetOf(pixels: Words, size: Size): Sheet {
  return { ...size, words: new Int32Array(pixels.buffer, pixels.byteOffset, pixels.length) };
}

const FAR = 1 << 20; // added before a number is cut to an integer, so that it is rounded down

function drawState(
  sheet: Sheet,
  places: Places,
  camera: Camera,
  look: Look,
  state: number,
  stamps: Stamp[],
  opacity: number,
): void {
  const count = places.length / 2;
  const { width, height, words } = sheet;
  const { slots, states } = look;
  const palette = new Int32Array(look.palette);
  if (state === DIM) palette.fill(look.dim | 0);
  const { scale } = camera;
  const left = width / 2 - camera.x * scale + FAR + 0.5,
    top = height / 2 + camera.y * scale + FAR + 0.5;
  const edge = stamps[0].reach;
  for (let i = 0; i < count; i++) {
    if (states[i] !== state) continue;
    const x = ((left + places[2 * i] * scale) | 0) - FAR,
      y = ((top - places[2 * i + 1] * scale) | 0) - FAR;
    if (x < -edge || y < -edge || x >= width + edge || y >= height + edge) continue;
    const slot = slots[i];
    if (edge === 0) {
      const at = y * width + x;
      words[at] = mix(words[at], palette[slot], opacity);
    } else press(sheet, x, y, stamps[slot & 3], palette[slot], opacity);
  }
}

function press(
  { width, height, words }: Sheet,
  x: number,
  y: number,
  { dx, dy, steps, cover, reach }: Stamp,
  colour: number,
  opacity: number,
): void {
  const middle = y * width + x;
  const inside = x >= reach && y >= reach && x < width - reach && y < height - reach;
  for (let k = 0; k < steps.length; k++) {
    if (!inside) {
      const px = x + dx[k],
        py = y + dy[k];
      if (px < 0 || py < 0 || px >= width || py >= height) continue;
    }
    const at = middle + steps[k];
    words[at] = mix(words[at], colour, (cover[k] * opacity) >> 8);
  }
}

/** `share` of 256 of a colour over another, both opaque, as a signed word; red and blue are mixed
 * in one product. */
export function mix(under: number, over: number, share: number): number {
  const rest = 256 - share;
  const outer =
    ((Math.imul(over & 0xff00ff, share) + Math.imul(under & 0xff00ff, rest)) >>> 8) & 0xff00ff;
  const middle =
    ((Math.imul(over & 0xff00, share) + Math.imul(under & 0xff00, rest)) >>> 8) & 0xff00;
  return -0x1000000 | outer | middle;
}

function makeStamp(shape: Shape, radius: number, width: number): Stamp {
  const reach = radius < 1 ? 0 : Math.ceil(radius);
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
    steps: Int32Array.from(found, (f) => f[1] * width + f[0]),
    cover: Int32Array.from(found, (f) => f[2]),
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

function statesIn(states: Bytes): boolean[] {
  const has = [false, false, false, false];
  for (let i = 0; i < states.length; i++) has[states[i]] = true;
  return has;
}
