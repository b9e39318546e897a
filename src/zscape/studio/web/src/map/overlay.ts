/** What is drawn over the points: contours, pictures, names of groups, rings, the outline under way. */

import type { Bytes, Place } from "./arrays";
import { toScreen, type Camera, type Size } from "./camera";
import { css } from "./colours";
import { contour, type Density } from "./density";
import type { Colouring } from "./look";
import { placeNames, placePictures } from "./declutter";
import type { Ellipse } from "./ellipse";
import type { Grid } from "./grid";
import type { Sheets } from "./sheets";
import { HIDDEN } from "./splat";

export interface Inks {
  ink: string;
  ground: string;
  line: string;
  accent: string;
  a: string;
  b: string;
}

export interface Mark {
  x: number;
  y: number;
  name: "A" | "B";
}

export interface Layers {
  contours: boolean;
  names: boolean;
  pictures: boolean;
}

const LEVELS = [0.08, 0.25, 0.5];
const ROUND = 2 * Math.PI;
const RING = 8;
const END = 10; // pixels: the radius of an end's mark
const MOST_RINGS = 2000;
const MOST_MEMBERS = 2000; // of a group, that say where its middle is
const LONGEST = 24; // letters of a name on the map
const GAP = 6; // pixels between two names

export class Overlay {
  #canvas: HTMLCanvasElement;
  #context: CanvasRenderingContext2D;
  #contours = new WeakMap<Density, number[][]>();
  #camera: Camera = { x: 0, y: 0, scale: 1 };
  #size: Size = { width: 1, height: 1 };

  constructor(canvas: HTMLCanvasElement) {
    this.#canvas = canvas;
    this.#context = canvas.getContext("2d")!;
  }

  begin(camera: Camera, size: Size): void {
    const ratio = Math.min(devicePixelRatio || 1, 2);
    const width = Math.round(size.width * ratio),
      height = Math.round(size.height * ratio);
    if (this.#canvas.width !== width || this.#canvas.height !== height) {
      this.#canvas.width = width;
      this.#canvas.height = height;
    }
    this.#camera = camera;
    this.#size = size;
    this.#context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.#context.clearRect(0, 0, size.width, size.height);
  }

  contours(density: Density, inks: Inks): void {
    let levels = this.#contours.get(density);
    if (!levels) {
      levels = LEVELS.map((share) => contour(density, share));
      this.#contours.set(density, levels);
    }
    const context = this.#context;
    context.strokeStyle = inks.ink;
    context.lineWidth = 1;
    levels.forEach((pieces, k) => {
      context.globalAlpha = 0.16 + 0.1 * k;
      context.beginPath();
      for (let i = 0; i < pieces.length; i += 4) {
        const from = this.#at(pieces[i], pieces[i + 1]),
          to = this.#at(pieces[i + 2], pieces[i + 3]);
        context.moveTo(from.x, from.y);
        context.lineTo(to.x, to.y);
      }
      context.stroke();
    });
    context.globalAlpha = 1;
  }

