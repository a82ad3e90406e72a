import type { ComponentChildren, JSX } from "preact";
import { Icon, type IconName } from "./Icon.tsx";

type Kind = "main" | "plain" | "quiet" | "danger";

interface Props {
  kind?: Kind;
  icon?: IconName;
  busy?: boolean;
  disabled?: boolean;
  submit?: boolean;
  pressed?: boolean;
  /** Where there is no text. */
  label?: string;
  onClick?: () => void;
  children?: ComponentChildren;
}

export function Button(props: Props): JSX.Element {
  const { kind = "plain", icon, busy = false, children } = props;
  return (
    <button
      type={props.submit ? "submit" : "button"}
      class={`button ${kind}${children ? "" : " bare"}`}
      disabled={props.disabled || busy}
      aria-busy={busy}
      aria-pressed={props.pressed}
      aria-label={props.label}
      title={props.label}
      onClick={props.onClick}
    >
      {busy ? <span class="turning" aria-hidden="true" /> : icon && <Icon name={icon} />}
      {children && <span>{children}</span>}
    </button>
  );
}

interface LinkProps {
  to: string;
  kind?: Kind;
  icon?: IconName;
  download?: string | boolean;
  blank?: boolean;
  children: ComponentChildren;
}

/** Looks like a button, leads somewhere. */
export function ButtonLink({ to, kind = "plain", icon, download, blank, children }: LinkProps): JSX.Element {
  return (
    <a
      class={`button ${kind}`}
      href={to}
      download={download}
      target={blank ? "_blank" : undefined}
      rel={blank ? "noopener" : undefined}
    >
      {icon && <Icon name={icon} />}
      <span>{children}</span>
    </a>
  );
}
