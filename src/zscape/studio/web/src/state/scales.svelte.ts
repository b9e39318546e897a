/** How sure the codes of items are, asked for when somebody wants to see it. */

import type { Floats } from "../map/arrays";
import { server } from "../server/server";

const TOGETHER = 64; // items of one question

export class Scales {
  readonly study: string;
  readonly #width: number;
  /** Of each item that was asked for; null where there is none to tell. */
  known = $state.raw<ReadonlyMap<number, Floats | null>>(new Map());
  #asked = new Set<number>();

  constructor(study: string, width: number) {
    this.study = study;
    this.#width = width;
  }

  /** Asks for those of these items that are not known yet. */
  async want(items: number[]): Promise<void> {
    const missing = items.filter((item) => !this.#asked.has(item));
    for (let start = 0; start < missing.length; start += TOGETHER) {
      const some = missing.slice(start, start + TOGETHER);
      for (const item of some) this.#asked.add(item);
      const found = (await server.scales(this.study, some)).array("scale") as Floats;
      const known = new Map(this.known);
      some.forEach((item, row) => {
        const scale = found.subarray(row * this.#width, (row + 1) * this.#width);
        known.set(item, Number.isNaN(scale[0]) ? null : scale);
      });
      this.known = known;
    }
  }
}
