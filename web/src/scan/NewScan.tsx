/** The first step: what to make. The server then keeps a draft, so that nothing is lost. */
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { createScan, readChoices } from "../api/scans.ts";
import { Button } from "../parts/Button.tsx";
import { Icon, type IconName } from "../parts/Icon.tsx";
import { Loading } from "../parts/Loading.tsx";
import { Wrong } from "../parts/Notice.tsx";
import { go } from "../router.ts";
import { useAsked, useDoing } from "../state/asking.ts";
import type { Mode } from "../api/types.ts";
import type { ScanIn } from "../wire.ts";
import { Stepper } from "./Stepper.tsx";
import { suggestedTitle } from "./titles.ts";

const ICONS: Record<string, IconName> = { photo: "camera", splat: "splat", lidar: "cloud", featureless: "normals" };

export function NewScan(): JSX.Element {
  const choices = useAsked(readChoices, "choices");
  const [chosen, setChosen] = useState<ScanIn["mode"] | null>(null);
  const doing = useDoing();
  const modes = choices.value?.modes;
  const mode = chosen ?? (modes?.[0]?.name as ScanIn["mode"]) ?? "photo";
  const submit = (event: Event): void => {
    event.preventDefault();
    void doing.run(async () => {
      const scan = await createScan({ title: suggestedTitle(), mode });
      go(`/scans/${scan.id}`);
    });
  };
  return (
    <main id="main" class="flow">
      <Stepper at={0} />
      <h1>What would you like to make?</h1>
      {!modes ? <Loading asked={choices} /> : (
        <form onSubmit={submit}>
          <fieldset class="modes">
            <legend class="unseen">Kind of scan</legend>
            {modes.map((each) => <ModeChoice key={each.name} mode={each} chosen={each.name === mode} choose={() => setChosen(each.name as ScanIn["mode"])} />)}
          </fieldset>
          <Wrong error={doing.problem} />
          <div class="actions">
            <Button kind="main" submit busy={doing.busy}>Next: photos</Button>
          </div>
        </form>
      )}
    </main>
  );
}

interface ChoiceProps {
  mode: Mode;
  chosen: boolean;
  choose: () => void;
}

function ModeChoice({ mode, chosen, choose }: ChoiceProps): JSX.Element {
  return (
    <label class="tile">
      <input type="radio" name="mode" value={mode.name} checked={chosen} onChange={choose} />
      <Icon name={ICONS[mode.name] ?? "cube"} />
      <b>{mode.title}</b>
      <span>{mode.summary}</span>
    </label>
  );
}
