/** Something asked of the server, and what came back. */
import { useCallback, useEffect, useState } from "preact/hooks";
import { words } from "../api/client.ts";

export interface Asked<T> {
  value: T | undefined;
  problem: string | null;
  again: () => void;
  set: (value: T) => void;
}

/** Asks once, and anew when `key` changes or `again` is called. */
export function useAsked<T>(read: (signal: AbortSignal) => Promise<T>, key: string): Asked<T> {
  const [value, set] = useState<T | undefined>(undefined);
  const [problem, setProblem] = useState<string | null>(null);
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    const abort = new AbortController();
    setProblem(null);
    read(abort.signal).then(
      (read) => abort.signal.aborted || set(read),
      (error: unknown) => abort.signal.aborted || setProblem(words(error)),
    );
    return () => abort.abort();
  }, [key, turn]);
  const again = useCallback(() => setTurn((turn) => turn + 1), []);
  return { value, problem, again, set };
}

export interface Doing {
  busy: boolean;
  problem: unknown;
  run: (act: () => Promise<void>) => Promise<void>;
}

/** One thing at a time that a person set off. */
export function useDoing(): Doing {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<unknown>(null);
  const run = async (act: () => Promise<void>): Promise<void> => {
    setBusy(true);
    setProblem(null);
    try {
      await act();
    } catch (error) {
      setProblem(error);
    } finally {
      setBusy(false);
    }
  };
  return { busy, problem, run };
}
