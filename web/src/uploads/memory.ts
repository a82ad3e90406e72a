/** Where unfinished uploads went, so that a closed tab can go on. */

const KEY = "gypsum.uploads";
/** As long as servers keep unfinished uploads, or longer. */
const KEPT_MS = 14 * 24 * 3600 * 1000;

type Kept = Record<string, { url: string; at: number }>;

/** The same file chosen again has the same name, size and time. */
export const identity = (scan: string, file: File): string =>
  [scan, file.name, file.size, file.lastModified].join("|");

function read(): Kept {
  try {
    return JSON.parse(localStorage.getItem(KEY) ?? "{}") as Kept;
  } catch {
    return {};
  }
}

function write(change: (kept: Kept) => void): void {
  const fresh = Object.entries(read()).filter(([, entry]) => entry.at > Date.now() - KEPT_MS);
  const kept = Object.fromEntries(fresh);
  change(kept);
  try {
    localStorage.setItem(KEY, JSON.stringify(kept));
  } catch {
    // A full or forbidden storage costs the resuming, not the upload.
    localStorage.removeItem(KEY);
  }
}

export const recall = (id: string): string | undefined => read()[id]?.url;
export const keep = (id: string, url: string): void =>
  write((kept) => (kept[id] = { url, at: Date.now() }));
export const forget = (id: string): void => write((kept) => delete kept[id]);
