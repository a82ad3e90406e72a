/** Where one is on the way to a model. */
import type { JSX } from "preact";
import { Icon } from "../parts/Icon.tsx";

export const STEPS = ["What", "Photos", "Settings", "Scan"] as const;

interface Props {
  at: number;
  /** Steps that one can go back to. */
  go?: (step: number) => void;
}

export function Stepper({ at, go }: Props): JSX.Element {
  return (
    <nav class="stepper" aria-label="Steps">
      <ol>
        {STEPS.map((name, step) => {
          const inside = (
            <><span class="number" aria-hidden="true">{step < at ? <Icon name="check" /> : step + 1}</span>{name}</>
          );
          return (
            <li key={name} class={step < at ? "past" : step === at ? "now" : ""} aria-current={step === at ? "step" : undefined}>
              {go && step < at ? <button type="button" onClick={() => go(step)}>{inside}</button> : <span>{inside}</span>}
            </li>
          );
        })}
      </ol>
    </nav>
  );
}
