/** A finished scan: to look at, to take along, to share, to make again in another way. */
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { address } from "../api/client.ts";
import { changeScan } from "../api/scans.ts";
import { Button, ButtonLink } from "../parts/Button.tsx";
import { Icon } from "../parts/Icon.tsx";
import { Loading } from "../parts/Loading.tsx";
import { Notice, Wrong } from "../parts/Notice.tsx";
import { count, moment, size } from "../parts/words.ts";
import { useDoing } from "../state/asking.ts";
import type { Scan } from "../api/types.ts";
import { Ar } from "./Ar.tsx";
import { CropApply } from "./CropApply.tsx";
import { DeleteScan } from "./DeleteScan.tsx";
import { Downloads } from "./Downloads.tsx";
import { Log } from "./Log.tsx";
import { Previews } from "./Previews.tsx";
import { useResults, viewables } from "./results.ts";
import { Revise } from "./Revise.tsx";
import { StandApply } from "./StandApply.tsx";
import { Share } from "./Share.tsx";
import { ViewerFrame } from "../viewer/ViewerFrame.tsx";

interface Props {
  scan: Scan;
  changed: (scan: Scan) => void;
}

export function ResultPage({ scan, changed }: Props): JSX.Element {
  const asked = useResults(scan);
  const [deleting, setDeleting] = useState(false);
  const results = asked.value ?? [];
  const report = results.find(({ kind, format }) => kind === "report" && format === "html");
  const shown = viewables(results, scan.mode);
  return (
    <main id="main" class="result">
      {asked.value === undefined ? <Loading asked={asked} />
        : shown.length > 0
          ? (
            <ViewerFrame key={scan.revision} name={scan.title} viewables={shown}
              metric={scan.mode === "lidar" || typeof scan.options["scale"] === "number"}
              cropping={(box) => <CropApply scan={scan} box={box} changed={changed} />}
              standing={(change) => <StandApply scan={scan} change={change} changed={changed} />} />
          )
          : <Notice title="There is no model to show in the browser">The downloads below have what was made.</Notice>}
      <div class="result-body">
        <Title scan={scan} changed={changed} />
        <p class="meta">{about(scan)}</p>
        <div class="actions start">
          <Ar results={results} title={scan.title} />
          {report && <ButtonLink icon="report" to={report.url} blank>Report</ButtonLink>}
          <Button kind="quiet" icon="trash" onClick={() => setDeleting(true)}>Delete</Button>
        </div>
        <div class="columns">
          <section class="panel" aria-labelledby="downloads">
            <h2 id="downloads"><Icon name="download" />Download</h2>
            <Downloads results={results} archive={address(`/scans/${scan.id}/archive`)} />
          </section>
          <section class="panel" aria-labelledby="share">
            <h2 id="share"><Icon name="share" />Share</h2>
            <Share scan={scan} changed={changed} />
          </section>
        </div>
        <section aria-labelledby="again">
          <h2 id="again">Make it in another way</h2>
          <p class="lead">Other triangles, texture or formats from the same photos, without sending them again. What doesn't change is kept.</p>
          <details class="again"><summary><Icon name="sliders" />Settings</summary><Revise scan={scan} changed={changed} act="Make it anew" /></details>
        </section>
        <Previews pictures={results.filter(({ kind }) => kind === "preview")} title={scan.title} />
        <Log scan={scan.id} />
      </div>
      {deleting && <DeleteScan scan={scan} close={() => setDeleting(false)} />}
    </main>
  );
}

const about = (scan: Scan): string =>
  [scan.finished_at && moment(scan.finished_at), count(scan.files.ready, "file"), size(scan.size_bytes),
    scan.revision > 1 && `version ${scan.revision}`].filter(Boolean).join(" · ");

function Title({ scan, changed }: Props): JSX.Element {
  const [editing, setEditing] = useState<string | null>(null);
  const doing = useDoing();
  const save = (event: Event): void => {
    event.preventDefault();
    void doing.run(async () => {
      changed({ ...scan, ...(await changeScan(scan.id, { title: editing?.trim() || scan.title })) });
      setEditing(null);
    });
  };
  if (editing === null) {
    return (
      <div class="title">
        <h1>{scan.title || "Untitled"}</h1>
        <Button kind="quiet" onClick={() => setEditing(scan.title)}>Rename</Button>
      </div>
    );
  }
  return (
    <form class="title" onSubmit={save}>
      <input aria-label="Title" value={editing} maxLength={200} ref={(input) => input?.focus()} onInput={(event) => setEditing(event.currentTarget.value)} />
      <Button kind="main" submit busy={doing.busy}>Save</Button>
      <Wrong error={doing.problem} />
    </form>
  );
}
