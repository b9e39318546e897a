/** The shapes that tell groups apart beside colour, as paths about the origin: the same on the map,
 * in the legend and in a picture that is saved. */

export type Shape = "disc" | "square" | "diamond" | "triangle";

const SHAPES: Shape[] = ["disc", "square", "diamond", "triangle"];
const PATHS: Record<Shape, string> = {
  disc: "M-5 0a5 5 0 1 0 10 0a5 5 0 1 0-10 0z",
  square: "M-4.4-4.4h8.8v8.8h-8.8z",
  diamond: "M0-6 6 0 0 6-6 0z",
  triangle: "M0-5.5 5.5 4.5h-11z",
};

/** The shape of a slot of the palette. */
export function shapeOf(slot: number): Shape {
  return SHAPES[slot & 3];
}

/** The outline of a shape, from -6 to 6. */
export function pathOf(shape: Shape): string {
  return PATHS[shape];
}
