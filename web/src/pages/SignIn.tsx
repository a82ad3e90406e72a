/** Signing in, and making an account. */
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import * as account from "../api/account.ts";
import { Failure } from "../api/client.ts";
import { readChoices } from "../api/scans.ts";
import { Button } from "../parts/Button.tsx";
import { Field } from "../parts/Field.tsx";
import { Mark } from "../parts/Mark.tsx";
import { Wrong } from "../parts/Notice.tsx";
import { go } from "../router.ts";
import { PASSWORD_HELP, SHORTEST_PASSWORD } from "../parts/passwords.ts";
import { useAsked, useDoing } from "../state/asking.ts";
import { session } from "../state/session.ts";


/** Only paths of this page: nobody can be sent elsewhere by a link. */
function after(): string {
  const to = new URLSearchParams(location.search).get("to") ?? "/";
  return /^\/(?![/\\])/.test(to) ? to : "/";
}

export function SignIn({ fresh }: { fresh: boolean }): JSX.Element {
  const [name, setName] = useState("");
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  /** Null until the server asks for it. */
  const [code, setCode] = useState<string | null>(null);
  const doing = useDoing();
  const features = useAsked(readChoices, "choices").value?.features;
  const fields = doing.problem instanceof Failure ? doing.problem.fields : {};
  const inFields = Object.keys(fields).some((field) => ["name", "email", "password", "code"].includes(field));
  useEffect(() => {
    if ("code" in fields && code === null) setCode("");
  }, [doing.problem]);
  const submit = (event: Event): void => {
    event.preventDefault();
    void doing.run(async () => {
      const user = fresh
        ? await account.signUp(email, password, name)
        : await account.signIn(email, password, code?.trim() || null);
      session.set(user);
      go(after(), { replace: true });
    });
  };
  return (
    <main id="main" class="narrow sign">
      <Mark />
      <h1>{fresh ? "Make an account" : "Welcome back"}</h1>
      <form class="panel" onSubmit={submit}>
        {!inFields && <Wrong error={doing.problem} />}
        {fresh && (
          <Field label="Name" value={name} change={setName} complete="name" required most={100} focused
            help="Stands beside what you make public." problem={fields["name"]} />
        )}
        <Field label="E-mail" type="email" value={email} change={setEmail} complete="username" required
          focused={!fresh} problem={fields["email"]} />
        <Field label="Password" type="password" value={password} change={setPassword} required
          complete={fresh ? "new-password" : "current-password"} problem={fields["password"]}
          {...(fresh ? { least: SHORTEST_PASSWORD, help: PASSWORD_HELP } : {})} />
        {code !== null && (
          <Field label="Code" value={code} change={setCode} required focused complete="one-time-code"
            help="Of your authenticator app; or a recovery code." problem={fields["code"]} />
        )}
        <Button kind="main" submit busy={doing.busy}>{fresh ? "Make the account" : "Sign in"}</Button>
      </form>
      <p class="aside">
        {fresh
          ? <>Have one already? <a href={`/sign-in${location.search}`}>Sign in</a></>
          : features?.sign_up && <>New here? <a href={`/sign-up${location.search}`}>Make an account</a></>}
      </p>
      {!fresh && features?.mail && <p><a href="/forgotten">Password forgotten?</a></p>}
    </main>
  );
}
