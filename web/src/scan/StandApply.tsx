/** Writes all files anew as the model was turned and measured in the viewer. */
import type { JSX } from "preact";
import { readChoices, reviseScan } from "../api/scans.ts";
import { Button } from "../parts/Button.tsx";
import { Wrong } from "../parts/Notice.tsx";
import { useAsked, useDoing } from "../state/asking.ts";
import type { Scan, Values } from "../api/types.ts";
import { standingOf, toScan } from "../viewer/standing.ts";
import type { Change } from "../viewer/StandPanel.tsx";

interface Props {
  scan: Scan;
  change: Change;
  changed: (scan: Scan) => void;
}

const DIGITS = 6;
/** Below that it is what it was. */
const LITTLE = 1e-4;

export function StandApply({ scan, change, changed }: Props): JSX.Element | null {
  const choices = useAsked(readChoices, "choices");
  const doing = useDoing();
  const mode = choices.value?.modes.find(({ name }) => name === scan.mode);
  if (!mode?.options.some(({ name }) => name === "up")) return null;
  const turned = Math.hypot(change.up[0], change.up[1] - 1, change.up[2]) > LITTLE;
  const resized = Math.abs(change.scale - 1) > LITTLE;
  const run = (): void => void doing.run(async () => {
    const standing = standingOf(scan);
    const options: Values = { ...scan.options };
    if (turned) options["up"] = toScan(standing, change.up).map((value) => Number(value.toFixed(DIGITS))).join(" ");
    if (resized) options["scale"] = Number((standing.scale * change.scale).toPrecision(DIGITS));
    changed({ ...scan, ...(await reviseScan(scan, options)) });
  });
  return (
    <>
      <Button kind="main" icon="check" busy={doing.busy} disabled={!turned && !resized} onClick={run}>Write the files anew</Button>
      <p class="help">Nothing is reconstructed again: it takes seconds.</p>
      <Wrong error={doing.problem} />
    </>
  );
}
