/** Which keys do what, for the sheet, and whether a key is meant for a field. */

export function isTyping(event: KeyboardEvent): boolean {
  const target = event.target as HTMLElement | null;
  if (!target) return false;
  if (target instanceof HTMLInputElement)
    return target.type !== "range" && target.type !== "checkbox";
  return target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement;
}

/** The way each arrow goes on a plane whose y points up. */
export const ARROWS: Record<string, [number, number] | undefined> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, 1],
  ArrowDown: [0, -1],
};

export const KEYS: { where: string; keys: [string, string][] }[] = [
  {
    where: "Map",
    keys: [
      ["V L R I", "pan, lasso, rectangle, link"],
      ["Shift + drag", "lasso, whatever the tool"],
      ["Ctrl / Alt + lasso", "add to, take from the selection"],
      ["T", "pictures on the map"],
      ["U", "how sure the codes are, as ellipses"],
      ["F", "fade or filter what is not selected"],
      ["S", "save the selection as CSV"],
      ["0  +  −", "see everything, zoom"],
      ["Arrows", "pan"],
      ["Shift + arrow", "to the nearest item that way"],
      ["Enter", "open the item"],
      ["A  B", "make the item or the selection an end"],
      ["1–9, Alt + 1–9", "switch the 1st to 9th group of the legend, look at it alone"],
      ["Esc", "end the gesture, then the selection, then close"],
    ],
  },
  {
    where: "Sliders",
    keys: [
      ["Arrows, Shift + arrows", "0.05 σ, 0.5 σ"],
      ["Backspace", "the mean"],
      ["Double click", "the item's own value"],
    ],
  },
  {
    where: "Everywhere",
    keys: [
      ["/", "search"],
      ["Ctrl + Z, Ctrl + Y", "undo, redo"],
      ["Space", "play a path"],
      ["?", "this sheet"],
    ],
  },
];
