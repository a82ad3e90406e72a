/** Where a letter's link leads: the e-mail address is confirmed. */
import type { JSX } from "preact";
import { verify } from "../api/account.ts";
import { ButtonLink } from "../parts/Button.tsx";
import { Loading } from "../parts/Loading.tsx";
import { Notice } from "../parts/Notice.tsx";
import { useAsked } from "../state/asking.ts";

export function Verify({ token }: { token: string }): JSX.Element {
  const asked = useAsked(() => verify(token).then(() => true), token);
  return (
    <main id="main" class="narrow sign">
      <h1>Your e-mail address</h1>
      {asked.value
        ? <><Notice tone="good">It is confirmed.</Notice><ButtonLink kind="main" to="/">Go on</ButtonLink></>
        : <Loading asked={asked} />}
    </main>
  );
}
