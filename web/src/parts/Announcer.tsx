import type { JSX } from "preact";
import { message } from "../state/announce.ts";
import { useStore } from "../state/store.ts";

export function Announcer(): JSX.Element {
  const shown = useStore(message);
  return (
    <div class="announcer" role="status" aria-live="polite">
      {shown && <p class={shown.tone}>{shown.text}</p>}
    </div>
  );
}
