/** Light, dark, or as the system is. `theme-early.ts` sets it before the first paint. */
import { Store } from "./store.ts";

export type Theme = "auto" | "light" | "dark";

const KEY = "gypsum.theme";
const stored = localStorage.getItem(KEY);

export const theme = new Store<Theme>(stored === "light" || stored === "dark" ? stored : "auto");

const system = matchMedia("(prefers-color-scheme: dark)");

export function isDark(): boolean {
  return theme.value === "auto" ? system.matches : theme.value === "dark";
}

/** To the other one; back to `auto` where that is the same. */
export function toggleTheme(): void {
  const dark = !isDark();
  const next = dark === system.matches ? "auto" : dark ? "dark" : "light";
  if (next === "auto") localStorage.removeItem(KEY);
  else localStorage.setItem(KEY, next);
  document.documentElement.dataset["theme"] = next;
  theme.set(next);
}

export function onScheme(act: () => void): () => void {
  system.addEventListener("change", act);
  const stop = theme.watch(act);
  return () => {
    system.removeEventListener("change", act);
    stop();
  };
}
