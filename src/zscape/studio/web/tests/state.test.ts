import { describe, expect, it } from "vitest";
import { NONE, parse, quantiles, rampAt, slotsOf, toWord } from "../src/map/colours";
import { LatestWins } from "../src/server/latest";
import { frameOf } from "../src/charts/plane";
import { beyond } from "../src/charts/settled";
import type { Card, Job, Recipes } from "../src/server/types";
import {
  BLANK,
  draftAfter,
  draftLike,
  folderOf,
  freeName,
  isOffered,
} from "../src/state/draft.svelte";
import { endsOf, withSelections } from "../src/state/ends";
import { fromHash, LONGEST, nowhere, toHash } from "../src/state/hash";
import { stateWords, withJob } from "../src/state/jobs";
import { History } from "../src/state/undo";
import { spaceOf } from "./spaces";

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
      a: { item: 12 },
      b: { code: [0.5, -1.25, 3e-5] },
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

  it("leaves out codes that are too long, and keeps items", () => {
    const code = Array.from({ length: 64 }, (_, k) => k + 0.5);
    const hash = toHash({ ...nowhere(), a: { code }, b: { item: 3 }, hidden: [1, 2] });
    expect(hash).toBe("#/explore?hide=1,2&b=3");
  });

  it("says what a view shows in that view alone", () => {
    const where = {
      ...nowhere(),
      score: "surprise",
      strange: "attribute-0:long & late",
      strip: "pca1",
      way: "geodesic",
      frames: 20,
      threshold: 12.345678,
      row: 7,
      moved: [
        [3, 1.2],
        [0, -0.45],
      ] as [number, number][],
      laid: [["from A to B (2), at 1:2", -1.5]] as [string, number][],
    };
    expect(toHash(where)).toBe("#/explore");
    const traverse = { ...where, view: "traverse" as const };
    expect(toHash(traverse)).toContain("u=3:1.2,0:-0.45&d=-1.5:from%20A");
    expect(toHash(traverse)).toMatch(/^#\/traverse\?strip=pca1&way=geodesic&.*&frames=20$/);
    const { moved, laid, strip, way, frames } = where;
    expect(fromHash(toHash(traverse))).toMatchObject({ moved, laid, strip, way, frames });
    const anomalies = toHash({ ...where, view: "anomalies" });
    expect(anomalies).toBe(
      "#/anomalies?score=surprise&strange=attribute-0:long%20%26%20late&above=12.3457&row=7",
    );
    expect(fromHash(anomalies)).toMatchObject({ score: "surprise", strange: where.strange });
  });

  it("leaves out a name that is too long, and keeps how a path is made", () => {
    const strip = "\u65b9".repeat(60);
    const hash = toHash({ ...nowhere(), view: "traverse", strip, way: "geodesic", frames: 20 });
    expect(hash).toBe("#/traverse?way=geodesic&u=~&frames=20");
  });

  it("says that sliders are too many for it", () => {
    const moved = Array.from({ length: 64 }, (_, k) => [k, 1.25] as [number, number]);
    const hash = toHash({ ...nowhere(), view: "traverse", moved, item: 3 });
    expect(hash).toBe("#/traverse?i=3&u=~");
    expect(fromHash(hash).moved).toBeNull();
  });

  it("takes nonsense as the start", () => {
    expect(
      fromHash("#/nowhere?v=1,2&hide=-1,x&i=-4&a=z1,x&b=-2&u=a:1,3&d=x&row=-1&above=x&frames=0"),
    ).toEqual(nowhere());
    expect(fromHash("")).toEqual(nowhere());
  });
});

describe("the ends", () => {
  it("are those of the address, where they are of this study", () => {
    const space = spaceOf({ items: 100, latent: 2 });
    const found = endsOf(space, { a: { item: 12 }, b: { code: [1, 2] } });
    expect([found.a?.words, found.b?.place]).toEqual(["picture 12", { code: [1, 2] }]);
    expect(endsOf(space, { a: { item: 100 }, b: { code: [1] } })).toEqual({
      a: null,
      b: null,
    });
  });

  it("forget selections that the server does not know any more", () => {
    const end = { place: { item: 1 }, words: "", selection: { id: "s", count: 2 } };
    const found = withSelections({ a: end, b: null }, new Set(["t"]));
    expect(found).toEqual({ a: { ...end, selection: null }, b: null });
    expect(withSelections({ a: end, b: null }, new Set(["s"])).a).toEqual(end);
  });
});

