/** The model to look at, with its tools. What draws it is loaded only now. */
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { words } from "../api/client.ts";
import { Button } from "../parts/Button.tsx";
import type { Viewable } from "../scan/results.ts";
import { type Bounds, extent } from "./bounds.ts";
import { CropBox } from "./CropBox.tsx";
import type { Shading } from "./look.ts";
import { Shadings } from "./Shadings.tsx";
import type { Stage } from "./stage.ts";

interface Props {
  name: string;
  viewables: readonly Viewable[];
  /** As large as the window, inside another page. */
  whole?: boolean;
  /** What can be done with a box. */
  cropping?: (box: Bounds) => JSX.Element;
}

/** Browsers' own words for these two help nobody. */
function explained(error: unknown): string {
  const text = words(error);
  if (/webgl/i.test(text)) return "This browser can't draw in 3D; the downloads work all the same.";
  if (/import/i.test(text)) return "A part of the page is missing; load the page again.";
  return text;
}

const TITLES = { mesh: "Model", splats: "Splats", points: "Points" };

export function ViewerFrame({ name, viewables, whole = false, cropping }: Props): JSX.Element {
  const canvas = useRef<HTMLCanvasElement>(null);
  const label = useRef<HTMLDivElement>(null);
  const frame = useRef<HTMLElement>(null);
  const [stage, setStage] = useState<Stage | null>(null);
  const [chosen, setChosen] = useState(0);
  const [state, setState] = useState<"loading" | "shown" | "failed">("loading");
  const [share, setShare] = useState(0);
  const [problem, setProblem] = useState("");
  const [shading, setShading] = useState<Shading>("color");
  const [measuring, setMeasuring] = useState(false);
  const [hint, setHint] = useState("");
  const [box, setBox] = useState<Bounds | null>(null);
  const viewable = viewables[chosen] ?? viewables[0];

  useEffect(() => {
    let made: Stage | null = null;
    let gone = false;
    import("./stage.ts").then(({ Stage }) => {
      if (gone || !canvas.current || !label.current) return;
      made = new Stage(canvas.current, label.current);
      made.ruler.hint = setHint;
      setStage(made);
    }).catch((error: unknown) => {
      setProblem(explained(error));
      setState("failed");
    });
    return () => {
      gone = true;
      made?.close();
    };
  }, []);

  useEffect(() => {
    if (!stage || !viewable) return undefined;
    let gone = false;
    setState("loading");
    setShare(0);
    setBox(null);
    setMeasuring(false);
    const open = async (): Promise<void> => {
      const { load } = await import("./load.ts");
      const loaded = await load(viewable.kind, viewable.result, (share) => gone || setShare(share));
      if (gone) return loaded.dispose();
      stage.show(loaded);
      stage.shade(shading);
      setState("shown");
    };
    open().catch((error: unknown) => {
      if (gone) return;
      setProblem(explained(error));
      setState("failed");
    });
    return () => {
      gone = true;
    };
  }, [stage, viewable?.result.id]);

  useEffect(() => stage?.shade(shading), [stage, shading]);
  useEffect(() => stage?.box(box), [stage, box]);
  useEffect(() => (measuring ? stage?.ruler.on() : stage?.ruler.off()), [stage, measuring]);
  // Both are used on the model itself, of which only the tools may be on the screen.
  const working = measuring || box !== null;
  useEffect(() => {
    if (working) frame.current?.scrollIntoView({ block: "nearest" });
  }, [working]);

  const save = async (): Promise<void> => {
    const picture = await stage?.picture();
    if (!picture) return;
    const url = URL.createObjectURL(picture);
    Object.assign(document.createElement("a"), { href: url, download: `${name || "model"}.png` }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  };
  const fill = (): void => {
    if (document.fullscreenElement) void document.exitFullscreen();
    else void frame.current?.requestFullscreen();
  };
  const ready = state === "shown";

  return (
    <section class={`viewer${whole ? " whole" : ""}`} ref={frame} data-state={state} aria-label={`Viewer of ${name}`}>
      <canvas ref={canvas} tabIndex={0} class={measuring ? "measuring" : ""} role="img"
        aria-label={`${name} in 3D${ready && stage ? `, ${extent(stage.bounds)}` : ""}. Arrow keys turn it, plus and minus zoom.`}
        onKeyDown={(event) => stage?.key(event.key) && event.preventDefault()} />
      <div class="ruler-label" ref={label} hidden />
      {state === "loading" && <p class="viewer-state" role="status"><span class="turning" aria-hidden="true" />{share > 0 && share < 1 ? `Loading ${Math.round(share * 100)} %` : "Loading the model…"}</p>}
      {state === "failed" && <p class="viewer-state" role="alert">{problem}</p>}
      <p class="viewer-hint" role="status">{hint}</p>
      {viewables.length > 1 && (
        <div class="viewer-kinds pills">
          {viewables.map(({ kind, result }, index) => (
            <label key={result.id}>
              <input type="radio" name="viewable" checked={index === chosen} onChange={() => setChosen(index)} />
              <span>{TITLES[kind]}</span>
            </label>
          ))}
        </div>
      )}
      {box && stage && <CropBox whole={stage.bounds} box={box} change={setBox}>{cropping?.(box)}</CropBox>}
      <div class="viewer-tools" role="toolbar" aria-label="Tools of the viewer">
        {viewable?.kind === "mesh" && <Shadings value={shading} change={setShading} />}
        <Button kind="quiet" icon="ruler" label="Measure" pressed={measuring} disabled={!ready} onClick={() => setMeasuring(!measuring)} />
        {cropping && <Button kind="quiet" icon="crop" label="Crop box" pressed={box !== null} disabled={!ready} onClick={() => setBox(box ? null : (stage?.bounds ?? null))} />}
        <Button kind="quiet" icon="camera" label="Save a picture" disabled={!ready} onClick={() => void save()} />
        <Button kind="quiet" icon="refresh" label="See all of it" disabled={!ready} onClick={() => stage?.fit()} />
        {document.fullscreenEnabled && <Button kind="quiet" icon="fit" label="Fill the screen" onClick={fill} />}
      </div>
    </section>
  );
}
