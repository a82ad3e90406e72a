/** Who may see it, and how they get there. */
import type { JSX } from "preact";
import { changeScan } from "../api/scans.ts";
import { Copy } from "../parts/Copy.tsx";
import { Wrong } from "../parts/Notice.tsx";
import { useDoing } from "../state/asking.ts";
import type { Scan } from "../api/types.ts";
import { PrivacyChoice } from "./PrivacyChoice.tsx";

interface Props {
  scan: Scan;
  changed: (scan: Scan) => void;
}

export function Share({ scan, changed }: Props): JSX.Element {
  const doing = useDoing();
  const link = scan.share_url && scan.privacy !== "private" ? new URL(scan.share_url, location.href) : null;
  return (
    <>
      <PrivacyChoice value={scan.privacy} disabled={doing.busy} change={(privacy) =>
        void doing.run(async () => changed({ ...scan, ...(await changeScan(scan.id, { privacy })) }))} />
      <Wrong error={doing.problem} />
      {link && <Copy label="Link" text={link.href} />}
      {link && <Copy label="For your own page" text={embedding(link, scan.title)} />}
    </>
  );
}

/** HTML that shows the viewer in another page. */
export function embedding(link: URL, title: string): string {
  const source = new URL(link.pathname.replace(/^\/s\//, "/embed/"), link).href;
  const quoted = title.replace(/&/g, "&amp;").replace(/"/g, "&quot;").replace(/</g, "&lt;");
  return `<iframe src="${source}" title="${quoted}" width="640" height="480" style="border:0" allow="fullscreen"></iframe>`;
}
