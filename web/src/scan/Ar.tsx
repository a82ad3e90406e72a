/** The model in one's room, on phones that can. */
import type { JSX } from "preact";
import type { Result } from "../api/types.ts";
import { Icon } from "../parts/Icon.tsx";

interface Props {
  results: readonly Result[];
  title: string;
}

/** Quick Look wants a link of this kind with a picture in it. */
const QUICK_LOOK = document.createElement("a").relList.supports("ar");
const ANDROID = /\bAndroid\b/.test(navigator.userAgent);

export function Ar({ results, title }: Props): JSX.Element | null {
  const of = (format: string): Result | undefined =>
    results.find((result) => result.kind === "model" && result.format === format);
  const [usdz, glb] = [of("usdz"), of("glb")];
  if (QUICK_LOOK && usdz) {
    return <a class="button ar" rel="ar" href={usdz.url}><img src="/icons/ar.svg" alt="See it in your room" /></a>;
  }
  // Scene Viewer loads the file itself, and over TLS alone.
  if (ANDROID && glb && location.protocol === "https:") {
    return <a class="button plain" href={sceneViewer(new URL(glb.url, location.href), title)}><Icon name="phone" /><span>See it in your room</span></a>;
  }
  return null;
}

function sceneViewer(file: URL, title: string): string {
  const query = new URLSearchParams({ file: file.href, mode: "ar_preferred", title });
  const back = encodeURIComponent(location.href);
  return `intent://arvr.google.com/scene-viewer/1.2?${query.toString()}#Intent;scheme=https;` +
    `package=com.google.android.googlequicksearchbox;action=android.intent.action.VIEW;S.browser_fallback_url=${back};end;`;
}
