/** A word from the browser when a scan ends while the tab is in the background. */
import { useEffect, useRef } from "preact/hooks";
import type { Scan } from "../api/types.ts";

export async function notifyWhenDone(): Promise<boolean> {
  return (await Notification.requestPermission()) === "granted";
}

const ENDS: Partial<Record<Scan["state"], string>> = {
  done: "The model is ready.",
  failed: "The scan has failed.",
};

export function useNotified(scan: Scan | undefined): void {
  const before = useRef(scan?.state);
  useEffect(() => {
    const text = scan && ENDS[scan.state];
    if (scan && text && before.current !== undefined && before.current !== scan.state) {
      show(scan.title, text);
    }
    before.current = scan?.state;
  }, [scan?.state]);
}

function show(title: string, body: string): void {
  if (!("Notification" in window) || Notification.permission !== "granted" || !document.hidden) return;
  void navigator.serviceWorker.ready.then((worker) =>
    worker.showNotification(title, { body, icon: "/icons/192.png" }));
}
