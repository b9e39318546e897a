/** What stands in the form of Train: it lives on while other views are open, and for the tab. */

import type { Card, Details, Job, Recipes, Remedy } from "../server/types";
import { hasEnded } from "./jobs";
import { keepInTab, keptInTab } from "./tab";

export interface Draft {
  name: string;
  data: string;
  recipe: string;
  /** What was typed, by option; an option that is not here is as usual. */
  typed: Record<string, string>;
  /** The name of the study that it was filled in from. */
  like: string;
  /** The option that differs from that study as its Health proposes; "recipe" for the recipe. */
  proposed: string;
  /** The id of the job that was begun of it, until its training really began; else empty. */
  asked: string;
}

const KEY = "zscape-draft";
export const BLANK: Draft = {
  ...{ name: "", data: "", recipe: "vae", typed: {} },
  ...{ like: "", proposed: "", asked: "" },
};

class Drafts {
  now = $state.raw<Draft>({ ...BLANK, ...keptInTab<Partial<Draft>>(KEY) });

  set(change: Partial<Draft>): void {
    this.now = { ...this.now, ...change };
    keepInTab(KEY, this.now);
  }
}

export const drafts = new Drafts();

/** The folder of a study of that name, as the server makes it. */
export function folderOf(name: string): string {
  return name.replaceAll(" ", "-");
}

/** The name, or the first of name-2, name-3 and so on that is not taken, as the server chooses. */
export function freeName(name: string, taken: string[]): string {
  let free = name;
  for (let n = 2; taken.includes(free); n++) free = `${name}-${n}`;
  return free;
}

/** The form once its job is heard of: a name is given once, as soon as the training really began;
 * what ended before that leaves all that was typed. */
export function draftAfter(draft: Draft, jobs: Job[]): Draft {
  const job = jobs.find((one) => one.id === draft.asked);
  if (job && (job.epoch > 0 || job.state === "done")) return { ...draft, name: "", asked: "" };
  return job && hasEnded(job) ? { ...draft, asked: "" } : draft;
}

/** A form that asks for what a study was asked for: its data, its recipe, and each option that is
 * not as usual. Options that no field can hold are left out, as is a recipe that is not ours.
 *
 * @param remedy what is to differ. */
export function draftLike(
  card: Card,
  asked: Details["asked"],
  known: Recipes,
  remedy?: Remedy,
): Draft {
  const recipe = recipeOf(asked, known, remedy);
  const draft = { ...BLANK, data: `study:${card.id}`, like: card.name };
  if (!recipe) return draft;
  const values = { ...asked.options, ...asked.training };
  const typed = [...recipe.options, ...known.training].flatMap((option) => {
    const value = values[option.name];
    const plain = ["string", "number", "boolean"].includes(typeof value);
    return plain && value !== option.default ? [[option.name, String(value)]] : [];
  });
  if (remedy && remedy.option !== "recipe") typed.push([remedy.option, String(remedy.value)]);
  const proposed = remedy?.option ?? "";
  return { ...draft, recipe: recipe.name, typed: Object.fromEntries(typed), proposed };
}

/** Whether the form has a field for what a remedy of a study changes. */
export function isOffered(asked: Details["asked"], known: Recipes, remedy: Remedy): boolean {
  const recipe = recipeOf(asked, known, remedy);
  if (!recipe || remedy.option === "recipe") return recipe !== undefined;
  return [...recipe.options, ...known.training].some((one) => one.name === remedy.option);
}

function recipeOf(asked: Details["asked"], known: Recipes, remedy?: Remedy) {
  const name = remedy?.option === "recipe" ? remedy.value : asked.recipe;
  return known.recipes.find((one) => one.name === name);
}
