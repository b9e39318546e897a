/** The state of the view in the address: short, readable, and the back button goes through it.
 * `#/explore?study=7f3a&ck=last&proj=pca&c=label&v=0.12,-0.3,4.5&hide=3,8&sel=s_4c1` */

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
}

export const LONGEST = 300;

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

/** The hash of a state; what is as it starts is left out. A list of hidden groups that would make
 * it too long is left out too. */
export function toHash(where: Where): string {
  const full = build(where);
  return full.length <= LONGEST ? full : build({ ...where, hidden: [] });
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
  return `#/${where.view}${parts.length ? `?${parts.join("&")}` : ""}`;
}

function short(value: number): string {
  return String(Number(value.toPrecision(4)));
}

function numbers(text: string | null): number[] {
  if (!text) return [];
  return text.split(",").map(Number).filter(Number.isFinite);
}
