/** How a mesh's surface is drawn. */
import { DoubleSide, LineSegments, type Material, Mesh, MeshBasicMaterial, MeshNormalMaterial, MeshStandardMaterial, type Object3D, LineBasicMaterial, WireframeGeometry } from "three";

export type Shading = "color" | "clay" | "normals" | "wire";



export class Look {
  private readonly own = new Map<Mesh, Material | Material[]>();
  private readonly lines: LineSegments[] = [];
  private readonly clay = new MeshStandardMaterial({ color: 0xd8d2c8, roughness: 0.85, side: DoubleSide });
  private readonly normals = new MeshNormalMaterial({ side: DoubleSide });
  /** Below the lines: hides those of the far side. */
  private readonly under = new MeshBasicMaterial({ color: 0xf4f1ec, side: DoubleSide, polygonOffset: true, polygonOffsetFactor: 1, polygonOffsetUnits: 1 });
  private readonly ink = new LineBasicMaterial({ color: 0x3a3f45 });

  constructor(object: Object3D) {
    object.traverse((part) => {
      if (part instanceof Mesh) this.own.set(part, part.material as Material | Material[]);
    });
  }

  shade(shading: Shading): void {
    if (shading !== "color") this.light();
    for (const [mesh, own] of this.own) {
      mesh.material = { color: own, clay: this.clay, normals: this.normals, wire: this.under }[shading];
    }
    if (shading === "wire" && this.lines.length === 0) this.trace();
    for (const lines of this.lines) lines.visible = shading === "wire";
  }

  dispose(): void {
    for (const lines of this.lines) {
      lines.removeFromParent();
      lines.geometry.dispose();
    }
    for (const material of [this.clay, this.normals, this.under, this.ink]) material.dispose();
  }

  /** Files without normals get some, for light to fall on. */
  private light(): void {
    for (const mesh of this.own.keys()) {
      if (!mesh.geometry.hasAttribute("normal")) mesh.geometry.computeVertexNormals();
    }
  }

  private trace(): void {
    for (const mesh of this.own.keys()) {
      const lines = new LineSegments(new WireframeGeometry(mesh.geometry), this.ink);
      mesh.add(lines);
      this.lines.push(lines);
    }
  }
}
