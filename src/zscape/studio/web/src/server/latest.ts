/** A drag asks faster than a model answers: only the newest question waits, and only a newer answer
 * is shown. Knows no socket. */

/** Sends one question at a time. While one is on its way, a newer one takes the place of the one
 * that waits, so nothing queues; `answered` frees the way. */
export class LatestWins<Question> {
  #send: (sequence: number, question: Question) => void;
  #next = 0;
  #onItsWay = -1;
  #waiting: Question | null = null;
  #shown = -1;

  constructor(send: (sequence: number, question: Question) => void) {
    this.#send = send;
  }

  ask(question: Question): void {
    if (this.#onItsWay >= 0) this.#waiting = question;
    else this.#go(question);
  }

  /** Whether the answer is newer than all before it: stale ones are to be dropped. */
  answered(sequence: number): boolean {
    if (sequence === this.#onItsWay) this.#onItsWay = -1;
    const fresh = sequence > this.#shown;
    if (fresh) this.#shown = sequence;
    if (this.#onItsWay < 0 && this.#waiting !== null) {
      const question = this.#waiting;
      this.#waiting = null;
      this.#go(question);
    }
    return fresh;
  }

  /** Forgets what is on its way, as after a broken line; the waiting question is kept and sent. */
  restart(): void {
    this.#onItsWay = -1;
    if (this.#waiting !== null) this.answered(-1);
  }

  get busy(): boolean {
    return this.#onItsWay >= 0;
  }

  #go(question: Question): void {
    this.#onItsWay = this.#next++;
    this.#send(this.#onItsWay, question);
  }
}
