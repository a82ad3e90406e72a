/** One parameter, shown as what it takes. */
import type { JSX } from "preact";
import { useId } from "preact/hooks";
import type { Option, Value } from "../api/types.ts";
import { NumberInput } from "./NumberInput.tsx";

interface Props {
  option: Option;
  value: Value;
  change: (value: Value) => void;
  problem?: string | undefined;
}

/** More choices than that are a list to pull down. */
const SIDE_BY_SIDE = 4;

export function OptionField(props: Props): JSX.Element {
  const { option, problem } = props;
  const id = useId();
  const help = <p class="help" id={`${id}-help`}>{option.help}</p>;
  const wrong = problem && <p class="wrong" role="alert">{problem}</p>;
  if (option.type === "boolean" && (option.default ?? null) !== null) {
    return (
      <div class="option">
        <label class="check switch">
          <input type="checkbox" role="switch" checked={props.value === true} aria-describedby={`${id}-help`}
            onChange={(event) => props.change(event.currentTarget.checked)} />
          <span><b>{option.title}</b></span>
        </label>
        {help}{wrong}
      </div>
    );
  }
  const many = option.type === "list" && (option.choices?.length ?? 0) > 0;
  const pills = many || option.type === "boolean" || (option.type === "choice" && all(option).length <= SIDE_BY_SIDE);
  if (pills) {
    return (
      <fieldset class="option" aria-describedby={`${id}-help`}>
        <legend>{option.title}</legend>
        {many ? <Several {...props} /> : <OneOf {...props} />}
        {help}{wrong}
      </fieldset>
    );
  }
  return (
    <div class="option">
      <label for={id}>{option.title}</label>
      <Input {...props} id={id} />
      {help}{wrong}
    </div>
  );
}

/** With what is chosen by itself, where that is a choice of its own. */
function all(option: Option): Value[] {
  const choices = option.type === "boolean" ? [true, false] : (option.choices ?? []);
  return (option.default ?? null) === null ? [null, ...choices] : [...choices];
}

function shown(value: Value): string {
  if (value === null) return "Default";
  if (value === true) return "On";
  if (value === false) return "Off";
  const text = String(value);
  return text.length <= 3 && /\d/.test(text) ? text.toUpperCase() : text.charAt(0).toUpperCase() + text.slice(1);
}

function OneOf({ option, value, change }: Props): JSX.Element {
  const name = useId();
  return (
    <div class="pills">
      {all(option).map((choice) => (
        <label key={String(choice)}>
          <input type="radio" name={name} checked={choice === value} onChange={() => change(choice)} />
          <span>{shown(choice)}</span>
        </label>
      ))}
    </div>
  );
}

function Several({ option, value, change }: Props): JSX.Element {
  const chosen = Array.isArray(value) ? value : [];
  const flip = (choice: Value): void =>
    change(chosen.includes(choice) ? chosen.filter((each) => each !== choice) : [...chosen, choice]);
  return (
    <div class="pills">
      {(option.choices ?? []).map((choice) => (
        <label key={String(choice)}>
          <input type="checkbox" checked={chosen.includes(choice)} onChange={() => flip(choice)} />
          <span>{String(choice).toUpperCase()}</span>
        </label>
      ))}
    </div>
  );
}

function Input({ option, value, change, id }: Props & { id: string }): JSX.Element {
  if (option.type === "choice") {
    return (
      <select id={id} aria-describedby={`${id}-help`} value={JSON.stringify(value)} onChange={(event) => change(JSON.parse(event.currentTarget.value) as Value)}>
        {all(option).map((choice) => <option key={String(choice)} value={JSON.stringify(choice)}>{shown(choice)}</option>)}
      </select>
    );
  }
  if (option.type === "integer" || option.type === "number") {
    return <NumberInput option={option} id={id} value={typeof value === "number" ? value : null} change={change} />;
  }
  const text = Array.isArray(value) ? value.join(option.type === "list" ? "\n" : " ") : value === null ? "" : String(value);
  if (option.type === "list") {
    return (
      <textarea id={id} rows={2} value={text} aria-describedby={`${id}-help`} placeholder="One a line"
        onInput={(event) => change(event.currentTarget.value.split("\n").map((line) => line.trim()).filter(Boolean))} />
    );
  }
  return (
    <input id={id} type="text" value={text} aria-describedby={`${id}-help`} placeholder={(option.default ?? null) === null ? "Automatic" : ""}
      onInput={(event) => change(event.currentTarget.value.trim() || null)} />
  );
}
