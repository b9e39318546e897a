import { describe, expect, it } from "vitest";
import { between, fit, pan, toPlane, toScreen, zoom } from "../src/map/camera";
import { groupPalette, MOST_GROUPS, toLab, type Rgb } from "../src/map/colours";
import { colourGroups, colourNumbers, countGroups, statesOf } from "../src/map/look";
import { middlesOf } from "../src/map/overlay";
import { placeNames, placePictures } from "../src/map/declutter";
import { contour, densityAt, measureDensity } from "../src/map/density";
import { buildGrid, inOrder, nearest, step, stride, within } from "../src/map/grid";
import { countMarks, fillOutline, rectangle, selectUnder } from "../src/map/lasso";
import { CHOSEN, DIM, HIDDEN, mix, PLAIN, splat } from "../src/map/splat";
import { ellipseAt } from "../src/map/ellipse";
import { scattered } from "./random";

const SIZE = { width: 200, height: 100 };

describe("camera", () => {
  it("goes to the screen and back", () => {
    const camera = { x: 3, y: -2, scale: 7 };
    const at = toScreen(camera, SIZE, 4.5, 1);
    expect(toPlane(camera, SIZE, at.x, at.y)).toEqual({ x: 4.5, y: 1 });
  });

  it("fits every point", () => {
    const places = scattered(500, 4);
    const camera = fit(places, SIZE);
    for (let i = 0; i < places.length; i += 2) {
      const at = toScreen(camera, SIZE, places[i], places[i + 1]);
      expect(at.x >= 0 && at.x <= 200 && at.y >= 0 && at.y <= 100).toBe(true);
    }
  });

  it("leaves the covered side of a wide screen free", () => {
    const places = scattered(500, 4);
    const size = { width: 1000, height: 4000 };
    const camera = fit(places, size, { left: 200, above: 0, below: 0 });
    for (let i = 0; i < places.length; i += 2) {
      expect(toScreen(camera, size, places[i], places[i + 1]).x).toBeGreaterThan(200);
    }
  });

  it("leaves what the tools and the badge of a tall screen cover free", () => {
    const places = scattered(500, 4);
    const size = { width: 4000, height: 700 };
    const camera = fit(places, size, { left: 0, above: 56, below: 52 });
    for (let i = 0; i < places.length; i += 2) {
      const at = toScreen(camera, size, places[i], places[i + 1]);
      expect(at.y > 56 && at.y < 700 - 52).toBe(true);
    }
  });

  it("keeps what is under the pointer while it zooms, and stops at the ends", () => {
    const all = { x: 0, y: 0, scale: 10 };
    const at = { x: 30, y: 80 };
    const before = toPlane(all, SIZE, at.x, at.y);
    const closer = zoom(all, SIZE, at, 1.7, all);
    const after = toPlane(closer, SIZE, at.x, at.y);
    expect(after.x).toBeCloseTo(before.x, 9);
    expect(after.y).toBeCloseTo(before.y, 9);
    expect(zoom(all, SIZE, at, 1e9, all).scale).toBe(4000);
    expect(zoom(all, SIZE, at, 1e-9, all).scale).toBe(5);
  });

  it("pans by pixels and moves evenly between two", () => {
    expect(pan({ x: 0, y: 0, scale: 2 }, 10, 4)).toEqual({ x: -5, y: 2, scale: 2 });
    const half = between({ x: 0, y: 0, scale: 1 }, { x: 4, y: 2, scale: 4 }, 0.5);
    expect(half).toEqual({ x: 2, y: 1, scale: 2 });
  });
});

