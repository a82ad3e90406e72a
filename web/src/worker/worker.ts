/** Keeps the page's shell, so that it opens at once and without a connection. Never what people made. */
declare const SHELL: string[];
declare const VERSION: string;

const scope = self as unknown as ServiceWorkerGlobalScope;
const NAME = `gypsum-${VERSION}`;

interface ExtendableEvent extends Event {
  waitUntil: (what: Promise<unknown>) => void;
}

interface FetchEvent extends ExtendableEvent {
  request: Request;
  respondWith: (response: Promise<Response>) => void;
}

interface ServiceWorkerGlobalScope {
  addEventListener: ((kind: "install" | "activate", act: (event: ExtendableEvent) => void) => void) &
    ((kind: "fetch", act: (event: FetchEvent) => void) => void);
  skipWaiting: () => Promise<void>;
  clients: { claim: () => Promise<void> };
}

async function install(): Promise<void> {
  await (await caches.open(NAME)).addAll(SHELL);
  await scope.skipWaiting();
}

async function tidy(): Promise<void> {
  const old = (await caches.keys()).filter((name) => name.startsWith("gypsum-") && name !== NAME);
  await Promise.all(old.map((name) => caches.delete(name)));
  await scope.clients.claim();
}

/** The newest page where there is a connection. */
async function page(request: Request): Promise<Response> {
  try {
    return await fetch(request);
  } catch (error) {
    const kept = await caches.match("/");
    if (kept) return kept;
    throw error;
  }
}

const asset = async (request: Request): Promise<Response> =>
  (await caches.match(request)) ?? fetch(request);

scope.addEventListener("install", (event) => event.waitUntil(install()));
scope.addEventListener("activate", (event) => event.waitUntil(tidy()));
scope.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  if (event.request.method !== "GET" || url.origin !== location.origin) return;
  if (url.pathname.startsWith("/embed/")) return;
  if (SHELL.includes(url.pathname) && url.pathname !== "/") event.respondWith(asset(event.request));
  else if (event.request.mode === "navigate" && !url.pathname.startsWith("/api/")) event.respondWith(page(event.request));
});
