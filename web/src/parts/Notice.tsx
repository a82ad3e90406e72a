/** Something to know, or what went wrong and what to do. */
import type { ComponentChildren, JSX } from "preact";
import { words } from "../api/client.ts";
import { Icon } from "./Icon.tsx";

interface Props {
  tone?: "note" | "problem" | "good";
  title?: string;
  children?: ComponentChildren;
  action?: ComponentChildren;
}

export function Notice({ tone = "note", title, children, action }: Props): JSX.Element {
  return (
    <div class={`notice ${tone}`} role={tone === "problem" ? "alert" : "status"}>
      <Icon name={tone === "problem" ? "warning" : tone === "good" ? "check" : "bell"} />
      <div>
        {title && <p class="notice-title">{title}</p>}
        {children && <div class="notice-text">{children}</div>}
      </div>
      {action && <div class="notice-action">{action}</div>}
    </div>
  );
}

/** Nothing where nothing went wrong. */
export function Wrong({ error, action }: { error: unknown; action?: ComponentChildren }): JSX.Element | null {
  if (error === null || error === undefined) return null;
  return <Notice tone="problem" action={action}>{words(error)}</Notice>;
}
