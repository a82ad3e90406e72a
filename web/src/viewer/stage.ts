/** A scene with one model in it, seen by turning around it. Y is up. */
import {
  AmbientLight, Box3, Box3Helper, Color, DirectionalLight, HemisphereLight,
  PerspectiveCamera, Quaternion, Scene, Spherical, Vector3, WebGLRenderer,
} from "three";
import { OrbitControls } from "three/addons/controls/OrbitControls.js";
import type { Bounds, Triple } from "./bounds.ts";
import type { Loaded } from "./load.ts";
import { Look, type Shading } from "./look.ts";
import { Ruler } from "./ruler.ts";

const FIELD_OF_VIEW = 40;
/** From where a model is seen first: a little from above, a little from the side. */
const FIRST_SIGHT = new Vector3(0.5, 0.36, 0.8).normalize();
/** Radians of a turn by a key. */
const TURN = Math.PI / 18;
const UP = new Vector3(0, 1, 0);
const ZOOM = 1.15;
/** Around what is seen at first, for the tools. */
const ROOM = 1.3;

export class Stage {
  private readonly renderer: WebGLRenderer;
  private readonly scene = new Scene();
  private readonly camera = new PerspectiveCamera(FIELD_OF_VIEW, 1, 0.01, 1000);
  private readonly controls: OrbitControls;
  private readonly watcher: ResizeObserver;
  private readonly frame = new Box3();
  private readonly frameLines = new Box3Helper(this.frame, new Color(0xd9622b));
  private readonly center = new Vector3();
  private radius = 1;
  /** How the model is turned against its file. */
  private readonly turned = new Quaternion();
  private model: Loaded | null = null;
  private look: Look | null = null;
  /** The next frame, when one was asked for: a model at rest costs nothing. */
  private frameAsked = 0;
  readonly ruler: Ruler;

  constructor(
    private readonly canvas: HTMLCanvasElement,
    label: HTMLElement,
  ) {
    this.renderer = new WebGLRenderer({ canvas, antialias: true, alpha: true, preserveDrawingBuffer: true });
    this.renderer.setPixelRatio(Math.min(devicePixelRatio, 2));
    this.controls = new OrbitControls(this.camera, canvas);
    this.controls.enableDamping = !matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.controls.dampingFactor = 0.1;
    this.controls.addEventListener("change", this.redraw);
    const lamp = new DirectionalLight(0xffffff, 1.1);
    lamp.position.set(0.6, 0.9, 1);
    this.camera.add(lamp);
    this.frameLines.visible = false;
    this.scene.add(new HemisphereLight(0xffffff, 0xb0a89c, 1.5), new AmbientLight(0xffffff, 0.8), this.camera, this.frameLines);
    this.ruler = new Ruler(this.scene, this.camera, canvas, label, this.redraw);
    this.watcher = new ResizeObserver(() => this.resize());
    this.watcher.observe(canvas);
    this.resize();
  }

  readonly redraw = (): void => {
    this.frameAsked ||= requestAnimationFrame(this.draw);
  };

  show(loaded: Loaded): void {
    this.clear();
    this.model = loaded;
    this.turned.identity();
    loaded.prepare(this.scene, this.renderer, this.redraw);
    this.scene.add(loaded.object);
    this.center.fromArray(loaded.center);
    this.radius = loaded.radius;
    this.camera.near = this.radius / 200;
    this.camera.far = this.radius * 100;
    this.controls.minDistance = this.radius / 50;
    this.controls.maxDistance = this.radius * 20;
    this.look = loaded.kind === "mesh" ? new Look(loaded.object) : null;
    this.ruler.target(loaded.object, loaded.kind, this.radius, this.center);
    this.fit();
  }

  /** Of the model, nearly all of it. */
  get bounds(): Bounds {
    const box = this.model?.bounds ?? new Box3(new Vector3(-1, -1, -1), new Vector3(1, 1, 1));
    return { low: box.min.toArray() as Triple, high: box.max.toArray() as Triple };
  }

  /** What of the model's file points up as it is shown now. */
  get up(): Triple {
    return UP.clone().applyQuaternion(this.turned.clone().invert()).toArray() as Triple;
  }

  /** A quarter of a turn, as it is shown. */
  quarter(axis: "x" | "z"): void {
    this.turn(new Quaternion().setFromAxisAngle(axis === "x" ? new Vector3(1, 0, 0) : new Vector3(0, 0, 1), Math.PI / 2));
  }

