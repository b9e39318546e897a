/** Numbers and cells in words. */

import type { Cell, Figure } from "../server/types";

/** A number with so many significant figures, without needless zeros. */
export function number(value: number | null | undefined, figures = 3): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size >= 1e9)
    return value
      .toExponential(figures - 1)
      .replace("e+", "e")
      .replace("-", "−");
  if (size >= 10 ** figures) return Math.round(value).toLocaleString("en");
  return String(Number(value.toPrecision(figures))).replace("-", "−");
}

/** Words of at most so many letters. */
export function cut(words: string, most: number): string {
  return words.length > most ? `${words.slice(0, most - 1).trimEnd()}…` : words;
}

/** What things of each kind are called, one and many. */
const NAMES: Record<string, { one: string; many: string }> = {
  table: { one: "row", many: "rows" },
  logs: { one: "session", many: "sessions" },
  image: { one: "picture", many: "pictures" },
};
const ITEM = { one: "item", many: "items" };

/** What the things of a study of that kind are called. */
export function namesOf(kind: string): { one: string; many: string } {
  return NAMES[kind] ?? ITEM;
}

/** "an item", "a row". */
export function withArticle(noun: string): string {
  return `${/^[aeiou]/.test(noun) ? "an" : "a"} ${noun}`;
}

/** What a unit is called: by the person, else as the library and the command line do. */
export function unitName(unit: number, names?: Record<string, string>): string {
  return names?.[unit] || `unit ${unit}`;
}

/** With a capital, where it begins a sentence. */
export function capital(words: string): string {
  return words.charAt(0).toUpperCase() + words.slice(1);
}

export function count(value: number): string {
  return value.toLocaleString("en");
}

/** The number of a cell, which may come as the data write it ("45,050"); NaN where it is none. */
export function cellNumber(cell: Cell | undefined): number {
  if (cell === null || cell === undefined || cell === "") return NaN;
  return Number(String(cell).replaceAll(",", ""));
}

export function cellText(cell: Cell | undefined): string {
  if (cell === null || cell === undefined || cell === "") return "–";
  return typeof cell === "number" ? number(cell, 4) : String(cell);
}

/** "−12.3 ± 0.1 nats (bound)", "−12.3 ± 0.1 nats (density, bound)". */
export function figureText(figure: Omit<Figure, "figure">): string {
  if (figure.value === null || figure.kind === "undefined") return "undefined";
  const error = figure.error ? ` ± ${number(figure.error, 2)}` : "";
  const [unit, ...said] = figure.unit.split(/[()]/).map((part) => part.trim());
  const words = [...said, figure.kind === "exact" ? "" : figure.kind].filter(Boolean).join(", ");
  return `${number(figure.value, 4)}${error} ${unit}${words && ` (${words})`}`;
}

/** "1.2 s", "14 ms". */
export function duration(milliseconds: number): string {
  if (milliseconds < 1) return "< 1 ms";
  if (milliseconds < 1000) return `${number(milliseconds, 2)} ms`;
  return `${number(milliseconds / 1000, 2)} s`;
}

/** "8 s", "2 min 5 s". */
export function secondsWords(seconds: number): string {
  const whole = Math.round(seconds);
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

/** The time of day of so many seconds since 1970: "14:02". */
export function clock(seconds: number): string {
  return new Date(1000 * seconds).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
}

/** A value in standard deviations, with its sign: "+1.2 σ". */
export function sigmas(value: number): string {
  const rounded = Math.round(value * 100) / 100;
  return `${rounded > 0 ? "+" : rounded < 0 ? "−" : ""}${Math.abs(rounded).toFixed(2)} σ`;
}
