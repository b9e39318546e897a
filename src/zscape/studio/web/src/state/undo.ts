/** What can be taken back: tags, names, keyframes, selections. Knows no view. */

export interface Step {
  what: string;
  undo: () => void;
  redo: () => void;
}

const DEEPEST = 200;

export class History {
  #done: Step[] = [];
  #undone: Step[] = [];

  /** Does a step and remembers how to take it back. */
  run(step: Step): void {
    step.redo();
    this.#done.push(step);
    if (this.#done.length > DEEPEST) this.#done.shift();
    this.#undone = [];
  }

  /** The words for what was taken back, or null where nothing was left. */
  undo(): string | null {
    const step = this.#done.pop();
    if (!step) return null;
    step.undo();
    this.#undone.push(step);
    return step.what;
  }

  redo(): string | null {
    const step = this.#undone.pop();
    if (!step) return null;
    step.redo();
    this.#done.push(step);
    return step.what;
  }
}