describe("jobs", () => {
  const job = (id: string, state: Job["state"], created = 0, further = {}) =>
    ({ id, state, created, epoch: 0, epochs: 0, share: 0, stopping: false, ...further }) as Job;

  it("stay in their order, and do not run again once they ended", () => {
    let jobs = withJob([], job("a", "waiting", 1));
    jobs = withJob(jobs, job("b", "running", 2));
    jobs = withJob(jobs, job("a", "done", 1));
    jobs = withJob(jobs, job("a", "running", 1));
    expect(jobs.map((one) => `${one.id} ${one.state}`)).toEqual(["b running", "a done"]);
  });

  it("are told in words", () => {
    expect(stateWords(job("a", "running", 0, { epoch: 3, epochs: 10 }))).toBe(
      "running, epoch 3 of 10",
    );
    expect(stateWords(job("a", "running", 0, { stopping: true, epoch: 3 }))).toBe(
      "stopping, epoch 3",
    );
    expect(stateWords(job("a", "stopped", 0, { stopping: true }))).toBe("stopped");
  });
});

describe("the form of a training", () => {
  it("is filled in with what a study was asked for, and not with what is as usual", () => {
    const option = (name: string, usual: unknown) => ({
      ...{ name, about: "", kinds: ["int"], default: usual, choices: null },
    });
    const known: Recipes = {
      recipes: [{ name: "vae", about: "", options: [option("latent", 16), option("beta", 1)] }],
      training: [option("epochs", 100)],
      data: ["digits"],
    };
    const card = { id: "7f3a", name: "mine" } as Card;
    const asked = { recipe: "vae", options: { latent: 8, beta: 1 }, training: { epochs: 4 } };
    expect(draftLike(card, asked, known)).toEqual({
      ...{ ...BLANK, data: "study:7f3a", recipe: "vae", like: "mine" },
      typed: { latent: "8", epochs: "4" },
    });
    const other = draftLike(card, { ...asked, recipe: "package:own" }, known);
    expect([other.recipe, other.data, other.typed]).toEqual(["vae", "study:7f3a", {}]);
  });

  it("differs by what a remedy proposes, where it has a field for that", () => {
    const option = (name: string, usual: unknown) => ({
      ...{ name, about: "", kinds: ["int"], default: usual, choices: null },
    });
    const [latent, beta] = [option("latent", 16), option("beta", 1)];
    const known: Recipes = {
      recipes: [
        { name: "vae", about: "", options: [latent, beta] },
        { name: "flow_vae", about: "", options: [latent] },
      ],
      training: [option("epochs", 100)],
      data: [],
    };
    const card = { id: "7f3a", name: "mine" } as Card;
    const asked = { recipe: "vae", options: { latent: 8, beta: 20 }, training: {} };
    const remedy = (option: string, value: unknown) => ({ option, value, why: "" });
    const drafted = (option: string, value: unknown) =>
      draftLike(card, asked, known, remedy(option, value));
    expect(drafted("beta", 1)).toMatchObject({
      ...{ recipe: "vae", typed: { latent: "8", beta: "1" }, like: "mine", proposed: "beta" },
    });
    expect(drafted("epochs", 168).typed).toEqual({ latent: "8", beta: "20", epochs: "168" });
    const other = drafted("recipe", "flow_vae");
    expect([other.recipe, other.typed, other.proposed]).toEqual([
      ...["flow_vae", { latent: "8" }, "recipe"],
    ]);
    const offered = (option: string, value: unknown, of = asked) =>
      isOffered(of, known, remedy(option, value));
    expect([offered("beta", 1), offered("epochs", 9), offered("recipe", "flow_vae")]).toEqual([
      ...[true, true, true],
    ]);
    expect([offered("warmup", 1), offered("recipe", "no_vae")]).toEqual([false, false]);
    expect(offered("beta", 1, { ...asked, recipe: "package:own" })).toBe(false);
  });

  it("keeps its name until the training really began", () => {
    const draft = { ...BLANK, name: "mine", typed: { latent: "8" }, asked: "j" };
    const after = (state: string, epoch: number) =>
      draftAfter(draft, [{ id: "j", state, epoch } as Job]);
    expect(after("waiting", 0)).toBe(draft);
    expect(after("running", 0)).toBe(draft);
    expect(after("failed", 0)).toEqual({ ...draft, asked: "" });
    expect(after("running", 1)).toEqual({ ...draft, name: "", asked: "" });
  });
});

