/** A labelled input, with help and what is wrong with it. */
import type { ComponentChildren, JSX } from "preact";
import { useId } from "preact/hooks";

interface Props {
  label: string;
  value: string;
  change: (value: string) => void;
  type?: "text" | "email" | "password" | "search" | "url" | "number";
  help?: ComponentChildren;
  problem?: string | undefined;
  required?: boolean;
  complete?: string;
  least?: number;
  most?: number;
  placeholder?: string;
  focused?: boolean;
  readOnly?: boolean;
}

export function Field(props: Props): JSX.Element {
  const id = useId();
  // The types tell each kind of input apart; here the kind is a variable.
  const type = (props.type ?? "text") as "text";
  const notes = [props.help && `${id}-help`, props.problem && `${id}-problem`];
  return (
    <div class="field">
      <label for={id}>{props.label}</label>
      <input
        id={id}
        type={type}
        value={props.value}
        required={props.required}
        readOnly={props.readOnly}
        autocomplete={props.complete ?? "off"}
        minLength={props.least}
        maxLength={props.most}
        placeholder={props.placeholder}
        autofocus={props.focused}
        aria-invalid={props.problem ? true : undefined}
        aria-describedby={notes.filter(Boolean).join(" ") || undefined}
        onInput={(event) => props.change(event.currentTarget.value)}
      />
      {props.help && <p class="help" id={`${id}-help`}>{props.help}</p>}
      {props.problem && <p class="wrong" id={`${id}-problem`}>{props.problem}</p>}
    </div>
  );
}
