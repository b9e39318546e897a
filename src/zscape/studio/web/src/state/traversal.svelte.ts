/** The code that Traverse stands at: where it came from, how units were set, how directions are laid
 * on, and what it decodes to. Lives on while other views are open. */

import type { Things } from "../server/binary";
import type { Live } from "../server/live";
import { server } from "../server/server";
import type { Conditions, Direction, Place, Unit } from "../server/types";
import type { Space } from "./space.svelte";
import { isPlaceOf } from "./ends";
import { studio } from "./studio.svelte";
import { keepInTab, keptInTab } from "./tab";

const WITHIN = 0.5; // root mean square of standard deviations: draws of training lie further out

const stopsKey = ({ id }: Space) => `zscape-stops-${id}`;

export const MEAN = "the mean of all codes";

type Stood = "origin" | "words" | "base" | "laidOn" | "conditions";
type Stand = Pick<Traversal, Stood> & { taken: number[] };

export class Traversal {
  readonly space: Space;
  /** The code one started from, and in words what it is. */
  origin = $state.raw<number[]>([]);
  words = $state(MEAN);
  /** The code with the units as they were set, before directions. */
  base = $state.raw<number[]>([]);
  laidOn = $state.raw<{ direction: Direction; strength: number }[]>([]);
  conditions = $state.raw<Conditions>({});
  things = $state.raw<Things | null>(null);
  /** The codes of the path under way, for the map. */
  way = $state.raw<number[][]>([]);
  /** What a mix takes from B, by the places of its parts. */
  taken = $state.raw<ReadonlySet<number>>(new Set());
  pinned = $state.raw<{ code: number[]; things: Things }[]>([]);
  #stops = $state.raw<Place[] | null>(null);
  /** The directions that are there: kept and found. */
  directions = $state.raw<Direction[]>([]);
  /** The item that was open when one came here last: another one is gone to. */
  opened: number | null = null;
  #line: Live | null = null;

  /** What is decoded: base plus each direction times its strength. */
  readonly code = $derived(this.without(""));

  constructor(space: Space) {
    this.space = space;
    const kept = keptInTab<Place[]>(stopsKey(space));
    this.#stops = kept?.every((place) => isPlaceOf(space, place)) ? kept : null;
  }

  /** The keyframes of the path, once they are other than the ends; the tab remembers them. */
  get stops(): Place[] | null {
    return this.#stops;
  }

  set stops(stops: Place[] | null) {
    this.#stops = stops;
    keepInTab(stopsKey(this.space), stops);
  }

  /** Decodes over a line until the answer is called. */
  attach(line: Live): () => void {
    this.#line = line;
    line.onAnswer = ({ things, milliseconds, roundTrip }) => {
      this.things = things;
      studio.decoded = { milliseconds, roundTrip };
    };
    line.onProblem = (sentence) => studio.complain(new Error(sentence));
    line.under(this.conditions);
    if (this.code.length) line.ask([this.code]);
    return () => {
      line.close();
      this.#line = null;
    };
  }

  startFrom(code: number[], words: string): void {
    this.origin = code;
    this.words = words;
    this.base = code;
    this.laidOn = [];
    this.#decode();
  }

  /** Goes somewhere by a step that can be taken back; all of one drag are one. */
  step(what: string, go: () => void, gesture?: object): void {
    const before = this.#stand();
    go();
    const after = this.#stand();
    if (JSON.stringify(before) === JSON.stringify(after)) return;
    const undo = () => this.#put(before);
    studio.did({ what, subject: "code", undo, redo: () => this.#put(after), gesture });
  }

  /** Where one stands: all that a step may change. */
  #stand(): Stand {
    const { origin, words, base, laidOn, conditions } = this;
    return { origin, words, base, laidOn, conditions, taken: [...this.taken] };
  }

  #put({ taken, ...rest }: Stand): void {
    Object.assign(this, rest);
    this.taken = new Set(taken);
    // A direction may have been kept under another name since.
    this.laidOn = rest.laidOn.map(({ direction, strength }) => {
      const same = ({ vector }: Direction) => String(vector) === String(direction.vector);
      return { direction: this.directions.find(same) ?? direction, strength };
    });
    this.under(this.conditions);
  }

  /** The sliders that stand elsewhere than in a code, in standard deviations to two decimals. */
  movedFrom(code: number[]): [number, number][] {
    return this.space.units.flatMap(({ unit, mean, spread }) => {
      const at = (of: number[]) => Math.round((100 * (of[unit] - mean)) / (spread || 1)) / 100;
      return at(this.base) === at(code) ? [] : [[unit, at(this.base)] as [number, number]];
    });
  }

