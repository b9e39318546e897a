/** Draws points onto a canvas: holds its pixels and says how long a frame took. */

import type { Bytes, Places, Words } from "./arrays";
import type { Camera, Size } from "./camera";
import { parse, toWord } from "./colours";
import { inOrder, type Grid } from "./grid";
import { radiusFor, splat, type Look } from "./splat";

const SHARPEST = 2; // pixels of the screen per pixel of the page

export class Painter {
  /** Milliseconds of the last frame. */
  took = 0;
  #canvas: HTMLCanvasElement;
  #context: CanvasRenderingContext2D;
  #image: ImageData | null = null;
  #words: Words = new Uint32Array(0);
  #kept = new Map<string, { grid: Grid; values: Bytes | Places; sorted: Bytes | Places }>();

  constructor(canvas: HTMLCanvasElement) {
    this.#canvas = canvas;
    this.#context = canvas.getContext("2d", { alpha: false })!;
  }

  /** Draws the points of a grid; while they are on their way to it, as they lie in `moving`. */
  draw(
    grid: Grid,
    moving: Places | null,
    camera: Camera,
    size: Size,
    look: Look,
    zoomed: number,
  ): void {
    const began = performance.now();
    const count = grid.order.length;
    const ratio = ratioFor(count);
    const pixels = {
      width: Math.max(1, Math.round(size.width * ratio)),
      height: Math.max(1, Math.round(size.height * ratio)),
    };
    this.#resize(pixels);
    const ground = toWord(parse(getComputedStyle(this.#canvas).backgroundColor));
    const sharp = { ...camera, scale: camera.scale * ratio };
    const places = moving ?? this.#sorted("places", grid, grid.places, 2);
    const sorted = moving
      ? look
      : {
          ...look,
          slots: this.#sorted("slots", grid, look.slots),
          states: this.#sorted("states", grid, look.states),
        };
    splat(this.#words, pixels, places, sharp, sorted, radiusFor(count, zoomed, ratio), ground);
    this.#context.putImageData(this.#image!, 0, 0);
    this.took = performance.now() - began;
  }

  /** Values in the order of the grid, kept until the values or the grid are others. */
  #sorted<Values extends Bytes | Places>(
    name: string,
    grid: Grid,
    values: Values,
    each = 1,
  ): Values {
    const kept = this.#kept.get(name);
    if (kept?.grid === grid && kept.values === values) return kept.sorted as Values;
    const sorted = inOrder(grid, values, each);
    this.#kept.set(name, { grid, values, sorted });
    return sorted;
  }

  #resize({ width, height }: Size): void {
    if (this.#image?.width === width && this.#image.height === height) return;
    this.#canvas.width = width;
    this.#canvas.height = height;
    this.#image = this.#context.createImageData(width, height);
    this.#words = new Uint32Array(this.#image.data.buffer as ArrayBuffer);
  }
}

/** Crowds are drawn at one pixel per pixel of the page: there the time goes into pixels. */
export function ratioFor(count: number): number {
  return count > 200_000 ? 1 : Math.min(devicePixelRatio || 1, SHARPEST);
}
