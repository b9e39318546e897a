import { describe, expect, it } from "vitest";
import { NONE } from "../src/map/colours";
import { colourGroups, colourNumbers, statesOf } from "../src/map/look";
import { CHOSEN, DIM, HIDDEN, PLAIN } from "../src/map/splat";
import { fromHalves, rowsOf, thingsOf, unpack } from "../src/server/binary";
import { answerThings, question } from "../src/server/live";
import { packMarks } from "../src/server/server";

/** A binary answer as the server writes one. */
function packed(
  header: object,
  arrays: Record<string, { shape: number[]; bytes: Uint8Array; dtype: string }>,
) {
  const draft = (offsets: number[]) => {
    const listed = Object.entries(arrays).map(([name, { shape, dtype }], k) => ({
      name,
      dtype,
      shape,
      offset: offsets[k],
    }));
    const text = JSON.stringify({ ...header, arrays: listed });
    return text.padEnd(Math.ceil((text.length + 24) / 8) * 8);
  };
  const size = draft(Object.keys(arrays).map(() => 99999)).length;
  let end = 8 + size;
  const offsets = Object.values(arrays).map(({ bytes }) => {
    const at = end;
    end += Math.ceil(bytes.length / 8) * 8;
    return at;
  });
  const text = draft(offsets).padEnd(size).slice(0, size);
  const buffer = new ArrayBuffer(end);
  new Uint8Array(buffer).set(new TextEncoder().encode("ZSC1"));
  new DataView(buffer).setUint32(4, size, true);
  new Uint8Array(buffer).set(new TextEncoder().encode(text), 8);
  Object.values(arrays).forEach(({ bytes }, k) => new Uint8Array(buffer).set(bytes, offsets[k]));
  return buffer;
}

const bytesOf = (array: ArrayBufferView) =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

describe("a binary answer", () => {
  it("gives its header and its arrays", () => {
    const z = Float32Array.from([1, -2, 0.5, 4]);
    const found = unpack<{ kind: string }>(
      packed(
        { kind: "pictures" },
        {
          pixels: { shape: [2, 1, 3, 1], dtype: "u8", bytes: Uint8Array.from([1, 2, 3, 4, 5, 6]) },
          z: { shape: [2, 2], dtype: "f32", bytes: bytesOf(z) },
        },
      ),
    );
    expect(found.header.kind).toBe("pictures");
    expect(rowsOf(found.array("z"), 2)).toEqual([
      [1, -2],
      [0.5, 4],
    ]);
    const things = thingsOf(found as never);
    expect([things.count, things.height, things.width, things.channels]).toEqual([2, 1, 3, 1]);
    expect([...things.pixels!]).toEqual([1, 2, 3, 4, 5, 6]);
    expect(() => found.array("other")).toThrow("'other'");
  });

  it("reads half floats as IEEE 754 has them", () => {
    const halves = Uint16Array.from([0, 0x3c00, 0xc000, 0x3555, 1, 0x7bff, 0x7c00, 0xfc00, 0x7e00]);
    const floats = fromHalves(halves);
    expect([...floats.slice(0, 3)]).toEqual([0, 1, -2]);
    expect(floats[3]).toBe(0.333251953125);
    expect(floats[4]).toBe(2 ** -24);
    expect([...floats.slice(5, 8)]).toEqual([65504, Infinity, -Infinity]);
    expect(floats[8]).toBeNaN();
  });
});

describe("the line to the decoder", () => {
  it("asks with a sequence, a count and the codes", () => {
    const sent = question(7, [
      [1, 2, 3],
      [4, 5, 6],
    ]);
    const view = new DataView(sent);
    expect([view.getUint32(0, true), view.getUint16(4, true), view.getUint16(6, true)]).toEqual([
      7, 2, 0,
    ]);
    expect([...new Float32Array(sent, 8)]).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it("reads pictures and rows", () => {
    const picture = new ArrayBuffer(20 + 4);
    const view = new DataView(picture);
    [1, 1, 2, 2, 1].forEach((value, k) => view.setUint16(4 + 2 * k, value, true));
    new Uint8Array(picture, 20).set([9, 8, 7, 6]);
    const things = answerThings(picture, 1);
    expect([things.count, things.height, things.width, things.channels]).toEqual([1, 2, 2, 1]);
    expect([...things.pixels!]).toEqual([9, 8, 7, 6]);

    const text = new TextEncoder().encode('{"columns":["a"],"cells":[["x"]]}');
    const rows = new Uint8Array(20 + text.length);
    rows.set(text, 20);
    expect(answerThings(rows.buffer, 2).rows).toEqual({ columns: ["a"], cells: [["x"]] });
  });
});

describe("marks of items", () => {
  it("are sent as bits, the lowest first", () => {
    const marks = Uint8Array.from([1, 0, 0, 0, 0, 0, 0, 1, 0, 1]);
    expect(atob(packMarks(marks))).toBe(String.fromCharCode(0b10000001, 0b10));
  });
});

describe("how points look", () => {
  it("gives the twelve largest groups a hue and the others grey", () => {
    const classes = Array.from({ length: 15 }, (_, k) => `class ${k}`);
    const values = Int32Array.from({ length: 200 }, (_, i) => (i < 30 ? 14 : i % 14));
    values[0] = -1;
    const found = colourGroups("label", classes, values);
    expect(found.groups[14].slot).toBe(0);
    expect(found.groups.filter((group) => group.slot === NONE)).toHaveLength(3);
    expect(found.groups.map((group) => group.name)).toEqual(classes);
    expect(found.groups.reduce((sum, group) => sum + group.count, 0)).toBe(199);
    expect(found.slots[0]).toBe(NONE);
  });

  it("clips a hundredth of numbers at each end, and says so", () => {
    const values = Float32Array.from({ length: 1001 }, (_, i) => i);
    values[1000] = 1e6;
    const found = colourNumbers("score", "nats", values);
    expect([found.low, found.high, found.beyond]).toEqual([10, 990, true]);
    expect(found.slots[1000]).toBe(254);
    const even = colourNumbers("unit", "", Float32Array.from([-1, 0, 3]), true);
    expect([even.low, even.high]).toEqual([-3, 3]);
  });

  it("fades or hides what is not selected, and what is switched off", () => {
    const colouring = colourGroups("label", ["a", "b"], Int32Array.from([0, 1, 0, 1]));
    const marks = Uint8Array.from([1, 0, 0, 1]);
    const none = new Set<number>();
    expect([...statesOf(4, colouring, null, false, none, null).states]).toEqual(
      Array(4).fill(PLAIN),
    );
    const faded = statesOf(4, colouring, marks, false, new Set([1]), null);
    expect([...faded.states]).toEqual([CHOSEN, HIDDEN, DIM, HIDDEN]);
    expect(faded.shown).toBe(2);
    const only = statesOf(4, colouring, marks, true, none, Uint8Array.from([1, 1, 0, 0]));
    expect([...only.states]).toEqual([CHOSEN, HIDDEN, HIDDEN, HIDDEN]);
  });
});
