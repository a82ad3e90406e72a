/** Parameters, as the server describes them: the important ones first. */
import type { JSX } from "preact";
import { Failure } from "../api/client.ts";
import { Icon } from "../parts/Icon.tsx";
import type { Mode, Option, Values, Value } from "../api/types.ts";
import { OptionField } from "./OptionField.tsx";

const GROUPS: Record<string, string> = {
  result: "Result", surface: "Surface", object: "What to keep", size: "True size", survey: "Rooms and terrain",
};

interface Props {
  options: readonly Option[];
  values: Values;
  change: (values: Values) => void;
  /** A refused request may say which option it is. */
  problem: unknown;
}

export function OptionsForm({ options, values, change, problem }: Props): JSX.Element {
  const first = options.filter(({ advanced }) => !advanced);
  const more = options.filter(({ advanced }) => advanced);
  const wrong = problem instanceof Failure ? problem.fields : {};
  const set = (option: Option, value: Value): void => {
    const next = { ...values, [option.name]: value };
    // What is as it was by itself is not said: a later default then counts.
    if (value === null || JSON.stringify(value) === JSON.stringify(option.default)) delete next[option.name];
    change(next);
  };
  const field = (option: Option): JSX.Element => (
    <OptionField key={option.name} option={option} value={values[option.name] ?? option.default ?? null}
      change={(value) => set(option, value)} problem={wrong[option.name]} />
  );
  const changed = more.filter(({ name }) => name in values).length;
  return (
    <section class="panel options">
      {first.map(field)}
      {more.length > 0 && (
        <details class="more-options" open={more.some(({ name }) => name in wrong)}>
          <summary><Icon name="sliders" />More{changed > 0 && <span class="badge plain">{changed} set</span>}</summary>
          {grouped(more).map(([group, options]) => (
            <div key={group} class="group">
              {GROUPS[group] && <h3>{GROUPS[group]}</h3>}
              {options.map(field)}
            </div>
          ))}
        </details>
      )}
    </section>
  );
}

function grouped(options: readonly Option[]): [string, Option[]][] {
  const groups = new Map<string, Option[]>();
  for (const option of options) {
    groups.set(option.group, [...(groups.get(option.group) ?? []), option]);
  }
  return [...groups];
}

/** Of a scan's options those that its mode has. */
export const sensible = (mode: Mode, options: Values): Values =>
  Object.fromEntries(Object.entries(options).filter(([name]) => mode.options.some((option) => option.name === name)));