describe("grid", () => {
  const places = scattered(3000, 1);
  const grid = buildGrid(places);

  it("finds the nearest that a search of all finds", () => {
    const queries = scattered(200, 2);
    for (let q = 0; q < 200; q++) {
      const at = { x: queries[2 * q], y: queries[2 * q + 1] };
      let best = -1,
        least = 0.2 ** 2;
      for (let i = 0; i < 3000; i++) {
        const far = (places[2 * i] - at.x) ** 2 + (places[2 * i + 1] - at.y) ** 2;
        if (far <= least) [least, best] = [far, i];
      }
      expect(nearest(grid, at, 0.2)).toBe(best);
    }
  });

  it("passes over the hidden ones and says -1 where none is near", () => {
    const shown = new Uint8Array(3000).fill(1);
    const first = nearest(grid, { x: 0, y: 0 }, 1, shown);
    shown[first] = 0;
    expect(nearest(grid, { x: 0, y: 0 }, 1, shown)).not.toBe(first);
    expect(nearest(grid, { x: 99, y: 0 }, 1)).toBe(-1);
    expect(nearest(buildGrid(new Float32Array(0)), { x: 0, y: 0 }, 1)).toBe(-1);
  });

  it("lists what lies in a box", () => {
    const box = { left: -0.3, right: 0.2, low: 0, high: 0.4 };
    const found = new Set(within(grid, box));
    for (let i = 0; i < 3000; i++) {
      const [x, y] = [places[2 * i], places[2 * i + 1]];
      const inside = x >= -0.3 && x <= 0.2 && y >= 0 && y <= Math.fround(0.4);
      expect(found.has(i)).toBe(inside);
    }
  });

  it("puts neighbours together, each point once, and mixes classes within a cell", () => {
    const first = inOrder(grid, places, 2);
    expect(new Set(grid.order).size).toBe(3000);
    expect([first[0], first[1]]).toEqual([
      places[2 * grid.order[0]],
      places[2 * grid.order[0] + 1],
    ]);
    const apart = (xy: Float32Array) => {
      let sum = 0;
      for (let i = 2; i < xy.length; i += 2)
        sum += Math.hypot(xy[i] - xy[i - 2], xy[i + 1] - xy[i - 1]);
      return sum;
    };
    expect(apart(first)).toBeLessThan(apart(places) / 4);
    const same = buildGrid(new Float32Array(200));
    const halves = Array.from(same.order, (i) => Number(i >= 50));
    expect(Math.abs(halves.slice(50).reduce((a, b) => a + b) - 25)).toBeLessThan(5);
  });

  it("steps to the nearest that way", () => {
    const cross = buildGrid(Float32Array.from([0, 0, 1, 0.1, 2, 0, 0, 1, -1, 0, 0, -3]));
    expect(step(cross, { x: 0, y: 0 }, 1, 0)).toBe(1);
    expect(step(cross, { x: 0, y: 0 }, 0, 1)).toBe(3);
    expect(step(cross, { x: 0, y: 0 }, -1, 0)).toBe(4);
    expect(step(cross, { x: 0, y: 0 }, 0, -1)).toBe(5);
    expect(step(cross, { x: 2, y: 0 }, 1, 0)).toBe(-1);
  });
});

describe("lasso", () => {
  const camera = { x: 0, y: 0, scale: 50 };
  const places = scattered(2000, 3);
  const shown = new Uint8Array(2000).fill(1);
  const outline = [
    { x: 60, y: 20 },
    { x: 140, y: 10 },
    { x: 120, y: 90 },
    { x: 100, y: 40 },
    { x: 70, y: 85 },
  ];

  it("agrees with a test of each point, but for the rim", () => {
    const marks = selectUnder(
      places,
      camera,
      SIZE,
      fillOutline(outline, SIZE),
      null,
      "replace",
      shown,
    );
    let differ = 0;
    for (let i = 0; i < 2000; i++) {
      const at = toScreen(camera, SIZE, places[2 * i], places[2 * i + 1]);
      if (inside(outline, at) !== (marks[i] === 1)) differ++;
    }
    expect(countMarks(marks)).toBeGreaterThan(300);
    expect(differ).toBeLessThan(40);
  });

  it("adds, removes, and leaves the hidden ones alone", () => {
    const all = fillOutline(rectangle({ x: 0, y: 0 }, { x: 200, y: 100 }), SIZE);
    const left = fillOutline(rectangle({ x: 0, y: 0 }, { x: 100, y: 100 }), SIZE);
    const right = fillOutline(rectangle({ x: 200, y: 100 }, { x: 100, y: 0 }), SIZE);
    const whole = selectUnder(places, camera, SIZE, all, null, "replace", shown);
    const first = selectUnder(places, camera, SIZE, left, null, "replace", shown);
    expect(selectUnder(places, camera, SIZE, right, first, "add", shown)).toEqual(whole);
    const rest = selectUnder(places, camera, SIZE, left, whole, "remove", shown);
    expect(countMarks(rest)).toBe(countMarks(whole) - countMarks(first));
    const none = selectUnder(places, camera, SIZE, all, null, "replace", new Uint8Array(2000));
    expect(countMarks(none)).toBe(0);
  });
});

