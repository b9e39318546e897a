/** The state of the view in the address: short, readable, and the back button goes through it.
 * `#/explore?study=7f3a&ck=last&proj=pca&c=label&v=0.12,-0.3,4.5&hide=3,8&sel=s_4c1&a=12&b=z0.5,-1.2` */

import type { Place } from "../server/types";
import { isView, type ViewName } from "../views";

export interface Where {
  view: ViewName;
  study: string;
  checkpoint: string;
  split: string;
  projection: string;
  colour: string;
  camera: [number, number, number] | null;
  hidden: number[];
  selection: string;
  item: number | null;
  other: string;
  a: Place | null;
  b: Place | null;
  /** Of Anomalies: by what, above what, the row that is open, and what is known to be strange, as the
   * column and the group in it ("label:7"). */
  score: string;
  strange: string;
  threshold: number | null;
  row: number | null;
  /** Of Traverse: the sliders that are elsewhere than where one starts, in standard deviations, null
   * where they are too many for an address; and directions with their strengths. */
  moved: [number, number][] | null;
  laid: [string, number][];
  /** Of Traverse: the unit or direction whose frames are open, and how a path is made. */
  strip: string;
  way: string;
  frames: number | null;
}

export const LONGEST = 300;
const MANY = "~"; // sliders that are too many

export function nowhere(): Where {
  return {
    view: "explore",
    study: "",
    checkpoint: "",
    split: "",
    projection: "",
    colour: "",
    camera: null,
    hidden: [],
    selection: "",
    item: null,
    other: "",
    a: null,
    b: null,
    score: "",
    strange: "",
    threshold: null,
    row: null,
    moved: [],
    laid: [],
    strip: "",
    way: "",
    frames: null,
  };
}

const TEXTS: [keyof Where, string][] = [
  ["study", "study"],
  ["checkpoint", "ck"],
  ["split", "split"],
  ["projection", "proj"],
  ["colour", "c"],
  ["selection", "sel"],
  ["other", "with"],
];
/** Words that one view alone shows, each under its own name. */
const OWN: ["score" | "strange" | "strip" | "way", ViewName][] = [
  ["score", "anomalies"],
  ["strange", "anomalies"],
  ["strip", "traverse"],
  ["way", "traverse"],
];

/** The hash of a state; what is as it starts is left out. Ends that are codes, then a list of hidden
 * groups, then sliders, then what has long names are left out too where they would make it too long. */
export function toHash(where: Where): string {
  const bare = { ...where, a: itemAlone(where.a), b: itemAlone(where.b) };
  const still = { ...bare, hidden: [], moved: null, laid: [] };
  const short = { ...still, strange: "", strip: "" };
  const tries = [where, bare, { ...bare, hidden: [] }, still, short].map(build);
  return tries.find((hash) => hash.length <= LONGEST) ?? tries[4];
}

/** The state of a hash; what is not understood is as it starts. */
export function fromHash(hash: string): Where {
  const where = nowhere();
  const [path, query = ""] = hash.replace(/^#\/?/, "").split("?");
  if (isView(path)) where.view = path;
  const found = new URLSearchParams(query);
  for (const [name, key] of TEXTS) {
    const value = found.get(key);
    if (value) (where[name] as string) = value;
  }
  const camera = numbers(found.get("v"));
  if (camera.length === 3 && camera[2] > 0) where.camera = camera as [number, number, number];
  where.hidden = numbers(found.get("hide")).filter((n) => Number.isInteger(n) && n >= 0);
  const item = numbers(found.get("i"))[0];
  if (Number.isInteger(item) && item >= 0) where.item = item;
  where.a = placeOf(found.get("a"));
  where.b = placeOf(found.get("b"));
  for (const [name] of OWN) where[name] = found.get(name) ?? "";
  where.threshold = numbers(found.get("above"))[0] ?? null;
  const row = numbers(found.get("row"))[0];
  if (Number.isInteger(row) && row >= 0) where.row = row;
  const frames = numbers(found.get("frames"))[0];
  if (Number.isInteger(frames) && frames > 0) where.frames = frames;
  const moved = found.get("u") ?? "";
  where.moved = moved === MANY ? null : moved.split(",").flatMap(pairOf);
  where.laid = found.getAll("d").flatMap((text) => {
    const [, strength, name] = /^(-?[\d.]+):(.+)$/.exec(text) ?? [];
    return Number.isFinite(Number(strength)) ? [[name, Number(strength)]] : [];
  });
  return where;
}

function build(where: Where): string {
  const parts: string[] = [];
  for (const [name, key] of TEXTS) {
    const value = where[name] as string;
    if (value) parts.push(`${key}=${encodeURIComponent(value)}`);
  }
  if (where.camera) parts.push(`v=${where.camera.map(short).join(",")}`);
  if (where.hidden.length) parts.push(`hide=${where.hidden.join(",")}`);
  if (where.item !== null) parts.push(`i=${where.item}`);
  for (const end of ["a", "b"] as const) {
    const place = where[end];
    if (place) parts.push(`${end}=${placeText(place)}`);
  }
  for (const [name, view] of OWN) {
    if (where[name] && where.view === view) parts.push(`${name}=${words(where[name])}`);
  }
  if (where.view === "anomalies") {
    if (where.threshold !== null) parts.push(`above=${Number(where.threshold.toPrecision(6))}`);
    if (where.row !== null) parts.push(`row=${where.row}`);
  }
  if (where.view === "traverse") {
    const moved = where.moved?.map(([unit, at]) => `${unit}:${at}`).join(",") ?? MANY;
    if (moved) parts.push(`u=${moved}`);
    for (const [name, at] of where.laid) parts.push(`d=${at}:${words(name)}`);
    if (where.frames !== null) parts.push(`frames=${where.frames}`);
  }
  return `#/${where.view}${parts.length ? `?${parts.join("&")}` : ""}`;
}

/** Words as an address holds them; a colon may stand there as it is. */
function words(text: string): string {
  return encodeURIComponent(text).replaceAll("%3A", ":");
}

/** "12" of an item, "z0.5,-1.2" of a code. */
export function placeText(place: Place): string {
  return "item" in place ? String(place.item) : `z${place.code.map(short).join(",")}`;
}

function placeOf(text: string | null): Place | null {
  if (!text) return null;
  if (/^\d+$/.test(text)) return { item: Number(text) };
  const code = text.startsWith("z") ? text.slice(1).split(",").map(Number) : [];
  return code.length && code.every(Number.isFinite) ? { code } : null;
}

/** A slider of "3:-0.5", if it is one. */
function pairOf(text: string): [number, number][] {
  const found = /^(\d+):(-?[\d.]+)$/.exec(text);
  const at = Number(found?.[2]);
  return found && Number.isFinite(at) ? [[Number(found[1]), at]] : [];
}

function itemAlone(place: Place | null): Place | null {
  return place && "item" in place ? place : null;
}

function short(value: number): string {
  return String(Number(value.toPrecision(4)));
}

function numbers(text: string | null): number[] {
  if (!text) return [];
  return text.split(",").map(Number).filter(Number.isFinite);
}
