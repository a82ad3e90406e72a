/** Text to take along. */
import type { JSX } from "preact";
import { useId, useRef, useState } from "preact/hooks";
import { Button } from "./Button.tsx";

export function Copy({ label, text }: { label: string; text: string }): JSX.Element {
  const id = useId();
  const input = useRef<HTMLInputElement>(null);
  const [copied, setCopied] = useState(false);
  const copy = async (): Promise<void> => {
    input.current?.select();
    try {
      await navigator.clipboard.writeText(text);
      setCopied(true);
    } catch {
      // Without TLS there is no clipboard; the text is selected, and Ctrl-C copies it.
      setCopied(false);
    }
  };
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <div class="joined">
        <input id={id} ref={input} value={text} readOnly spellcheck={false} onFocus={(event) => event.currentTarget.select()} />
        <Button icon={copied ? "check" : "copy"} onClick={() => void copy()}>{copied ? "Copied" : "Copy"}</Button>
      </div>
    </div>
  );
}
