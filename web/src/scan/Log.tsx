/** What the programs wrote, for those who want to know. */
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { words } from "../api/client.ts";
import { readLog } from "../api/scans.ts";
import { Icon } from "../parts/Icon.tsx";

const READ_MS = 3000;

export function Log({ scan, live = false }: { scan: string; live?: boolean }): JSX.Element {
  const [open, setOpen] = useState(false);
  const [text, setText] = useState("");
  const box = useRef<HTMLPreElement>(null);
  useEffect(() => {
    if (!open) return undefined;
    const read = (): void => void readLog(scan).then(setText, (error: unknown) => setText(words(error)));
    read();
    if (!live) return undefined;
    const timer = setInterval(read, READ_MS);
    return () => clearInterval(timer);
  }, [open, scan, live]);
  useEffect(() => box.current?.scrollTo(0, box.current.scrollHeight), [text]);
  return (
    <details class="log" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary><Icon name="report" />Log</summary>
      <pre ref={box} tabIndex={0} aria-label="Log">{text || "Nothing yet."}</pre>
    </details>
  );
}
