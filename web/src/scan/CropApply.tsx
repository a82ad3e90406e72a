/** Makes the model anew within a box that was set in the viewer. */
import type { JSX } from "preact";
import { readChoices, reviseScan } from "../api/scans.ts";
import { Button } from "../parts/Button.tsx";
import { Wrong } from "../parts/Notice.tsx";
import { useAsked, useDoing } from "../state/asking.ts";
import type { Bounds } from "../viewer/bounds.ts";
import { boxInScan, standingOf } from "../viewer/standing.ts";
import type { Scan } from "../api/types.ts";

interface Props {
  scan: Scan;
  box: Bounds;
  changed: (scan: Scan) => void;
}

/** Of a number that people read again, so many digits. */
const DIGITS = 5;

export function CropApply({ scan, box, changed }: Props): JSX.Element | null {
  const choices = useAsked(readChoices, "choices");
  const doing = useDoing();
  const mode = choices.value?.modes.find(({ name }) => name === scan.mode);
  if (!mode?.options.some(({ name }) => name === "box")) return null;
  const run = (): void => void doing.run(async () => {
    const corners = boxInScan(standingOf(scan), box).map((value) => Number(value.toPrecision(DIGITS))).join(" ");
    changed({ ...scan, ...(await reviseScan(scan, { ...scan.options, box: corners })) });
  });
  return (
    <>
      <Button kind="main" icon="crop" busy={doing.busy} onClick={run}>Make it anew within the box</Button>
      <Wrong error={doing.problem} />
    </>
  );
}
