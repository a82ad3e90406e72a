/** A scan that someone shares, for everyone who has its link. */
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { address } from "../api/client.ts";
import { readShared } from "../api/scans.ts";
import { Loading } from "../parts/Loading.tsx";
import { day } from "../parts/words.ts";
import { Ar } from "../scan/Ar.tsx";
import { Downloads } from "../scan/Downloads.tsx";
import { viewables } from "../scan/results.ts";
import { useAsked } from "../state/asking.ts";
import { ViewerFrame } from "../viewer/ViewerFrame.tsx";
import { Lost } from "./Lost.tsx";

export function SharedScan({ token }: { token: string }): JSX.Element {
  const asked = useAsked(() => readShared(token), token);
  const shared = asked.value;
  useEffect(() => {
    if (shared) document.title = `${shared.title} – Gypsum`;
  }, [shared]);
  if (!shared && asked.missing) return <Lost />;
  if (!shared) return <main id="main" class="narrow"><Loading asked={asked} /></main>;
  const { results } = shared;
  return (
    <main id="main" class="result">
      <ViewerFrame name={shared.title} viewables={viewables(results, shared.mode)} />
      <div class="result-body">
        <h1>{shared.title}</h1>
        <p class="meta">
          {[shared.author && `By ${shared.author}`, shared.finished_at && day(shared.finished_at)].filter(Boolean).join(" · ")}
          {shared.licence && <> · <a rel="license" href="https://creativecommons.org/licenses/by/4.0/">{shared.licence}</a></>}
        </p>
        <div class="actions start"><Ar results={results} title={shared.title} /></div>
        <section class="panel" aria-label="Download"><Downloads results={results} archive={address(`/shared/${encodeURIComponent(token)}/archive`)} /></section>
      </div>
    </main>
  );
}
