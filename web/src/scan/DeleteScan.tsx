import type { JSX } from "preact";
import { deleteScan } from "../api/scans.ts";
import { Confirm } from "../parts/Confirm.tsx";
import { go } from "../router.ts";
import { announce } from "../state/announce.ts";
import type { Scan } from "../api/types.ts";

export function DeleteScan({ scan, close }: { scan: Scan; close: () => void }): JSX.Element {
  const run = async (): Promise<void> => {
    await deleteScan(scan.id);
    close();
    go("/");
    announce("Deleted.");
  };
  return (
    <Confirm title={`Delete “${scan.title || "Untitled"}”?`} act="Delete for good" run={run} close={close}>
      <p>Photos, models and links to them are gone at once. This can't be undone.</p>
    </Confirm>
  );
}
