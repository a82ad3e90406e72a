/** Where there is nothing yet: what would be here, and how to get it. */
import type { ComponentChildren, JSX } from "preact";
import { Icon, type IconName } from "./Icon.tsx";

interface Props {
  icon: IconName;
  title: string;
  text: string;
  children?: ComponentChildren;
}

export function Empty({ icon, title, text, children }: Props): JSX.Element {
  return (
    <div class="empty">
      <Icon name={icon} />
      <h2>{title}</h2>
      <p>{text}</p>
      {children}
    </div>
  );
}
