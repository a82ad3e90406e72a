/** Keys for programs. */
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { createKey, listKeys, revokeKey } from "../api/account.ts";
import { Button } from "../parts/Button.tsx";
import { Copy } from "../parts/Copy.tsx";
import { Field } from "../parts/Field.tsx";
import { Loading } from "../parts/Loading.tsx";
import { Notice, Wrong } from "../parts/Notice.tsx";
import { day } from "../parts/words.ts";
import { useAsked, useDoing } from "../state/asking.ts";
import type { Scope } from "../wire.ts";

const SCOPES: [scope: Scope, words: string][] = [
  ["scans:read", "See scans"],
  ["scans:write", "Make, change and delete scans"],
  ["account", "Change the account"],
];

export function Keys(): JSX.Element {
  const asked = useAsked(listKeys, "keys");
  const [made, setMade] = useState<string | null>(null);
  const doing = useDoing();
  const revoke = (id: string): void => void doing.run(async () => {
    await revokeKey(id);
    asked.again();
  });
  const create = (name: string, scopes: Scope[]): Promise<void> => doing.run(async () => {
    setMade((await createKey(name, scopes)).key);
    asked.again();
  });
  return (
    <section class="panel" aria-labelledby="keys">
      <h2 id="keys">API keys</h2>
      <p class="help">For programs, as <code>Authorization: Bearer</code>. What there is stands in <a href="/api/v1/openapi.json" target="_blank" rel="noopener">the API's description</a>.</p>
      {made && <Notice tone="good" title="Copy the key now: it is shown only this once."><Copy label="Key" text={made} /></Notice>}
      {!asked.value && <Loading asked={asked} />}
      <ul class="rows">
        {asked.value?.map((key) => (
          <li key={key.id}>
            <div><b>{key.name}</b><small><code>{key.prefix}…</code> · {key.scopes.join(", ")} · {key.used_at ? `used ${day(key.used_at)}` : "never used"}</small></div>
            <Button kind="quiet" onClick={() => revoke(key.id)}>Revoke</Button>
          </li>
        ))}
      </ul>
      <Maker create={create} busy={doing.busy} />
      <Wrong error={doing.problem} />
    </section>
  );
}

interface MakerProps {
  create: (name: string, scopes: Scope[]) => Promise<void>;
  busy: boolean;
}

function Maker({ create, busy }: MakerProps): JSX.Element {
  const [name, setName] = useState("");
  const [scopes, setScopes] = useState<Scope[]>(["scans:read", "scans:write"]);
  const flip = (scope: Scope): void =>
    setScopes(scopes.includes(scope) ? scopes.filter((each) => each !== scope) : [...scopes, scope]);
  const submit = (event: Event): void => {
    event.preventDefault();
    void create(name, scopes).then(() => setName(""));
  };
  return (
    <form class="maker" onSubmit={submit}>
      <Field label="Name of a new key" value={name} change={setName} required most={100} placeholder="What will use it" />
      <fieldset class="scopes">
        <legend>It may</legend>
        {SCOPES.map(([scope, words]) => (
          <label key={scope} class="check">
            <input type="checkbox" checked={scopes.includes(scope)} onChange={() => flip(scope)} /><span>{words}</span>
          </label>
        ))}
      </fieldset>
      <Button icon="key" submit busy={busy} disabled={scopes.length === 0}>Make a key</Button>
    </form>
  );
}
