/** The model to look at, with its tools. What draws it is loaded only now. */
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { words } from "../api/client.ts";
import { Button } from "../parts/Button.tsx";
import { length } from "../parts/words.ts";
import type { Viewable } from "../scan/results.ts";
import { type Bounds, extent } from "./bounds.ts";
import { CropBox } from "./CropBox.tsx";
import type { Shading } from "./look.ts";
import { Shadings } from "./Shadings.tsx";
import type { Stage } from "./stage.ts";
import { type Change, type Picking, StandPanel } from "./StandPanel.tsx";

interface Props {
  name: string;
  viewables: readonly Viewable[];
  /** As large as the window, inside another page. */
  whole?: boolean;
  /** What can be done with a box. */
  cropping?: (box: Bounds) => JSX.Element;
  /** What can be done with how the model was turned and measured. */
  standing?: (change: Change) => JSX.Element;
  /** Whether its unit is known to be the metre. */
  metric?: boolean;
}

type Tool = "" | "measure" | "crop" | "stand";

/** Browsers' own words for these two help nobody. */
function explained(error: unknown): string {
  const text = words(error);
  if (/webgl/i.test(text)) return "This browser can't draw in 3D; the downloads work all the same.";
  if (/import/i.test(text)) return "A part of the page is missing; load the page again.";
  return text;
}

const bare = (length: number): string => length.toPrecision(4);

const UNCHANGED: Change = { up: [0, 1, 0], scale: 1 };

const TITLES = { mesh: "Model", splats: "Splats", points: "Points" };

export function ViewerFrame({ name, viewables, whole = false, cropping, standing, metric = false }: Props): JSX.Element {
  const canvas = useRef<HTMLCanvasElement>(null);
  const label = useRef<HTMLDivElement>(null);
  const frame = useRef<HTMLElement>(null);
  const [stage, setStage] = useState<Stage | null>(null);
  const [chosen, setChosen] = useState(0);
  const [state, setState] = useState<"loading" | "shown" | "failed">("loading");
  const [share, setShare] = useState(0);
  const [problem, setProblem] = useState("");
  const [shading, setShading] = useState<Shading>("color");
  const [tool, setTool] = useState<Tool>("");
  const [picking, setPicking] = useState<Picking>("length");
  const [measured, setMeasured] = useState<number | null>(null);
  const [change, setChange] = useState<Change>(UNCHANGED);
  const [hint, setHint] = useState("");
  const [box, setBox] = useState<Bounds | null>(null);
  const said = metric ? length : bare;
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
    setTool("");
    setChange(UNCHANGED);
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
  useEffect(() => {
    if (!stage) return;
    stage.ruler.words = said;
    stage.ruler.picked = (places) => {
      const [a, b, c] = places;
      setMeasured(a && b && !c ? a.distanceTo(b) : null);
      setChange((change) => ({ ...change, scale: 1 }));
      if (a && b && c) turned(stage, () => stage.lay(a, b, c));
    };
    if (tool === "measure" || tool === "stand") stage.ruler.on(tool === "stand" && picking === "ground" ? 3 : 2);
    else stage.ruler.off();
  }, [stage, tool, picking]);
  // They are used on the model itself, of which only the tools may be on the screen.
  useEffect(() => {
    if (tool) frame.current?.scrollIntoView({ block: "nearest" });
  }, [tool]);

  const take = (wanted: Tool): void => {
    const next = tool === wanted ? "" : wanted;
    // A turn that was not written is none for the other tools.
    if (tool === "stand") stage?.unturn();
    setChange(UNCHANGED);
    setTool(next);
    setPicking("length");
    setBox(next === "crop" ? (stage?.bounds ?? null) : null);
  };
  const turned = (stage: Stage, turn: () => void): void => {
    turn();
    setPicking("length");
    stage.ruler.on(2);
    setChange({ up: stage.up, scale: 1 });
  };
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
      <canvas ref={canvas} tabIndex={0} class={tool === "measure" || tool === "stand" ? "measuring" : ""} role="img"
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
      {tool === "stand" && stage && (
        <StandPanel key={measured} picking={picking} pick={setPicking} measured={measured} words={said}
          turn={(axis) => turned(stage, () => stage.quarter(axis))} scaled={(scale) => setChange({ ...change, scale })}>
          {standing?.(change)}
        </StandPanel>
      )}
      <div class="viewer-tools" role="toolbar" aria-label="Tools of the viewer">
        {viewable?.kind === "mesh" && <Shadings value={shading} change={setShading} />}
        <Button kind="quiet" icon="ruler" label="Measure" pressed={tool === "measure"} disabled={!ready} onClick={() => take("measure")} />
        {cropping && <Button kind="quiet" icon="crop" label="Crop box" pressed={tool === "crop"} disabled={!ready} onClick={() => take("crop")} />}
        {standing && <Button kind="quiet" icon="axes" label="Up and size" pressed={tool === "stand"} disabled={!ready} onClick={() => take("stand")} />}
        <Button kind="quiet" icon="camera" label="Save a picture" disabled={!ready} onClick={() => void save()} />
        <Button kind="quiet" icon="refresh" label="See all of it" disabled={!ready} onClick={() => stage?.fit()} />
        {document.fullscreenEnabled && <Button kind="quiet" icon="fit" label="Fill the screen" onClick={fill} />}
      </div>
    </section>
  );
}
