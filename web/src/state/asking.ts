/** Something asked of the server, and what came back. */
import { useCallback, useEffect, useState } from "preact/hooks";
import { Failure, words } from "../api/client.ts";

export interface Asked<T> {
  value: T | undefined;
  problem: string | null;
  /** There is no such thing, or not for this person: asking again won't help. */
  missing: boolean;
  again: () => void;
  set: (value: T) => void;
}

/** Asks once, and anew when `key` changes or `again` is called. */
export function useAsked<T>(read: (signal: AbortSignal) => Promise<T>, key: string): Asked<T> {
  const [value, set] = useState<T | undefined>(undefined);
  const [problem, setProblem] = useState<string | null>(null);
  const [missing, setMissing] = useState(false);
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    const abort = new AbortController();
    setProblem(null);
    setMissing(false);
    read(abort.signal).then(
      (read) => abort.signal.aborted || set(read),
      (error: unknown) => {
        if (abort.signal.aborted) return;
        setProblem(words(error));
        setMissing(error instanceof Failure && error.status === 404);
      },
    );
    return () => abort.abort();
  }, [key, turn]);
  const again = useCallback(() => setTurn((turn) => turn + 1), []);
  return { value, problem, missing, again, set };
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
