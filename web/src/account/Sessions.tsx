/** Where one is signed in. */
import type { JSX } from "preact";
import { endSession, listSessions } from "../api/account.ts";
import { Button } from "../parts/Button.tsx";
import { Loading } from "../parts/Loading.tsx";
import { Wrong } from "../parts/Notice.tsx";
import { moment } from "../parts/words.ts";
import { useAsked, useDoing } from "../state/asking.ts";

export function Sessions(): JSX.Element {
  const asked = useAsked(listSessions, "sessions");
  const doing = useDoing();
  const end = (id: string): void => void doing.run(async () => {
    await endSession(id);
    asked.again();
  });
  return (
    <section class="panel" aria-labelledby="sessions">
      <h2 id="sessions">Signed in</h2>
      {!asked.value && <Loading asked={asked} />}
      <ul class="rows">
        {asked.value?.map(({ id, agent, seen_at, address, current }) => (
          <li key={id}>
            <div><b>{browser(agent)}{current && <span class="badge plain">this one</span>}</b><small>{[moment(seen_at), address].filter(Boolean).join(" · ")}</small></div>
            {!current && <Button kind="quiet" onClick={() => end(id)}>Sign out</Button>}
          </li>
        ))}
      </ul>
      <Wrong error={doing.problem} />
    </section>
  );
}

const BROWSERS = [["Edg/", "Edge"], ["Firefox/", "Firefox"], ["Chrome/", "Chrome"], ["Safari/", "Safari"]] as const;
const SYSTEMS = [["Android", "Android"], ["iPhone", "iPhone"], ["iPad", "iPad"], ["Windows", "Windows"], ["Mac OS", "macOS"], ["Linux", "Linux"]] as const;

/** `Firefox on Linux`, of what a browser says of itself. */
function browser(agent: string): string {
  const found = (names: readonly (readonly [string, string])[]): string | undefined =>
    names.find(([sign]) => agent.includes(sign))?.[1];
  return [found(BROWSERS) ?? (agent.split("/")[0] || "A browser"), found(SYSTEMS)].filter(Boolean).join(" on ");
}
