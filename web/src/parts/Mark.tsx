/** Gypsum's mark: a crystal, half in the light. */
import type { JSX } from "preact";

export function Mark(): JSX.Element {
  return (
    <svg class="mark" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <path class="mark-light" d="M16 2.5 27 9v14l-11 6.5z" />
      <path class="mark-shade" d="M16 2.5 5 9v14l11 6.5z" />
      <path class="mark-face" d="M16 2.5 27 9l-11 7L5 9z" />
    </svg>
  );
}
