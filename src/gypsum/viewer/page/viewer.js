// The page of `gypsum view`: one model, seen by orbiting or walking, with a ruler. Y is up.
import {
  AmbientLight, BufferGeometry, Color, DirectionalLight, DoubleSide, GLTFLoader, HemisphereLight, Line,
  LineBasicMaterial, Mesh, MeshBasicMaterial, OrbitControls, PLYLoader, PerspectiveCamera, Points,
  PointsMaterial, Raycaster, Scene, SparkRenderer, SphereGeometry, SplatFileType, SplatMesh, Vector2,
  Vector3, WebGLRenderer,
} from "./libraries.js";

const $ = (id) => document.getElementById(id);
const BACKGROUNDS = ["#d9dde2", "#ffffff", "#14181d", "#000000", "#3f6f4a"];
const FIELD_OF_VIEW = 45;
/** Radii a second. */
const WALKING = 0.7;
/** Fingers and mice that move less, in pixels, click. */
const STILL = 6;
/** Points within so many pixels can be picked. */
const NEAR = 7;

const dark = matchMedia("(prefers-color-scheme: dark)").matches;
const canvas = $("view");
const renderer = new WebGLRenderer({ canvas, preserveDrawingBuffer: true, antialias: true });
const scene = new Scene();
const camera = new PerspectiveCamera(FIELD_OF_VIEW, 1, 0.01, 1000);
const controls = new OrbitControls(camera, canvas);
controls.enableDamping = true;
controls.dampingFactor = 0.12;

let facts, shown, radius = 1;
const center = new Vector3();
let background = dark ? 2 : 0;
let walking = false;

// ---- What is shown -------------------------------------------------------------------------------

async function open() {
  facts = await (await fetch("facts.json")).json();
  document.title = `${facts.name} – Gypsum`;
  $("name").textContent = facts.name;
  $("facts").textContent = facts.text;
  for (const text of facts.warnings) {
    $("warnings").append(Object.assign(document.createElement("li"), { textContent: text }));
  }
  center.fromArray(facts.center);
  radius = facts.radius;
  camera.near = radius / 500;
  camera.far = radius * 200;
  controls.minDistance = radius / 200;
  controls.maxDistance = radius * 60;
  fit();
  const response = await fetch(facts.content);
  if (!response.ok) throw new Error("The file can't be fetched; is gypsum view still running?");
  shown = await { splats, mesh, points }[facts.kind](await response.arrayBuffer());
  scene.add(shown);
}

async function splats(bytes) {
  scene.add(new SparkRenderer({ renderer }));
  const field = new SplatMesh({ fileBytes: new Uint8Array(bytes), fileType: SplatFileType.PLY });
  await field.initialized;
  return field;
}

async function mesh(bytes) {
  scene.add(new HemisphereLight(0xffffff, 0xb0b4ba, 1.6), new AmbientLight(0xffffff, 0.9));
  // From behind the viewer, so that shape shows from everywhere.
  const lamp = new DirectionalLight(0xffffff, 0.9);
  lamp.position.set(0.6, 0.9, 1);
  camera.add(lamp);
  scene.add(camera);
  const model = (await new GLTFLoader().parseAsync(bytes, "")).scene;
  model.traverse((part) => { if (part.isMesh) part.material.side = DoubleSide; });
  return model;
}

async function points(bytes) {
  const geometry = new PLYLoader().parse(bytes);
  const material = new PointsMaterial({ size: 2, sizeAttenuation: false, vertexColors: true });
  return new Points(geometry, material);
}

// ---- Looking -------------------------------------------------------------------------------------

function fit() {
  const wide = Math.min(1, camera.aspect);
  const away = radius / Math.sin((FIELD_OF_VIEW / 2) * Math.PI / 180) / wide;
  camera.position.copy(center).add(new Vector3(0.55, 0.38, 0.75).normalize().multiplyScalar(away));
  controls.target.copy(center);
  camera.lookAt(center);
  controls.update();
}

function resize() {
  renderer.setPixelRatio(Math.min(devicePixelRatio, 2));
  renderer.setSize(innerWidth, innerHeight, false);
  camera.aspect = innerWidth / innerHeight;
  camera.updateProjectionMatrix();
}

