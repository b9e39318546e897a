/** What can be taken back, each where it was done. Knows no view. */

export interface Step {
  what: string;
  /** What it changes: steps of one subject are taken back in their order. */
  subject: string;
  undo: () => void;
  redo: () => void;
  /** The drag it is of, if any: the steps of one drag are one. */
  gesture?: object;
}

type Done = Step & { view: string };

const DEEPEST = 200;

export class History {
  #done: Done[] = [];
  #undone: Done[] = [];

  /** Remembers a step that was done in a view. */
  add(step: Step, view: string): void {
    const last = this.#done.at(-1);
    if (step.gesture && last?.gesture === step.gesture) last.redo = step.redo;
    else this.#done.push({ ...step, view });
    if (this.#done.length > DEEPEST) this.#done.shift();
    this.#undone = this.#undone.filter((one) => one.subject !== step.subject && one.view !== view);
  }

  /** Takes back what was done last in a view; its words, or null where nothing is left. A step
   * whose subject was changed elsewhere since stays: what came after it would be lost. */
  undo(view: string): string | null {
    const step = take(this.#done, view);
    if (!step) return null;
    step.undo();
    this.#undone.push(step);
    return step.what;
  }

  redo(view: string): string | null {
    const step = take(this.#undone, view);
    if (!step) return null;
    step.redo();
    this.#done.push(step);
    return step.what;
  }

  forget(): void {
    this.#done = [];
    this.#undone = [];
  }
}

/** Takes the last step of a view off the list, if it is the last of its subject. */
function take(steps: Done[], view: string): Done | null {
  const later = new Set<string>();
  for (let k = steps.length - 1; k >= 0; k--) {
    if (!later.has(steps[k].subject) && steps[k].view === view) return steps.splice(k, 1)[0];
    later.add(steps[k].subject);
  }
  return null;
}
