/** The first steps of a training, whose distortion would press all others of a chart together. */

const MOST = 0.1; // of the values, at most, lie outside the frame
const FAR = 2; // times the height of the others: less is no reason to leave any out

export interface Early {
  /** The highest value inside the frame. */
  from: number;
  count: number;
  most: number;
}

/** Which of the highest values are to lie outside the frame; null where none need to. */
export function beyond(values: number[]): Early | null {
  if (values.length < 3) return null;
  const sorted = [...values].sort((a, b) => a - b);
  const last = sorted.length - 1;
  const from = sorted[Math.min(last, Math.ceil(sorted.length * (1 - MOST)) - 1)];
  const count = values.filter((value) => value > from).length;
  const far = sorted[last] - sorted[0] > FAR * (from - sorted[0]);
  return count && far ? { from, count, most: sorted[last] } : null;
}
