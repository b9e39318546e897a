/** What is on screen, as Python a person can paste. */

import type { Place } from "../server/types";

export function opening(study: string): string {
  return `import zscape\n\nspace = zscape.open(${text(study)}).space()`;
}

export function placeText(place: Place): string {
  return "item" in place ? `space.codes[${place.item}]` : `[[${place.code.map(short).join(", ")}]]`;
}

export function itemSnippet(study: string, item: number): string {
  return `${opening(study)}
code = space.codes[${item}]
picture = space.decode(code)
rows = zscape.traverse(space, ${item})`;
}

export function directionSnippet(study: string, a: string, b: string, name: string): string {
  return `${opening(study)}
direction = zscape.find_direction(space, ${a}, ${b}, name=${text(name)})
print(direction)`;
}

export function pathSnippet(study: string, stops: Place[], steps: number, method: string): string {
  const items = stops.map((stop) => ("item" in stop ? String(stop.item) : placeText(stop)));
  return `${opening(study)}
frames = zscape.walk(space, [${items.join(", ")}], steps=${steps}, method=${text(method)})`;
}

export function selectionSnippet(study: string, items: number[]): string {
  const shown = items.slice(0, 2000);
  const more =
    items.length > shown.length ? `  # the first ${shown.length} of ${items.length}` : "";
  return `${opening(study)}
items = [${shown.join(", ")}]${more}
codes = space.codes[items]`;
}

export function mapSnippet(study: string, method: string): string {
  const dims = method.startsWith("dims=") ? method.slice(5).split(",") : null;
  if (dims) return `${opening(study)}\npoints = space.codes.flat[:, [${dims.join(", ")}]]`;
  return `${opening(study)}
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

function short(value: number): string {
  return String(Number(value.toFixed(4)));
}
