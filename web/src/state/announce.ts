/** Short messages at the edge of the page, also for screen readers. */
import { Store } from "./store.ts";

export interface Message {
  text: string;
  tone: "done" | "problem";
}

const SHOWN_MS = 6000;

export const message = new Store<Message | null>(null);

let timer = 0;

export function announce(text: string, tone: Message["tone"] = "done"): void {
  message.set({ text, tone });
  clearTimeout(timer);
  timer = window.setTimeout(() => message.set(null), SHOWN_MS);
}
