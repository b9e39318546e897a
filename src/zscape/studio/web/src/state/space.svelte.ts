/** What is loaded of the study that is looked at: its map first, then all that views ask of it. */

import type { Bytes, Floats, Places } from "../map/arrays";
import { measureDensity, type Density } from "../map/density";
import { MOST_GROUPS } from "../map/colours";
import { mark } from "../map/lasso";
import { buildGrid, countOthers, countPlaces, type Grid } from "../map/grid";
import { colourGroups, colourNumbers, type Colouring } from "../map/look";
import { Sheets } from "../map/sheets";
import { count, namesOf } from "../components/words";
import { server } from "../server/server";
import { Telling } from "./telling.svelte";
import type { Card, Column, Details, Place, Projection, Unit } from "../server/types";

export interface Plane {
  method: string;
  header: Projection;
  places: Places;
  grid: Grid;
  density: Density;
  /** How many places its points take: fewer than there are items where some lie on one another. */
  taken: number;
}

export class Space {
  readonly id: string;
  readonly card: Card;
  readonly details: Details;
  plane = $state.raw<Plane | null>(null);
  columns = $state.raw<Column[]>([]);
  /** Columns of the data that are not offered, for their number. */
  leftOut = $state(0);
  units = $state.raw<Unit[]>([]);
  /** Whether the code says next to nothing of any one item. */
  collapsed = $state(false);
  readonly #active = $derived(this.units.filter((unit) => unit.active));
  /** The active units; all where none is, as after a few steps of training. */
  readonly used = $derived(this.#active.length ? this.#active : this.units);
  z = $state.raw<Floats | null>(null);
  sheets = $state.raw<Sheets | null>(null);
  kept = $state.raw<Bytes | null>(null);
  /** What stands where pictures would; null where pictures do. */
  readonly telling: Telling | null;
  /** What items are called by themselves; none where they have numbers only. */
  names: string[] = [];
  #colourings = new Map<string, Colouring>();

  constructor(card: Card, details: Details) {
    this.id = card.id;
    this.card = card;
    this.details = details;
    this.telling = details.shows === "rows" ? new Telling(card.id) : null;
  }

  get count(): number {
    return this.details.items;
  }

  /** What an item is called where it stands alone: "blk_12", "#12". */
  tag(item: number): string {
    return this.names[item] || `#${item}`;
  }

  /** The same in a sentence: "session blk_12", "row 12". */
  called(item: number): string {
    return `${namesOf(this.card.kind).one} ${this.names[item] || item}`;
  }

  async loadNames(): Promise<void> {
    if (this.details.named) this.names = (await server.names(this.id)).names;
  }

  /** All but the map and the names, which come first. */
  async loadRest(): Promise<void> {
    const columns = this.readColumns();
    const units = server.units(this.id).then((found) => {
      this.collapsed = found.collapsed;
      this.units = found.units;
    });
    const codes = server.codes(this.id).then((found) => (this.z = found.array("z") as Floats));
    await Promise.all([columns, units, codes, this.#loadKept()]);
  }

  /** The colouring of a name: a column's id, or "z3" for a unit. */
  async colouring(name: string): Promise<Colouring | null> {
    const known = this.#colourings.get(name);
    if (known) return known;
    const made = await this.#colour(name);
    if (made) this.#colourings.set(name, made);
    return made;
  }

  /** Whether the map can be coloured by a name, once the columns are read. */
  knows(name: string): boolean {
    return /^z\d+$/.test(name) || this.columns.some((column) => column.id === name);
  }

  /** What to colour by when nothing was asked: the label, an attribute, the first column of few
   * groups, a unit that says something, the first column; else the first unit. */
  get usualColour(): string {
    const of = (group: string) => this.columns.find((column) => column.group === group)?.id;
    const grouped = this.columns.find(
      ({ group, classes }) => group === "column" && classes && classes.length <= MOST_GROUPS,
    )?.id;
    const telling = this.collapsed ? undefined : this.#active[0];
    const unit = (one?: Unit) => one && `z${one.unit}`;
    const known = of("label") ?? of("attribute") ?? grouped ?? unit(telling);
    return known ?? of("column") ?? unit(this.units[0]) ?? "";
  }

  /** Column ids change with the study; what was read of them is forgotten. */
  async readColumnsAgain(): Promise<void> {
    this.#colourings.clear();
    await this.readColumns();
  }

  async readColumns(): Promise<void> {
    const found = await server.columns(this.id);
    this.columns = found.columns;
    this.leftOut = found.left_out;
  }

  codeOf(place: Place): number[] | null {
    if ("code" in place) return place.code;
    if (!this.z) return null;
    const width = this.details.latent;
    return Array.from(this.z.subarray(place.item * width, (place.item + 1) * width));
  }

  /** The place of a code: the item whose it is, the one that is named before others, else itself. */
  placeOf(code: number[], named: number | null): Place {
    const { z, count } = this;
    const width = this.details.latent;
    const has = (item: number) => !!z && code.every((v, d) => z[item * width + d] === v);
    if (named !== null && named < count && has(named)) return { item: named };
    for (let item = 0; item < count; item++) if (has(item)) return { item };
    return { code };
  }

  /** The mean of every unit over all codes, in the order of the code. */
  get meanCode(): number[] {
    return this.#ofUnits((unit) => unit.mean, 0);
  }

  /** The standard deviation of every unit over all codes. */
  get spreads(): number[] {
    return this.#ofUnits((unit) => unit.spread, 1);
  }

  #ofUnits(read: (unit: Unit) => number, rest: number): number[] {
    const values = new Array<number>(this.details.latent).fill(rest);
    for (const unit of this.units) values[unit.unit] = read(unit);
    return values;
  }

  async #colour(name: string): Promise<Colouring | null> {
    const unit = /^z(\d+)$/.exec(name);
    if (unit) {
      if (!this.z) return null;
      const k = Number(unit[1]),
        width = this.details.latent;
      const values = Float32Array.from({ length: this.count }, (_, i) => this.z![i * width + k]);
      return colourNumbers(`unit ${k}`, "", values, true);
    }
    if (!this.knows(name)) return null;
    const found = await server.column(this.id, name);
    const { kind, classes, unit: measure } = found.header;
    const values = found.array("values");
    if (kind === "category") {
      return colourGroups(found.header.name, classes ?? [], values as Int32Array<ArrayBuffer>);
    }
    return colourNumbers(found.header.name, measure, values);
  }

  async #loadKept(): Promise<void> {
    const slots = this.details.all_kept ? null : await this.#slots();
    if (this.details.shows !== "pictures") return;
    const plan = await server.thumbs(this.id);
    this.sheets = new Sheets({
      sizes: plan.sizes,
      perSheet: plan.per_sheet,
      columns: plan.columns,
      slots,
      url: (size, sheet) => server.sheetUrl(this.id, size, sheet, this.details.content),
    });
  }

