import { render } from "preact";
import { App } from "./app.tsx";
import { startRouter } from "./router.ts";
import { restore } from "./state/session.ts";
import "./styles/index.css";

startRouter();
void restore();
const root = document.getElementById("app");
if (root) render(<App />, root);
if ("serviceWorker" in navigator && !location.pathname.startsWith("/embed/")) {
  void navigator.serviceWorker.register("/sw.js");
}
