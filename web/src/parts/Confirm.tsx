/** Asks before something that can't be undone. */
import type { ComponentChildren, JSX } from "preact";
import { useDoing } from "../state/asking.ts";
import { Button } from "./Button.tsx";
import { Dialog } from "./Dialog.tsx";
import { Wrong } from "./Notice.tsx";

interface Props {
  title: string;
  act: string;
  run: () => Promise<void>;
  close: () => void;
  ready?: boolean;
  children: ComponentChildren;
}

export function Confirm({ title, act, run, close, ready = true, children }: Props): JSX.Element {
  const doing = useDoing();
  const submit = (event: Event): void => {
    event.preventDefault();
    void doing.run(run);
  };
  return (
    <Dialog title={title} close={close}>
      <form onSubmit={submit}>
        {children}
        <Wrong error={doing.problem} />
        <div class="actions">
          <Button onClick={close}>Keep it</Button>
          <Button kind="danger" submit busy={doing.busy} disabled={!ready}>{act}</Button>
        </div>
      </form>
    </Dialog>
  );
}
