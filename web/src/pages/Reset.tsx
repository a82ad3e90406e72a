/** Where a letter's link leads: a new password. */
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { reset } from "../api/account.ts";
import { Button } from "../parts/Button.tsx";
import { Field } from "../parts/Field.tsx";
import { Wrong } from "../parts/Notice.tsx";
import { PASSWORD_HELP, SHORTEST_PASSWORD } from "../parts/passwords.ts";
import { go } from "../router.ts";
import { announce } from "../state/announce.ts";
import { useDoing } from "../state/asking.ts";
import { session } from "../state/session.ts";

export function Reset({ token }: { token: string }): JSX.Element {
  const [password, setPassword] = useState("");
  const doing = useDoing();
  const submit = (event: Event): void => {
    event.preventDefault();
    void doing.run(async () => {
      await reset(token, password);
      session.set(null);
      announce("The password is changed. Sign in with it.");
      go("/sign-in", { replace: true });
    });
  };
  return (
    <main id="main" class="narrow sign">
      <h1>A new password</h1>
      <form class="panel" onSubmit={submit}>
        <Wrong error={doing.problem} />
        <Field label="New password" type="password" value={password} change={setPassword} required
          complete="new-password" least={SHORTEST_PASSWORD} help={PASSWORD_HELP} />
        <Button kind="main" submit busy={doing.busy}>Change it</Button>
      </form>
    </main>
  );
}
