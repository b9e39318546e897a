/** The two ends, and how they outlast a reload: short ones by the address, all of them by the tab. */

import { server } from "../server/server";
import type { Place } from "../server/types";
import { placeText } from "./hash";
import type { Space } from "./space.svelte";
import { keepInTab, keptInTab } from "./tab";

/** One of the two ends: a place, in words, and the selection whose mean it is, if it is one. */
export interface End {
  place: Place;
  words: string;
  selection: { id: string; count: number } | null;
}
export interface Ends {
  a: End | null;
  b: End | null;
}

const key = (study: string) => `zscape-ends-${study}`;

export function keepEnds(study: string, ends: Ends): void {
  keepInTab(key(study), ends);
}

/** The ends of a study as its address names them, with what the tab knows of them; where the address
 * names none, those of the tab. Ends that are no place of this study are dropped. */
export function endsOf(
  space: Pick<Space, "id" | "count" | "details" | "called">,
  named: { a: Place | null; b: Place | null },
): Ends {
  const kept = keptInTab<Ends>(key(space.id));
  const wordsOf = (place: Place) =>
    "item" in place ? space.called(place.item) : "the code of the address";
  const found = (which: "a" | "b"): End | null => {
    const end = oneOf(named[which], kept?.[which] ?? null, wordsOf);
    return end && isPlaceOf(space, end.place) ? end : null;
  };
  return { a: found("a"), b: found("b") };
}

/** Whether a study has such a place: what a tab or an address remembers may be of another one. */
export function isPlaceOf(space: Pick<Space, "count" | "details">, place: Place): boolean {
  return "item" in place ? place.item < space.count : place.code.length === space.details.latent;
}

function oneOf(
  place: Place | null,
  kept: End | null,
  wordsOf: (place: Place) => string,
): End | null {
  if (!place || (kept && placeText(kept.place) === placeText(place))) return kept;
  return { place, words: wordsOf(place), selection: null };
}

/** The same ends, without selections that the server does not keep any more. */
export async function withKnown(study: string, ends: Ends): Promise<Ends> {
  if (!ends.a?.selection && !ends.b?.selection) return ends;
  const { selections } = await server.selections(study);
  return withSelections(ends, new Set(selections.map((one) => one.id)));
}

/** The same ends, without the selections that are not known any more. */
export function withSelections({ a, b }: Ends, known: ReadonlySet<string>): Ends {
  const checked = (end: End | null) =>
    end && {
      ...end,
      selection: end.selection && known.has(end.selection.id) ? end.selection : null,
    };
  return { a: checked(a), b: checked(b) };
}