describe("splat", () => {
  const places = Float32Array.from([0, 0, 0.5, 0, 0, 0]);
  const camera = { x: 0, y: 0, scale: 100 };
  const palette = new Uint32Array(256).fill(0xff0000ff);
  palette[1] = 0xff00ff00;
  const ground = 0xffffffff;

  function drawn(states: number[], radius = 2, grouped = true): Uint32Array {
    const pixels = new Uint32Array(200 * 100);
    const look = {
      slots: Uint8Array.from([0, 1, 1]),
      palette,
      states: Uint8Array.from(states),
      dim: 0xff808080,
      grouped,
    };
    splat(pixels, SIZE, places, camera, look, radius, ground);
    return pixels;
  }

  it("puts a point in its place and nothing elsewhere", () => {
    const pixels = drawn([CHOSEN, HIDDEN, HIDDEN]);
    expect(pixels[50 * 200 + 100]).toBe(0xff0000ff);
    expect(pixels[50 * 200 + 150]).toBe(ground);
    const touched = pixels.reduce((count, p) => count + (p !== ground ? 1 : 0), 0);
    expect(touched).toBeGreaterThan(20);
    expect(touched).toBeLessThan(50);
  });

  it("draws chosen ones over plain ones over dim ones", () => {
    expect(drawn([CHOSEN, HIDDEN, PLAIN])[50 * 200 + 100]).toBe(0xff0000ff);
    const over = drawn([DIM, HIDDEN, PLAIN])[50 * 200 + 100];
    expect((over >>> 8) & 255).toBeGreaterThan(200);
  });

  it("tells groups apart by shape where points are large, and numbers never", () => {
    const inks = (pixels: Uint32Array) => pixels.filter((p) => p !== ground).length;
    const [disc, square] = [drawn([PLAIN, HIDDEN, HIDDEN], 5), drawn([HIDDEN, PLAIN, HIDDEN], 5)];
    expect(inks(square)).not.toBe(inks(disc));
    expect(inks(drawn([HIDDEN, PLAIN, HIDDEN], 5, false))).toBe(inks(disc));
  });

  it("draws the same pixels again, to the byte, at the rim too", () => {
    const edge = Float32Array.from([-1, 0.5, 0.999, -0.5, 4, 4]);
    const look = {
      slots: new Uint8Array(3),
      palette,
      states: new Uint8Array(3).fill(PLAIN),
      dim: 0,
      grouped: true,
    };
    const [one, two] = [new Uint32Array(20000), new Uint32Array(20000)];
    splat(one, SIZE, edge, camera, look, 3, ground);
    splat(two, SIZE, edge, camera, look, 3, ground);
    expect(one).toEqual(two);
    expect(one[0]).not.toBe(ground);
  });

  it("mixes each part of a colour", () => {
    expect(mix(0xff000000, 0xffffffff, 128) >>> 0).toBe(0xff7f7f7f);
    expect(mix(0xff102030, 0xff405060, 0) >>> 0).toBe(0xff102030);
    expect(mix(0xff102030, 0xff405060, 256) >>> 0).toBe(0xff405060);
  });

  it("visits every point once", () => {
    for (const count of [1, 2, 10, 97, 1000]) {
      const step = stride(count);
      expect(new Set(Array.from({ length: count }, (_, k) => (k * step) % count)).size).toBe(count);
    }
  });
});

