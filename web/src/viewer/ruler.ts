/** Places on the model that are clicked: two for a distance, three for a plane. */
import {
  BufferGeometry, LineBasicMaterial, LineLoop, Mesh, MeshBasicMaterial, type Object3D,
  type PerspectiveCamera, Raycaster, type Scene, SphereGeometry, Vector2, Vector3,
} from "three";
import type { Kind } from "../scan/results.ts";

/** Fingers and mice that move less, in pixels, click. */
const STILL = 6;
/** Points within so many pixels can be picked. */
const NEAR = 7;
/** Between splats one sees the far side: what is nearest around a place counts. */
const AROUND = [[0, 0], [3, 0], [-3, 0], [0, 3], [0, -3]] as const;

/** What is asked for with each click, and when all were made. */
const HINTS = {
  2: ["Click two places on the model", "Click the second place", "Click again for another distance"],
  3: ["Click three places on the ground, far apart", "Click the second place", "Click the third place", "Click again for another ground"],
} as const;

export class Ruler {
  /** Drawn over everything; transparent, so that splats come before. */
  private readonly ink = { color: 0xd9622b, depthTest: false, transparent: true };
  private readonly line = new LineLoop(new BufferGeometry(), new LineBasicMaterial(this.ink));
  private readonly marks = [0, 1, 2].map(() => new Mesh(new SphereGeometry(1, 20, 14), new MeshBasicMaterial(this.ink)));
  private places: Vector3[] = [];
  private object: Object3D | null = null;
  private kind: Kind = "mesh";
  private radius = 1;
  private center = new Vector3();
  private pressed: Vector2 | null = null;
  /** So many clicks; 0: none are looked for. */
  private wanted: 0 | 2 | 3 = 0;
  /** Told what to do next. */
  hint: (text: string) => void = () => undefined;
  /** Told of all places, and of none when others are looked for. */
  picked: (places: readonly Vector3[]) => void = () => undefined;
  /** What a length is called. */
  words: (length: number) => string = (length) => length.toPrecision(4);

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

  on(wanted: 2 | 3): void {
    this.wanted = wanted;
    this.start();
    this.hint(HINTS[wanted][0]);
  }

  off(): void {
    this.wanted = 0;
    this.start();
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
    const [from, to] = this.places;
    if (this.wanted !== 2 || !from || !to) return;
    const middle = from.clone().add(to).multiplyScalar(0.5).project(this.camera);
    const x = (middle.x + 1) / 2 * this.canvas.clientWidth;
    const y = (1 - middle.y) / 2 * this.canvas.clientHeight;
    this.label.style.transform = `translate(${Math.round(x + 12)}px, ${Math.round(y - 30)}px)`;
    this.label.hidden = middle.z > 1;
  }

  private start(): void {
    this.places = [];
    this.picked([]);
    this.draw();
  }

  private readonly press = (event: PointerEvent): void => {
    this.pressed = event.isPrimary ? new Vector2(event.clientX, event.clientY) : null;
  };

  private readonly release = (event: PointerEvent): void => {
    const still = this.pressed && this.pressed.distanceTo(new Vector2(event.clientX, event.clientY)) < STILL;
    this.pressed = null;
    if (still && this.wanted) this.click(event, this.wanted);
  };

  private click(event: PointerEvent, wanted: 2 | 3): void {
    const frame = this.canvas.getBoundingClientRect();
    const place = this.pick(event.clientX - frame.left, event.clientY - frame.top);
    if (!place) return this.hint("There is nothing there; click on the model");
    if (this.places.length === wanted) this.start();
    this.places = [...this.places, place];
    this.hint(HINTS[wanted][this.places.length] ?? "");
    this.draw();
    if (this.places.length === wanted) this.picked(this.places);
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
      const place = this.places[number];
      mark.visible = place !== undefined;
      if (place) mark.position.copy(place);
    });
    const [from, to] = this.places;
    this.line.visible = from !== undefined && to !== undefined;
    this.label.hidden = !this.line.visible || this.wanted !== 2;
    if (from && to) {
      this.line.geometry.dispose();
      this.line.geometry = new BufferGeometry().setFromPoints(this.places);
      this.label.textContent = this.words(from.distanceTo(to));
    }
    // The number is there at once, however long the next frame takes.
    this.follow();
    this.redraw();
  }
}
