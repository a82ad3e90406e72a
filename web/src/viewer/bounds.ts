/** A box in the viewer's frame, whose Y is up. */

export type Triple = [x: number, y: number, z: number];

export interface Bounds {
  low: Triple;
  high: Triple;
}

/** Two opposite corners in the scan's frame, whose Z is up: (x, y, z) was shown as (x, z, -y). */
export function toWorld({ low, high }: Bounds): number[] {
  const turned = ([x, y, z]: Triple): Triple => [x, -z, y];
  const [a, b] = [turned(low), turned(high)];
  return [...a.map((value, axis) => Math.min(value, b[axis] ?? 0)), ...a.map((value, axis) => Math.max(value, b[axis] ?? 0))];
}

/** Of the axis a part, where 0 is the lowest and 1 the highest. */
export const between = (low: number, high: number, share: number): number => low + (high - low) * share;

/** `1.24 × 0.8 × 1.02` */
export function extent({ low, high }: Bounds): string {
  return low.map((value, axis) => ((high[axis] ?? 0) - value).toPrecision(3)).join(" × ");
}
