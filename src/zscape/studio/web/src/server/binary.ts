/** Reads `application/x-zscape`: a JSON header and arrays. */

import type { Bytes, Floats, Words } from "../map/arrays";
import type { Rows } from "./types";

type Numbers =
  | Bytes
  | Floats
  | Words
  | Int8Array<ArrayBuffer>
  | Int32Array<ArrayBuffer>
  | Uint16Array<ArrayBuffer>;

interface Entry {
  name: string;
  dtype: string;
  shape: number[];
  offset: number;
}

export interface Packed<Header> {
  header: Header & { arrays: Entry[] };
  /** The array of a name; of f16 as floats. */
  array(name: string): Numbers;
  has(name: string): boolean;
  shape(name: string): number[];
}

/** Things decoded: pictures side by side in one array, or rows of cells. */
export interface Things {
  count: number;
  height: number;
  width: number;
  channels: number;
  pixels: Bytes | null;
  rows: Rows | null;
}

export function unpack<Header>(buffer: ArrayBuffer): Packed<Header> {
  const view = new DataView(buffer);
  const length = view.getUint32(4, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, length)));
  const entry = (name: string): Entry => {
    const found = (header.arrays as Entry[]).find((a) => a.name === name);
    if (!found) throw new Error(`The answer must hold an array '${name}', and does not.`);
    return found;
  };
  return {
    header,
    array: (name) => take(buffer, entry(name)),
    has: (name) => (header.arrays as Entry[]).some((a) => a.name === name),
    shape: (name) => entry(name).shape,
  };
}

/** The things of a binary answer. */
export function thingsOf(packed: Packed<{ rows?: Rows | null }>, name = "pixels"): Things {
  if (!packed.has(name)) {
    const rows = packed.header.rows ?? { columns: [], cells: [] };
    return { count: rows.cells.length, height: 0, width: 0, channels: 0, pixels: null, rows };
  }
  const [count, height, width, channels] = packed.shape(name);
  return { count, height, width, channels, pixels: packed.array(name) as Bytes, rows: null };
}

/** Rows of D numbers out of `[n, D]`. */
export function rowsOf(values: ArrayLike<number>, width: number): number[][] {
  const rows: number[][] = [];
  for (let i = 0; i < values.length; i += width) {
    rows.push(Array.from({ length: width }, (_, k) => values[i + k]));
  }
  return rows;
}

function take(buffer: ArrayBuffer, { dtype, shape, offset }: Entry): Numbers {
  const count = shape.reduce((a, b) => a * b, 1);
  switch (dtype) {
    case "u8":
      return new Uint8Array(buffer, offset, count);
    case "i8":
      return new Int8Array(buffer, offset, count);
    case "u16":
      return new Uint16Array(buffer, offset, count);
    case "u32":
      return new Uint32Array(buffer, offset, count);
    case "i32":
      return new Int32Array(buffer, offset, count);
    case "f32":
      return new Float32Array(buffer, offset, count);
    case "f16":
      return fromHalves(new Uint16Array(buffer, offset, count));
    default:
      throw new Error(`The type of an array must be known, and '${dtype}' is not.`);
  }
}

/** Half floats (IEEE 754 binary16) as floats. */
export function fromHalves(halves: Uint16Array): Floats {
  const table = halfTable();
  const floats = new Float32Array(halves.length);
  for (let i = 0; i < halves.length; i++) floats[i] = table[halves[i]];
  return floats;
}

let halvesKnown: Floats | null = null;

function halfTable(): Floats {
  if (halvesKnown) return halvesKnown;
  const table = new Float32Array(65536);
  for (let bits = 0; bits < 65536; bits++) {
    const sign = bits & 0x8000 ? -1 : 1;
    const exponent = (bits >> 10) & 31,
      fraction = bits & 1023;
    if (exponent === 31) table[bits] = fraction ? NaN : sign * Infinity;
    else if (exponent === 0) table[bits] = sign * fraction * 2 ** -24;
    else table[bits] = sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  }
  halvesKnown = table;
  return table;
}
