/** Colours for groups and for numbers, as words of pixels and as text for the page. */

import type { Bytes, Words } from "./arrays";

export const NONE = 255; // the slot of what has no value, and of the groups beyond the twelfth
export const MOST_GROUPS = 12;

/** Twelve colours that people with any colour vision tell apart: no two nearer than 0.12 in OKLab,
 * nor than 0.06 as the three kinds of colour blindness see them, each 3:1 on white and on #14171c.
 * Found by a search from Okabe and Ito's hues. */
const GROUPS = [
  "#006cca",
  "#ea7406",
  "#2e9c62",
  "#d664bf",
  "#c34800",
  "#259cdd",
  "#c003bd",
  "#b9868f",
  "#8974ff",
  "#007358",
  "#930ffd",
  "#81538d",
];
const OTHER = "#8a9099";

/** Anchors from low to high. Sequential ones grow lighter all the way, so grey prints keep order. */
const RAMPS = {
  sequential: ["#2d2266", "#31508f", "#2a7d92", "#2fa686", "#86c85c", "#f2dc4e"],
  diverging: ["#2166ac", "#6aaed6", "#c6c9cd", "#ec9a5c", "#b8420f"],
} as const;
export type Ramp = keyof typeof RAMPS;

export type Rgb = [number, number, number];

/** The palette of groups: slots 0 to 11 their hues, the others grey. */
export function groupPalette(): Words {
  const palette = new Uint32Array(256).fill(toWord(parse(OTHER)));
  GROUPS.forEach((hex, slot) => (palette[slot] = toWord(parse(hex))));
  return palette;
}

/** The palette of a ramp: slots 0 to 254 from low to high; the last is for no value. */
export function rampPalette(ramp: Ramp): Words {
  const palette = new Uint32Array(256);
  for (let slot = 0; slot < NONE; slot++) palette[slot] = toWord(rampAt(ramp, slot / (NONE - 1)));
  palette[NONE] = toWord(parse(OTHER));
  return palette;
}

/** The colour of a ramp at 0 to 1, mixed in OKLab, where equal steps look equal. */
export function rampAt(ramp: Ramp, share: number): Rgb {
  const anchors = RAMPS[ramp];
  const place = Math.min(Math.max(share, 0), 1) * (anchors.length - 1);
  const low = Math.min(Math.floor(place), anchors.length - 2);
  const a = toLab(parse(anchors[low])),
    b = toLab(parse(anchors[low + 1]));
  const part = place - low;
  return fromLab([0, 1, 2].map((k) => a[k] + (b[k] - a[k]) * part) as Rgb);
}

/** The slot of each number between `low` and `high`; what is not finite has none. */
export function slotsOf(values: ArrayLike<number>, low: number, high: number): Bytes {
  const slots = new Uint8Array(values.length);
  const span = high - low || 1;
  for (let i = 0; i < values.length; i++) {
    const share = (values[i] - low) / span;
    slots[i] = Number.isFinite(share)
      ? Math.round(Math.min(Math.max(share, 0), 1) * (NONE - 1))
      : NONE;
  }
  return slots;
}

/** The values at shares of the sorted finite numbers, from at most 20,000 of them. */
export function quantiles(values: ArrayLike<number>, shares: number[]): number[] {
  const step = Math.max(1, Math.floor(values.length / 20_000));
  const kept: number[] = [];
  for (let i = 0; i < values.length; i += step)
    if (Number.isFinite(values[i])) kept.push(values[i]);
  kept.sort((a, b) => a - b);
  if (kept.length === 0) return shares.map(() => 0);
  return shares.map((share) => kept[Math.round(share * (kept.length - 1))]);
}

/** A colour for the page, `rgb(r, g, b)`. */
export function css(word: number): string {
  return `rgb(${word & 255}, ${(word >>> 8) & 255}, ${(word >>> 16) & 255})`;
}

/** A pixel of a colour, opaque. */
export function toWord(rgb: Rgb): number {
  return (0xff000000 | (rgb[2] << 16) | (rgb[1] << 8) | rgb[0]) >>> 0;
}

/** The three numbers of `#rrggbb` or of `rgb(r, g, b)`. */
export function parse(text: string): Rgb {
  if (text.startsWith("#")) {
    return [1, 3, 5].map((k) => parseInt(text.slice(k, k + 2), 16)) as Rgb;
  }
  const found = text.match(/[\d.]+/g) ?? ["0", "0", "0"];
  return [0, 1, 2].map((k) => Math.round(Number(found[k]))) as Rgb;
}

// Ottosson 2020, "A perceptual color space for image processing".
export function toLab(rgb: Rgb): Rgb {
  const [r, g, b] = rgb.map((v) => {
    const c = v / 255;
    return c <= 0.04045 ? c / 12.92 : Math.pow((c + 0.055) / 1.055, 2.4);
  });
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  return [
    0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
    1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
    0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s,
  ];
}

function fromLab([lightness, a, b]: Rgb): Rgb {
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  const linear = [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ];
  return linear.map((c) => {
    const v = c <= 0.0031308 ? 12.92 * c : 1.055 * Math.pow(c, 1 / 2.4) - 0.055;
    return Math.round(Math.min(Math.max(v, 0), 1) * 255);
  }) as Rgb;
}
