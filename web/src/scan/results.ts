/** A scan's results, with addresses that are always fresh. */
import { useEffect } from "preact/hooks";
import { listResults } from "../api/scans.ts";
import { type Asked, useAsked } from "../state/asking.ts";
import type { Result, Scan } from "../api/types.ts";

/** Addresses hold for ten minutes. */
const REFRESH_MS = 8 * 60_000;

export function useResults(scan: Scan): Asked<readonly Result[]> {
  const asked = useAsked(() => listResults(scan.id), `${scan.id} ${scan.revision}`);
  useEffect(() => {
    const timer = setInterval(asked.again, REFRESH_MS);
    const back = (): void => {
      if (!document.hidden) asked.again();
    };
    document.addEventListener("visibilitychange", back);
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", back);
    };
  }, [scan.id]);
  return asked;
}

export type Kind = "mesh" | "splats" | "points";

export interface Viewable {
  kind: Kind;
  result: Result;
}

const SPLATS = ["splats", "spz", "compressed.ply", "splat", "sog"];

/** What the viewer shows of the results, best first: what was made for it, else models that it can read. */
export function viewables(results: readonly Result[], mode: string): Viewable[] {
  const made = results.filter(({ kind }) => kind === "viewer").map((result): Viewable => ({
    kind: result.format === "points" ? "points" : SPLATS.includes(result.format) ? "splats" : "mesh",
    result,
  }));
  if (made.length > 0) return made;
  const models = results.filter(({ kind }) => kind === "model");
  const of = (format: string, kind: Kind): Viewable[] =>
    models.filter((model) => model.format === format).map((result) => ({ kind, result }));
  return mode === "splat" ? [...of("spz", "splats"), ...of("splat", "splats")] : of("glb", "mesh");
}
