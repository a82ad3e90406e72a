/** Where files come in: dropped, chosen, or taken with the phone's camera. */
import type { JSX } from "preact";
import { useRef, useState } from "preact/hooks";
import { Icon } from "../parts/Icon.tsx";
import { dropped } from "./dropped.ts";

interface Props {
  /** Suffixes. */
  accepts: readonly string[];
  /** Whether photos and clips are among them. */
  photos: boolean;
  add: (files: File[]) => void;
  /** There are files already. */
  small: boolean;
}

export function DropZone({ accepts, photos, add, small }: Props): JSX.Element {
  const [over, setOver] = useState(false);
  const chooser = useRef<HTMLInputElement>(null);
  const camera = useRef<HTMLInputElement>(null);
  const take = (input: HTMLInputElement): void => {
    add([...(input.files ?? [])]);
    input.value = "";
  };
  const drag = (inside: boolean) => (event: DragEvent): void => {
    event.preventDefault();
    setOver(inside);
  };
  const drop = (event: DragEvent): void => {
    drag(false)(event);
    if (event.dataTransfer) void dropped(event.dataTransfer).then(add);
  };
  // Phones offer their library of photos only for these.
  const kinds = [...accepts, ...(photos ? ["image/*", "video/*"] : [])].join(",");
  return (
    <div class={`drop${over ? " over" : ""}${small ? " small" : ""}`} onDragEnter={drag(true)} onDragOver={drag(true)} onDragLeave={drag(false)} onDrop={drop}>
      <Icon name="upload" />
      <p><b>Drop {photos ? "photos or a clip" : "files"} here</b>{small ? "" : photos ? "Also whole folders and zips. 30 to 60 sharp photos with much overlap are good." : "What the scanning app exports as a zip, or point clouds of a laser scanner."}</p>
      <div class="drop-buttons">
        <button type="button" class="button main" onClick={() => chooser.current?.click()}><Icon name="file" /><span>Choose files</span></button>
        {photos && (
          <button type="button" class="button plain touch" onClick={() => camera.current?.click()}><Icon name="camera" /><span>Take a photo</span></button>
        )}
      </div>
      <input ref={chooser} class="unseen" type="file" multiple accept={kinds} tabIndex={-1} aria-label="Files" onChange={(event) => take(event.currentTarget)} />
      <input ref={camera} class="unseen" type="file" accept="image/*" capture="environment" tabIndex={-1} aria-label="Photo from the camera" onChange={(event) => take(event.currentTarget)} />
    </div>
  );
}
