/** A scan among others: its picture, its name and how far it is. */
import type { JSX } from "preact";
import type { Scan } from "../api/types.ts";
import { Bar } from "./Bar.tsx";
import { Icon } from "./Icon.tsx";
import { count, day, duration, size } from "./words.ts";

export const STATES: Record<Scan["state"], string> = {
  draft: "Not started",
  queued: "Waiting its turn",
  running: "Working",
  done: "Done",
  failed: "Failed",
  cancelled: "Cancelled",
};

export function ScanCard({ scan }: { scan: Scan }): JSX.Element {
  const going = scan.state === "running" || scan.state === "queued";
  return (
    <li class="card">
      <a href={`/scans/${scan.id}`}>
        <div class="card-picture">
          {scan.thumbnail_url
            ? <img src={scan.thumbnail_url} alt="" loading="lazy" decoding="async" />
            : <Icon name={scan.state === "draft" ? "picture" : "cube"} />}
          {scan.state !== "done" && <span class={`badge ${scan.state}`}>{STATES[scan.state]}</span>}
          {scan.privacy !== "private" && (
            <span class="badge corner" title={scan.privacy === "public" ? "Public" : "Unlisted link"}>
              <Icon name={scan.privacy === "public" ? "globe" : "link"} />
              <span class="unseen">{scan.privacy === "public" ? "Public" : "Unlisted"}</span>
            </span>
          )}
        </div>
        <h2>{scan.title}</h2>
        <p class="card-facts">{facts(scan)}</p>
        {going && <Bar done={scan.progress} label={`Progress of ${scan.title}`} />}
      </a>
    </li>
  );
}

function facts(scan: Scan): string {
  if (scan.state === "running" && scan.seconds_left !== null) return `${duration(scan.seconds_left)} left`;
  return [day(scan.created_at), scan.files.ready ? count(scan.files.ready, "file") : "", scan.size_bytes ? size(scan.size_bytes) : ""]
    .filter(Boolean).join(" · ");
}
