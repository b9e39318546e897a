/** What is on screen, as Python a person can paste; a study is opened by its path, from anywhere. */

import type { Conditions, Place } from "../server/types";

export function opening(path: string): string {
  return `import zscape\n\nspace = zscape.open(${text(path)})`;
}

export function itemSnippet(path: string, item: number): string {
  return `${opening(path)}
code = space.codes[${item} : ${item + 1}]
seen = space.decode(code)  # what the model makes of it
units = zscape.traverse(space, ${item})`;
}

/** A direction laid on a code, as it is on screen. */
export interface Laid {
  name: string;
  vector: number[];
  /** Whether the study knows the property by name: it is then found again, else given as it is. */
  known: boolean;
  strength: number;
  /** What it is laid on. */
  start: Place;
  conditions: Conditions;
}

export function directionSnippet(path: string, laid: Laid): string {
  const { name, vector, known, start } = laid;
  const told = Object.keys(laid.conditions).length
    ? `, where=${JSON.stringify(laid.conditions)}`
    : "";
  const found = known
    ? `direction = zscape.find_direction(space, ${text(name)})
print(direction)
vector = direction.vector.numpy()`
    : `vector = np.array(${numbers(vector)}, np.float32)  # ${name.replace(/\s+/g, " ")}`;
  const code =
    "item" in start
      ? `np.asarray(space.codes[${start.item} : ${start.item + 1}])`
      : `np.array([${numbers(start.code)}], np.float32)`;
  return `${opening(path)}
import numpy as np

${found}
code = ${code} + ${Number(laid.strength.toFixed(4))} * vector
seen = space.decode(code${told})`;
}

export function pathSnippet(path: string, stops: Place[], steps: number, method: string): string {
  const items = stops.map((stop) =>
    "item" in stop ? String(stop.item) : `space.codes.like(torch.tensor([${numbers(stop.code)}]))`,
  );
  return `${opening(path)}
import torch

frames = zscape.walk(space, [${items.join(", ")}], steps=${steps}, method=${text(method)})`;
}

export function selectionSnippet(path: string, items: number[]): string {
  const shown = items.slice(0, 2000);
  const more =
    items.length > shown.length ? `  # the first ${shown.length} of ${items.length}` : "";
  return `${opening(path)}
items = [${shown.join(", ")}]${more}
codes = space.codes[items]`;
}

export function mapSnippet(path: string, method: string): string {
  const dims = method.startsWith("dims=") ? method.slice(5).split(",") : null;
  if (dims) return `${opening(path)}\npoints = space.codes.flat[:, [${dims.join(", ")}]]`;
  return `${opening(path)}
points = zscape.map_codes(space, method=${text(method || "pca")}).points`;
}

export async function copyText(words: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(words);
    return true;
  } catch {
    return false;
  }
}

function text(words: string): string {
  return JSON.stringify(words);
}

function numbers(values: number[]): string {
  return `[${values.map((value) => String(Number(value.toFixed(4)))).join(", ")}]`;
}
