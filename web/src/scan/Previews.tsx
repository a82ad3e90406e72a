/** Pictures of what was found so far; the newest is large. */
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { Icon } from "../parts/Icon.tsx";
import type { Result } from "../api/types.ts";

interface Props {
  pictures: readonly Result[];
  title: string;
}

/** The model from all sides is there to be asked for. */
const around = ({ name }: Result): boolean => name.startsWith("turntable.");
/** What moves takes nothing from a scan meanwhile. */
const moves = ({ name }: Result): boolean => name.endsWith(".webp");

export function Previews({ pictures, title }: Props): JSX.Element | null {
  const [chosen, setChosen] = useState<string | null>(null);
  const shown = pictures.find(({ id }) => id === chosen)
    ?? pictures.filter((picture) => !around(picture)).at(-1) ?? pictures.at(-1);
  if (!shown) return null;
  return (
    <section class="previews" aria-label="Pictures">
      <img class="large" src={shown.url} alt={`${named(shown)} of ${title}`} />
      {pictures.length > 1 && (
        <ul>
          {pictures.map((picture) => (
            <li key={picture.id}>
              <button type="button" aria-pressed={picture.id === shown.id} aria-label={named(picture)} title={named(picture)}
                onClick={() => setChosen(picture.id)}>
                {moves(picture) ? <Icon name="play" /> : <img src={picture.url} alt="" loading="lazy" />}
              </button>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

/** `depth_maps.jpg` to `Depth maps`. */
function named(picture: Result): string {
  const words = picture.name.replace(/\.[^.]*$/, "").replace(/[_-]/g, " ");
  return words.charAt(0).toUpperCase() + words.slice(1) + (moves(picture) ? ", moving" : "");
}
