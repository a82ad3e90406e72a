/** Files to what three.js shows. */
import { Box3, type BufferGeometry, DoubleSide, Mesh, type Object3D, Points, PointsMaterial, type Scene, Vector3, type WebGLRenderer } from "three";
import { GLTFLoader } from "three/addons/loaders/GLTFLoader.js";
import { MeshoptDecoder } from "three/addons/libs/meshopt_decoder.module.js";
import { PLYLoader } from "three/addons/loaders/PLYLoader.js";
import { Failure, UNREACHABLE } from "../api/client.ts";
import type { Kind } from "../scan/results.ts";
import type { Result } from "../api/types.ts";
import type { Triple } from "./bounds.ts";

export interface Loaded {
  kind: Kind;
  object: Object3D;
  bounds: Box3;
  center: Triple;
  radius: number;
  /** For splats, which have a renderer of their own. */
  prepare: (scene: Scene, renderer: WebGLRenderer, redraw: () => void) => void;
  dispose: () => void;
}

/** After so long without a byte a connection is taken for dead. */
const SILENT_MS = 30_000;
/** Of points this share may be anywhere. */
const STRAY = 0.02;
/** Points of which the quantiles are taken. */
const SAMPLE = 20_000;

export async function load(kind: Kind, result: Result, progress: (share: number) => void): Promise<Loaded> {
  const bytes = await fetchBytes(result, progress);
  if (kind === "splats") return (await import("./splats.ts")).loadSplats(bytes, result.name);
  return kind === "points" ? loadPoints(bytes) : loadMesh(bytes);
}

async function fetchBytes(result: Result, progress: (share: number) => void): Promise<ArrayBuffer> {
  const abort = new AbortController();
  let timer = 0;
  const heard = (): void => {
    clearTimeout(timer);
    timer = window.setTimeout(() => abort.abort(), SILENT_MS);
  };
  const lost = (): never => {
    throw new Failure(UNREACHABLE, 0);
  };
  heard();
  const bytes = new Uint8Array(result.bytes);
  const parts: Uint8Array[] = [];
  let have = 0;
  try {
    const response = await fetch(result.url, { signal: abort.signal }).catch(lost);
    if (!response.ok || !response.body) throw new Failure("The model can't be fetched; load the page again.", response.status);
    const reader = response.body.getReader();
    for (;;) {
      const { done, value } = await reader.read().catch(lost);
      if (done) break;
      heard();
      parts.push(value);
      have += value.length;
      progress(Math.min(1, have / Math.max(1, result.bytes)));
    }
  } finally {
    clearTimeout(timer);
  }
  const whole = have === bytes.length ? bytes : new Uint8Array(have);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole.buffer;
}

async function loadMesh(bytes: ArrayBuffer): Promise<Loaded> {
  const loader = new GLTFLoader();
  loader.setMeshoptDecoder(MeshoptDecoder);
  const object = (await loader.parseAsync(bytes, "")).scene;
  object.traverse((part) => {
    if (part instanceof Mesh && !Array.isArray(part.material)) part.material.side = DoubleSide;
  });
  const bounds = new Box3().setFromObject(object);
  return seen("mesh", object, bounds, () => object.traverse((part) => {
    if (part instanceof Mesh) (part.geometry as BufferGeometry).dispose();
  }));
}

function loadPoints(bytes: ArrayBuffer): Loaded {
  const geometry = new PLYLoader().parse(bytes);
  const vertexColors = geometry.hasAttribute("color");
  const object = new Points(geometry, new PointsMaterial({ size: 2, sizeAttenuation: false, vertexColors }));
  const position = geometry.getAttribute("position");
  return seen("points", object, quantiles((index, axis) => position.getComponent(index, axis), position.count), () => geometry.dispose());
}

/** A box that holds nearly all of many places. */
export function quantiles(at: (index: number, axis: number) => number, count: number): Box3 {
  const step = Math.max(1, Math.floor(count / SAMPLE));
  const box = new Box3();
  for (let axis = 0; axis < 3; axis++) {
    const values: number[] = [];
    for (let index = 0; index < count; index += step) values.push(at(index, axis));
    values.sort((a, b) => a - b);
    const pick = (share: number): number => values[Math.floor(share * (values.length - 1))] ?? 0;
    box.min.setComponent(axis, pick(STRAY));
    box.max.setComponent(axis, pick(1 - STRAY));
  }
  return box;
}

export function seen(kind: Kind, object: Object3D, bounds: Box3, dispose: () => void): Loaded {
  const center = bounds.getCenter(new Vector3());
  const radius = Math.max(1e-6, bounds.getSize(new Vector3()).length() / 2);
  return { kind, object, bounds, center: center.toArray() as Triple, radius, prepare: () => undefined, dispose };
}
