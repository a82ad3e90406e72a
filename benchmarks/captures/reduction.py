"""How a reduced model looks: with its texture kept, baked anew, and by meshoptimizer.

    python benchmarks/captures/reduction.py MODEL.glb [--node FOLDER]

FOLDER is one in which ``npm install meshoptimizer`` ran. PSNR is of three views, unlit, against the
whole model; time is the CPU time of the reduction alone. ``gypsum convert`` bakes anew where
``seams_bind`` says so.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

from gypsum.conversion import reduce_faces, seams_bind
from gypsum.formats import read_model
from gypsum.formats.corners import split_at_seams
from gypsum.pipelines.rebake import rebake
from gypsum.report import Eye, Renderer
from gypsum.scene import Mesh, TexturedMesh

SHARES = (4, 10, 20, 40, 100)

NODE = """
const fs = require('fs'), { MeshoptSimplifier: S } = require('meshoptimizer');
const read = (name, Kind) => { const b = fs.readFileSync(name);
  return new Kind(b.buffer.slice(b.byteOffset, b.byteOffset + b.byteLength)); };
S.ready.then(() => {
  const [folder, ...counts] = process.argv.slice(1);
  const faces = read(folder + '/faces', Uint32Array), at = read(folder + '/at', Float32Array);
  const uvs = read(folder + '/uvs', Float32Array);
  for (const count of counts) {
    const before = process.cpuUsage();
    const [left] = S.simplifyWithAttributes(faces, at, 3, uvs, 2, [1, 1], null, 3 * count, 1, []);
    console.log(count, process.cpuUsage(before).user / 1e6);
    const bytes = Buffer.from(left.buffer, left.byteOffset, left.byteLength);
    fs.writeFileSync(folder + '/' + count, bytes);
  }
});
"""


def views(model: TexturedMesh) -> list[Eye]:
    """Three from around and above."""
    low, high = model.mesh.vertices.min(axis=0), model.mesh.vertices.max(axis=0)
    center, radius = (low + high) / 2.0, float(np.linalg.norm(high - low)) / 2
    return [
        Eye.looking(
            center + radius * np.array([np.cos(angle), np.sin(angle), 0.8]), center, 400, 400, 0.8
        )
        for angle in (0.5, 2.5, 4.5)
    ]


def psnr(model: TexturedMesh, whole: TexturedMesh) -> float:
    """Where the whole model is; what is missing counts as black."""
    errors = []
    one, two = Renderer(model), Renderer(whole)
    for eye in views(whole):
        found, wanted = one.render(eye).astype(float), two.render(eye).astype(float)
        shown = wanted[..., 3] == 255
        colors = found[shown][:, :3] * found[shown][:, 3:] / 255
        errors.append(((colors - wanted[shown][:, :3]) ** 2).mean())
    return float(10 * np.log10(255**2 / np.mean(errors)))


def reference(model: TexturedMesh, counts: list[int], node: Path) -> None:
    """The same with meshoptimizer, as its JavaScript module."""
    (part,) = split_at_seams(model)
    assert part.uvs is not None
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        part.faces.astype(np.uint32).tofile(folder / "faces")
        part.vertices.tofile(folder / "at")
        part.uvs.tofile(folder / "uvs")
        done = subprocess.run(
            ["node", "-e", NODE, name, *map(str, counts)],
            env={**os.environ, "NODE_PATH": str(node / "node_modules")},
            capture_output=True,
            text=True,
            check=True,
        )
        for line in done.stdout.splitlines():
            count, seconds = line.split()
            faces = np.fromfile(folder / count, np.uint32).reshape(-1, 3).astype(np.int32)
            mesh = Mesh(part.vertices, faces)
            reduced = TexturedMesh.of_one(mesh, part.uvs, faces, part.material)
            show("meshoptimizer", len(faces), float(seconds), psnr(reduced, model))


def show(name: str, faces: int, seconds: float, quality: float) -> None:
    print(f"{name:<18} {faces:>8,} triangles  {seconds:5.1f} s  {quality:5.1f} dB", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--node", type=Path)
    options = parser.parse_args()
    model = read_model(options.model)
    assert isinstance(model, TexturedMesh)
    counts = [len(model.mesh.faces) // share for share in SHARES]
    for count in counts:
        began = time.process_time()
        reduced = reduce_faces(model, count)
        seconds = time.process_time() - began
        bound = ", seams bind" if seams_bind(model, reduced, count) else ""
        show("kept" + bound, len(reduced.mesh.faces), seconds, psnr(reduced, model))
        began = time.process_time()
        baked = rebake(model, count, None)
        seconds = time.process_time() - began
        show("baked anew", len(baked.mesh.faces), seconds, psnr(baked, model))
    if options.node is not None:
        reference(model, counts, options.node)


if __name__ == "__main__":
    main()
