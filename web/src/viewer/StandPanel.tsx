/** Which way the model stands, and how large it is: by quarter turns, by its ground, by a known length. */
import type { ComponentChildren, JSX } from "preact";
import { useState } from "preact/hooks";
import { Button } from "../parts/Button.tsx";
import type { Triple } from "./bounds.ts";

/** What is to be changed, in the viewer's frame, whose Y is up. */
export interface Change {
  /** What is to point up. */
  up: Triple;
  /** So many times as large. */
  scale: number;
}

export type Picking = "length" | "ground";

interface Props {
  picking: Picking;
  pick: (picking: Picking) => void;
  /** Between two places that were clicked, in the model's unit. */
  measured: number | null;
  /** What a length is called. */
  words: (length: number) => string;
  turn: (axis: "x" | "z") => void;
  /** Told what the length is, over what it measures. */
  scaled: (scale: number) => void;
  children: ComponentChildren;
}

/** In metres. */
const UNITS = { mm: 0.001, cm: 0.01, m: 1, in: 0.0254, ft: 0.3048 };

export function StandPanel({ picking, pick, measured, words, turn, scaled, children }: Props): JSX.Element {
  const [known, setKnown] = useState("");
  const [unit, setUnit] = useState<keyof typeof UNITS>("cm");
  const tell = (known: string, unit: keyof typeof UNITS): void => {
    setKnown(known);
    setUnit(unit);
    const metres = Number(known.replace(",", ".")) * UNITS[unit];
    scaled(measured && metres > 0 ? metres / measured : 1);
  };
  return (
    <div class="crop stand" role="group" aria-label="Up and size">
      <h3>Which way is up?</h3>
      <div class="actions">
        <Button icon="refresh" onClick={() => turn("x")}>Turn forward</Button>
        <Button icon="refresh" onClick={() => turn("z")}>Turn sideways</Button>
        <Button icon="layers" pressed={picking === "ground"} onClick={() => pick(picking === "ground" ? "length" : "ground")}>Click the ground</Button>
      </div>
      <h3>How large is it?</h3>
      {measured === null
        ? <p class="help">Click two places on the model whose distance you know, and say it.</p>
        : (
          <label class="known">
            <span>The line is {words(measured)} long. Really it is</span>
            <span class="number-input">
              <input type="text" inputMode="decimal" value={known} aria-label="Real length" onInput={(event) => tell(event.currentTarget.value, unit)} />
              <select aria-label="Unit" value={unit} onChange={(event) => tell(known, event.currentTarget.value as keyof typeof UNITS)}>
                {Object.keys(UNITS).map((name) => <option key={name}>{name}</option>)}
              </select>
            </span>
          </label>
        )}
      {children}
    </div>
  );
}
