/** While the server is asked, and when it can't be. */
import type { JSX } from "preact";
import type { Asked } from "../state/asking.ts";
import { Button } from "./Button.tsx";
import { Notice } from "./Notice.tsx";

export function Loading({ asked }: { asked?: Pick<Asked<unknown>, "problem" | "again"> }): JSX.Element {
  if (asked?.problem) {
    const again = <Button icon="refresh" onClick={asked.again}>Try again</Button>;
    return <Notice tone="problem" action={again}>{asked.problem}</Notice>;
  }
  return <p class="loading" role="status"><span class="turning" aria-hidden="true" />Loading…</p>;
}
