/** Draws points onto a canvas: holds its pixels and says how long a frame took. */

import type { Places, Words } from "./arrays";
import type { Camera, Size } from "./camera";
import { parse, toWord } from "./colours";
import { radiusFor, splat, type Look } from "./splat";

const SHARPEST = 2; // pixels of the screen per pixel of the page

export class Painter {
  /** Milliseconds of the last frame. */
  took = 0;
  #canvas: HTMLCanvasElement;
  #context: CanvasRenderingContext2D;
  #image: ImageData | null = null;
  #words: Words = new Uint32Array(0);

  constructor(canvas: HTMLCanvasElement) {
    this.#canvas = canvas;
    this.#context = canvas.getContext("2d", { alpha: false })!;
  }

  draw(places: Places, camera: Camera, size: Size, look: Look, zoomed: number): void {
    const began = performance.now();
    const ratio = ratioFor(places.length / 2);
    const pixels = {
      width: Math.max(1, Math.round(size.width * ratio)),
      height: Math.max(1, Math.round(size.height * ratio)),
    };
    this.#resize(pixels);
    const ground = toWord(parse(getComputedStyle(this.#canvas).backgroundColor));
    const radius = radiusFor(places.length / 2, zoomed, ratio);
    const sharp = { ...camera, scale: camera.scale * ratio };
    splat(this.#words, pixels, places, sharp, look, radius, ground);
    this.#context.putImageData(this.#image!, 0, 0);
    this.took = performance.now() - began;
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
