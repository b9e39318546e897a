/** How the points of a map look: their colours by groups or by numbers, and which are shown, dimmed,
 * chosen. Pure; knows no canvas and no server. */

import type { Bytes, Words } from "./arrays";
import {
  groupPalette,
  MOST_GROUPS,
  NONE,
  quantiles,
  rampPalette,
  slotsOf,
  type Ramp,
} from "./colours";
import { CHOSEN, DIM, HIDDEN, PLAIN } from "./splat";

export interface Grouped {
  kind: "groups";
  name: string;
  /** Of each group its name, how many, and its slot of the palette. */
  groups: { name: string; count: number; slot: number }[];
  /** How many items are of no group. */
  unknown: number;
  /** The group of each item, -1 where it is unknown. */
  values: Int32Array<ArrayBuffer>;
  slots: Bytes;
  palette: Words;
}

export interface Numbered {
  kind: "numbers";
  name: string;
  unit: string;
  ramp: Ramp;
  /** The ends of the ramp: what lies beyond has the colour of the end. */
  low: number;
  high: number;
  beyond: boolean;
  /** How many items have no number. */
  unknown: number;
  values: ArrayLike<number>;
  slots: Bytes;
  palette: Words;
}

export type Colouring = Grouped | Numbered;

const CLIP = [0, 0.01, 0.99, 1]; // of the values lie outside the ends, a hundredth at each side

/** The twelve largest groups have hues; the rest are grey. The order of groups is kept. */
export function colourGroups(
  name: string,
  classes: string[],
  values: Int32Array<ArrayBuffer>,
): Grouped {
  const counts = new Array<number>(classes.length).fill(0);
  for (let i = 0; i < values.length; i++) if (values[i] >= 0) counts[values[i]]++;
  const order = classes.map((_, k) => k);
  if (classes.length > MOST_GROUPS) order.sort((a, b) => counts[b] - counts[a]);
  const slotFor = new Array<number>(classes.length).fill(NONE);
  order.slice(0, MOST_GROUPS).forEach((group, slot) => (slotFor[group] = slot));
  const slots = new Uint8Array(values.length);
  for (let i = 0; i < values.length; i++) slots[i] = values[i] < 0 ? NONE : slotFor[values[i]];
  const groups = classes.map((group, k) => ({ name: group, count: counts[k], slot: slotFor[k] }));
  const unknown = values.length - counts.reduce((sum, each) => sum + each, 0);
  return { kind: "groups", name, groups, unknown, values, slots, palette: groupPalette() };
}

/** Numbers on a ramp from their first to their ninety-ninth hundredth; those about zero on the
 * diverging one, evenly to both sides. */
export function colourNumbers(
  name: string,
  unit: string,
  values: ArrayLike<number>,
  aboutZero = false,
): Numbered {
  const [least, first, last, most] = quantiles(values, CLIP);
  const even = Math.max(Math.abs(first), Math.abs(last));
  const low = aboutZero ? -even : first,
    high = aboutZero ? even : last;
  const ramp = aboutZero ? "diverging" : "sequential";
  const slots = slotsOf(values, low, high);
  return {
    kind: "numbers",
    name,
    unit,
    ramp,
    low,
    high,
    beyond: least < low || most > high,
    unknown: slots.reduce((sum, slot) => sum + (slot === NONE ? 1 : 0), 0),
    values,
    slots,
    palette: rampPalette(ramp),
  };
}

/** How many of each group are looked at, and of none: groups that are switched off are counted, as
 * they would be seen.
 *
 * @param marks the selection where what is not selected disappears, else null.
 * @param only the marks that bound what is looked at, or null. */
export function countGroups(
  { groups, values }: Grouped,
  marks: Bytes | null,
  only: Bytes | null,
): { groups: number[]; unknown: number } {
  const found = groups.map(() => 0);
  let unknown = 0;
  for (let i = 0; i < values.length; i++) {
    if ((only && !only[i]) || (marks && !marks[i])) continue;
    if (values[i] < 0) unknown++;
    else found[values[i]]++;
  }
  return { groups: found, unknown };
}

/** The state of each point, and how many are shown.
 *
 * @param marks the selection, or null.
 * @param filter whether what is not selected disappears rather than fades.
 * @param hidden groups that are switched off.
 * @param only the marks that bound what is looked at, or null. */
export function statesOf(
  count: number,
  colouring: Colouring | null,
  marks: Bytes | null,
  filter: boolean,
  hidden: ReadonlySet<number>,
  only: Bytes | null,
): { states: Bytes; shown: number } {
  const states = new Uint8Array(count);
  const groups = colouring?.kind === "groups" && hidden.size ? colouring.values : null;
  const rest = filter ? HIDDEN : DIM;
  let shown = 0;
  for (let i = 0; i < count; i++) {
    if ((groups && hidden.has(groups[i])) || (only && !only[i])) continue;
    states[i] = marks ? (marks[i] ? CHOSEN : rest) : PLAIN;
    if (states[i] !== HIDDEN) shown++;
  }
  return { states, shown };
}
