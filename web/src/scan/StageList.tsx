/** The parts of the work, and which are done. */
import type { JSX } from "preact";
import { Icon } from "../parts/Icon.tsx";
import type { StageShown } from "./progress.ts";

const WORDS = { waiting: "to come", working: "working", done: "done" };

export function StageList({ stages }: { stages: readonly StageShown[] }): JSX.Element | null {
  if (stages.length === 0) return null;
  return (
    <ol class="stage-list" aria-label="Parts of the work">
      {stages.map(({ name, label, state }) => (
        <li key={name} class={state}>
          {state === "done" ? <Icon name="check" /> : state === "working" ? <span class="dot now" aria-hidden="true" /> : <span class="dot" aria-hidden="true" />}
          <span>{label}</span><span class="unseen">, {WORDS[state]}</span>
        </li>
      ))}
    </ol>
  );
}
