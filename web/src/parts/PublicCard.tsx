/** A scan in the gallery: its picture, its name, and who made it. */
import type { JSX } from "preact";
import type { Published } from "../api/types.ts";
import { Icon } from "./Icon.tsx";

export function PublicCard({ scan }: { scan: Published }): JSX.Element {
  return (
    <li class="card">
      <a href={`/s/${scan.share_token}`}>
        <div class="card-picture">
          {scan.thumbnail_url
            ? <img src={scan.thumbnail_url} alt="" loading="lazy" decoding="async" />
            : <Icon name="cube" />}
        </div>
        <h2>{scan.title}</h2>
        <p class="card-facts">{scan.author}</p>
      </a>
    </li>
  );
}
