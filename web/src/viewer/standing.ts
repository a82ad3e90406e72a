/** How a scan's model was turned and scaled against the scan's own frame, by its options. */
import type { Scan } from "../api/types.ts";
import type { Bounds, Triple } from "./bounds.ts";

export interface Standing {
  /** What of the scan's frame points up, of length one; Z is up there. */
  up: Triple;
  scale: number;
}

export function standingOf(scan: Scan): Standing {
  const { up, scale } = scan.options;
  return { up: Array.isArray(up) ? (up as Triple) : [0, 0, 1], scale: typeof scale === "number" ? scale : 1 };
}

/** A direction in the viewer's frame, whose Y is up, in the scan's frame. */
export function toScan({ up }: Standing, [x, y, z]: Triple): Triple {
  return turnedBack(up, [x, -z, y]);
}

/**
 * Two opposite corners in the scan's frame of the box that holds one of the viewer's frame. Of a
 * model that was turned by other than quarters it is the larger of the two.
 */
export function boxInScan({ up, scale }: Standing, { low, high }: Bounds): number[] {
  const corners = [0, 1, 2, 3, 4, 5, 6, 7].map((number): Triple => {
    const [x, y, z] = [0, 1, 2].map((axis) => ((number >> axis) & 1 ? high : low)[axis] ?? 0) as Triple;
    return turnedBack(up, [x / scale, -z / scale, y / scale]);
  });
  const along = (axis: number): number[] => corners.map((corner) => corner[axis] ?? 0);
  return [...[0, 1, 2].map((axis) => Math.min(...along(axis))), ...[0, 1, 2].map((axis) => Math.max(...along(axis)))];
}

/** The reverse of the smallest turn that takes `up` to Z, which gypsum.pipelines.standing makes. */
function turnedBack([x, y, z]: Triple, [a, b, c]: Triple): Triple {
  if (z < -1 + 1e-9) return [a, -b, -c];
  const shared = (x * a + y * b) / (1 + z);
  return [a - x * shared + x * c, b - y * shared + y * c, z * c - x * a - y * b];
}
