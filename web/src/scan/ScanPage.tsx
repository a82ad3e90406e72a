/** One scan, in whatever state it is. */
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { readScan } from "../api/scans.ts";
import { Lost } from "../pages/Lost.tsx";
import { Loading } from "../parts/Loading.tsx";
import { useAsked } from "../state/asking.ts";
import { Draft } from "./Draft.tsx";
import { useNotified } from "./notified.ts";
import { ResultPage } from "./ResultPage.tsx";
import { Watch } from "./Watch.tsx";

export function ScanPage({ id }: { id: string }): JSX.Element {
  const asked = useAsked(() => readScan(id), id);
  const scan = asked.value;
  useNotified(scan);
  useEffect(() => {
    if (scan?.title) document.title = `${scan.title} – Gypsum`;
  }, [scan?.title]);
  if (!scan && asked.missing) return <Lost />;
  if (!scan) return <main id="main" class="narrow"><Loading asked={asked} /></main>;
  if (scan.state === "draft") return <Draft scan={scan} changed={asked.set} />;
  if (scan.state === "done") return <ResultPage scan={scan} changed={asked.set} />;
  return <Watch key={scan.revision} scan={scan} changed={asked.set} />;
}
