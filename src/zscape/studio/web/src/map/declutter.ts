/** Which items may show a picture on the map without covering one another. */

import type { Bytes } from "./arrays";
import { toScreen, type Camera, type Size } from "./camera";
import { within, type Grid } from "./grid";

const MOST = 4000; // points looked at
const GAP = 4; // pixels between pictures

export interface Placed {
  item: number;
  x: number;
  y: number;
}

/** Items in view with the middle of their pictures, `side` pixels wide, none over another.
 *
 * The first claim goes to the item that comes first by a fixed scattering of the ids, so that the
 * same ones stay while one pans. */
export function placePictures(
  grid: Grid,
  camera: Camera,
  size: Size,
  side: number,
  shown: Bytes,
): Placed[] {
  const halfWidth = size.width / 2 / camera.scale,
    halfHeight = size.height / 2 / camera.scale;
  const box = {
    left: camera.x - halfWidth,
    right: camera.x + halfWidth,
    low: camera.y - halfHeight,
    high: camera.y + halfHeight,
  };
  const items = within(grid, box).filter((i) => shown[i]);
  items.sort((a, b) => scatter(a) - scatter(b));
  const need = side + GAP;
  const cells = new Map<string, Placed>();
  const placed: Placed[] = [];
  for (const item of items.slice(0, MOST)) {
    const at = toScreen(camera, size, grid.places[2 * item], grid.places[2 * item + 1]);
    const column = Math.floor(at.x / need),
      row = Math.floor(at.y / need);
    if (crowded(cells, column, row, at.x, at.y, need)) continue;
    const one = { item, x: at.x, y: at.y };
    cells.set(`${column},${row}`, one);
    placed.push(one);
  }
  return placed;
}

const LINE = 18; // pixels between two lines of names
const STEPS = [0, -1, 1, -2, 2]; // lines by which a name may give way

/** How far down each name moves so that it covers none before it and no mark, or null where it finds
 * no room.
 *
 * @param boxes the middle of each name and how wide it is, in pixels.
 * @param marks likewise of what stays where it is, a line high. */
export function placeNames(
  boxes: { x: number; y: number; width: number }[],
  marks: typeof boxes = [],
): (number | null)[] {
  const placed = [...marks];
  return boxes.map((box) => {
    const free = STEPS.map((step) => step * LINE).find((down) =>
      placed.every(
        ({ x, y, width }) =>
          Math.abs(box.y + down - y) >= LINE - 1 || Math.abs(box.x - x) >= (box.width + width) / 2,
      ),
    );
    if (free === undefined) return null;
    placed.push({ ...box, y: box.y + free });
    return free;
  });
}

/** The share of the points in view that would show a picture: how readable the map is by them. */
export function shareShown(inView: number, placed: number): number {
  return inView === 0 ? 0 : placed / inView;
}

function crowded(
  cells: Map<string, Placed>,
  column: number,
  row: number,
  x: number,
  y: number,
  need: number,
): boolean {
  for (let c = column - 1; c <= column + 1; c++) {
    for (let r = row - 1; r <= row + 1; r++) {
      const other = cells.get(`${c},${r}`);
      if (other && Math.abs(other.x - x) < need && Math.abs(other.y - y) < need) return true;
    }
  }
  return false;
}

function scatter(item: number): number {
  let h = Math.imul(item + 1, 0x9e3779b1);
  h = Math.imul(h ^ (h >>> 15), 0x85ebca6b);
  return (h ^ (h >>> 13)) >>> 0;
}