  /** Starts from a code, with sliders set elsewhere. */
  startMoved(code: number[], words: string, moved: [number, number][]): void {
    this.startFrom(code, words);
    const to = new Map(moved);
    for (const { unit, mean, spread } of this.space.units) {
      const at = to.get(unit);
      if (at !== undefined) this.setUnit(unit, mean + at * spread);
    }
  }

  /** Reads what directions there are; of what one can be found. */
  async readDirections(): Promise<string[]> {
    const before = this.directions;
    const found = await server.directions(this.space.id);
    // What was found or let go while the answer was on its way is newer than it.
    if (this.directions === before) this.directions = [...found.kept, ...found.found];
    return found.known;
  }

  /** Lays on the directions of an address that are still there. */
  async lay(laid: [string, number][]): Promise<void> {
    if (laid.length) await this.readDirections();
    this.laidOn = [];
    for (const [name, strength] of laid) {
      const direction = this.directions.find((one) => one.name === name);
      if (direction) this.setStrength(direction, strength);
      else studio.say(`The direction '${name}' of this address is not there any more.`);
    }
    this.#decode();
  }

  startAt(place: Place, words: string): void {
    const code = this.space.codeOf(place);
    if (code) this.startFrom(code, words);
  }

  /** Goes to a code: directions are taken into it. */
  moveTo(code: number[]): void {
    this.base = code;
    this.laidOn = [];
    this.#decode();
  }

  setUnit(unit: number, value: number): void {
    this.base = this.base.map((v, d) => (d === unit ? value : v));
    this.#decode();
  }

  setStrength(direction: Direction, strength: number): void {
    const others = this.laidOn.filter((one) => one.direction.name !== direction.name);
    this.laidOn = strength === 0 ? others : [...others, { direction, strength }];
    this.#decode();
  }

  /** A direction has another name from now on. */
  rename(name: string, direction: Direction): void {
    this.directions = this.directions.map((one) => (one.name === name ? direction : one));
    this.laidOn = this.laidOn.map((one) =>
      one.direction.name === name ? { ...one, direction } : one,
    );
  }

  /** The directions that are laid on, with their strengths to two decimals. */
  get laid(): [string, number][] {
    return this.laidOn.map(({ direction, strength }) => [
      direction.name,
      Math.round(100 * strength) / 100,
    ]);
  }

  /** The code without the direction of that name. */
  without(name: string): number[] {
    return this.laidOn
      .filter(({ direction }) => direction.name !== name)
      .reduce(
        (code, { direction, strength }) => code.map((v, d) => v + strength * direction.vector[d]),
        this.base,
      );
  }

  strengthOf(name: string): number {
    return this.laidOn.find((one) => one.direction.name === name)?.strength ?? 0;
  }

  under(conditions: Conditions): void {
    this.conditions = conditions;
    this.#line?.under(conditions);
    this.#decode();
  }

  pin(): void {
    if (this.things)
      this.pinned = [...this.pinned, { code: this.code, things: this.things }].slice(-3);
  }

  unpin(index: number): void {
    this.pinned = this.pinned.filter((_, k) => k !== index);
  }

  /** How far off the data the code is: its distance from the mean in standard deviations of codes as
   * training drew them, by unit on average (root mean square). Such codes are near 1. */
  readonly away = $derived.by(() => this.#awayBy(this.space.used));
  /** Whether the code lies where training drew hardly any: as centres of a collapsed one do, all. */
  readonly isWithin = $derived.by(() => this.#awayBy(this.space.units) < WITHIN);

  #awayBy(units: Unit[]): number {
    if (!units.length || !this.code.length) return 0;
    const sum = units.reduce(
      (s, { unit, mean, drawn }) => s + ((this.code[unit] - mean) / (drawn || 1)) ** 2,
      0,
    );
    return Math.sqrt(sum / units.length);
  }

  #decode(): void {
    if (this.code.length) this.#line?.ask([this.code]);
  }
}

let now: Traversal | null = null;

/** The traversal of a space: the same one until another study is opened. */
export function traversalOf(space: Space): Traversal {
  // In a root of its own, since what it derives lives on when the view that asked first is gone.
  if (now?.space !== space) $effect.root(() => void (now = new Traversal(space)));
  return now!;
}
