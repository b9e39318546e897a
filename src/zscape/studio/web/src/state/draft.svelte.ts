/** What stands in the form of Train: it lives on while other views are open, and for the tab. */

import type { Card, Details, Recipes } from "../server/types";
import { keepInTab, keptInTab } from "./tab";

export interface Draft {
  name: string;
  data: string;
  recipe: string;
  /** What was typed, by option; an option that is not here is as usual. */
  typed: Record<string, string>;
  /** The name of the study that it was filled in from. */
  like: string;
}

const KEY = "zscape-draft";
export const BLANK: Draft = { name: "", data: "", recipe: "vae", typed: {}, like: "" };

class Drafts {
  now = $state.raw<Draft>({ ...BLANK, ...keptInTab<Partial<Draft>>(KEY) });

  set(change: Partial<Draft>): void {
    this.now = { ...this.now, ...change };
    keepInTab(KEY, this.now);
  }
}

export const drafts = new Drafts();

/** A form that asks for what a study was asked for: its data, its recipe, and each option that is
 * not as usual. Options that no field can hold are left out, as is a recipe that is not ours. */
export function draftLike(card: Card, asked: Details["asked"], known: Recipes): Draft {
  const recipe = known.recipes.find((one) => one.name === asked.recipe);
  const draft = { ...BLANK, data: `study:${card.id}`, like: card.name };
  if (!recipe) return draft;
  const values = { ...asked.options, ...asked.training };
  const typed = [...recipe.options, ...known.training].flatMap((option) => {
    const value = values[option.name];
    const plain = ["string", "number", "boolean"].includes(typeof value);
    return plain && value !== option.default ? [[option.name, String(value)]] : [];
  });
  return { ...draft, recipe: recipe.name, typed: Object.fromEntries(typed) };
}
