/** What is there, what is on its way, and what was refused. */
import type { JSX } from "preact";
import { Bar } from "../parts/Bar.tsx";
import { Button } from "../parts/Button.tsx";
import { Icon } from "../parts/Icon.tsx";
import { size } from "../parts/words.ts";
import type { Sending } from "../uploads/queue.ts";
import type { StoredFile } from "../api/types.ts";
import { Thumb } from "./Thumb.tsx";

interface Props {
  files: readonly StoredFile[];
  sending: readonly Sending[];
  drop: (file: StoredFile) => void;
  cancel: (file: File) => void;
  retry: (file: File) => void;
}

/** Refused ones first: they want to be seen. */
const byName = (a: StoredFile, b: StoredFile): number =>
  Number(b.state === "refused") - Number(a.state === "refused") || a.name.localeCompare(b.name, "en", { numeric: true });

export function FileList({ files, sending, drop, cancel, retry }: Props): JSX.Element {
  const going = sending.filter(({ state }) => state !== "done");
  const underway = new Set(sending.map(({ file }) => `${file.name}|${file.size}`));
  const broken = files.filter((file) => file.state === "uploading" && !underway.has(`${file.name}|${file.bytes}`));
  const there = files.filter(({ state }) => state !== "uploading").sort(byName);
  const moving = going.filter(({ state }) => state !== "failed");
  const bytes = moving.reduce((sum, { file }) => sum + file.size, 0);
  const sent = moving.reduce((sum, item) => sum + item.sent, 0);
  const pictures = new Map(sending.map(({ file }) => [`${file.name}|${file.size}`, file]));
  return (
    <>
      {moving.length > 0 && (
        <div class="overall">
          <p>Sending {size(sent)} of {size(bytes)}</p>
          <Bar done={bytes ? sent / bytes : 0} label="All uploads" />
        </div>
      )}
      <ul class="files">
        {broken.map((file) => (
          <li key={file.id} class="file waiting">
            <Icon name="refresh" />
            <div><b>{file.name}</b><small>{size(file.offset)} of {size(file.bytes)} are there. Choose the same file again, and it goes on.</small></div>
            <Button kind="quiet" icon="close" label={`Remove ${file.name}`} onClick={() => drop(file)} />
          </li>
        ))}
        {going.map((item) => (
          <li key={`${item.file.name}|${item.file.size}|${item.file.lastModified}`} class={`file ${item.state}`}>
            <Thumb file={item.file} />
            <div>
              <b>{item.file.name}</b>
              <small>{item.note ?? `${size(item.sent)} of ${size(item.file.size)}`}</small>
              {item.state !== "failed" && <Bar done={item.file.size ? item.sent / item.file.size : 1} label={item.file.name} />}
            </div>
            {item.state === "failed" && <Button kind="quiet" icon="refresh" label={`Try ${item.file.name} again`} onClick={() => retry(item.file)} />}
            <Button kind="quiet" icon="close" label={`Remove ${item.file.name}`} onClick={() => cancel(item.file)} />
          </li>
        ))}
        {there.map((file) => (
          <li key={file.id} class={`file ${file.state}`}>
            {pictures.has(`${file.name}|${file.bytes}`)
              ? <Thumb file={pictures.get(`${file.name}|${file.bytes}`) as File} />
              : <Icon name={file.state === "ready" ? "check" : "warning"} />}
            <div><b>{file.name}</b><small>{file.problem ?? size(file.bytes)}</small></div>
            <Button kind="quiet" icon="close" label={`Remove ${file.name}`} onClick={() => drop(file)} />
          </li>
        ))}
      </ul>
    </>
  );
}
