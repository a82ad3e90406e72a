/** Asks for a letter with which a new password can be chosen. */
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { askReset } from "../api/account.ts";
import { Button } from "../parts/Button.tsx";
import { Field } from "../parts/Field.tsx";
import { Notice, Wrong } from "../parts/Notice.tsx";
import { useDoing } from "../state/asking.ts";

export function Forgotten(): JSX.Element {
  const [email, setEmail] = useState("");
  const [sent, setSent] = useState(false);
  const doing = useDoing();
  const submit = (event: Event): void => {
    event.preventDefault();
    void doing.run(async () => {
      await askReset(email);
      setSent(true);
    });
  };
  return (
    <main id="main" class="narrow sign">
      <h1>A new password</h1>
      {sent
        ? <Notice tone="good">If there is an account with this address, a letter with a link is on its way.</Notice>
        : (
          <form class="panel" onSubmit={submit}>
            <Wrong error={doing.problem} />
            <Field label="E-mail" type="email" value={email} change={setEmail} complete="username" required />
            <Button kind="main" submit busy={doing.busy}>Send me a link</Button>
          </form>
        )}
    </main>
  );
}
