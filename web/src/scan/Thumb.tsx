/** A small picture of a photo that is still here. */
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Icon } from "../parts/Icon.tsx";

const SIDE = 96;

const SHOWN = /^image\/(jpeg|png|webp|avif|gif)$/;

export function Thumb({ file }: { file: File }): JSX.Element {
  const [source, setSource] = useState("");
  useEffect(() => {
    if (!SHOWN.test(file.type)) return undefined;
    let url = "";
    let gone = false;
    // Decoded small: hundreds of whole photos would fill a phone's memory.
    const small = async (): Promise<void> => {
      const bitmap = await createImageBitmap(file, { resizeWidth: SIDE, resizeQuality: "low" });
      const canvas = Object.assign(document.createElement("canvas"), { width: bitmap.width, height: bitmap.height });
      canvas.getContext("2d")?.drawImage(bitmap, 0, 0);
      bitmap.close();
      canvas.toBlob((blob) => {
        if (!blob || gone) return;
        setSource((url = URL.createObjectURL(blob)));
      }, "image/jpeg", 0.7);
    };
    small().catch(() => setSource(""));
    return () => {
      gone = true;
      URL.revokeObjectURL(url);
    };
  }, [file]);
  if (!source) return <Icon name={file.type.startsWith("image") ? "picture" : "file"} />;
  return <img class="thumb" src={source} alt="" />;
}
