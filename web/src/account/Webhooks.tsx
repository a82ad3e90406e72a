/** Addresses that are told what happens. */
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { createWebhook, deleteWebhook, listWebhooks, testWebhook } from "../api/account.ts";
import { Failure } from "../api/client.ts";
import { Button } from "../parts/Button.tsx";
import { Copy } from "../parts/Copy.tsx";
import { Field } from "../parts/Field.tsx";
import { Loading } from "../parts/Loading.tsx";
import { Notice, Wrong } from "../parts/Notice.tsx";
import { announce } from "../state/announce.ts";
import { useAsked, useDoing } from "../state/asking.ts";
import type { WebhookIn } from "../wire.ts";

/** Ends of scans; more than that is for those who use the API. */
const EVENTS: WebhookIn["events"] = ["scan.done", "scan.failed"];

export function Webhooks(): JSX.Element {
  const asked = useAsked(listWebhooks, "webhooks");
  const [url, setUrl] = useState("");
  const [secret, setSecret] = useState<string | null>(null);
  const doing = useDoing();
  const fields = doing.problem instanceof Failure ? doing.problem.fields : {};
  const create = (event: Event): void => {
    event.preventDefault();
    void doing.run(async () => {
      setSecret((await createWebhook(url, EVENTS)).secret);
      setUrl("");
      asked.again();
    });
  };
  const test = (id: string): void => void doing.run(async () => {
    await testWebhook(id);
    announce("A test is on its way.");
  });
  const drop = (id: string): void => void doing.run(async () => {
    await deleteWebhook(id);
    asked.again();
  });
  return (
    <section class="panel" aria-labelledby="webhooks">
      <h2 id="webhooks">Webhooks</h2>
      <p class="help">Your server is told when a scan is done or has failed; each message is signed.</p>
      {secret && <Notice tone="good" title="Copy the secret now: it is shown only this once."><Copy label="Secret" text={secret} /></Notice>}
      {!asked.value && <Loading asked={asked} />}
      <ul class="rows">
        {asked.value?.map((hook) => (
          <li key={hook.id}>
            <div><b>{hook.url}</b><small>{hook.disabled_at ? "Off, because it kept failing" : [hook.events.join(", "), hook.last_status].filter(Boolean).join(" · ")}</small></div>
            <Button kind="quiet" onClick={() => test(hook.id)}>Test</Button>
            <Button kind="quiet" onClick={() => drop(hook.id)}>Remove</Button>
          </li>
        ))}
      </ul>
      <form class="line" onSubmit={create}>
        <Field label="Address" type="url" value={url} change={setUrl} required placeholder="https://" problem={fields["url"]} />
        <Button icon="plus" submit busy={doing.busy}>Add</Button>
      </form>
      <Wrong error={doing.problem} />
    </section>
  );
}