function choose(mode) {
  walking = mode === "walk";
  $("orbit").setAttribute("aria-pressed", String(!walking));
  $("walk").setAttribute("aria-pressed", String(walking));
  controls.enabled = !walking;
  if (!walking) {
    // Around what is ahead, so that nothing jumps.
    const ahead = camera.getWorldDirection(new Vector3());
    const away = Math.max(center.clone().sub(camera.position).dot(ahead), radius * 0.3);
    controls.target.copy(camera.position).addScaledVector(ahead, away);
  }
  const touch = matchMedia("(pointer: coarse)").matches;
  const how = touch ? "One finger looks around, two fingers walk" : "Drag to look, W A S D to walk, Q and E for down and up";
  hint(walking ? how : "");
}

const held = new Set();
const fingers = new Map();

function turn(dx, dy) {
  camera.rotation.reorder("YXZ");
  camera.rotation.y -= dx * 0.0035;
  camera.rotation.x = Math.max(-1.55, Math.min(1.55, camera.rotation.x - dy * 0.0035));
  camera.rotation.z = 0;
}

function go(right, up, ahead) {
  camera.position.add(new Vector3(right, 0, -ahead).applyQuaternion(camera.quaternion));
  camera.position.y += up;
}

function step(seconds) {
  if (!walking || held.size === 0) return;
  const way = radius * WALKING * seconds * (held.has("ShiftLeft") ? 3 : 1);
  const along = (plus, minus) => way * (plus.some((k) => held.has(k)) - minus.some((k) => held.has(k)));
  go(along(["KeyD", "ArrowRight"], ["KeyA", "ArrowLeft"]), along(["KeyE"], ["KeyQ"]),
    along(["KeyW", "ArrowUp"], ["KeyS", "ArrowDown"]));
}

// ---- Measuring -----------------------------------------------------------------------------------

let measuring = false, ends = [];
const marks = [];
// Transparent, so that they are drawn after splats.
const ink = { color: 0xff5a36, depthTest: false, transparent: true };
const ruler = new Line(new BufferGeometry(), new LineBasicMaterial(ink));
ruler.renderOrder = 10;
ruler.visible = false;
ruler.frustumCulled = false;
scene.add(ruler);
for (let number = 0; number < 2; number++) {
  const mark = new Mesh(new SphereGeometry(1, 20, 14), new MeshBasicMaterial(ink));
  mark.renderOrder = 11;
  mark.visible = false;
  marks.push(mark);
  scene.add(mark);
}

function measure(on) {
  measuring = on;
  ends = [];
  $("measure").setAttribute("aria-pressed", String(on));
  canvas.classList.toggle("measuring", on);
  hint(on ? "Click two points" : "");
  mark();
}

/** Between splats one sees the far side: what is nearest around a place counts. */
const AROUND = [[0, 0], [3, 0], [-3, 0], [0, 3], [0, -3]];

function pick(x, y) {
  if (facts.kind !== "splats") return hit(x, y);
  const away = (place) => place.distanceTo(camera.position);
  const found = AROUND.map(([dx, dy]) => hit(x + dx, y + dy)).filter(Boolean);
  return found.sort((a, b) => away(a) - away(b))[0];
}

function hit(x, y) {
  const ray = new Raycaster();
  ray.setFromCamera(new Vector2((x / innerWidth) * 2 - 1, 1 - (y / innerHeight) * 2), camera);
  // So many pixels, at the middle's distance.
  const pixel = 2 * Math.tan((FIELD_OF_VIEW / 2) * Math.PI / 180) / innerHeight;
  ray.params.Points.threshold = NEAR * pixel * camera.position.distanceTo(center);
  const hits = ray.intersectObject(shown, true);
  if (facts.kind !== "points") return hits[0]?.point;
  // Of the points along the ray the one that is nearest to it among the first.
  const first = hits.filter((hit) => hit.distance < hits[0].distance + radius * 0.02);
  first.sort((a, b) => a.distanceToRay - b.distanceToRay);
  return first[0]?.point;
}

function click(x, y) {
  if (!measuring || !shown) return;
  const place = pick(x, y);
  if (!place) return hint("There is nothing there; click on the model");
  ends = ends.length === 2 ? [place] : [...ends, place];
  hint(ends.length === 1 ? "Click the second point" : "");
  mark();
}

