/** A running scan, followed by its events, and by asking where those don't come through. */
import { useEffect, useRef, useState } from "preact/hooks";
import { listen } from "../api/events.ts";
import { listResults, readScan } from "../api/scans.ts";
import type { Result, Scan } from "../api/types.ts";

/** Where a proxy holds events back. */
const ASK_MS = 5000;
const SOON_MS = 200;

export interface StageShown {
  name: string;
  label: string;
  state: "waiting" | "working" | "done";
}

export interface Progress {
  stages: readonly StageShown[];
  warnings: readonly string[];
  pictures: readonly Result[];
  connected: boolean;
}

export function useProgress(scan: Scan, changed: (scan: Scan) => void): Progress {
  const [stages, setStages] = useState<readonly StageShown[]>([]);
  const [warnings, setWarnings] = useState<readonly string[]>([]);
  const [pictures, setPictures] = useState<readonly Result[]>([]);
  const [connected, setConnected] = useState(true);
  const last = useRef(scan);
  last.current = scan;
  const going = scan.state === "running" || scan.state === "queued";

  const update = (changes: Partial<Scan>): void => changed({ ...last.current, ...changes });
  const readNow = (): void => void readScan(scan.id).then(changed, () => setConnected(false));
  const read = useSoon(readNow);
  const look = useSoon(() => void listResults(scan.id).then(
    (results) => setPictures(results.filter(({ kind }) => kind === "preview")),
    () => undefined,
  ));
  const mark = (name: unknown, label: unknown, state: StageShown["state"]): void =>
    setStages((stages) => withStage(stages, String(name), String(label ?? name), state));

  const acts: Record<string, (data: Record<string, unknown>) => void> = {
    scan: (data) => update(data as Partial<Scan>),
    state: read,
    done: read,
    error: read,
    preview: look,
    start: (data) => {
      // Another run begins: what was said of the one before no longer holds.
      setWarnings([]);
      if (Array.isArray(data["stages"])) setStages((data["stages"] as Begun[]).map(begun));
    },
    stage_started: (data) => mark(data["stage"], data["label"], "working"),
    stage_finished: (data) => {
      mark(data["stage"], data["label"], "done");
      look();
    },
    progress: (data) => update(moved(data)),
    warning: (data) => setWarnings((texts) => added(texts, String(data["message"]))),
  };

  useEffect(() => {
    if (!going) return undefined;
    look();
    return listen(scan.id, ({ event, data }) => acts[event]?.(data), setConnected);
  }, [scan.id, going]);

  useEffect(() => {
    if (!going) return undefined;
    const timer = setInterval(readNow, ASK_MS);
    return () => clearInterval(timer);
  }, [scan.id, going]);

  return { stages, warnings, pictures, connected };
}

/** Once for many calls in a row: all that happened so far comes at once. */
function useSoon(act: () => void): () => void {
  const latest = useRef(act);
  const timer = useRef(0);
  latest.current = act;
  useEffect(() => () => clearTimeout(timer.current), []);
  return () => {
    clearTimeout(timer.current);
    timer.current = window.setTimeout(() => latest.current(), SOON_MS);
  };
}

interface Begun {
  name: string;
  label: string;
  kept?: boolean;
}

const begun = ({ name, label, kept }: Begun): StageShown => ({ name, label, state: kept ? "done" : "waiting" });

function withStage(stages: readonly StageShown[], name: string, label: string, state: StageShown["state"]): StageShown[] {
  const known = stages.some((stage) => stage.name === name);
  const all = known ? stages : [...stages, { name, label, state }];
  return all.map((stage) => (stage.name === name ? { ...stage, state } : stage));
}

const added = (texts: readonly string[], text: string): readonly string[] =>
  texts.includes(text) ? texts : [...texts, text];

function moved(data: Record<string, unknown>): Partial<Scan> {
  const changes: Partial<Scan> = {};
  if (typeof data["overall"] === "number") changes.progress = data["overall"];
  if (typeof data["left"] === "number" || data["left"] === null) changes.seconds_left = data["left"];
  if (typeof data["doing"] === "string") changes.doing = data["doing"];
  return changes;
}