  /** Pictures of items, framed in the colour of their group; how many were drawn. */
  pictures(
    grid: Grid,
    sheets: Sheets,
    side: number,
    shown: Bytes,
    colouring: Colouring | null,
  ): number {
    let drawn = 0;
    const context = this.#context;
    for (const { item, x, y } of placePictures(grid, this.#camera, this.#size, side, shown)) {
      const left = Math.round(x - side / 2),
        top = Math.round(y - side / 2);
      if (!sheets.draw(context, item, left, top, side)) continue;
      drawn++;
      context.strokeStyle = colouring ? css(colouring.palette[colouring.slots[item]]) : "gray";
      context.lineWidth = 2;
      context.strokeRect(left - 1, top - 1, side + 2, side + 2);
    }
    return drawn;
  }

  /** The name of each group near the middle of its points, where it covers no other and no mark. */
  names(
    middles: { name: string; x: number; y: number; colour: string }[],
    marks: Place[],
    inks: Inks,
  ): void {
    const context = this.#context;
    context.font = '600 13px system-ui, "Liberation Sans", sans-serif';
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.lineJoin = "round";
    const boxes = middles.map(({ name, x, y }) => {
      const text = name.length > LONGEST ? `${name.slice(0, LONGEST - 1)}…` : name;
      return { ...this.#at(x, y), text, width: context.measureText(text).width + GAP };
    });
    const fixed = marks.map(({ x, y }) => ({ ...this.#at(x, y), width: 2 * END }));
    const moved = placeNames(boxes, fixed);
    for (const [k, { text, x, y }] of boxes.entries()) {
      const down = moved[k];
      if (down === null) continue;
      const at = { x, y: y + down };
      context.lineWidth = 5;
      context.strokeStyle = inks.ground;
      context.globalAlpha = 0.85;
      context.strokeText(text, at.x, at.y);
      context.globalAlpha = 1;
      context.fillStyle = inks.ink;
      context.fillText(text, at.x, at.y);
    }
  }

  ring(place: Place, colour: string, width = 2, radius = RING): void {
    const at = this.#at(place.x, place.y);
    const context = this.#context;
    context.beginPath();
    context.arc(at.x, at.y, radius, 0, ROUND);
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.stroke();
  }

  /** Rings about marked points, the first of them where there are very many. */
  rings(grid: Grid, marks: Bytes, colour: string): void {
    let drawn = 0;
    for (let i = 0; i < marks.length && drawn < MOST_RINGS; i++) {
      if (!marks[i]) continue;
      drawn++;
      this.ring({ x: grid.places[2 * i], y: grid.places[2 * i + 1] }, colour, 1.2, 6);
    }
  }

  end(mark: Mark, inks: Inks): void {
    const at = this.#at(mark.x, mark.y);
    const context = this.#context;
    context.beginPath();
    context.arc(at.x, at.y, END, 0, ROUND);
    context.fillStyle = mark.name === "A" ? inks.a : inks.b;
    context.fill();
    context.lineWidth = 2;
    context.strokeStyle = inks.ground;
    context.stroke();
    context.fillStyle = inks.ground;
    context.font = '700 12px system-ui, "Liberation Sans", sans-serif';
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.fillText(mark.name, at.x, at.y + 0.5);
  }

  /** Posteriors: of a few one standard deviation and two, of many one, so that they stay apart. */
  ellipses(ellipses: Ellipse[], colour: string): void {
    const context = this.#context;
    const few = ellipses.length <= 4;
    context.strokeStyle = context.fillStyle = colour;
    context.lineWidth = few ? 1.4 : 1;
    for (const times of few ? [2, 1] : [1]) {
      for (const one of ellipses) {
        const at = this.#at(one.x, one.y);
        const pixels = times * this.#camera.scale;
        context.beginPath();
        // The screen's y points down.
        context.ellipse(at.x, at.y, one.long * pixels, one.short * pixels, -one.angle, 0, ROUND);
        context.globalAlpha = few ? 0.06 : 0.015;
        context.fill();
        context.globalAlpha = few ? 1 / times ** 1.2 - 0.15 : 0.35;
        context.stroke();
      }
    }
    context.globalAlpha = 1;
    this.#canvas.dataset.ellipses = String(ellipses.length);
  }

  /** Lines from where items lay to where they lie, with a dot at where they lay. */
  drifts(drifts: [Place, Place][], inks: Inks): void {
    const context = this.#context;
    const strong = drifts.length < 20;
    context.strokeStyle = inks.accent;
    context.fillStyle = inks.accent;
    context.lineWidth = strong ? 2 : 1;
    context.globalAlpha = strong ? 0.9 : 0.4;
    for (const [from, to] of drifts) {
      const start = this.#at(from.x, from.y),
        end = this.#at(to.x, to.y);
      context.beginPath();
      context.moveTo(start.x, start.y);
      context.lineTo(end.x, end.y);
      context.stroke();
      context.beginPath();
      context.arc(start.x, start.y, strong ? 3.5 : 2, 0, ROUND);
      context.fill();
    }
    context.globalAlpha = 1;
    this.#canvas.dataset.drifts = String(drifts.length);
  }

  /** A cross hair where one stands. */
  cross(place: Place, inks: Inks): void {
    const at = this.#at(place.x, place.y);
    const context = this.#context;
    for (const [colour, width] of [
      [inks.ground, 5],
      [inks.accent, 2],
    ] as const) {
      context.beginPath();
      context.arc(at.x, at.y, 7, 0, ROUND);
      for (const [dx, dy] of [
        [1, 0],
        [-1, 0],
        [0, 1],
        [0, -1],
      ]) {
        context.moveTo(at.x + 4 * dx, at.y + 4 * dy);
        context.lineTo(at.x + 13 * dx, at.y + 13 * dy);
      }
      context.strokeStyle = colour;
      context.lineWidth = width;
      context.stroke();
    }
  }

  /** A trail through places of the plane. */
  trail(places: Place[], colour: string): void {
    if (places.length < 2) return;
    const context = this.#context;
    context.beginPath();
    places.forEach((place, k) => {
      const at = this.#at(place.x, place.y);
      if (k) context.lineTo(at.x, at.y);
      else context.moveTo(at.x, at.y);
    });
    context.strokeStyle = colour;
    context.lineWidth = 2.5;
    context.lineJoin = "round";
    context.stroke();
  }

  /** The outline of a selection under way, in pixels of the screen. */
  outline(places: Place[], colour: string, closed: boolean): void {
    const context = this.#context;
    context.beginPath();
    places.forEach((at, k) => (k ? context.lineTo(at.x, at.y) : context.moveTo(at.x, at.y)));
    if (closed) context.closePath();
    context.strokeStyle = colour;
    context.fillStyle = colour;
    context.lineWidth = 1.5;
    context.setLineDash([5, 4]);
    context.stroke();
    context.setLineDash([]);
    context.globalAlpha = 0.1;
    context.fill();
    context.globalAlpha = 1;
  }

  #at(x: number, y: number): Place {
    return toScreen(this.#camera, this.#size, x, y);
  }
}

/** The middle of each group that is shown, the largest first: the median of its shown points, from the
 * first 2,000 of them. */
export function middlesOf(
  grid: Grid,
  colouring: Colouring | null,
  states: Bytes,
): { name: string; x: number; y: number; colour: string }[] {
  if (colouring?.kind !== "groups" || colouring.groups.length > 40) return [];
  const members: number[][] = colouring.groups.map(() => []);
  const { values } = colouring;
  let wanted = colouring.groups.reduce((sum, { count }) => sum + Math.min(count, MOST_MEMBERS), 0);
  for (let i = 0; i < values.length && wanted; i++) {
    if (values[i] < 0 || states[i] === HIDDEN || members[values[i]].length === MOST_MEMBERS)
      continue;
    members[values[i]].push(i);
    wanted--;
  }
  const order = colouring.groups.map((_, k) => k);
  order.sort((a, b) => colouring.groups[b].count - colouring.groups[a].count);
  return order.flatMap((k) => {
    if (members[k].length === 0) return [];
    const group = colouring.groups[k];
    const middle = (offset: number) => {
      const sorted = Float32Array.from(members[k], (i) => grid.places[2 * i + offset]).sort();
      return sorted[sorted.length >> 1];
    };
    const colour = css(colouring.palette[group.slot]);
    return [{ name: group.name, x: middle(0), y: middle(1), colour }];
  });
}
