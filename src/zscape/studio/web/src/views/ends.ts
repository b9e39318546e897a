/** Where the two ends lie on a map, and what can be made of a selection. */

import { count, namesOf } from "../components/words";
import { marked } from "../map/lasso";
import type { Mark } from "../map/overlay";
import type { Bytes } from "../map/arrays";
import type { Projection } from "../server/types";
import type { Plane, Space } from "../state/space.svelte";
import { studio } from "../state/studio.svelte";

/** The place of a code on a map that inverts: its shadow on the plane, or null. */
export function shadow(header: Projection, code: number[]): { x: number; y: number } | null {
  if (!header.plane) return null;
  const { origin, axes } = header.plane;
  const along = (axis: number[]) => {
    const length = axis.reduce((sum, v) => sum + v * v, 0);
    return code.reduce((sum, v, d) => sum + (v - origin[d]) * axis[d], 0) / length;
  };
  return { x: along(axes[0]), y: along(axes[1]) };
}

export function placesOfEnds(plane: Plane): Mark[] {
  const marks: Mark[] = [];
  for (const name of ["a", "b"] as const) {
    const end = studio.ends[name];
    if (!end) continue;
    const { place } = end;
    const upper = name.toUpperCase() as "A" | "B";
    if ("item" in place) {
      const { places } = plane;
      marks.push({ x: places[2 * place.item], y: places[2 * place.item + 1], name: upper });
      continue;
    }
    const at = shadow(plane.header, place.code);
    if (at) marks.push({ ...at, name: upper });
  }
  return marks;
}

/** The mean code of marked items, and the item nearest to it. */
export function middleOf(space: Space, marks: Bytes): { code: number[]; item: number } | null {
  const { z } = space;
  const width = space.details.latent;
  const items = marked(marks);
  if (!z || items.length === 0) return null;
  const code = new Array<number>(width).fill(0);
  for (const i of items) for (let d = 0; d < width; d++) code[d] += z[i * width + d] / items.length;
  let item = items[0],
    least = Infinity;
  for (const i of items) {
    let far = 0;
    for (let d = 0; d < width; d++) far += (z[i * width + d] - code[d]) ** 2;
    if (far < least) [least, item] = [far, i];
  }
  return { code, item };
}

/** Makes an item an end. */
export function itemAsEnd(space: Space, item: number, which: "a" | "b"): void {
  studio.setEnd(which, { place: { item }, words: space.called(item), selection: null });
}

/** Makes the mean of the selection an end. */
export async function selectionAsEnd(space: Space, which: "a" | "b"): Promise<void> {
  const middle = studio.marks && middleOf(space, studio.marks);
  if (!middle) return;
  const number = marked(studio.marks!).length;
  const words = `the mean of ${count(number)} selected ${namesOf(space.card.kind).many}`;
  const selection = { id: await studio.stored, count: number };
  studio.setEnd(which, { place: { code: middle.code }, words, selection });
}
