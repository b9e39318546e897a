import type { Card, Ending, Job } from "../src/server/types";
import { directionSnippet, type Laid } from "../src/views/python";
import { endWords, entriesOf, stuckWords, wayOn } from "../src/views/train/entries";
import { inOrder } from "../src/views/train/shots";
import { describe, expect, it } from "vitest";
import { unitRates } from "../src/charts/unitRates";
import {
  cellNumber,
  cellText,
  cut,
  figureText,
  namesOf,
  number,
  unitName,
  withArticle,
} from "../src/components/words";
import { pathOf, shapeOf } from "../src/map/marks";
import { findStrange, kindId, kindsOf } from "../src/views/strange";

describe("figures in words", () => {
  it("say unit and kind, and both in one bracket", () => {
    const figure = { value: -12.34567, error: 0.111, unit: "nats", kind: "bound" as const };
    expect(figureText(figure)).toBe("−12.35 ± 0.11 nats (bound)");
    expect(figureText({ ...figure, unit: "nats (density)" })).toBe(
      "−12.35 ± 0.11 nats (density, bound)",
    );
    expect(figureText({ ...figure, error: null, kind: "exact" })).toBe("−12.35 nats");
  });
});

describe("a threshold against what is known to be strange", () => {
  const scores = [1, 2, 3, 4, 5, NaN, 6];
  const groups = [0, 0, 1, 0, 1, 1, -1];

  it("counts those that have a score and a group", () => {
    const found = findStrange(scores, groups, 1, 2.5);
    expect(found).toMatchObject({ hits: 2, above: 3, strange: 2, recall: 1 });
    expect(found.precision).toBeCloseTo(2 / 3);
    expect(found.base).toBeCloseTo(2 / 5);
  });

  it("says nothing of none", () => {
    expect(findStrange(scores, groups, 1, 99).precision).toBeNull();
    expect(findStrange(scores, groups, 7, 0).recall).toBeNull();
    expect(findStrange([], [], 0, 0).base).toBeNull();
  });

  it("offers the groups of columns of groups, but for the part of the data", () => {
    const column = { unit: "", group: "label" } as const;
    const kinds = kindsOf([
      { ...column, id: "label", name: "label", kind: "category", classes: ["0", "1"] },
      { ...column, id: "a", name: "age", kind: "number", classes: null },
      { ...column, id: "p", name: "part", kind: "category", classes: ["x", "y"], group: "part" },
    ]);
    expect(kinds).toEqual([
      {
        title: "label",
        kinds: [
          { column: "label", group: 0, name: "0" },
          { column: "label", group: 1, name: "1" },
        ],
      },
    ]);
    expect(kindId(kinds[0].kinds[1])).toBe("label:1");
  });
});

describe("rates of units over training", () => {
  const told = (step: number, ...rates: number[]) => {
    const parts = Object.fromEntries(rates.map((r, k) => [`validation_rate_unit_${k}`, r]));
    return { step, epoch: 0, share: 0, loss: 0, parts, seconds: 0, note: "" };
  };

  it("puts the most informative at the end first, and passes over what was not measured", () => {
    const found = unitRates([told(1, 0, 1), told(2), told(3, 2, 1), told(4, 3, 0.5)], []);
    expect(found.steps).toEqual([1, 3, 4]);
    expect(found.rows).toEqual([
      { unit: 0, rates: [0, 2, 3] },
      { unit: 1, rates: [1, 1, 0.5] },
    ]);
  });

  it("keeps the order of other charts, and puts what they lack behind", () => {
    const { rows } = unitRates([told(1, 4, 3, 2, 1)], [3, 1]);
    expect(rows.map((row) => row.unit)).toEqual([3, 1, 0, 2]);
  });

  it("keeps the last of many times", () => {
    const many = Array.from({ length: 25 }, (_, k) => told(k + 1, k));
    expect(unitRates(many, [], 10).steps).toEqual([1, 4, 7, 10, 13, 16, 19, 22, 25]);
  });

  it("is empty where no unit is told", () => {
    expect(unitRates([told(1)], [])).toEqual({ steps: [], rows: [] });
  });
});

describe("words", () => {
  it("call a unit as the command line does, until it has a name", () => {
    expect(unitName(4)).toBe("unit 4");
    expect(unitName(4, { 4: "slant" })).toBe("slant");
    expect(unitName(4, { 4: "" })).toBe("unit 4");
  });

  it("of cells tell numbers, however they are written, from words and from nothing", () => {
    expect(cellNumber("45,050")).toBe(45050);
    expect([cellNumber(""), cellNumber(null), cellNumber("a")].every(Number.isNaN)).toBe(true);
    expect([cellText(""), cellText(null), cellText("a")]).toEqual(["–", "–", "a"]);
  });

  it("are cut with a sign that they are", () => {
    expect(cut("a long name", 6)).toBe("a lon…");
    expect(cut("short", 6)).toBe("short");
  });

  it("call things what their kind calls them", () => {
    expect(namesOf("table").many).toBe("rows");
    expect(namesOf("logs").one).toBe("session");
    expect(["image", "array"].map((kind) => withArticle(namesOf(kind).one))).toEqual([
      "a picture",
      "an item",
    ]);
  });
});

describe("shapes", () => {
  it("go round with the slots of the palette, each with its own outline", () => {
    const four = [0, 1, 2, 3].map((slot) => pathOf(shapeOf(slot)));
    expect(new Set(four).size).toBe(4);
    expect([4, 5, 6, 7].map((slot) => pathOf(shapeOf(slot)))).toEqual(four);
  });
});

