/** Names of the array types that the map is made of. Since TypeScript 5.9 a typed array says what
 * holds its bytes; ours are never shared, and a canvas takes no shared ones. */

export type Floats = Float32Array<ArrayBuffer>;
export type Bytes = Uint8Array<ArrayBuffer>;
export type Words = Uint32Array<ArrayBuffer>;

/** Points of the plane, x and y in turn: [2 N]. */
export type Places = Floats;

/** A place on the screen or in the plane. */
export interface Place {
  x: number;
  y: number;
}