function mark() {
  marks.forEach((mark, number) => {
    mark.visible = number < ends.length;
    if (mark.visible) mark.position.copy(ends[number]);
  });
  ruler.visible = ends.length === 2;
  if (ruler.visible) ruler.geometry.setFromPoints(ends);
  $("label").hidden = !ruler.visible;
  if (ruler.visible) $("label").textContent = ends[0].distanceTo(ends[1]).toPrecision(4);
}

/** Marks keep their size on the screen; the number stays by the middle of the line. */
function follow() {
  for (const mark of marks) {
    mark.scale.setScalar(camera.position.distanceTo(mark.position) * 0.005);
  }
  if (ends.length !== 2) return;
  const middle = ends[0].clone().add(ends[1]).multiplyScalar(0.5).project(camera);
  const x = (middle.x + 1) / 2 * innerWidth, y = (1 - middle.y) / 2 * innerHeight;
  $("label").style.transform = `translate(${Math.round(x + 12)}px, ${Math.round(y - 30)}px)`;
  $("label").hidden = middle.z > 1;
}

// ---- Tools ---------------------------------------------------------------------------------------

function hint(text) { $("hint").textContent = text; }

function paint() { scene.background = new Color(BACKGROUNDS[background]); }

function another() {
  background = (background + 1) % BACKGROUNDS.length;
  paint();
}

function shoot() {
  renderer.render(scene, camera);
  canvas.toBlob((picture) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(picture);
    link.download = `${facts.name.replace(/\.[^.]*$/, "")}.png`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  }, "image/png");
}

$("orbit").onclick = () => choose("orbit");
$("walk").onclick = () => choose("walk");
$("measure").onclick = () => measure(!measuring);
$("background").onclick = another;
$("shot").onclick = shoot;
$("fit").onclick = () => { fit(); if (!walking) choose("orbit"); };

const KEYS = {
  Digit1: () => choose("orbit"), Digit2: () => choose("walk"), KeyM: () => measure(!measuring),
  KeyB: another, KeyP: shoot, KeyF: () => $("fit").click(), Escape: () => measure(false),
};
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  held.add(event.code);
  if (!event.repeat) KEYS[event.code]?.();
});
addEventListener("keyup", (event) => held.delete(event.code));
addEventListener("blur", () => held.clear());
addEventListener("resize", resize);

let pressed = null;
canvas.addEventListener("pointerdown", (event) => {
  fingers.set(event.pointerId, event);
  pressed = fingers.size === 1 ? { x: event.clientX, y: event.clientY } : null;
  if (walking) canvas.setPointerCapture(event.pointerId);
});
canvas.addEventListener("pointermove", (event) => {
  const before = fingers.get(event.pointerId);
  if (!before) return;
  const dx = event.clientX - before.clientX, dy = event.clientY - before.clientY;
  fingers.set(event.pointerId, event);
  if (!walking) return;
  const way = radius / innerHeight / fingers.size;
  if (fingers.size === 1) turn(dx, dy);
  else go(-dx * way, 0, -dy * way * 2);
});
for (const kind of ["pointerup", "pointercancel"]) {
  canvas.addEventListener(kind, (event) => {
    fingers.delete(event.pointerId);
    const still = pressed && Math.hypot(event.clientX - pressed.x, event.clientY - pressed.y) < STILL;
    if (kind === "pointerup" && still) click(event.clientX, event.clientY);
    pressed = null;
  });
}
canvas.addEventListener("wheel", (event) => {
  if (!walking) return;
  event.preventDefault();
  go(0, 0, -Math.sign(event.deltaY) * radius * 0.05);
}, { passive: false });

// ---- Pictures ------------------------------------------------------------------------------------

let last = performance.now(), counted = 0, since = last;
function draw(now) {
  step(Math.min(0.1, (now - last) / 1000));
  last = now;
  if (!walking) controls.update();
  follow();
  renderer.render(scene, camera);
  counted++;
  if (now - since > 1000) {
    const speed = (counted * 1000) / (now - since);
    $("speed").textContent = `${speed.toFixed(speed < 10 ? 1 : 0)} fps`;
    [counted, since] = [0, now];
  }
}

function failed(error) {
  $("loading").hidden = false;
  $("loading").className = "failed";
  $("loading").querySelector("p").textContent = error.message;
  document.body.dataset.state = "failed";
}

resize();
paint();
renderer.setAnimationLoop(draw);
open().then(() => {
  $("loading").hidden = true;
  document.body.dataset.state = "shown";
}, failed);
