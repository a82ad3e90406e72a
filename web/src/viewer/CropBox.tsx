/** The sides of a box around what is to be kept. */
import type { ComponentChildren, JSX } from "preact";
import { between, type Bounds, type Triple } from "./bounds.ts";

interface Props {
  /** Around everything. */
  whole: Bounds;
  box: Bounds;
  change: (box: Bounds) => void;
  children: ComponentChildren;
}

const AXES = ["Width", "Height", "Depth"] as const;
const STEPS = 200;
/** A box has to hold something. */
const LEAST = 4;

export function CropBox({ whole, box, change, children }: Props): JSX.Element {
  const set = (side: "low" | "high", axis: number, step: number): void => {
    const corner: Triple = [...box[side]];
    corner[axis] = between(whole.low[axis] ?? 0, whole.high[axis] ?? 1, step / STEPS);
    change({ ...box, [side]: corner });
  };
  return (
    <div class="crop" role="group" aria-label="Crop box">
      {AXES.map((name, axis) => {
        const [from, to] = [whole.low[axis] ?? 0, whole.high[axis] ?? 1];
        const step = (value: number): number => Math.round(((value - from) / (to - from || 1)) * STEPS);
        const [low, high] = [step(box.low[axis] ?? 0), step(box.high[axis] ?? 1)];
        return (
          <div key={name} class="crop-axis">
            <span>{name}</span>
            <input type="range" min={0} max={STEPS} value={low} aria-label={`${name}, from`}
              onInput={(event) => set("low", axis, Math.min(event.currentTarget.valueAsNumber, high - LEAST))} />
            <input type="range" min={0} max={STEPS} value={high} aria-label={`${name}, to`}
              onInput={(event) => set("high", axis, Math.max(event.currentTarget.valueAsNumber, low + LEAST))} />
          </div>
        );
      })}
      {children}
    </div>
  );
}
