/** Colours, shape, normals or wires. */
import type { JSX } from "preact";
import { Button } from "../parts/Button.tsx";
import type { IconName } from "../parts/Icon.tsx";
import type { Shading } from "./look.ts";

const CHOICES: [shading: Shading, icon: IconName, label: string][] = [
  ["color", "picture", "Colours"],
  ["clay", "half", "Shape"],
  ["normals", "normals", "Normals"],
  ["wire", "wire", "Wireframe"],
];

interface Props {
  value: Shading;
  change: (shading: Shading) => void;
}

export function Shadings({ value, change }: Props): JSX.Element {
  return (
    <div class="shadings" role="group" aria-label="Surface">
      {CHOICES.map(([shading, icon, label]) => (
        <Button key={shading} kind="quiet" icon={icon} label={label} pressed={shading === value} onClick={() => change(shading)} />
      ))}
    </div>
  );
}
