import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { changePassword } from "../api/account.ts";
import { Failure } from "../api/client.ts";
import { Button } from "../parts/Button.tsx";
import { Field } from "../parts/Field.tsx";
import { Wrong } from "../parts/Notice.tsx";
import { PASSWORD_HELP, SHORTEST_PASSWORD } from "../parts/passwords.ts";
import { announce } from "../state/announce.ts";
import { useDoing } from "../state/asking.ts";

export function Password(): JSX.Element {
  const [old, setOld] = useState("");
  const [fresh, setFresh] = useState("");
  const doing = useDoing();
  const fields = doing.problem instanceof Failure ? doing.problem.fields : {};
  const save = (event: Event): void => {
    event.preventDefault();
    void doing.run(async () => {
      await changePassword(old, fresh);
      setOld("");
      setFresh("");
      announce("The password is changed, and all other sessions have ended.");
    });
  };
  return (
    <section class="panel" aria-labelledby="password">
      <h2 id="password">Password</h2>
      <form class="line" onSubmit={save}>
        <Field label="Old password" type="password" value={old} change={setOld} complete="current-password" required problem={fields["current"]} />
        <Field label="New password" type="password" value={fresh} change={setFresh} complete="new-password" required least={SHORTEST_PASSWORD} help={PASSWORD_HELP} problem={fields["new"]} />
        <Button submit busy={doing.busy}>Change</Button>
      </form>
      <Wrong error={doing.problem} />
    </section>
  );
}
