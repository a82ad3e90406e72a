/** Word when the scan is done. */
import type { JSX } from "preact";

interface Props {
  email: boolean;
  setEmail: (yes: boolean) => void;
}

export function NotifyChoice({ email, setEmail }: Props): JSX.Element {
  return (
    <section class="panel">
      <label class="check">
        <input type="checkbox" checked={email} onChange={(event) => setEmail(event.currentTarget.checked)} />
        <span><b>Send me an e-mail at the end</b><small>You can close this page in any case; the scan goes on.</small></span>
      </label>
    </section>
  );
}
