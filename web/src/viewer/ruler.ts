/** The distance between two places that are clicked. */
import {
  BufferGeometry, Line, LineBasicMaterial, Mesh, MeshBasicMaterial, type Object3D,
  type PerspectiveCamera, Raycaster, type Scene, SphereGeometry, Vector2, Vector3,
} from "three";
import type { Kind } from "../scan/results.ts";

/** Fingers and mice that move less, in pixels, click. */
const STILL = 6;
/** Points within so many pixels can be picked. */
const NEAR = 7;
/** Between splats one sees the far side: what is nearest around a place counts. */
const AROUND = [[0, 0], [3, 0], [-3, 0], [0, 3], [0, -3]] as const;

export class Ruler {
  /** Drawn over everything; transparent, so that splats come before. */
  private readonly ink = { color: 0xd9622b, depthTest: false, transparent: true };
  private readonly line = new Line(new BufferGeometry(), new LineBasicMaterial(this.ink));
  private readonly marks = [0, 1].map(() => new Mesh(new SphereGeometry(1, 20, 14), new MeshBasicMaterial(this.ink)));
  private ends: Vector3[] = [];
  private object: Object3D | null = null;
  private kind: Kind = "mesh";
  private radius = 1;
  private center = new Vector3();
  private pressed: Vector2 | null = null;
  private active = false;
  /** Told what to do next. */
  hint: (text: string) => void = () => undefined;

  constructor(
    scene: Scene,
    private readonly camera: PerspectiveCamera,
    private readonly canvas: HTMLCanvasElement,
    private readonly label: HTMLElement,
    private readonly redraw: () => void,
  ) {
    this.line.frustumCulled = false;
    this.line.renderOrder = 10;
    for (const mark of this.marks) mark.renderOrder = 11;
    scene.add(this.line, ...this.marks);
    canvas.addEventListener("pointerdown", this.press);
    canvas.addEventListener("pointerup", this.release);
    this.draw();
  }

  target(object: Object3D, kind: Kind, radius: number, center: Vector3): void {
    [this.object, this.kind, this.radius, this.center] = [object, kind, radius, center];
  }

  on(): void {
    this.active = true;
    this.ends = [];
    this.draw();
    this.hint("Click two places on the model");
  }

  off(): void {
    this.active = false;
    this.ends = [];
    this.draw();
    this.hint("");
  }

  close(): void {
    this.canvas.removeEventListener("pointerdown", this.press);
    this.canvas.removeEventListener("pointerup", this.release);
  }

  /** Marks keep their size on the screen; the number stays by the middle of the line. */
  follow(): void {
    this.camera.updateMatrixWorld();
    for (const mark of this.marks) mark.scale.setScalar(this.camera.position.distanceTo(mark.position) * 0.006);
    const [from, to] = this.ends;
    if (!from || !to) return;
    const middle = from.clone().add(to).multiplyScalar(0.5).project(this.camera);
    const x = (middle.x + 1) / 2 * this.canvas.clientWidth;
    const y = (1 - middle.y) / 2 * this.canvas.clientHeight;
    this.label.style.transform = `translate(${Math.round(x + 12)}px, ${Math.round(y - 30)}px)`;
    this.label.hidden = middle.z > 1;
  }

  private readonly press = (event: PointerEvent): void => {
    this.pressed = event.isPrimary ? new Vector2(event.clientX, event.clientY) : null;
  };

  private readonly release = (event: PointerEvent): void => {
    const still = this.pressed && this.pressed.distanceTo(new Vector2(event.clientX, event.clientY)) < STILL;
    this.pressed = null;
    if (still && this.active) this.click(event);
  };

  private click(event: PointerEvent): void {
    const frame = this.canvas.getBoundingClientRect();
    const place = this.pick(event.clientX - frame.left, event.clientY - frame.top);
    if (!place) return this.hint("There is nothing there; click on the model");
    this.ends = this.ends.length === 2 ? [place] : [...this.ends, place];
    this.hint(this.ends.length === 1 ? "Click the second place" : "Click again for another distance");
    this.draw();
  }

  private pick(x: number, y: number): Vector3 | undefined {
    if (this.kind !== "splats") return this.hit(x, y);
    const found = AROUND.map(([dx, dy]) => this.hit(x + dx, y + dy)).filter((place) => place !== undefined);
    const away = (place: Vector3): number => place.distanceTo(this.camera.position);
    return found.sort((a, b) => away(a) - away(b))[0];
  }

  private hit(x: number, y: number): Vector3 | undefined {
    if (!this.object) return undefined;
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const ray = new Raycaster();
    ray.setFromCamera(new Vector2((x / width) * 2 - 1, 1 - (y / height) * 2), this.camera);
    // So many pixels, at the middle's distance.
    const pixel = 2 * Math.tan((this.camera.fov / 2) * Math.PI / 180) / height;
    ray.params.Points = { threshold: NEAR * pixel * this.camera.position.distanceTo(this.center) };
    const hits = ray.intersectObject(this.object, true).filter((hit) => hit.object.type !== "LineSegments");
    const first = hits[0];
    if (!first || this.kind !== "points") return first?.point;
    // Of the points along the ray the one that is nearest to it among the first.
    const near = hits.filter((hit) => hit.distance < first.distance + this.radius * 0.02);
    return near.sort((a, b) => (a.distanceToRay ?? 0) - (b.distanceToRay ?? 0))[0]?.point;
  }

  private draw(): void {
    this.marks.forEach((mark, number) => {
      const end = this.ends[number];
      mark.visible = end !== undefined;
      if (end) mark.position.copy(end);
    });
    const [from, to] = this.ends;
    this.line.visible = from !== undefined && to !== undefined;
    this.label.hidden = !this.line.visible;
    if (from && to) {
      this.line.geometry.setFromPoints([from, to]);
      this.label.textContent = from.distanceTo(to).toPrecision(4);
    }
    // The number is there at once, however long the next frame takes.
    this.follow();
    this.redraw();
  }
}