  async #slots(): Promise<Int32Array> {
    const kept = (await server.kept(this.id)).array("kept");
    const slots = new Int32Array(this.count).fill(-1);
    for (let m = 0; m < kept.length; m++) slots[kept[m]] = m;
    this.kept = mark(kept, this.count);
    return slots;
  }
}

/** A map of a study by a method, "pca", "umap" or "dims=3,7"; turned onto another's where `align` names one. */
export async function fetchPlane(study: string, method: string, align = ""): Promise<Plane> {
  const found = await server.projection(study, method, align);
  const { x, y } = found.header;
  const xy = found.array("xy");
  const places = new Float32Array(xy.length);
  const dx = (x[1] - x[0]) / 65535,
    dy = (y[1] - y[0]) / 65535;
  for (let i = 0; i < xy.length; i += 2) {
    places[i] = x[0] + xy[i] * dx;
    places[i + 1] = y[0] + xy[i + 1] * dy;
  }
  return {
    method,
    header: found.header,
    places,
    grid: buildGrid(places),
    density: measureDensity(places),
    taken: countPlaces(xy),
  };
}

/** The code under a place of a map that inverts, or null. */
export function codeAt(header: Projection, x: number, y: number): number[] | null {
  const { plane } = header;
  if (!plane) return null;
  return plane.origin.map((start, d) => start + x * plane.axes[0][d] + y * plane.axes[1][d]);
}

/** Whether most items of a map lie on others. */
function isCrowded({ taken, places }: Plane): boolean {
  return 4 * taken <= places.length;
}

/** How few places items take on a map, in words; nothing where most lie apart. */
export function crowding(plane: Plane, many: string): string {
  const items = plane.places.length / 2;
  return isCrowded(plane) ? `${count(items)} ${many} on ${count(plane.taken)} places` : "";
}

/** How many others lie exactly where an item lies, on a map where most do. */
export function othersAt(plane: Plane, item: number): number {
  return isCrowded(plane) ? countOthers(plane.places, item) : 0;
}

/** The honest words for a map. */
export function badge(header: Projection): string {
  if (header.explained !== null) {
    const share = Math.round(header.explained * 100);
    const what = header.method === "dims" ? "Two units" : "PCA";
    return `${what}: ${share} % of variance`;
  }
  return header.to_scale ? "Two units" : "UMAP: distances not to scale";
}
