/** How much is done. */
import type { JSX } from "preact";

export function Bar({ done, label }: { done: number; label: string }): JSX.Element {
  const percent = Math.round(Math.min(1, Math.max(0, done)) * 100);
  return (
    <div class="bar" role="progressbar" aria-label={label} aria-valuemin={0} aria-valuemax={100} aria-valuenow={percent}>
      <span style={{ width: `${percent}%` }} />
    </div>
  );
}
