/** The page's addresses. */
import { useStore, Store } from "./state/store.ts";

export interface Route {
  name: string;
  /** What stands in the address where the pattern has a colon. */
  parts: Record<string, string>;
}

const PATTERNS: [pattern: string, name: string][] = [
  ["/", "home"],
  ["/new", "new"],
  ["/scans/:id", "scan"],
  ["/gallery", "gallery"],
  ["/s/:token", "shared"],
  ["/embed/:token", "embed"],
  ["/account", "account"],
  ["/sign-in", "sign-in"],
  ["/sign-up", "sign-up"],
  ["/forgotten", "forgotten"],
  ["/reset/:token", "reset"],
  ["/verify/:token", "verify"],
];

export function match(path: string): Route {
  const have = path.replace(/\/+$/, "").split("/");
  for (const [pattern, name] of PATTERNS) {
    const want = pattern.replace(/\/+$/, "").split("/");
    const parts: Record<string, string> = {};
    const fits = want.length === have.length && want.every((piece, index) => {
      const found = have[index] ?? "";
      if (!piece.startsWith(":")) return piece === found;
      parts[piece.slice(1)] = decodeURIComponent(found);
      return found !== "";
    });
    if (fits) return { name, parts };
  }
  return { name: "lost", parts: {} };
}

const place = new Store(location.pathname + location.search);

export const usePlace = (): string => useStore(place);
export const useRoute = (): Route => match(usePlace().split("?")[0] ?? "/");

export function go(to: string, how: { replace?: boolean } = {}): void {
  if (how.replace) history.replaceState(null, "", to);
  else history.pushState(null, "", to);
  place.set(location.pathname + location.search);
  if (!how.replace) scrollTo(0, 0);
}

/** Links within the page don't load it anew. */
function follow(event: MouseEvent): void {
  if (event.defaultPrevented || event.button !== 0) return;
  if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  const link = event.target instanceof Element ? event.target.closest("a") : null;
  if (!link || link.target || link.hasAttribute("download") || link.rel === "ar") return;
  const to = new URL(link.href, location.href);
  if (to.origin !== location.origin || to.pathname.startsWith("/api/")) return;
  if (to.hash && to.pathname === location.pathname) return;
  event.preventDefault();
  go(to.pathname + to.search);
}

export function startRouter(): void {
  addEventListener("popstate", () => place.set(location.pathname + location.search));
  document.addEventListener("click", follow);
}
