/** The same photos with other settings: only what depends on them is made anew. */
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { readChoices, reviseScan } from "../api/scans.ts";
import { Button } from "../parts/Button.tsx";
import { Loading } from "../parts/Loading.tsx";
import { Wrong } from "../parts/Notice.tsx";
import { useAsked, useDoing } from "../state/asking.ts";
import type { Values, Scan } from "../api/types.ts";
import { OptionsForm, sensible } from "./OptionsForm.tsx";

interface Props {
  scan: Scan;
  changed: (scan: Scan) => void;
  act: string;
  /** Whether it may be started without a change. */
  same?: boolean;
}

export function Revise({ scan, changed, act, same = false }: Props): JSX.Element {
  const choices = useAsked(readChoices, "choices");
  const [options, setOptions] = useState<Values>(scan.options);
  const doing = useDoing();
  const mode = choices.value?.modes.find(({ name }) => name === scan.mode);
  if (!mode) return <Loading asked={choices} />;
  const wanted = sensible(mode, options);
  const unchanged = JSON.stringify(wanted) === JSON.stringify(sensible(mode, scan.options));
  const submit = (event: Event): void => {
    event.preventDefault();
    void doing.run(async () => changed({ ...scan, ...(await reviseScan(scan, wanted)) }));
  };
  return (
    <form class="revise" onSubmit={submit}>
      <OptionsForm options={mode.options} values={options} change={setOptions} problem={doing.problem} />
      <Wrong error={doing.problem} />
      <div class="actions">
        <Button kind="main" icon="refresh" submit busy={doing.busy} disabled={unchanged && !same}>{act}</Button>
      </div>
    </form>
  );
}
