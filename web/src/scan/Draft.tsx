/** A scan that is not started: its files, its settings, and the start. */
import type { JSX } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import { changeScan, deleteFile, listFiles, readChoices, startScan } from "../api/scans.ts";
import { Button } from "../parts/Button.tsx";
import { Loading } from "../parts/Loading.tsx";
import { Notice, Wrong } from "../parts/Notice.tsx";
import { count } from "../parts/words.ts";
import { go } from "../router.ts";
import { useAsked, useDoing } from "../state/asking.ts";
import { useStore } from "../state/store.ts";
import { queueOf } from "../uploads/queue.ts";
import type { Mode, Values, Privacy, Scan, StoredFile } from "../api/types.ts";
import { DropZone } from "./DropZone.tsx";
import { FileList } from "./FileList.tsx";
import { NotifyChoice } from "./NotifyChoice.tsx";
import { OptionsForm, sensible } from "./OptionsForm.tsx";
import { PrivacyChoice } from "./PrivacyChoice.tsx";
import { Stepper } from "./Stepper.tsx";
import { TitleField } from "./TitleField.tsx";
import { suggestedTitle } from "./titles.ts";

interface Props {
  scan: Scan;
  changed: (scan: Scan) => void;
}

export function Draft({ scan, changed }: Props): JSX.Element {
  const [step, setStep] = useState(1);
  const choices = useAsked(readChoices, "choices");
  const mode = choices.value?.modes.find(({ name }) => name === scan.mode);
  const toStep = (wanted: number): void => (wanted === 0 ? go("/new") : setStep(wanted));
  useEffect(() => scrollTo(0, 0), [step]);
  return (
    <main id="main" class="flow">
      <Stepper at={step} go={toStep} />
      {!mode ? <Loading asked={choices} />
        : step === 1 ? <Photos scan={scan} mode={mode} next={() => setStep(2)} />
        : <Settings scan={scan} mode={mode} mail={choices.value?.features.mail ?? false} changed={changed} back={() => setStep(1)} />}
    </main>
  );
}

function Photos({ scan, mode, next }: { scan: Scan; mode: Mode; next: () => void }): JSX.Element {
  const stored = useAsked(() => listFiles(scan.id), scan.id);
  const queue = useMemo(() => queueOf(scan.id, stored.again), [scan.id]);
  const sending = useStore(queue.items);
  const doing = useDoing();
  const files = stored.value ?? [];
  const ready = files.filter(({ state }) => state === "ready").length;
  const left = sending.filter(({ state }) => state !== "done" && state !== "failed").length;
  const drop = ({ id, name, bytes }: StoredFile): void => {
    void doing.run(async () => {
      await deleteFile(scan.id, id);
      queue.forget(name, bytes);
      stored.again();
    });
  };
  return (
    <>
      <h1>Add your {takesPhotos(mode) ? "photos" : "files"}</h1>
      <DropZone accepts={mode.accepts} photos={takesPhotos(mode)} add={(files) => queue.add(files)} small={files.length + sending.length > 0} />
      <Wrong error={doing.problem ?? stored.problem} />
      <FileList files={files} sending={sending} drop={drop} cancel={(file) => queue.drop(file)} retry={(file) => queue.retry(file)} />
      <div class="actions">
        <p class="state" role="status">{summary(ready, left)}</p>
        <Button kind="main" disabled={ready + left === 0} onClick={next}>Next: settings</Button>
      </div>
    </>
  );
}

/** Else it takes captures of apps, and clouds. */
const takesPhotos = (mode: Mode): boolean => mode.accepts.includes(".jpg");

const summary = (ready: number, left: number): string =>
  left > 0 ? `${ready} there, ${count(left, "file")} to go. You can go on meanwhile.`
  : ready > 0 ? `${count(ready, "file")} ready` : "";

function Settings({ scan, mode, mail, changed, back }: Props & { mode: Mode; mail: boolean; back: () => void }): JSX.Element {
  const stored = useAsked(() => listFiles(scan.id), scan.id);
  const queue = useMemo(() => queueOf(scan.id, stored.again), [scan.id]);
  const sending = useStore(queue.items);
  const doing = useDoing();
  const [title, setTitle] = useState(scan.title);
  const [options, setOptions] = useState<Values>(sensible(mode, scan.options));
  const [privacy, setPrivacy] = useState<Privacy>(scan.privacy);
  const [notify, setNotify] = useState(scan.notify_email);
  const waiting = sending.filter(({ state }) => state !== "done" && state !== "failed").length;
  const broken = sending.filter(({ state }) => state === "failed").length;
  const ready = stored.value?.filter(({ state }) => state === "ready").length ?? 0;
  const submit = (event: Event): void => {
    event.preventDefault();
    void doing.run(async () => {
      await changeScan(scan.id, { title: title.trim() || suggestedTitle(), options, privacy, notify_email: notify });
      changed(await startScan(scan.id));
    });
  };
  return (
    <form onSubmit={submit}>
      <h1>Settings</h1>
      <p class="lead">What you leave alone is chosen sensibly.</p>
      <TitleField value={title} change={setTitle} suggestion={suggestedTitle()} />
      <OptionsForm options={mode.options} values={options} change={setOptions} problem={doing.problem} />
      <PrivacyChoice value={privacy} change={setPrivacy} />
      {mail && <NotifyChoice email={notify} setEmail={setNotify} />}
      {broken > 0 && <Notice tone="problem">{`${count(broken, "file")} could not be sent and will be missing. Go back to try again.`}</Notice>}
      <Wrong error={doing.problem} />
      <div class="actions">
        {waiting > 0 && <p class="state" role="status">Waiting for {count(waiting, "upload")}…</p>}
        <Button icon="back" onClick={back}>Photos</Button>
        <Button kind="main" submit busy={doing.busy} disabled={waiting > 0 || (stored.value !== undefined && ready === 0)}>Start the scan</Button>
      </div>
    </form>
  );
}
