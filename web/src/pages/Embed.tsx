/** The viewer alone, inside another page. */
import type { JSX } from "preact";
import { readShared } from "../api/scans.ts";
import { Loading } from "../parts/Loading.tsx";
import { viewables } from "../scan/results.ts";
import { useAsked } from "../state/asking.ts";
import { ViewerFrame } from "../viewer/ViewerFrame.tsx";

export function Embed({ token }: { token: string }): JSX.Element {
  const asked = useAsked(() => readShared(token), token);
  if (!asked.value) return <main class="embed"><Loading asked={asked} /></main>;
  const shared = asked.value;
  return (
    <main class="embed">
      <ViewerFrame name={shared.title} viewables={viewables(shared.results, shared.mode)} whole />
      <a class="embed-name" href={`/s/${token}`} target="_blank" rel="noopener">
        {shared.title} · {shared.author}
      </a>
    </main>
  );
}
