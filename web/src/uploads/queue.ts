/** A scan's files on their way, several at a time. */
import { words } from "../api/client.ts";
import { Store } from "../state/store.ts";
import { abandon, upload } from "./tus.ts";

/** More don't make it faster, and a phone's memory is small. */
const AT_ONCE = 3;

export interface Sending {
  file: File;
  sent: number;
  state: "queued" | "sending" | "waiting" | "done" | "failed";
  /** Why it waits or failed. */
  note: string | null;
}

export class Queue {
  readonly items = new Store<readonly Sending[]>([]);
  private readonly aborts = new Map<File, AbortController>();

  constructor(
    readonly scan: string,
    private readonly finished: () => void,
  ) {}

  add(files: readonly File[]): void {
    // What failed is tried again when it is chosen again.
    const known = this.items.value.filter(({ state, file }) =>
      state !== "failed" || !files.some((chosen) => same(chosen, file)));
    const fresh = files.filter((file) => !known.some((item) => same(item.file, file)));
    const items = fresh.map((file): Sending => ({ file, sent: 0, state: "queued", note: null }));
    this.items.set([...known, ...items]);
    this.fill();
  }

  /** What was sent is no longer stored: it can be chosen again. */
  forget(name: string, bytes: number): void {
    this.items.set(this.items.value.filter(({ state, file }) =>
      state !== "done" || file.name !== name || file.size !== bytes));
  }

  retry(file: File): void {
    this.change(file, { state: "queued", note: null });
    this.fill();
  }

  drop(file: File): void {
    this.aborts.get(file)?.abort();
    this.items.set(this.items.value.filter((item) => item.file !== file));
    abandon(this.scan, file).then(this.finished, () => undefined);
    this.fill();
  }

  get busy(): boolean {
    return this.items.value.some((item) => item.state !== "done" && item.state !== "failed");
  }

  private fill(): void {
    const running = this.items.value.filter(({ file }) => this.aborts.has(file)).length;
    const queued = this.items.value.filter(({ state }) => state === "queued");
    for (const { file } of queued.slice(0, Math.max(0, AT_ONCE - running))) void this.run(file);
  }

  private async run(file: File): Promise<void> {
    const abort = new AbortController();
    this.aborts.set(file, abort);
    this.change(file, { state: "sending", note: null });
    try {
      await upload(
        this.scan,
        file,
        {
          sent: (sent) => this.change(file, { sent }),
          waiting: (note) => this.change(file, { state: note ? "waiting" : "sending", note }),
        },
        abort.signal,
      );
      this.change(file, { sent: file.size, state: "done" });
    } catch (error) {
      if (!abort.signal.aborted) this.change(file, { state: "failed", note: words(error) });
    }
    this.aborts.delete(file);
    this.finished();
    this.fill();
  }

  private change(file: File, changes: Partial<Sending>): void {
    this.items.set(
      this.items.value.map((item) => (item.file === file ? { ...item, ...changes } : item)),
    );
  }
}

const same = (a: File, b: File): boolean =>
  a.name === b.name && a.size === b.size && a.lastModified === b.lastModified;

const queues = new Map<string, Queue>();

/** Goes on while the person looks at other pages. */
export function queueOf(scan: string, finished: () => void): Queue {
  let queue = queues.get(scan);
  if (!queue) queues.set(scan, (queue = new Queue(scan, () => listeners.get(scan)?.())));
  listeners.set(scan, finished);
  return queue;
}

const listeners = new Map<string, () => void>();

/** The browser asks before a tab is closed in which something is on its way. */
addEventListener("beforeunload", (event) => {
  if ([...queues.values()].some((queue) => queue.busy)) event.preventDefault();
});
