/** The one hint on the map, which fades for good once somebody has drawn a lasso. */

const KEY = "zscape-hint";

class Hint {
  seen = $state(read());

  /** It has served. */
  see(): void {
    this.seen = true;
    try {
      localStorage.setItem(KEY, "seen");
    } catch {
      return; // the hint comes again next time
    }
  }
}

function read(): boolean {
  try {
    return localStorage.getItem(KEY) === "seen";
  } catch {
    return false;
  }
}

export const hint = new Hint();
