/** A list that comes in pages, filtered by words. */
import { useEffect, useState } from "preact/hooks";
import { words } from "../api/client.ts";
import type { Filter } from "../api/scans.ts";
import type { Listed } from "../api/types.ts";

/** People type; the server is asked when they pause. */
const TYPING_MS = 250;

export interface Listing<T> {
  items: readonly T[] | undefined;
  problem: string | null;
  more: (() => void) | null;
  again: () => void;
}

export function useListing<T>(
  read: (filter: Filter, signal?: AbortSignal) => Promise<Listed<T>>,
  search: string,
): Listing<T> {
  const [items, setItems] = useState<readonly T[] | undefined>(undefined);
  const [next, setNext] = useState<string | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    const abort = new AbortController();
    const ask = (): void => {
      setProblem(null);
      read({ q: search }, abort.signal).then(
        (list) => {
          setItems(list.items);
          setNext(list.next ?? null);
        },
        (error: unknown) => abort.signal.aborted || setProblem(words(error)),
      );
    };
    const timer = setTimeout(ask, items === undefined ? 0 : TYPING_MS);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [search, turn]);
  const more = (cursor: string): void => {
    read({ q: search, cursor }).then(
      (list) => {
        setItems((have) => [...(have ?? []), ...list.items]);
        setNext(list.next ?? null);
      },
      (error: unknown) => setProblem(words(error)),
    );
  };
  return { items, problem, more: next ? () => more(next) : null, again: () => setTurn((turn) => turn + 1) };
}
