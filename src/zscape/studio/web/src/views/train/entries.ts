/** The trainings that one can look at, why each ended, and how it can be taken up again. */

import { number } from "../../components/words";
import type { Card, Ending, Job } from "../../server/types";
import { hasEnded, stateWords } from "../../state/jobs";

/** Why a training ended, in a short sentence; nothing where that is not known. */
export function endWords(ending: Ending | null, state: Job["state"] | "" = ""): string {
  if (!ending) return "";
  const { why, epoch, epochs, patience } = ending;
  const best = ending.best === null ? "" : number(ending.best, 4);
  const lowest = best && `; its lowest validation loss was ${best} nats`;
  if (why === "epochs")
    return `Ran ${epochs === 1 ? "its one epoch" : `all its ${epochs} epochs`}${lowest}.`;
  if (why === "patience") {
    const long = patience === 1 ? "an epoch" : `${patience} epochs`;
    return `Ended early after epoch ${epoch} of ${epochs}: its validation loss was not below ${best} nats again for ${long}.`;
  }
  if (why === "diverged")
    return `Failed in epoch ${epoch} of ${epochs}: its numbers left the finite twice${lowest}.`;
  const how = { stopped: "Stopped by hand", failed: "Failed" }[state as string] ?? "Broken off";
  return epoch
    ? `${how} in epoch ${epoch} of ${epochs}${lowest}.`
    : `${how} before its first step.`;
}

export interface WayOn {
  words: string;
  /** As they are asked for; null: as before. */
  epochs: number | null;
  /** How many more are usual, where a person says how many. */
  more: number;
}

export const MOST_EPOCHS = 100_000;

/** How the training of a study can be taken up again: where it was broken off, with as much patience
 * as at first, or for more epochs than were asked for; in no other case would the library train on. */
export function wayOn(card: Card | undefined): WayOn | null {
  const ending = card?.ending;
  if (!ending?.goes_on || card?.state === "training" || card?.state === "broken") return null;
  const { why, epochs } = ending;
  if (why === "broken") return { words: "Go on", epochs: null, more: 0 };
  if (why === "patience") return { words: "Train further", epochs, more: 0 };
  const left = MOST_EPOCHS - epochs;
  if (why === "epochs" && left > 0)
    return { words: "Train further", epochs, more: Math.min(epochs, left) };
  return null;
}

/** Why a training that ended cannot be taken up again here, though nothing is wrong with it. */
export function stuckWords(card: Card | undefined): string {
  const { ending } = card ?? {};
  if (!ending || ending.goes_on || ending.why === "diverged") return "";
  if (card?.state === "training" || card?.state === "broken") return "";
  return "It cannot be trained further here: its model was changed after its training, or its data or its recipe were given in Python, where zscape.resume takes them again.";
}

export interface Entry {
  /** Of the job, or of the study where this start of the studio began no training of it. */
  id: string;
  study: string | null;
  name: string;
  recipe: string;
  when: number;
  job: Job | null;
  /** Whether a later entry is of the same study. */
  gone: boolean;
  words: string;
}

/** Every training that one can look at: those of this start, then those that the studies tell of. */
export function entriesOf(jobs: Job[], cards: Card[]): { begun: Entry[]; earlier: Entry[] } {
  const shown = jobs.filter((job) => job.kind === "train" || job.kind === "refit");
  const trained = shown.filter((job) => job.kind === "train");
  const begun = shown.map((job) => {
    const newest = trained.find((one) => one.study === job.study);
    const gone = job.kind === "train" && newest !== job;
    const end = hasEnded(job) ? endWords(job.ending, job.state) : "";
    const { id, study, name, recipe } = job;
    const words = (end || stateWords(job)) + (gone ? " Gone on with since." : "");
    return { id, study, name, recipe, when: job.created, job, gone, words };
  });
  const rest = cards.filter((card) => card.ending && !trained.some((job) => job.study === card.id));
  const earlier = rest.map((card) => {
    const { id: study, name, recipe, modified: when } = card;
    const words = card.state === "training" ? "training" : endWords(card.ending);
    return { id: `of-${study}`, study, name, recipe, when, job: null, gone: false, words };
  });
  return { begun, earlier: earlier.sort((a, b) => b.when - a.when) };
}
