import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { useRoute } from "../router.ts";
import { session } from "../state/session.ts";
import { useStore } from "../state/store.ts";
import { isDark, onScheme, toggleTheme } from "../state/theme.ts";
import { Button } from "./Button.tsx";
import { Icon, type IconName } from "./Icon.tsx";
import { Mark } from "./Mark.tsx";

export function Header(): JSX.Element {
  const me = useStore(session);
  return (
    <header class="top">
      <a class="brand" href="/"><Mark /><span>Gypsum</span></a>
      <nav aria-label="Main">
        {me && <Link to="/" at="home" icon="library">Library</Link>}
        <Link to="/gallery" at="gallery" icon="globe">Gallery</Link>
        {me && <Link to="/account" at="account" icon="account">Account</Link>}
      </nav>
      <div class="top-right">
        <ThemeButton />
        {me && <a class="button main" href="/new"><Icon name="plus" /><span>New scan</span></a>}
        {me === null && <a class="button quiet" href="/sign-in"><span>Sign in</span></a>}
      </div>
    </header>
  );
}

function Link({ to, at, icon, children }: { to: string; at: string; icon: IconName; children: string }): JSX.Element {
  const here = useRoute().name === at;
  return (
    <a href={to} aria-current={here ? "page" : undefined}>
      <Icon name={icon} /><span>{children}</span>
    </a>
  );
}

function ThemeButton(): JSX.Element {
  const [dark, setDark] = useState(isDark());
  useEffect(() => onScheme(() => setDark(isDark())), []);
  const label = dark ? "Light colours" : "Dark colours";
  return <Button kind="quiet" icon={dark ? "sun" : "moon"} label={label} onClick={toggleTheme} />;
}
