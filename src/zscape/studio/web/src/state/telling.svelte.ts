/** The few cells that tell most of an item or a code, asked for when a tile first shows it. */

import { server } from "../server/server";
import type { NamedCell, Place } from "../server/types";

const TOGETHER = 64; // places of one question
const GATHERED = 30; // milliseconds in which questions come together

export class Telling {
  readonly study: string;
  #known = new Map<string, NamedCell[]>();
  #waiting = new Map<string, Place>();
  #asked = new Set<string>();
  #busy = false;
  /** Grows with every answer: what was read of cells is read again. */
  #answers = $state(0);

  constructor(study: string) {
    this.study = study;
  }

  /** The cells of a place; none until they came. */
  of(place: Place): NamedCell[] {
    void this.#answers;
    const key = keyOf(place);
    const known = this.#known.get(key);
    if (!known && !this.#asked.has(key)) this.#want(key, place);
    return known ?? [];
  }

  #want(key: string, place: Place): void {
    this.#asked.add(key);
    this.#waiting.set(key, place);
    if (this.#busy) return;
    this.#busy = true;
    setTimeout(() => void this.#ask(), GATHERED);
  }

  /** One question at a time, of what was wanted last: that is what is looked at. */
  async #ask(): Promise<void> {
    while (this.#waiting.size) {
      const some = [...this.#waiting].slice(-TOGETHER);
      for (const [key] of some) this.#waiting.delete(key);
      try {
        const { rows } = await server.telling(
          this.study,
          some.map(([, place]) => place),
        );
        some.forEach(([key], k) => this.#known.set(key, rows[k]));
        this.#answers++;
      } catch {
        for (const [key] of some) this.#asked.delete(key); // whoever shows it next asks again
      }
    }
    this.#busy = false;
  }
}

function keyOf(place: Place): string {
  return "item" in place ? `#${place.item}` : place.code.join(",");
}
