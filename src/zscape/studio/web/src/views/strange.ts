/** How well a threshold of a score finds what a person calls strange. Pure; knows no view. */

import type { Column } from "../server/types";

/** One way of saying what is strange: the items of a group, or those of the higher of two values. */
export interface Kind {
  column: string;
  group: number;
  name: string;
}

/** The column and the group of a kind, as the address names it. */
export function kindId({ column, name }: Kind): string {
  return `${column}:${name}`;
}

export interface Found {
  /** Items above the threshold that are strange. */
  hits: number;
  above: number;
  strange: number;
  /** Shares from 0 to 1; null where they are of nothing. */
  precision: number | null;
  recall: number | null;
  /** Precision of a threshold that looks at nothing: the share of the strange among all. */
  base: number | null;
}

const MOST_KINDS = 60; // groups of a column that are offered

/** What can be called strange: every group of a column of groups. */
export function kindsOf(columns: Column[]): { title: string; kinds: Kind[] }[] {
  return columns
    .filter((column) => column.kind === "category" && column.group !== "part")
    .map((column) => ({
      title: column.name,
      kinds: (column.classes ?? [])
        .slice(0, MOST_KINDS)
        .map((name, group) => ({ column: column.id, group, name })),
    }))
    .filter(({ kinds }) => kinds.length > 1);
}

/** Precision and recall of "scores above the threshold" among items that have a score and a group.
 *
 * @param scores of every item, NaN where there is none.
 * @param groups of every item, -1 where it is unknown.
 * @param group the one that is strange. */
export function findStrange(
  scores: ArrayLike<number>,
  groups: ArrayLike<number>,
  group: number,
  threshold: number,
): Found {
  let hits = 0,
    above = 0,
    strange = 0,
    all = 0;
  for (let i = 0; i < scores.length; i++) {
    if (Number.isNaN(scores[i]) || groups[i] < 0) continue;
    const is = groups[i] === group;
    all++;
    if (is) strange++;
    if (scores[i] > threshold) {
      above++;
      if (is) hits++;
    }
  }
  return {
    hits,
    above,
    strange,
    precision: above ? hits / above : null,
    recall: strange ? hits / strange : null,
    base: all ? strange / all : null,
  };
}
