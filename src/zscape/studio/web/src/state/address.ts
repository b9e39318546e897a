/** Writes where one is into the address, and leaves steps for the back button. */

import { fromHash, toHash, type Where } from "./hash";

const QUIET = 250; // milliseconds: browsers hold a page that writes its address at every move
let timer = 0;
let known = ""; // the address as it was read or written here last

/** Where the address leads. */
export function readAddress(): Where {
  known = location.hash;
  return fromHash(known);
}

/** A step from one place to another; what was changed quietly is of the one that is left. */
export function leaveStep(from: Where, to: Where): void {
  clearTimeout(timer);
  write("replaceState", from);
  write("pushState", to);
}

/** No step: the address follows a little later, to wherever one is then. */
export function follow(where: () => Where): void {
  clearTimeout(timer);
  timer = window.setTimeout(() => write("replaceState", where()), QUIET);
}

/** Where the back button or a person has changed the address the page is about to hear of it: what
 * it would write is of the place before. */
function write(how: "pushState" | "replaceState", where: Where): void {
  const hash = toHash(where);
  if (how === "replaceState" && location.hash !== known) return;
  if (hash !== location.hash) history[how](null, "", hash);
  known = location.hash;
}
