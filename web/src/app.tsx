/** Which page is shown. */
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { Account } from "./account/Account.tsx";
import { Embed } from "./pages/Embed.tsx";
import { Forgotten } from "./pages/Forgotten.tsx";
import { Gallery } from "./pages/Gallery.tsx";
import { Library } from "./pages/Library.tsx";
import { Lost } from "./pages/Lost.tsx";
import { Reset } from "./pages/Reset.tsx";
import { SharedScan } from "./pages/SharedScan.tsx";
import { SignIn } from "./pages/SignIn.tsx";
import { Verify } from "./pages/Verify.tsx";
import { Welcome } from "./pages/Welcome.tsx";
import { Announcer } from "./parts/Announcer.tsx";
import { Button } from "./parts/Button.tsx";
import { Header } from "./parts/Header.tsx";
import { Loading } from "./parts/Loading.tsx";
import { Notice } from "./parts/Notice.tsx";
import { go, type Route, usePlace, useRoute } from "./router.ts";
import { NewScan } from "./scan/NewScan.tsx";
import { ScanPage } from "./scan/ScanPage.tsx";
import { restore, session, unreachable } from "./state/session.ts";
import { useStore } from "./state/store.ts";

const TITLES: Record<string, string> = {
  new: "New scan", gallery: "Gallery", account: "Account", "sign-in": "Sign in", "sign-up": "Sign up",
  forgotten: "New password", reset: "New password", verify: "E-mail address",
};

export function App(): JSX.Element {
  const route = useRoute();
  useEffect(() => {
    const title = TITLES[route.name];
    document.title = title ? `${title} – Gypsum` : "Gypsum";
  }, [route.name]);
  if (route.name === "embed") return <Embed token={route.parts["token"] ?? ""} />;
  return (
    <>
      <a class="skip" href="#main">To the content</a>
      <Header />
      <Page route={route} />
      <Announcer />
    </>
  );
}

function Page({ route }: { route: Route }): JSX.Element {
  const me = useStore(session);
  const problem = useStore(unreachable);
  switch (route.name) {
    case "gallery": return <Gallery />;
    case "shared": return <SharedScan token={route.parts["token"] ?? ""} />;
    case "lost": return <Lost />;
    case "forgotten": return <Forgotten />;
    case "reset": return <Reset token={route.parts["token"] ?? ""} />;
    case "verify": return <Verify token={route.parts["token"] ?? ""} />;
  }
  if (problem) {
    const again = <Button icon="refresh" onClick={() => void restore()}>Try again</Button>;
    return <main id="main" class="narrow"><Notice tone="problem" action={again}>{problem}</Notice></main>;
  }
  if (me === undefined) return <main id="main" class="narrow"><Loading /></main>;
  if (me === null) {
    if (route.name === "home") return <Welcome />;
    if (route.name === "sign-up") return <SignIn key="up" fresh />;
    if (route.name === "sign-in") return <SignIn key="in" fresh={false} />;
    return <Entrance />;
  }
  switch (route.name) {
    case "new": return <NewScan />;
    case "scan": return <ScanPage key={route.parts["id"]} id={route.parts["id"] ?? ""} />;
    case "account": return <Account me={me} />;
    case "home": return <Library />;
    default: return <Home />;
  }
}

/** Guests who ask for a page of their own sign in first, and then get there. */
function Entrance(): JSX.Element {
  const place = usePlace();
  useEffect(() => go(`/sign-in?to=${encodeURIComponent(place)}`, { replace: true }), [place]);
  return <main id="main" class="narrow"><Loading /></main>;
}

/** Those who are signed in already have nothing to do at the door. */
function Home(): JSX.Element {
  useEffect(() => go("/", { replace: true }), []);
  return <Library />;
}
