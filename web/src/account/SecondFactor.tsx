/** One-time passwords of an authenticator app beside the password. */
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { beginFactor, confirmFactor, endFactor } from "../api/account.ts";
import { Failure } from "../api/client.ts";
import { Button, ButtonLink } from "../parts/Button.tsx";
import { Copy } from "../parts/Copy.tsx";
import { Field } from "../parts/Field.tsx";
import { Notice, Wrong } from "../parts/Notice.tsx";
import { announce } from "../state/announce.ts";
import { useDoing } from "../state/asking.ts";
import { session } from "../state/session.ts";
import type { User } from "../api/types.ts";
import type { FactorOut } from "../wire.ts";

export function SecondFactor({ me }: { me: User }): JSX.Element {
  const [begun, setBegun] = useState<FactorOut | null>(null);
  const [codes, setCodes] = useState<readonly string[] | null>(null);
  const on = (codes: readonly string[]): void => {
    setBegun(null);
    setCodes(codes);
    session.set({ ...me, second_factor: true });
  };
  return (
    <section class="panel factor" aria-labelledby="factor">
      <h2 id="factor">Second factor{me.second_factor && <span class="badge plain">on</span>}</h2>
      {codes && (
        <Notice tone="good" title="Keep these recovery codes: they are shown only this once.">
          <p>Each signs you in once when your authenticator is lost.</p>
          <Copy label="Recovery codes" text={codes.join(" ")} />
        </Notice>
      )}
      {me.second_factor ? <TurnOff me={me} gone={() => setCodes(null)} />
        : begun ? <Confirming begun={begun} on={on} /> : <Beginning begin={setBegun} />}
    </section>
  );
}

function Beginning({ begin }: { begin: (begun: FactorOut) => void }): JSX.Element {
  const [password, setPassword] = useState("");
  const doing = useDoing();
  const submit = (event: Event): void => {
    event.preventDefault();
    void doing.run(async () => begin(await beginFactor(password)));
  };
  return (
    <>
      <p class="help">Signing in takes a code of an authenticator app as well: whoever learns your password still can't.</p>
      <form class="line" onSubmit={submit}>
        <Field label="Your password" type="password" value={password} change={setPassword} complete="current-password" required problem={fieldsOf(doing.problem)["password"]} />
        <Button submit busy={doing.busy}>Set up</Button>
      </form>
      {!("password" in fieldsOf(doing.problem)) && <Wrong error={doing.problem} />}
    </>
  );
}

function Confirming({ begun, on }: { begun: FactorOut; on: (codes: readonly string[]) => void }): JSX.Element {
  const [code, setCode] = useState("");
  const doing = useDoing();
  const submit = (event: Event): void => {
    event.preventDefault();
    void doing.run(async () => on((await confirmFactor(code.trim())).codes));
  };
  return (
    <>
      <p class="help">Scan this picture with your authenticator app, or type the key there; then enter the code that the app shows.</p>
      <img class="qr" src={`data:image/svg+xml,${encodeURIComponent(begun.qr)}`} alt="QR code of the key" width={236} height={236} />
      <Copy label="Key for the app" text={begun.key} />
      <div class="actions start"><ButtonLink icon="key" to={begun.uri}>Open in an app here</ButtonLink></div>
      <form class="line" onSubmit={submit}>
        <Field label="Code" value={code} change={setCode} complete="one-time-code" required problem={fieldsOf(doing.problem)["code"]} />
        <Button kind="main" submit busy={doing.busy}>Turn it on</Button>
      </form>
      {!("code" in fieldsOf(doing.problem)) && <Wrong error={doing.problem} />}
    </>
  );
}

function TurnOff({ me, gone }: { me: User; gone: () => void }): JSX.Element {
  const [password, setPassword] = useState("");
  const [code, setCode] = useState("");
  const doing = useDoing();
  const fields = fieldsOf(doing.problem);
  const submit = (event: Event): void => {
    event.preventDefault();
    void doing.run(async () => {
      await endFactor(password, code.trim());
      gone();
      session.set({ ...me, second_factor: false });
      announce("The second factor is off.");
    });
  };
  return (
    <details class="again">
      <summary>Turn it off</summary>
      <form class="line" onSubmit={submit}>
        <Field label="Your password" type="password" value={password} change={setPassword} complete="current-password" required problem={fields["password"]} />
        <Field label="Code" value={code} change={setCode} complete="one-time-code" required problem={fields["code"]} />
        <Button submit busy={doing.busy}>Turn off</Button>
      </form>
      {!("password" in fields) && !("code" in fields) && <Wrong error={doing.problem} />}
    </details>
  );
}

const fieldsOf = (problem: unknown): Readonly<Record<string, string>> => (problem instanceof Failure ? problem.fields : {});
