/** What people made public. */
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { listGallery } from "../api/scans.ts";
import { Button } from "../parts/Button.tsx";
import { Empty } from "../parts/Empty.tsx";
import { Field } from "../parts/Field.tsx";
import { Notice } from "../parts/Notice.tsx";
import { PublicCard } from "../parts/PublicCard.tsx";
import { useListing } from "../state/listing.ts";

export function Gallery(): JSX.Element {
  const [search, setSearch] = useState("");
  const list = useListing(listGallery, search);
  const again = <Button icon="refresh" onClick={list.again}>Try again</Button>;
  return (
    <main id="main" class="wide">
      <div class="heading">
        <div>
          <h1>Gallery</h1>
          <p class="lead">Scans that their makers share with everyone, under CC BY 4.0.</p>
        </div>
        <search><Field label="Search" type="search" value={search} change={setSearch} placeholder="Search by title" /></search>
      </div>
      {list.problem && <Notice tone="problem" action={again}>{list.problem}</Notice>}
      <ul class="cards">
        {list.items?.map((scan) => <PublicCard key={scan.share_token} scan={scan} />)}
      </ul>
      {list.items?.length === 0 && (search
        ? <p class="nothing" role="status">No public scan is called “{search}”.</p>
        : <Empty icon="globe" title="Nothing public yet" text="Open one of your scans and choose “Public” to be the first." />)}
      {list.more && <p class="more"><Button onClick={list.more}>Show more</Button></p>}
    </main>
  );
}
