/** What a person says of a study: tags, names of units, paths, the shelf. Written at once, to the
 * server after; where somebody wrote in between, what they wrote is read again. */

import { Problem, server } from "../server/server";
import type { Notes as Answer, Place, SavedPath } from "../server/types";

type Values = {
  tags: Record<string, number[]>;
  paths: SavedPath[];
  names: Record<string, string>;
  shelf: Place[];
};
export type NoteName = keyof Values;

export class Notes {
  readonly study: string;
  tags = $state.raw<Values["tags"]>({});
  paths = $state.raw<Values["paths"]>([]);
  names = $state.raw<Values["names"]>({});
  shelf = $state.raw<Values["shelf"]>([]);
  kept = $state(true);
  #versions: Record<NoteName, number> = { tags: 0, paths: 0, names: 0, shelf: 0 };
  #writing: Promise<void> = Promise.resolve();

  constructor(study: string) {
    this.study = study;
  }

  async load(): Promise<void> {
    const found: Answer = await server.notes(this.study);
    this.kept = found.kept;
    this.tags = found.tags.value ?? {};
    this.paths = found.paths.value ?? [];
    this.names = found.names.value ?? {};
    this.shelf = found.shelf.value ?? [];
    for (const name of ["tags", "paths", "names", "shelf"] as const) {
      this.#versions[name] = found[name].version;
    }
  }

  /** Sets one of the notes and writes it, after what is being written. */
  set<Name extends NoteName>(
    name: Name,
    value: Values[Name],
    complain: (words: string) => void,
  ): void {
    (this as Values)[name] = value;
    this.#writing = this.#writing.then(() => this.#write(name, value, complain));
  }

  async #write(name: NoteName, value: unknown, complain: (words: string) => void): Promise<void> {
    try {
      const done = await server.writeNote(this.study, name, this.#versions[name], value);
      this.#versions[name] = done.version;
    } catch (problem) {
      complain(problem instanceof Problem ? problem.message : String(problem));
      if (problem instanceof Problem && problem.id === "version") await this.load();
    }
  }
}
