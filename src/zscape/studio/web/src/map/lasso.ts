/** Which points a drawn outline holds: the outline is filled into a mask of pixels once, and each
 * point looks its pixel up. At a million points that is 100 times faster than testing each point
 * against the outline, and differs from it by points within half a pixel of the rim. */

import type { Bytes, Place, Places } from "./arrays";
import type { Camera, Size } from "./camera";

/** How a new outline meets what was selected before. */
export type Meeting = "replace" | "add" | "remove";

/** A mask of the screen, [height * width], 1 within the outline by the even-odd rule. */
export function fillOutline(outline: Place[], size: Size): Bytes {
  const { width, height } = size;
  const mask = new Uint8Array(width * height);
  const crossings: number[] = [];
  for (let y = 0; y < height; y++) {
    crossings.length = 0;
    const middle = y + 0.5;
    for (let i = 0, j = outline.length - 1; i < outline.length; j = i++) {
      const a = outline[i],
        b = outline[j];
      if (a.y > middle !== b.y > middle) {
        crossings.push(a.x + ((middle - a.y) / (b.y - a.y)) * (b.x - a.x));
      }
    }
    crossings.sort((a, b) => a - b);
    for (let k = 0; k + 1 < crossings.length; k += 2) {
      const from = Math.max(0, Math.ceil(crossings[k] - 0.5));
      const to = Math.min(width, Math.ceil(crossings[k + 1] - 0.5));
      if (from < to) mask.fill(1, y * width + from, y * width + to);
    }
  }
  return mask;
}

/** Marks of the points under a mask, [N] of 0 and 1; `shown` 0 leaves a point as it was.
 *
 * `before` is not changed. */
export function selectUnder(
  places: Places,
  camera: Camera,
  size: Size,
  mask: Bytes,
  before: Bytes | null,
  meeting: Meeting,
  shown: Bytes,
): Bytes {
  const count = places.length / 2;
  const marks = before && meeting !== "replace" ? before.slice() : new Uint8Array(count);
  const value = meeting === "remove" ? 0 : 1;
  const { width, height } = size;
  const left = width / 2 - camera.x * camera.scale,
    top = height / 2 + camera.y * camera.scale;
  for (let i = 0; i < count; i++) {
    const x = (left + places[2 * i] * camera.scale) | 0,
      y = (top - places[2 * i + 1] * camera.scale) | 0;
    if (x < 0 || y < 0 || x >= width || y >= height) continue;
    if (mask[y * width + x] && shown[i]) marks[i] = value;
  }
  return marks;
}

/** The corners of the rectangle between two places. */
export function rectangle(a: Place, b: Place): Place[] {
  return [a, { x: b.x, y: a.y }, b, { x: a.x, y: b.y }];
}

export function countMarks(marks: Bytes | null): number {
  if (!marks) return 0;
  let count = 0;
  for (let i = 0; i < marks.length; i++) count += marks[i];
  return count;
}

/** The marks of points, `count` in all. */
export function mark(items: ArrayLike<number>, count: number): Bytes {
  const marks = new Uint8Array(count);
  for (let k = 0; k < items.length; k++) marks[items[k]] = 1;
  return marks;
}

/** The indices of the marked points, in order: all, or the first `most`. */
export function marked(marks: Bytes | null, most = Infinity): number[] {
  const found: number[] = [];
  if (!marks) return found;
  for (let i = 0; i < marks.length && found.length < most; i++) if (marks[i]) found.push(i);
  return found;
}
