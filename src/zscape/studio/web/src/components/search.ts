/** What the search field finds: an item by its number, items by a group, a tag. */

import { mark, marked } from "../map/lasso";
import { studio } from "../state/studio.svelte";
import { count } from "./words";

/** Goes to what the words name; says what was found, or what may be looked for. Nothing, where another
 * study was opened meanwhile. */
export async function findIn(words: string): Promise<string> {
  const space = studio.space;
  const asked = words.trim();
  if (!space || !asked) return "Type the number of an item, a label or a tag.";
  const number = /^#?(\d+)$/.exec(asked);
  const groups = await labelled(asked);
  if (studio.space !== space) return "";
  if (groups) return groups;
  if (number && Number(number[1]) < space.count) {
    studio.pin(Number(number[1]));
    return `Item ${number[1]}.`;
  }
  return `Nothing is called '${asked}'. Type the number of an item, up to #${space.count - 1}, a label or a tag.`;
}

async function labelled(asked: string): Promise<string | null> {
  const space = studio.space!;
  const tag = studio.notes?.tags[asked];
  const marks = mark(tag ?? [], space.count);
  if (!tag && !asked.startsWith("#")) {
    for (const column of space.columns.filter((one) => one.kind === "category")) {
      const group = column.classes?.findIndex((name) => name.toLowerCase() === asked.toLowerCase());
      if (group === undefined || group < 0) continue;
      const colouring = await space.colouring(column.id);
      if (studio.space !== space) return null;
      if (colouring?.kind !== "groups") continue;
      colouring.values.forEach((value, i) => value === group && (marks[i] = 1));
      break;
    }
  }
  const found = marked(marks).length;
  if (!found) return null;
  studio.select(marks, `search for '${asked}'`);
  return `${count(found)} items of '${asked}' are selected.`;
}
