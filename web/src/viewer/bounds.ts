/** A box in the viewer's frame, whose Y is up. */

export type Triple = [x: number, y: number, z: number];

export interface Bounds {
  low: Triple;
  high: Triple;
}

/** Of the axis a part, where 0 is the lowest and 1 the highest. */
export const between = (low: number, high: number, share: number): number => low + (high - low) * share;

/** `1.24 × 0.8 × 1.02` */
export function extent({ low, high }: Bounds): string {
  return low.map((value, axis) => ((high[axis] ?? 0) - value).toPrecision(3)).join(" × ");
}
