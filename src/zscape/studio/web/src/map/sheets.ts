/** Small pictures of items, many to a sheet; sheets come when one of theirs is first wanted. */

const BROKEN = "broken";

export interface SheetPlan {
  sizes: number[];
  perSheet: number;
  columns: number;
  /** The slot of each item, -1 where there is none; null where slot and item are the same. */
  slots: Int32Array | null;
  url: (size: number, sheet: number) => string;
}

export class Sheets {
  onLoad: () => void = () => undefined;
  #plan: SheetPlan;
  #images = new Map<string, HTMLImageElement | typeof BROKEN>();

  constructor(plan: SheetPlan) {
    this.#plan = plan;
  }

  /** Draws the picture of an item into a square of `side` pixels; false while its sheet is not
   * there, or where it has none. */
  draw(
    context: CanvasRenderingContext2D,
    item: number,
    x: number,
    y: number,
    side: number,
  ): boolean {
    const slot = this.#plan.slots ? this.#plan.slots[item] : item;
    if (slot === undefined || slot < 0) return false;
    const size = this.#sizeFor(side * devicePixelRatio);
    const image = this.#sheet(size, Math.floor(slot / this.#plan.perSheet));
    if (!image) return false;
    const tile = slot % this.#plan.perSheet;
    const left = (tile % this.#plan.columns) * size,
      top = Math.floor(tile / this.#plan.columns) * size;
    context.imageSmoothingEnabled = side < size;
    context.drawImage(image, left, top, size, size, x, y, side, side);
    return true;
  }

  has(item: number): boolean {
    return this.#plan.slots ? this.#plan.slots[item] >= 0 : true;
  }

  #sizeFor(side: number): number {
    return this.#plan.sizes.find((size) => size >= side * 0.75) ?? this.#plan.sizes.at(-1)!;
  }

  #sheet(size: number, sheet: number): HTMLImageElement | null {
    const key = `${size}/${sheet}`;
    const found = this.#images.get(key);
    if (found === BROKEN) return null;
    if (found) return found.complete && found.naturalWidth > 0 ? found : null;
    const image = new Image();
    image.onload = () => this.onLoad();
    image.onerror = () => this.#images.set(key, BROKEN);
    image.src = this.#plan.url(size, sheet);
    this.#images.set(key, image);
    return null;
  }
}