  /** Make a plane through three places the ground: the model's middle is above it. */
  lay(a: Vector3, b: Vector3, c: Vector3): void {
    const normal = b.clone().sub(a).cross(c.clone().sub(a)).normalize();
    if (normal.dot(this.center.clone().sub(a)) < 0) normal.negate();
    if (normal.lengthSq() > 0.5) this.turn(new Quaternion().setFromUnitVectors(normal, UP));
  }

  /** As its file has it. */
  unturn(): void {
    this.turn(this.turned.clone().invert());
  }

  /** Turn the model, as it is shown, about its middle; it stays in the middle of the view. */
  private turn(turn: Quaternion): void {
    if (!this.model) return;
    const { object } = this.model;
    object.position.sub(this.center).applyQuaternion(turn).add(this.center);
    object.quaternion.premultiply(turn);
    object.updateMatrixWorld(true);
    this.turned.premultiply(turn);
    this.redraw();
  }

  shade(shading: Shading): void {
    this.look?.shade(shading);
    this.redraw();
  }

  box(bounds: Bounds | null): void {
    this.frameLines.visible = bounds !== null;
    if (bounds) this.frame.set(new Vector3(...bounds.low), new Vector3(...bounds.high));
    this.redraw();
  }

  fit(): void {
    this.camera.position.copy(this.center).addScaledVector(FIRST_SIGHT, this.away());
    this.controls.target.copy(this.center);
    this.camera.updateProjectionMatrix();
    this.controls.update();
    this.redraw();
  }

  /** From where, along the first sight, all corners of the model's box are in the picture. */
  private away(): number {
    const right = new Vector3().crossVectors(UP, FIRST_SIGHT).normalize();
    const above = new Vector3().crossVectors(FIRST_SIGHT, right);
    const slope = Math.tan((FIELD_OF_VIEW / 2) * Math.PI / 180) / ROOM;
    const { low, high } = this.bounds;
    return Math.max(...[0, 1, 2, 3, 4, 5, 6, 7].map((number) => {
      const [x, y, z] = [0, 1, 2].map((axis) => ((number >> axis) & 1 ? high : low)[axis] ?? 0) as Triple;
      const corner = new Vector3(x, y, z).sub(this.center);
      const spread = Math.max(Math.abs(corner.dot(right)) / this.camera.aspect, Math.abs(corner.dot(above)));
      return corner.dot(FIRST_SIGHT) + spread / slope;
    }));
  }

  /** By the keyboard; whether the key means anything. */
  key(name: string): boolean {
    const steps: Record<string, [across: number, up: number, nearer: number]> = {
      ArrowLeft: [-TURN, 0, 1], ArrowRight: [TURN, 0, 1], ArrowUp: [0, -TURN, 1], ArrowDown: [0, TURN, 1],
      "+": [0, 0, 1 / ZOOM], "=": [0, 0, 1 / ZOOM], "-": [0, 0, ZOOM],
    };
    const step = steps[name];
    if (!step) return false;
    const way = new Spherical().setFromVector3(this.camera.position.clone().sub(this.controls.target));
    way.theta += step[0];
    way.phi += step[1];
    way.radius *= step[2];
    way.makeSafe();
    this.camera.position.copy(this.controls.target).add(new Vector3().setFromSpherical(way));
    this.controls.update();
    return true;
  }

  picture(): Promise<Blob | null> {
    this.renderer.render(this.scene, this.camera);
    return new Promise((resolve) => this.canvas.toBlob(resolve, "image/png"));
  }

  close(): void {
    this.watcher.disconnect();
    this.clear();
    this.ruler.close();
    cancelAnimationFrame(this.frameAsked);
    this.controls.dispose();
    this.renderer.dispose();
  }

  private clear(): void {
    this.ruler.off();
    this.look?.dispose();
    if (!this.model) return;
    this.scene.remove(this.model.object);
    this.model.dispose();
    this.model = null;
  }

  private resize(): void {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    if (width === 0 || height === 0) return;
    this.renderer.setSize(width, height, false);
    this.camera.aspect = width / height;
    this.camera.updateProjectionMatrix();
    this.redraw();
  }

  private readonly draw = (): void => {
    this.frameAsked = 0;
    // While a turn swings out, this changes the camera, which asks for the next frame.
    this.controls.update();
    this.ruler.follow();
    this.renderer.render(this.scene, this.camera);
  };
}

