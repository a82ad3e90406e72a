/** The person: name, password, sessions, keys, webhooks, and the way out. */
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { deleteMe, rename, sendVerification } from "../api/account.ts";
import { readChoices } from "../api/scans.ts";
import { Button } from "../parts/Button.tsx";
import { Confirm } from "../parts/Confirm.tsx";
import { Field } from "../parts/Field.tsx";
import { Wrong } from "../parts/Notice.tsx";
import { go } from "../router.ts";
import { announce } from "../state/announce.ts";
import { useAsked, useDoing } from "../state/asking.ts";
import { leave, session } from "../state/session.ts";
import type { User } from "../api/types.ts";
import { Keys } from "./Keys.tsx";
import { Password } from "./Password.tsx";
import { SecondFactor } from "./SecondFactor.tsx";
import { Sessions } from "./Sessions.tsx";
import { Webhooks } from "./Webhooks.tsx";

export function Account({ me }: { me: User }): JSX.Element {
  const doing = useDoing();
  const mail = useAsked(readChoices, "choices").value?.features.mail ?? false;
  return (
    <main id="main" class="flow account">
      <div class="heading">
        <div><h1>Account</h1><p class="lead">{me.email}{!me.verified && mail && <Unverified />}</p></div>
        <Button busy={doing.busy} onClick={() => void doing.run(async () => { await leave(); go("/"); })}>Sign out</Button>
      </div>
      <Wrong error={doing.problem} />
      <Name me={me} />
      <Password />
      <SecondFactor me={me} />
      <Sessions />
      <Keys />
      <Webhooks />
      <Goodbye />
    </main>
  );
}

/** The address is not confirmed yet. */
function Unverified(): JSX.Element {
  const doing = useDoing();
  const send = (): void => void doing.run(async () => {
    await sendVerification();
    announce("A letter is on its way.");
  });
  return (
    <>
      <span class="badge plain">not confirmed</span>
      <Button kind="quiet" busy={doing.busy} onClick={send}>Send the letter again</Button>
      <Wrong error={doing.problem} />
    </>
  );
}

function Name({ me }: { me: User }): JSX.Element {
  const [name, setName] = useState(me.name);
  const doing = useDoing();
  const save = (event: Event): void => {
    event.preventDefault();
    void doing.run(async () => {
      session.set({ ...me, ...(await rename(name)) });
      announce("Saved.");
    });
  };
  return (
    <section class="panel" aria-labelledby="name">
      <h2 id="name">Name</h2>
      <form class="line" onSubmit={save}>
        <Field label="Name" value={name} change={setName} complete="name" required most={100} help="Stands beside what you make public." />
        <Button submit busy={doing.busy} disabled={name === me.name}>Save</Button>
      </form>
      <Wrong error={doing.problem} />
    </section>
  );
}

function Goodbye(): JSX.Element {
  const [asking, setAsking] = useState(false);
  const [password, setPassword] = useState("");
  const run = async (): Promise<void> => {
    await deleteMe(password);
    session.set(null);
    go("/");
  };
  return (
    <section class="panel" aria-labelledby="goodbye">
      <h2 id="goodbye">Delete the account</h2>
      <p class="help">With all scans, photos and models, at once and for good.</p>
      <Button kind="danger" icon="trash" onClick={() => setAsking(true)}>Delete the account</Button>
      {asking && (
        <Confirm title="Delete the account?" act="Delete everything" run={run} close={() => setAsking(false)} ready={password !== ""}>
          <p>All scans, photos, models and links are gone at once. This can't be undone.</p>
          <Field label="Your password" type="password" value={password} change={setPassword} complete="current-password" required />
        </Confirm>
      )}
    </section>
  );
}
