/** What the search field finds: an item by its number or name, items by a group, a tag, a part of
 * their names. */

import type { Bytes } from "../map/arrays";
import { mark, marked } from "../map/lasso";
import { studio } from "../state/studio.svelte";
import { capital, count, namesOf, withArticle } from "./words";

/** Goes to what the words name; says what was found, or what may be looked for. Nothing, where another
 * study was opened meanwhile. */
export async function findIn(words: string): Promise<string> {
  const space = studio.space;
  const asked = words.trim();
  if (!space || !asked) return "Type the number of an item, a label or a tag.";
  const { one } = namesOf(space.card.kind);
  const number = /^#?(\d+)$/.exec(asked);
  const groups = await labelled(asked);
  if (studio.space !== space) return "";
  if (groups) return groups;
  const exact = space.names.indexOf(asked);
  if (exact >= 0) return opened(exact);
  if (number && Number(number[1]) < space.count) {
    return opened(Number(number[1]));
  }
  const part = asked.toLowerCase();
  const like = [...space.names.keys()].filter((i) => space.names[i].toLowerCase().includes(part));
  if (like.length === 1) return opened(like[0]);
  if (like.length)
    return selected(mark(like, space.count), `with '${asked}' in their names`, asked);
  const names = space.names.length ? "a name, " : "";
  return `Nothing is called '${asked}'. Type the number of ${withArticle(one)}, up to #${space.count - 1}, ${names}a label or a tag.`;
}

function opened(item: number): string {
  studio.pin(item);
  return `${capital(studio.space!.called(item))}.`;
}

function selected(marks: Bytes, which: string, asked: string): string {
  const { many } = namesOf(studio.space!.card.kind);
  studio.select(marks, `search for '${asked}'`);
  return `${count(marked(marks).length)} ${many} ${which} are selected.`;
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
  return marked(marks).length ? selected(marks, `of '${asked}'`, asked) : null;
}
