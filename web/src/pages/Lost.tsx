import type { JSX } from "preact";
import { ButtonLink } from "../parts/Button.tsx";
import { Empty } from "../parts/Empty.tsx";

export function Lost(): JSX.Element {
  return (
    <main id="main" class="narrow">
      <Empty icon="search" title="There is nothing here" text="The address may have a typing error, or what was here is deleted or no longer shared.">
        <ButtonLink kind="main" to="/">To the start</ButtonLink>
      </Empty>
    </main>
  );
}
