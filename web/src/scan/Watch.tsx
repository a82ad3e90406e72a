/** A scan at work, or one that came to no good end. */
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { cancelScan, changeScan, readChoices } from "../api/scans.ts";
import { Bar } from "../parts/Bar.tsx";
import { Button } from "../parts/Button.tsx";
import { Icon } from "../parts/Icon.tsx";
import { Notice, Wrong } from "../parts/Notice.tsx";
import { clock, duration } from "../parts/words.ts";
import { useAsked, useDoing } from "../state/asking.ts";
import type { Scan } from "../api/types.ts";
import { Ended } from "./Ended.tsx";
import { Log } from "./Log.tsx";
import { notifyWhenDone } from "./notified.ts";
import { Previews } from "./Previews.tsx";
import { useProgress } from "./progress.ts";
import { Stepper } from "./Stepper.tsx";
import { StageList } from "./StageList.tsx";

interface Props {
  scan: Scan;
  changed: (scan: Scan) => void;
}

export function Watch({ scan, changed }: Props): JSX.Element {
  const progress = useProgress(scan, changed);
  const working = progress.stages.find(({ state }) => state === "working")?.label;
  if (scan.state === "failed" || scan.state === "cancelled") return <Ended scan={scan} changed={changed} />;
  return (
    <main id="main" class="flow">
      <Stepper at={3} />
      <div class="heading">
        <h1>{scan.title || "Untitled"}</h1>
        <Stop scan={scan} changed={changed} />
      </div>
      <section class="panel working" aria-label="Progress">
        <div class="percent" aria-hidden="true">{Math.floor(scan.progress * 100)}<small>%</small></div>
        <div>
          <p class="doing" role="status">{scan.state === "queued" ? waitingFor(scan) : (scan.doing || working || "Beginning")}</p>
          <p class="left">{left(scan)}<Elapsed scan={scan} /></p>
        </div>
        <Bar done={scan.progress} label="The whole scan" />
      </section>
      {!progress.connected && <Notice tone="note">The connection is lost for the moment; the scan goes on.</Notice>}
      <Previews pictures={progress.pictures} title={scan.title} />
      <StageList stages={progress.stages} />
      {progress.warnings.map((text) => <Notice key={text}>{text}</Notice>)}
      <Notify scan={scan} changed={changed} />
      <Log scan={scan.id} live />
    </main>
  );
}

/** A machine that can't take the scan says why. */
const held = (scan: Scan): boolean => Boolean(scan.doing) && scan.doing !== "waiting for a worker";

const waitingFor = (scan: Scan): string =>
  held(scan) ? String(scan.doing).replace(/^./, (letter) => letter.toUpperCase()) : "Waiting its turn";

function left(scan: Scan): string {
  if (scan.state === "queued") {
    return held(scan) ? "It is tried again every half minute; whoever runs this server can help. You can close this page."
      : "It begins as soon as a worker is free. You can close this page.";
  }
  if (scan.seconds_left === null) return "You can close this page; the scan goes on.";
  return `${duration(scan.seconds_left)} left`.replace(/^./, (letter) => letter.toUpperCase());
}

function Elapsed({ scan }: { scan: Scan }): JSX.Element | null {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  if (!scan.started_at) return null;
  return <span class="elapsed"><Icon name="clock" />{clock((now - Date.parse(scan.started_at)) / 1000)}</span>;
}

function Stop({ scan, changed }: Props): JSX.Element {
  const doing = useDoing();
  const stop = (): void => void doing.run(async () => changed({ ...scan, ...(await cancelScan(scan.id)) }));
  return (
    <div>
      <Button icon="stop" busy={doing.busy} onClick={stop}>Cancel</Button>
      <Wrong error={doing.problem} />
    </div>
  );
}

function Notify({ scan, changed }: Props): JSX.Element | null {
  const doing = useDoing();
  const mail = useAsked(readChoices, "choices").value?.features.mail ?? false;
  const [here, setHere] = useState("Notification" in window && Notification.permission === "granted");
  const setMail = (yes: boolean): void => void doing.run(async () =>
    changed({ ...scan, ...(await changeScan(scan.id, { notify_email: yes })) }));
  const offered = "Notification" in window && !here;
  if (!mail && !offered) return null;
  return (
    <section class="panel notify">
      {mail && <label class="check">
        <input type="checkbox" checked={scan.notify_email} disabled={doing.busy} onChange={(event) => setMail(event.currentTarget.checked)} />
        <span><b>Send me an e-mail at the end</b></span>
      </label>}
      {offered && (
        <Button icon="bell" onClick={() => void notifyWhenDone().then(setHere)}>Notify me here</Button>
      )}
      <Wrong error={doing.problem} />
    </section>
  );
}