describe("pictures on the map", () => {
  it("cover one another nowhere, and stay while one pans", () => {
    const places = scattered(4000, 5);
    const grid = buildGrid(places);
    const shown = new Uint8Array(4000).fill(1);
    const size = { width: 800, height: 600 };
    const camera = { x: 0, y: 0, scale: 900 };
    const placed = placePictures(grid, camera, size, 40, shown);
    expect(placed.length).toBeGreaterThan(60);
    for (const a of placed)
      for (const b of placed)
        if (a.item !== b.item)
          expect(Math.abs(a.x - b.x) >= 40 || Math.abs(a.y - b.y) >= 40).toBe(true);
    const later = placePictures(grid, pan(camera, 15, 5), size, 40, shown);
    const kept = new Set(later.map((p) => p.item));
    const same = placed.filter((p) => kept.has(p.item)).length;
    expect(same / placed.length).toBeGreaterThan(0.8);
  });
});

describe("density", () => {
  it("is high among the points and none far off, and has a contour", () => {
    const places = scattered(5000, 6).map((v) => v * 0.2);
    places[0] = 10;
    const density = measureDensity(places);
    expect(densityAt(density, { x: 0, y: 0 })).toBeGreaterThan(0.3);
    expect(densityAt(density, { x: 5, y: 0 })).toBe(0);
    expect(contour(density, 0.3).length % 4).toBe(0);
    expect(contour(density, 0.3).length).toBeGreaterThan(8);
  });
});

function inside(outline: { x: number; y: number }[], at: { x: number; y: number }): boolean {
  let odd = false;
  for (let i = 0, j = outline.length - 1; i < outline.length; j = i++) {
    const [a, b] = [outline[i], outline[j]];
    if (a.y > at.y !== b.y > at.y && at.x < a.x + ((at.y - a.y) / (b.y - a.y)) * (b.x - a.x)) {
      odd = !odd;
    }
  }
  return odd;
}

describe("a posterior on the plane", () => {
  it("has the standard deviations of two units that are the axes", () => {
    const one = ellipseAt(
      { x: 1, y: 2 },
      [
        [0, 1, 0],
        [0, 0, 1],
      ],
      [9, 0.5, 2],
    );
    expect(one).toMatchObject({ x: 1, y: 2 });
    expect(one.long).toBeCloseTo(2);
    expect(one.short).toBeCloseTo(0.5);
    expect(Math.abs(one.angle)).toBeCloseTo(Math.PI / 2);
  });

  it("is what a crowd drawn from it covers, on an oblique plane of other scale", () => {
    const axes: [number[], number[]] = [
      [2 * 0.6, 2 * 0.8, 0],
      [-0.8, 0.6, 0],
    ];
    const scale = [1, 3, 5];
    const one = ellipseAt({ x: 0, y: 0 }, axes, scale);
    // Variance along its longer axis: c' C c with C the covariance of the two coordinates.
    const across = axes[0].map((v) => v / 4);
    const c = [Math.cos(one.angle), Math.sin(one.angle)];
    const along = scale.reduce(
      (sum, s, d) => sum + (s * (c[0] * across[d] + c[1] * axes[1][d])) ** 2,
      0,
    );
    expect(one.long ** 2).toBeCloseTo(along);
    const determinant = one.long * one.short; // 1 * 3 over the scale of the first axis
    expect(determinant).toBeCloseTo(1.5);
  });
});

describe("names on the map", () => {
  it("give way to those before them, and stay away where there is no room", () => {
    const box = { x: 100, y: 100, width: 80 };
    const moved = placeNames([box, box, box, box, box, box, { ...box, x: 180 }]);
    expect(new Set(moved.slice(0, 5)).size).toBe(5); // five lines, none over another
    expect(moved[0]).toBe(0);
    expect(moved[5]).toBeNull();
    expect(moved[6]).toBe(0); // beside them
  });

  it("make room for the ends, which stay where they are", () => {
    const box = { x: 100, y: 100, width: 30 };
    const [up] = placeNames([box], [{ x: 104, y: 100, width: 20 }]);
    expect(Math.abs(up!)).toBeGreaterThanOrEqual(17);
    expect(placeNames([box], [{ x: 140, y: 100, width: 20 }])).toEqual([0]);
  });
});

