import type { JSX } from "preact";
import { Field } from "../parts/Field.tsx";

interface Props {
  value: string;
  change: (value: string) => void;
  suggestion: string;
}

export function TitleField({ value, change, suggestion }: Props): JSX.Element {
  return (
    <section class="panel">
      <Field label="Title" value={value} change={change} most={200} placeholder={suggestion} />
    </section>
  );
}
