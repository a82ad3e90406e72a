/** Splats by Spark, which is large: loaded only for them. */
import { SparkRenderer, SplatMesh } from "@sparkjsdev/spark";
import { Box3, type Scene, Vector3, type WebGLRenderer } from "three";
import { type Loaded, seen } from "./load.ts";
import type { Triple } from "./bounds.ts";

/** In a scene with surroundings, of the half that is nearest to the middle so many times the reach. */
const REACH = 1.6;
const SAMPLE = 20_000;

export async function loadSplats(bytes: ArrayBuffer, name: string): Promise<Loaded> {
  const object = new SplatMesh({ fileBytes: new Uint8Array(bytes), fileName: name });
  await object.initialized;
  const centers: Vector3[] = [];
  const step = Math.max(1, Math.floor(object.numSplats / SAMPLE));
  object.forEachSplat((index, center) => {
    if (index % step === 0) centers.push(center.clone());
  });
  const middle = new Vector3(...([0, 1, 2] as const).map((axis) => median(centers.map((c) => c.getComponent(axis)))));
  const reach = Math.max(1e-6, REACH * median(centers.map((center) => center.distanceTo(middle))));
  const bounds = new Box3(middle.clone().subScalar(reach), middle.clone().addScalar(reach));
  let spark: SparkRenderer | null = null;
  const loaded = seen("splats", object, bounds, () => {
    spark?.parent?.remove(spark);
    object.dispose();
  });
  const prepare = (scene: Scene, renderer: WebGLRenderer, redraw: () => void): void => {
    // They are sorted in the background, and come out anew when that is done.
    scene.add((spark = new SparkRenderer({ renderer, onDirty: redraw })));
  };
  return { ...loaded, center: middle.toArray() as Triple, radius: reach, prepare };
}

function median(values: number[]): number {
  values.sort((a, b) => a - b);
  return values[values.length >> 1] ?? 0;
}