describe("what has no value", () => {
  it("is counted, of groups and of numbers", () => {
    expect(colourGroups("a", ["x", "y"], Int32Array.from([0, -1, 1, -1])).unknown).toBe(2);
    expect(colourNumbers("a", "", [1, NaN, 3]).unknown).toBe(1);
  });
});

describe("groups", () => {
  const values = Int32Array.from([0, 0, 1, 1, 1, -1]);
  const colouring = colourGroups("label", ["a", "b"], values);
  const only = Uint8Array.from([1, 0, 0, 0, 1, 1]);

  it("are counted as they are looked at, those that are switched off too", () => {
    expect(countGroups(colouring, null, null)).toEqual({ groups: [2, 3], unknown: 1 });
    expect(countGroups(colouring, null, only)).toEqual({ groups: [1, 1], unknown: 1 });
    const marks = Uint8Array.from([1, 1, 0, 0, 0, 0]);
    expect(countGroups(colouring, marks, null).groups).toEqual([2, 0]);
  });

  it("have a name on the map where one of them is shown", () => {
    const grid = buildGrid(scattered(values.length, 1));
    const named = (hidden: number[], only: Uint8Array<ArrayBuffer> | null) => {
      const { states } = statesOf(6, colouring, null, false, new Set(hidden), only);
      return middlesOf(grid, colouring, states).map((one) => one.name);
    };
    expect(named([], null)).toEqual(["b", "a"]);
    expect(named([1], null)).toEqual(["a"]);
    expect(named([], Uint8Array.from([0, 0, 1, 0, 0, 1]))).toEqual(["b"]);
  });
});

/** Machado, Oliveira and Fernandes 2009: how linear colours look to who lacks a kind of cone. */
const BLIND = {
  none: [1, 0, 0, 0, 1, 0, 0, 0, 1],
  red: [
    0.152286, 1.052583, -0.204868, 0.114503, 0.786281, 0.099216, -0.003882, -0.048116, 1.051998,
  ],
  green: [0.367322, 0.860646, -0.227968, 0.280085, 0.672501, 0.047413, -0.01182, 0.04294, 0.968881],
  blue: [1.255528, -0.076749, -0.178779, -0.078411, 0.930809, 0.147602, 0.004733, 0.691367, 0.3039],
};

describe("the colours of groups", () => {
  const linear = (v: number) => (v <= 10.31 ? v / 3294.6 : ((v / 255 + 0.055) / 1.055) ** 2.4);
  const plain = (v: number) => 255 * (v <= 0.0031308 ? 12.92 * v : 1.055 * v ** (1 / 2.4) - 0.055);
  const colours = Array.from(groupPalette().slice(0, MOST_GROUPS), (word) =>
    [0, 8, 16].map((by) => (word >>> by) & 255),
  );
  const seen = (rgb: number[], [a, b, c, d, e, f, g, h, i]: number[]) => {
    const [x, y, z] = rgb.map(linear);
    const mixed = [a * x + b * y + c * z, d * x + e * y + f * z, g * x + h * y + i * z];
    return toLab(mixed.map((v) => plain(Math.min(Math.max(v, 0), 1))) as Rgb);
  };

  it.each(Object.entries(BLIND))("stay apart for who lacks %s cones", (lacking, by) => {
    const labs = colours.map((rgb) => seen(rgb, by));
    const far = labs.flatMap((one, k) =>
      labs.slice(0, k).map((other) => Math.hypot(...one.map((v, c) => v - other[c]))),
    );
    expect(Math.min(...far)).toBeGreaterThan(lacking === "none" ? 0.12 : 0.06);
  });

  it("are seen on both grounds", () => {
    const light = (rgb: number[]) =>
      rgb.map(linear).reduce((sum, v, k) => sum + [0.2126, 0.7152, 0.0722][k] * v, 0.05);
    const ground = light([20, 23, 28]);
    for (const rgb of colours) {
      expect(1.05 / light(rgb)).toBeGreaterThanOrEqual(2.99);
      expect(light(rgb) / ground).toBeGreaterThanOrEqual(2.99);
    }
  });
});
