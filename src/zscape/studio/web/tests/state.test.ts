import { describe, expect, it } from "vitest";
import { NONE, parse, quantiles, rampAt, slotsOf, toWord } from "../src/map/colours";
import { LatestWins } from "../src/server/latest";
import { fromHash, LONGEST, nowhere, toHash } from "../src/state/hash";
import { History } from "../src/state/undo";

describe("the address", () => {
  it("is read as it was written", () => {
    const where = {
      ...nowhere(),
      view: "traverse" as const,
      study: "7f3a",
      checkpoint: "last",
      projection: "dims=3,7",
      colour: "a label & more",
      camera: [0.12, -0.3, 4.5] as [number, number, number],
      hidden: [3, 8],
      selection: "s_4c1",
      item: 17,
    };
    expect(fromHash(toHash(where))).toEqual(where);
  });

  it("is readable and leaves out what is as it starts", () => {
    expect(toHash(nowhere())).toBe("#/explore");
    expect(toHash({ ...nowhere(), study: "7f3a", hidden: [3, 8] })).toBe(
      "#/explore?study=7f3a&hide=3,8",
    );
  });

  it("is never longer than it may be", () => {
    const hidden = Array.from({ length: 500 }, (_, k) => k);
    expect(toHash({ ...nowhere(), hidden }).length).toBeLessThanOrEqual(LONGEST);
  });

  it("takes nonsense as the start", () => {
    expect(fromHash("#/nowhere?v=1,2&hide=-1,x&i=-4")).toEqual(nowhere());
    expect(fromHash("")).toEqual(nowhere());
  });
});

describe("latest wins", () => {
  it("keeps one on its way and only the newest waiting", () => {
    const sent: [number, string][] = [];
    const line = new LatestWins<string>((n, q) => sent.push([n, q]));
    for (const question of ["a", "b", "c", "d"]) line.ask(question);
    expect(sent).toEqual([[0, "a"]]);
    expect(line.answered(0)).toBe(true);
    expect(sent).toEqual([
      [0, "a"],
      [1, "d"],
    ]);
    expect(line.answered(1)).toBe(true);
    expect(line.busy).toBe(false);
  });

  it("drops an answer that is older than one shown", () => {
    const line = new LatestWins<string>(() => undefined);
    line.ask("a");
    line.answered(0);
    line.ask("b");
    expect(line.answered(0)).toBe(false);
    expect(line.answered(1)).toBe(true);
  });

  it("asks the newest again after a broken line", () => {
    const sent: string[] = [];
    const line = new LatestWins<string>((_, q) => sent.push(q));
    line.ask("a");
    line.ask("b");
    line.restart();
    expect(sent).toEqual(["a", "b"]);
  });
});

describe("undo", () => {
  it("takes back and does again, and forgets what was undone once a new step is done", () => {
    let value = 0;
    const set = (to: number) => {
      const from = value;
      return { what: `set ${to}`, redo: () => (value = to), undo: () => (value = from) };
    };
    const history = new History();
    history.run(set(1));
    history.run(set(2));
    expect(history.undo()).toBe("set 2");
    expect(value).toBe(1);
    expect(history.redo()).toBe("set 2");
    expect(value).toBe(2);
    history.undo();
    history.run(set(5));
    expect(history.redo()).toBeNull();
    history.undo();
    history.undo();
    expect(history.undo()).toBeNull();
    expect(value).toBe(0);
  });
});

describe("colours", () => {
  it("of the sequential ramp grow lighter all the way", () => {
    const light = ([r, g, b]: number[]) => 0.2126 * r + 0.7152 * g + 0.0722 * b;
    for (let k = 1; k <= 20; k++) {
      expect(light(rampAt("sequential", k / 20))).toBeGreaterThan(
        light(rampAt("sequential", (k - 1) / 20)),
      );
    }
  });

  it("of a ramp end at its anchors, and are the middle's grey between", () => {
    expect(rampAt("diverging", 0)).toEqual(parse("#2166ac"));
    expect(rampAt("diverging", 1)).toEqual(parse("#b8420f"));
    expect(rampAt("diverging", 0.5)).toEqual(parse("#c6c9cd"));
  });

  it("find the slot of each value, and none for what has no value", () => {
    expect([...slotsOf([0, 5, 10, 99, -4, NaN], 0, 10)]).toEqual([0, 127, 254, 254, 0, NONE]);
    expect([...slotsOf([3, 3], 3, 3)]).toEqual([0, 0]);
  });

  it("are words of pixels", () => {
    expect(toWord(parse("#ff8000"))).toBe(0xff0080ff);
    expect(parse("rgb(1, 22, 233)")).toEqual([1, 22, 233]);
  });

  it("use the quantiles of what is finite", () => {
    const values = Float32Array.from([NaN, 4, 1, 3, 2, Infinity]);
    expect(quantiles(values, [0, 1])).toEqual([1, 4]);
  });
});
