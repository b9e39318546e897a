import { describe, expect, it } from "vitest";
import { countOthers, countPlaces } from "../src/map/grid";
import type { Column } from "../src/server/types";
import { crowding, type Plane } from "../src/state/space.svelte";
import { Traversal } from "../src/state/traversal.svelte";
import { spaceOf, unitOf } from "./spaces";

describe("what an item is called", () => {
  it("is its name, and its number where it has none", () => {
    const space = spaceOf({ kind: "logs" });
    expect([space.tag(1), space.called(1)]).toEqual(["#1", "session 1"]);
    space.names = ["blk_7", "blk_8", ""];
    expect([space.tag(1), space.called(1)]).toEqual(["blk_8", "session blk_8"]);
    expect([space.tag(2), space.called(2)]).toEqual(["#2", "session 2"]);
    expect(spaceOf({ kind: "array" }).called(1)).toBe("item 1");
  });
});

describe("the colour of a map that nobody chose", () => {
  const dead = [unitOf(0, { active: false }), unitOf(1, { active: false })];
  const lines = { id: "column-0", group: "column", kind: "number", classes: null } as Column;

  it("is the most telling unit, and no inactive one before it", () => {
    expect(spaceOf({ units: [dead[0], unitOf(3), unitOf(4)], columns: [lines] }).usualColour).toBe(
      "z3",
    );
  });

  it("is what the data say where no unit says anything", () => {
    expect(spaceOf({ units: dead, columns: [lines] }).usualColour).toBe("column-0");
    const collapsed = spaceOf({ units: [unitOf(0, { rate: 0.02 })], columns: [lines] });
    collapsed.collapsed = true;
    expect(collapsed.usualColour).toBe("column-0");
    expect(spaceOf({ units: dead }).usualColour).toBe("z0");
    expect(spaceOf({}).usualColour).toBe("");
  });
});

describe("items that lie on one another", () => {
  it("are counted by their places", () => {
    expect(countPlaces([3, 5, 5, 3, 3, 5, 65535, 65535, 3, 5])).toBe(3);
    expect(countPlaces([])).toBe(0);
    expect(countOthers(new Float32Array([1, 2, 2, 1, 1, 2, 1, 2]), 0)).toBe(2);
    expect(countOthers(new Float32Array([1, 2, 2, 1, 1, 2, 1, 2]), 1)).toBe(0);
  });

  it("are told of where most do", () => {
    const of = (items: number, taken: number) =>
      crowding({ places: new Float32Array(2 * items), taken } as Plane, "sessions");
    expect(of(1204, 37)).toBe("1,204 sessions on 37 places");
    expect([of(1204, 603), of(1204, 1204)]).toEqual(["", ""]);
  });
});

describe("how far off the data a code is", () => {
  it("is measured by codes as training drew them, not by their centres", () => {
    const collapsed = { spread: 0.05, drawn: 1, mean: 0 };
    const traversal = new Traversal(
      spaceOf({ units: [unitOf(1, collapsed), unitOf(0, { ...collapsed, mean: 1 })] }),
    );
    traversal.startFrom([2, -2], "a draw");
    expect([traversal.away, traversal.isWithin]).toEqual([expect.closeTo(1.58), false]);
    traversal.startFrom([1, -0.1], "a centre");
    expect(traversal.isWithin).toBe(true);
    traversal.startFrom([4, 3], "far");
    expect(traversal.away).toBeCloseTo(3);
  });
});
