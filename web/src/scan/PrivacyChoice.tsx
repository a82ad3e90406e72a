/** Who may see a scan. */
import type { JSX } from "preact";
import { useId } from "preact/hooks";
import { Icon, type IconName } from "../parts/Icon.tsx";
import type { Privacy } from "../api/types.ts";

const CHOICES: [value: Privacy, icon: IconName, title: string, text: string][] = [
  ["private", "lock", "Private", "Only you."],
  ["unlisted", "link", "Unlisted", "Whoever has the link."],
  ["public", "globe", "Public", "In the gallery, with your name, under CC BY 4.0."],
];

interface Props {
  value: Privacy;
  change: (value: Privacy) => void;
  disabled?: boolean;
}

export function PrivacyChoice({ value, change, disabled = false }: Props): JSX.Element {
  const name = useId();
  return (
    <fieldset class="panel privacy" disabled={disabled}>
      <legend>Who may see it?</legend>
      {CHOICES.map(([privacy, icon, title, text]) => (
        <label key={privacy} class="tile row">
          <input type="radio" name={name} checked={value === privacy} onChange={() => change(privacy)} />
          <Icon name={icon} /><b>{title}</b><span>{text}</span>
        </label>
      ))}
    </fieldset>
  );
}
