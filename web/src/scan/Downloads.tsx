/** Every format that was made. */
import type { JSX } from "preact";
import { readChoices } from "../api/scans.ts";
import { ButtonLink } from "../parts/Button.tsx";
import { size } from "../parts/words.ts";
import { useAsked } from "../state/asking.ts";
import type { Result } from "../api/types.ts";

interface Props {
  results: readonly Result[];
  /** Where all of them come at once. */
  archive: string;
}

export function Downloads({ results, archive }: Props): JSX.Element {
  const choices = useAsked(readChoices, "choices");
  const models = results.filter(({ kind }) => kind === "model");
  const named = (format: string): string | undefined =>
    choices.value?.formats.find(({ name }) => name === format)?.title;
  if (models.length === 0) return <p class="help">No model was made.</p>;
  return (
    <>
      <ul class="downloads">
        {models.map((model) => (
          <li key={model.id}>
            <a href={model.url} download={model.name}>
              <b>{model.format.toUpperCase()}</b>
              <span>{named(model.format) ?? model.name}</span>
              <small>{size(model.bytes)}</small>
            </a>
          </li>
        ))}
      </ul>
      <ButtonLink icon="download" to={archive} download>All as a zip</ButtonLink>
    </>
  );
}
