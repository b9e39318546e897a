/** What the log of a training run says of each unit's rate, as a grid of units by time. */

import type { LogRecord } from "../server/types";

const NAME = /^validation_rate_unit_(\d+)$/;

export interface UnitRates {
  steps: number[];
  /** The rate of each unit at each of the steps, in nats, in the order that was asked for. */
  rows: { unit: number; rates: number[] }[];
}

/** The rates of all units that the records tell, at most `most` of the times, the last among them.
 *
 * @param order units in the order of other charts; those that it lacks come after, the most
 * informative at the end first. */
export function unitRates(records: LogRecord[], order: number[], most = 120): UnitRates {
  const told = records.filter((record) => record.parts.validation_rate_unit_0 !== undefined);
  const every = Math.max(1, Math.ceil(told.length / most));
  const kept = told.filter((_, k) => (told.length - 1 - k) % every === 0);
  const names = Object.keys(kept.at(-1)?.parts ?? {}).filter((name) => NAME.test(name));
  const rows = names.map((name) => ({
    unit: Number(NAME.exec(name)![1]),
    rates: kept.map((record) => record.parts[name] ?? NaN),
  }));
  const places = new Map(order.map((unit, place) => [unit, place]));
  const placeOf = (unit: number) => places.get(unit) ?? order.length;
  rows.sort(
    (a, b) =>
      placeOf(a.unit) - placeOf(b.unit) || b.rates.at(-1)! - a.rates.at(-1)! || a.unit - b.unit,
  );
  return { steps: kept.map((record) => record.step), rows };
}