describe("the entries of Train", () => {
  const ending = (why: string, further = {}) =>
    ({
      ...{ why, epoch: 12, epochs: 60, step: 840, best: 5.7465, patience: 10, goes_on: true },
      ...further,
    }) as Ending;
  const card = (told: Ending | null, further = {}) =>
    ({
      id: "a",
      name: "A",
      recipe: "vae",
      state: "trained",
      modified: 1,
      ending: told,
      ...further,
    }) as Card;
  const job = (id: string, state: string, created: number, told: Ending | null) =>
    ({
      id,
      kind: "train",
      study: "a",
      name: "A",
      recipe: "vae",
      state,
      created,
      ending: told,
      epoch: 3,
      epochs: 60,
    }) as Job;

  it("say why a training ended, where, and at what", () => {
    expect(endWords(ending("patience"))).toBe(
      "Ended early after epoch 12 of 60: its validation loss was not below 5.747 nats again for 10 epochs.",
    );
    expect(endWords(ending("epochs"))).toBe(
      "Ran all its 60 epochs; its lowest validation loss was 5.747 nats.",
    );
    expect(endWords(ending("broken", { best: null }), "stopped")).toBe(
      "Stopped by hand in epoch 12 of 60.",
    );
    expect(endWords(ending("broken", { best: null }))).toBe("Broken off in epoch 12 of 60.");
    expect(endWords(ending("diverged"))).toContain("its numbers left the finite twice");
  });

  it("offer to go on only where the library would train on", () => {
    expect(wayOn(card(ending("broken")))).toEqual({ words: "Go on", epochs: null, more: 0 });
    const further = { words: "Train further", epochs: 60 };
    expect(wayOn(card(ending("patience")))).toEqual({ ...further, more: 0 });
    expect(wayOn(card(ending("epochs")))).toEqual({ ...further, more: 60 });
    expect(wayOn(card(ending("epochs", { epochs: 99_990 })))?.more).toBe(10);
    expect(wayOn(card(ending("epochs", { epochs: 100_000 })))).toBeNull();
    expect(wayOn(card(ending("diverged")))).toBeNull();
    expect(wayOn(card(ending("broken", { goes_on: false })))).toBeNull();
    expect(wayOn(card(ending("broken"), { state: "training" }))).toBeNull();
    expect(wayOn(card(null))).toBeNull();
  });

  it("say where a study cannot be trained on here", () => {
    expect(stuckWords(card(ending("epochs", { goes_on: false })))).toContain("zscape.resume");
    expect(stuckWords(card(ending("epochs")))).toBe("");
    expect(stuckWords(card(ending("diverged", { goes_on: false })))).toBe("");
    expect(stuckWords(card(null))).toBe("");
  });

  it("are the newest of each study, those that it went on from, and what studies tell", () => {
    const newest = job("j2", "running", 2, null);
    const older = job("j1", "stopped", 1, ending("broken"));
    const other = card(ending("epochs"), { id: "b", name: "B" });
    const { begun, earlier } = entriesOf([newest, older], [card(ending("broken")), other]);
    expect(begun.map((one) => [one.id, one.gone])).toEqual([
      ["j2", false],
      ["j1", true],
    ]);
    expect(begun[0].words).toBe("running, epoch 3 of 60");
    expect(begun[1].words).toMatch(/^Stopped by hand in epoch 12 .* Gone on with since\.$/);
    expect(earlier.map((one) => one.study)).toEqual(["b"]);
  });
});

describe("what a training made at its steps", () => {
  it("goes on with what was made before it was gone on with", () => {
    const shot = (step: number) => ({ step, epoch: 1, shows: "pictures" as const });
    const made = inOrder(
      ["new", "old"],
      [{ snapshots: [shot(20), shot(30)] }, { snapshots: [shot(10), shot(20)] }],
    );
    expect(made.map((one) => [one.step, one.job])).toEqual([
      [10, "old"],
      [20, "new"],
      [30, "new"],
    ]);
    expect(inOrder(["new", "old"], [{ snapshots: [] }, { snapshots: [shot(10)] }])).toHaveLength(1);
  });
});

describe("a direction as Python", () => {
  const laid: Laid = {
    ...{ name: "smile", vector: [0.5, -1], known: false, strength: 0.75 },
    ...{ start: { item: 7 }, conditions: {} },
  };

  it("begins at what is on show, and goes as far as was set", () => {
    const words = directionSnippet("/s", laid);
    expect(words).toContain("vector = np.array([0.5, -1], np.float32)  # smile");
    expect(words).toContain("code = np.asarray(space.codes[7 : 8]) + 0.75 * vector");
    const code = directionSnippet("/s", { ...laid, start: { code: [1, 2] }, strength: -2 });
    expect(code).toContain("code = np.array([[1, 2]], np.float32) + -2 * vector");
  });

  it("finds a known property again, and tells the model what it was told", () => {
    const words = directionSnippet("/s", { ...laid, known: true, conditions: { label: "3" } });
    expect(words).toContain('direction = zscape.find_direction(space, "smile")');
    expect(words).toContain("+ 0.75 * vector");
    expect(words).toContain('seen = space.decode(code, where={"label":"3"})');
  });
});

describe("a number", () => {
  it("beyond all measure is short", () => {
    expect(number(4_922_953_094_609_070)).toBe("4.92e15");
    expect(number(-12_345)).toBe("-12,345");
  });
});
