/** A scan that failed or was cancelled: why, and what to do now. */
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { Button, ButtonLink } from "../parts/Button.tsx";
import { Notice } from "../parts/Notice.tsx";
import type { Scan } from "../api/types.ts";
import { DeleteScan } from "./DeleteScan.tsx";
import { Log } from "./Log.tsx";
import { Revise } from "./Revise.tsx";

interface Props {
  scan: Scan;
  changed: (scan: Scan) => void;
}

export function Ended({ scan, changed }: Props): JSX.Element {
  const [deleting, setDeleting] = useState(false);
  const failed = scan.state === "failed";
  return (
    <main id="main" class="flow">
      <div class="heading">
        <h1>{scan.title || "Untitled"}</h1>
        <Button kind="quiet" icon="trash" onClick={() => setDeleting(true)}>Delete</Button>
      </div>
      <Notice tone={failed ? "problem" : "note"} title={failed ? "No model came of it" : "Cancelled"}>
        {failed
          ? (scan.message ?? "The scan stopped without saying why. Try again; if it stops again, the log below may tell.")
          : "What was finished is kept. Start again, and it goes on from there."}
      </Notice>
      <Revise scan={scan} changed={changed} act={failed ? "Try again" : "Start again"} same />
      {failed && (
        <p class="aside">
          Other photos may help: sharp ones, with more overlap, from all sides. <ButtonLink kind="quiet" to="/new">New scan</ButtonLink>
        </p>
      )}
      <Log scan={scan.id} />
      {deleting && <DeleteScan scan={scan} close={() => setDeleting(false)} />}
    </main>
  );
}
