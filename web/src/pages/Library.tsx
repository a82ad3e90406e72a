/** All scans of the person. */
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { readUsage } from "../api/account.ts";
import { listScans } from "../api/scans.ts";
import { Bar } from "../parts/Bar.tsx";
import { Button, ButtonLink } from "../parts/Button.tsx";
import { Empty } from "../parts/Empty.tsx";
import { Field } from "../parts/Field.tsx";
import { Loading } from "../parts/Loading.tsx";
import { Notice } from "../parts/Notice.tsx";
import { ScanCard } from "../parts/ScanCard.tsx";
import { count, size } from "../parts/words.ts";
import { useAsked } from "../state/asking.ts";
import { useListing } from "../state/listing.ts";
import type { Usage } from "../api/types.ts";

/** While something runs, its bar moves. */
const REFRESH_MS = 5000;

export function Library(): JSX.Element {
  const [search, setSearch] = useState("");
  const list = useListing(listScans, search);
  const usage = useAsked(readUsage, "usage");
  const going = list.items?.some(({ state }) => state === "running" || state === "queued") ?? false;
  useEffect(() => {
    if (!going) return undefined;
    const timer = setInterval(list.again, REFRESH_MS);
    return () => clearInterval(timer);
  }, [going]);
  if (!list.items) return <main id="main" class="wide"><Loading asked={list} /></main>;
  if (list.items.length === 0 && !search) return <main id="main" class="wide"><First /></main>;
  return (
    <main id="main" class="wide">
      <div class="heading">
        <h1>Library</h1>
        <search><Field label="Search" type="search" value={search} change={setSearch} placeholder="Search by title" /></search>
      </div>
      {list.problem && <Notice tone="problem">{list.problem}</Notice>}
      <ul class="cards">
        {list.items.map((scan) => <ScanCard key={scan.id} scan={scan} />)}
      </ul>
      {list.items.length === 0 && <p class="nothing" role="status">No scan is called “{search}”.</p>}
      {list.more && <p class="more"><Button onClick={list.more}>Show more</Button></p>}
      {usage.value && <Storage usage={usage.value} />}
    </main>
  );
}

function Storage({ usage }: { usage: Usage }): JSX.Element {
  const { bytes, quota_bytes: most, scans } = usage;
  return (
    <aside class="storage" aria-label="Storage used">
      <p>{count(scans, "scan")} · {size(bytes)}{most ? ` of ${size(most)}` : ""} used</p>
      {most ? <Bar done={bytes / most} label="Storage used" /> : null}
    </aside>
  );
}

function First(): JSX.Element {
  return (
    <Empty icon="cube" title="Your scans will be here" text="Take 30 to 60 sharp photos while you walk around something in small steps, and let Gypsum make a 3D model of them.">
      <ButtonLink kind="main" icon="plus" to="/new">Make your first scan</ButtonLink>
      <ol class="tips">
        <li><b>Overlap.</b> Every part should be in at least three photos.</li>
        <li><b>Texture.</b> Plain white, glass and chrome don't work; newspaper under a plain object helps.</li>
        <li><b>Still.</b> Move yourself, not the object, and keep the light as it is.</li>
      </ol>
    </Empty>
  );
}
