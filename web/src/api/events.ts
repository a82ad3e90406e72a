/** What a running scan says, as server-sent events. */
import { address } from "./client.ts";

export interface Event {
  event: string;
  data: Record<string, unknown>;
}

const NAMES = [
  "scan", "state", "start", "stage_started", "progress", "stage_finished", "warning", "preview", "done",
  "error",
];

/** Hears all that happened, and then listens until the function that it gives is called; the browser reconnects by itself. */
export function listen(
  scan: string,
  heard: (event: Event) => void,
  connected: (yes: boolean) => void,
): () => void {
  const source = new EventSource(address(`/scans/${scan}/events?after=0`));
  const open = (): void => connected(true);
  source.addEventListener("open", open);
  source.addEventListener("error", (event) => {
    // A server's event may be called "error", too; that one has data.
    if (!("data" in event)) connected(false);
  });
  for (const name of NAMES) {
    source.addEventListener(name, (event) => {
      const { data } = event as MessageEvent<unknown>;
      if (typeof data !== "string") return;
      heard({ event: name, data: JSON.parse(data) as Record<string, unknown> });
    });
  }
  return () => source.close();
}