describe("the name of a new study", () => {
  it("is the first that is free", () => {
    const taken = ["try", "try-2", "vae-of-digits"];
    expect(freeName("try", taken)).toBe("try-3");
    expect(freeName("other", taken)).toBe("other");
    expect(freeName(folderOf("vae of digits"), taken)).toBe("vae-of-digits-2");
  });
});

describe("the frame of a chart", () => {
  it("leaves out first steps that would press the others together, and says how many", () => {
    const settled = Array.from({ length: 18 }, (_, k) => 100 - k);
    expect(beyond([900, 300, ...settled])).toEqual({ from: 100, count: 2, most: 900 });
    expect(beyond([101, 102, ...settled])).toBeNull();
    expect(beyond([5, 1])).toBeNull();
  });

  const way = (name: string, far: number, ghost?: boolean) => ({
    name,
    ghost,
    points: Array.from({ length: 10 }, (_, step) => ({
      rate: step + far,
      distortion: 90 - step + far,
      step,
    })),
  });

  it("holds the whole own path, whatever other studies do, and says which it cuts", () => {
    const own = way("own", 0);
    const ways = [way("far", 500, true), way("near", 2, true), way("other", -400, true), own];
    const { rates, distortions, cut } = frameOf(ways);
    for (const { rate, distortion } of [...own.points, ...ways[1].points]) {
      expect(rate > rates[0] && rate < rates[1]).toBe(true);
      expect(distortion > distortions[0] && distortion < distortions[1]).toBe(true);
    }
    expect(cut).toEqual(["far", "other"]);
    expect(rates[1] - rates[0]).toBeLessThan(20);
    expect(frameOf(ways, true).rates[1]).toBeGreaterThan(500);
  });

  it("leaves out its own first steps only", () => {
    const own = way("own", 0);
    own.points[0].distortion = 900;
    expect(frameOf([own])).toMatchObject({ early: 1, most: 900 });
    expect(frameOf([own]).distortions[1]).toBeLessThan(100);
    [own.points[0].distortion, own.points[9].distortion] = [90, 900];
    expect(frameOf([own]).early).toBe(0);
    expect(frameOf([own]).distortions[1]).toBeGreaterThan(900);
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
  /** A history of numbers by subject, and what sets them in a view. */
  function begin() {
    const values: Record<string, number> = { value: 0 };
    const history = new History();
    const set = (to: number, view = "here", subject = "value", gesture?: object) => {
      const from = values[subject] ?? 0;
      const put = (v: number) => () => void (values[subject] = v);
      values[subject] = to;
      history.add({ what: `set ${to}`, subject, redo: put(to), undo: put(from), gesture }, view);
    };
    return { values, history, set };
  }

  it("takes back and does again, and forgets what was undone once a new step is done", () => {
    const { values, history, set } = begin();
    set(1);
    set(2);
    expect(history.undo("here")).toBe("set 2");
    expect(values.value).toBe(1);
    expect(history.redo("here")).toBe("set 2");
    expect(values.value).toBe(2);
    history.undo("here");
    set(5);
    expect(history.redo("here")).toBeNull();
    history.undo("here");
    history.undo("here");
    expect(history.undo("here")).toBeNull();
    expect(values.value).toBe(0);
  });

  it("takes back what was done in the view, and leaves what other views did", () => {
    const { values, history, set } = begin();
    set(1, "traverse", "code");
    set(2, "explore", "selection");
    expect(history.undo("traverse")).toBe("set 1");
    expect(values).toMatchObject({ code: 0, selection: 2 });
    expect(history.undo("traverse")).toBeNull();
    expect(history.undo("explore")).toBe("set 2");
  });

  it("takes nothing back that was changed elsewhere since", () => {
    const { values, history, set } = begin();
    set(1, "explore", "shelf");
    set(2, "traverse", "shelf");
    expect(history.undo("explore")).toBeNull();
    expect(history.undo("traverse")).toBe("set 2");
    expect(history.undo("explore")).toBe("set 1");
    expect(values.shelf).toBe(0);
  });

  it("takes the steps of a drag as one", () => {
    const { values, history, set } = begin();
    const drag = {};
    for (const to of [1, 2, 3]) set(to, "here", "value", drag);
    set(9, "here", "value", {});
    expect(history.undo("here")).toBe("set 9");
    history.undo("here");
    expect(values.value).toBe(0);
    history.redo("here");
    expect(values.value).toBe(3);
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
