/** Light, dark, or as the computer has it. */

export type Theme = "auto" | "light" | "dark";
const KEY = "zscape-theme";
const TURN: Record<Theme, Theme> = { auto: "light", light: "dark", dark: "auto" };

class Themes {
  now = $state<Theme>(read());

  constructor() {
    apply(this.now);
  }

  turn(): void {
    this.now = TURN[this.now];
    apply(this.now);
    try {
      localStorage.setItem(KEY, this.now);
    } catch {
      return; // a browser that stores nothing asks again next time
    }
  }
}

function read(): Theme {
  try {
    const kept = localStorage.getItem(KEY);
    return kept === "light" || kept === "dark" ? kept : "auto";
  } catch {
    return "auto";
  }
}

function apply(theme: Theme): void {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

export const themes = new Themes();
