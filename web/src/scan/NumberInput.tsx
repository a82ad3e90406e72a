/** A number with its unit and its range; empty where it is chosen by itself. */
import type { JSX } from "preact";
import type { Option, Value } from "../api/types.ts";

interface Props {
  id: string;
  option: Option;
  value: number | null;
  change: (value: Value) => void;
}

export function NumberInput({ id, option, value, change }: Props): JSX.Element {
  const step = option.type === "integer" ? 1 : "any";
  return (
    <div class="number-input">
      <input
        id={id}
        type="number"
        inputMode={option.type === "integer" ? "numeric" : "decimal"}
        value={value ?? ""}
        min={option.minimum ?? undefined}
        max={option.maximum ?? undefined}
        step={step}
        placeholder={(option.default ?? null) === null ? "Automatic" : String(option.default)}
        aria-describedby={`${id}-help`}
        onInput={(event) => {
          const { valueAsNumber } = event.currentTarget;
          change(Number.isNaN(valueAsNumber) ? null : valueAsNumber);
        }}
      />
      {option.unit && <span class="unit">{option.unit}</span>}
    </div>
  );
}
