"""A ball on a table, photographed from all around: small, with known answers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from gypsum.report.render import Eye, Renderer
from gypsum.scene import Camera, Material, Mesh, Photo, PointCloud, SparseModel, TexturedMesh, View

BALL = np.array([0.3, -0.2, 0.5])
RADIUS = 0.5


@dataclass(frozen=True)
class Scene:
    """Everything that the previews are drawn from."""

    model: TexturedMesh
    cloud: PointCloud
    sparse: SparseModel
    views: list[View]


def ball_on_table(rings: int = 24) -> TexturedMesh:
    """A ball around ``BALL`` on a large table; textured by the atlas's upper and lower half."""
    row, column = np.mgrid[: rings + 1, : 2 * rings + 1]
    v, u = row / rings, column / (2 * rings)
    lat, lon = np.pi * v, 2 * np.pi * u
    shape = np.stack([np.sin(lat) * np.cos(lon), np.sin(lat) * np.sin(lon), np.cos(lat)], axis=-1)
    index = np.arange(v.size).reshape(v.shape)
    a, b, c, d = index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]
    faces = np.concatenate([np.stack([a, b, c], -1), np.stack([a, c, d], -1)]).reshape(-1, 3)
    ball_uvs = np.stack([u, 1 - v / 2], axis=-1).reshape(-1, 2)
    table = np.array([[-4, -4, 0], [4, -4, 0], [4, 4, 0], [-4, 4, 0]], np.float64)
    table_uvs = np.array([[0, 0], [1, 0], [1, 0.49], [0, 0.49]])
    vertices = np.vstack([BALL + RADIUS * shape.reshape(-1, 3), table]).astype(np.float32)
    faces = np.vstack([faces, v.size + np.array([[0, 1, 2], [0, 2, 3]])]).astype(np.int32)
    rows, columns = np.mgrid[:256, :256]
    atlas = np.stack([columns, rows, 255 - columns], axis=-1).astype(np.uint8)
    uvs = np.vstack([ball_uvs, table_uvs]).astype(np.float32)
    return TexturedMesh.of_one(Mesh(vertices, faces), uvs, faces, Material("both", atlas))


def eyes_around(azimuths: np.ndarray, width: int = 160, height: int = 120) -> list[Eye]:
    """At two metres from the ball, looking down on it by 30 degrees."""
    up = np.radians(30)
    flat = np.cos(up)
    return [
        Eye.looking(
            BALL + 2 * np.array([flat * np.cos(a), flat * np.sin(a), np.sin(up)]),
            BALL, width, height, np.radians(45),
        )
        for a in azimuths
    ]  # fmt: skip


def view_of(name: str, folder: Path, eye: Eye) -> View:
    return View(name, folder / name, eye.width, eye.height, eye.K, eye.R, eye.t)


def photographed(folder: Path, azimuths: np.ndarray) -> Scene:
    """The scene with its photos on disk."""
    model = ball_on_table()
    renderer = Renderer(model)
    views, photos = [], {}
    for number, eye in enumerate(eyes_around(azimuths), start=1):
        view = view_of(f"{number:02}.png", folder, eye)
        Image.fromarray(renderer.render(eye)[..., :3]).save(view.path)
        views.append(view)
        photos[number] = Photo(
            number, view.name, 1, view.R, view.t, np.zeros((2, 2)), np.array([0, 5])
        )
    K = views[0].K
    camera = Camera(1, "PINHOLE", 160, 120, np.array([K[0, 0], K[1, 1], K[0, 2], K[1, 2]]))
    points = model.mesh.vertices
    colors = np.full(points.shape, 120, np.uint8)
    sparse = SparseModel(
        {1: camera}, photos, np.array([5]), points[:1].astype(float), colors[:1], np.array([0.5])
    )
    return Scene(model, PointCloud(points, model.mesh.vertex_normals(), colors), sparse, views)
