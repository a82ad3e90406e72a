/** Pictures of what was found so far; the newest is large. */
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { Result } from "../api/types.ts";

interface Props {
  pictures: readonly Result[];
  title: string;
}

export function Previews({ pictures, title }: Props): JSX.Element | null {
  const [chosen, setChosen] = useState<string | null>(null);
  const shown = pictures.find(({ id }) => id === chosen) ?? pictures.at(-1);
  if (!shown) return null;
  return (
    <section class="previews" aria-label="Pictures">
      <img class="large" src={shown.url} alt={`${named(shown)} of ${title}`} />
      {pictures.length > 1 && (
        <ul>
          {pictures.map((picture) => (
            <li key={picture.id}>
              <button type="button" aria-pressed={picture.id === shown.id} aria-label={named(picture)} onClick={() => setChosen(picture.id)}>
                <img src={picture.url} alt="" loading="lazy" />
              </button>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

/** `depth_maps.jpg` to `Depth maps`. */
function named({ name }: Result): string {
  const words = name.replace(/\.[^.]*$/, "").replace(/[_-]/g, " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}
