import type { Card, Column, Details, Unit } from "../src/server/types";
import { Space } from "../src/state/space.svelte";

/** A space as tests need it: of pictures, unless they say otherwise. */
export function spaceOf(
  about: Partial<Omit<Details, "columns">> & { units?: Unit[]; columns?: Column[] },
): Space {
  const { units = [], columns = [], ...details } = about;
  const made = { kind: "image", items: 3, latent: 2, shows: "rows", ...details } as Details;
  const space = new Space({ id: "7f3a", name: "one", kind: made.kind } as Card, made);
  space.units = units;
  space.columns = columns;
  return space;
}

/** A unit with its figures. */
export function unitOf(unit: number, further: Partial<Unit> = {}): Unit {
  return { unit, level: "z", rate: 1, mean: 0, spread: 1, drawn: 1, active: true, ...further };
}
