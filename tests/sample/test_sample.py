"""The sample capture's truth must be true: it judges the rest."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from PIL.ExifTags import IFD, Base

from gypsum.errors import InputError, ResourceError
from gypsum.formats.markers import pattern
from gypsum.formats.ply import read_mesh
from gypsum.native import _sample
from gypsum.sample import (
    MarkerCard,
    Rendering,
    SampleView,
    expose,
    hand_held_views,
    make_sample,
    render_view,
    sculpture_mesh,
    table_mesh,
)
from gypsum.scene import Mesh

WIDTH, HEIGHT, PHOTOS = 320, 240, 5
Float64 = NDArray[np.float64]


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small capture on disk."""
    folder = tmp_path_factory.mktemp("sample") / "owl"
    make_sample(folder, PHOTOS, WIDTH, HEIGHT, seed=3)
    return folder


@pytest.fixture(scope="module")
def views() -> list[SampleView]:
    """Many neighbouring small views."""
    return hand_held_views(24, WIDTH, HEIGHT, seed=3)


@pytest.fixture(scope="module")
def mesh() -> Mesh:
    return sculpture_mesh(WIDTH, HEIGHT)


def project(view: SampleView, points: Float64) -> tuple[Float64, Float64]:
    """World points (N, 3) to pixels (N, 2), with distortion, and depths (N,)."""
    camera = points @ view.R.T + view.t
    flat = camera[:, :2] / camera[:, 2:]
    flat = flat * (1 + view.k1 * (flat**2).sum(1, keepdims=True))
    return flat * (view.K[0, 0], view.K[1, 1]) + view.K[:2, 2], camera[:, 2]


def rays(view: SampleView, pixels: Float64) -> Float64:
    """World directions (N, 3) of unit depth through pixels (N, 2), by fixed-point iteration."""
    distorted = (pixels - view.K[:2, 2]) / (view.K[0, 0], view.K[1, 1])
    flat = distorted.copy()
    for _ in range(50):
        flat = distorted / (1 + view.k1 * (flat**2).sum(1, keepdims=True))
    return np.column_stack([flat, np.ones(len(flat))]) @ view.R


def pixel_centers() -> Float64:
    x, y = np.meshgrid(np.arange(WIDTH) + 0.5, np.arange(HEIGHT) + 0.5)
    return np.stack([x, y], -1).reshape(-1, 2)


def lift(view: SampleView, picture: Rendering) -> Float64:
    """The world point (H * W, 3) behind every pixel."""
    return view.center + rays(view, pixel_centers()) * picture.depth.reshape(-1, 1)


def first_hits(mesh: Mesh, origin: Float64, directions: Float64) -> Float64:
    """Depths (N,) at which rays meet a mesh first, by trying every triangle; inf for none."""
    a, b, c = (mesh.vertices[mesh.faces[:, i]].astype(np.float64) for i in range(3))
    e1, e2, s = b - a, c - a, origin - a
    q = np.cross(s, e1)
    found = np.full(len(directions), np.inf)
    for n, d in enumerate(directions):
        p = np.cross(d, e2)
        with np.errstate(divide="ignore", invalid="ignore"):
            inverse = 1 / (e1 * p).sum(1)
            u, v, depth = inverse * (s * p).sum(1), inverse * (q @ d), inverse * (e2 * q).sum(1)
        hit = (u >= 0) & (v >= 0) & (u + v <= 1) & (depth > 0)
        found[n] = depth[hit].min(initial=np.inf)
    return found


def test_same_picture_for_any_number_of_threads() -> None:
    view = hand_held_views(3, 160, 120, seed=1)[0]
    one, two = (
        _sample.Scene(0.004, threads).render(
            160, 120, view.K, view.R, view.t, view.k1, True, threads
        )
        for threads in (1, 2)
    )
    for first, second in zip(one, two, strict=True):
        np.testing.assert_array_equal(first, second)
    noisy = [expose(one[0], 0.6, 0.2, 1000, 3, seed=9, threads=threads) for threads in (1, 2, 3)]
    np.testing.assert_array_equal(noisy[0], noisy[1])
    np.testing.assert_array_equal(noisy[0], noisy[2])


def test_a_seed_makes_the_same_files_and_another_seed_others(tmp_path: Path, capture: Path) -> None:
    make_sample(tmp_path / "again", PHOTOS, WIDTH, HEIGHT, seed=3)
    for path in capture.rglob("*"):
        if path.is_file():
            again = tmp_path / "again" / path.relative_to(capture)
            assert again.read_bytes() == path.read_bytes(), path.name
    here, there = hand_held_views(4, 64, 64, seed=3)[0], hand_held_views(4, 64, 64, seed=4)[0]
    assert np.linalg.norm(here.center - there.center) > 0.01


def test_mesh_is_closed_and_lies_on_the_distance_field(mesh: Mesh) -> None:
    edges = np.concatenate([mesh.faces[:, [i, (i + 1) % 3]] for i in range(3)])
    directed = np.unique(edges, axis=0)
    assert len(directed) == len(edges), "an edge is used twice in the same direction"
    np.testing.assert_array_equal(directed, np.unique(edges[:, ::-1], axis=0))
    a, b, c = (mesh.vertices[mesh.faces[:, i]].astype(np.float64) for i in range(3))
    volume = (a * np.cross(b, c)).sum() / 6
    assert 0.002 < volume < 0.005, "inside out, or not an owl of three litres"

    size = np.linalg.norm(np.ptp(mesh.vertices, axis=0))
    # Where the carving drops in a step, the field jumps from one sign to the other.
    off = np.abs(_sample.distance(mesh.vertices))
    assert np.quantile(off, 0.97) < 2e-4 * size


def test_depth_is_where_the_mesh_is(mesh: Mesh, views: list[SampleView]) -> None:
    view = views[0]
    assert view.k1 != 0
    picture = render_view(view)
    chosen = np.random.default_rng(0).choice(np.flatnonzero(picture.mask), 60, replace=False)
    depth = first_hits(mesh, view.center, rays(view, pixel_centers()[chosen]))
    np.testing.assert_allclose(picture.depth.ravel()[chosen], depth, atol=2e-6)


def test_table_is_the_plane_at_zero(views: list[SampleView]) -> None:
    picture = render_view(views[-1])
    table = (picture.depth > 0) & ~picture.mask
    points = lift(views[-1], picture)[table.ravel()]
    assert table.mean() > 0.3
    assert np.abs(points[:, 2]).max() < 1e-6
    np.testing.assert_array_equal(picture.normal[table], np.tile([0, 0, 1], (table.sum(), 1)))
    assert np.hypot(points[:, 0], points[:, 1]).max() < np.ptp(table_mesh().vertices[:, 0]) / 2


def test_normals_face_the_camera_and_follow_depth(views: list[SampleView]) -> None:
    view = views[2]
    picture = render_view(view)
    normal = picture.normal[picture.mask]
    np.testing.assert_allclose(np.linalg.norm(normal, axis=1), 1, atol=1e-5)
    towards = -rays(view, pixel_centers())[picture.mask.ravel()]
    facing = (normal * towards).sum(1) / np.linalg.norm(towards, axis=1)
    assert np.mean(facing > 0) > 0.98
    points = lift(view, picture).reshape(HEIGHT, WIDTH, 3)
    across, down = points[1:-1, 2:] - points[1:-1, :-2], points[2:, 1:-1] - points[:-2, 1:-1]
    # Where the four neighbours lie on one piece of surface, they span its tangent plane.
    smooth = np.maximum(np.linalg.norm(across, axis=2), np.linalg.norm(down, axis=2)) < 0.008
    chosen = smooth & picture.mask[1:-1, 1:-1]
    measured = np.cross(down[chosen], across[chosen])
    measured /= np.linalg.norm(measured, axis=1, keepdims=True)
    agree = (measured * picture.normal[1:-1, 1:-1][chosen]).sum(1)
    assert chosen.sum() > 0.7 * picture.mask.sum()
    assert np.median(agree) > 0.93


def test_two_views_show_the_same_colours(views: list[SampleView]) -> None:
    a, b = views[0], views[1]
    first, second = render_view(a), render_view(b)
    points = lift(a, first)
    pixels, depth = project(b, points)
    inside = (pixels > 1).all(1) & (pixels < (WIDTH - 1, HEIGHT - 1)).all(1)
    x0, y0 = np.floor(np.where(inside[:, None], pixels - 0.5, 0)).astype(int).T
    seen = np.abs(second.depth[y0, x0] - depth) < 0.002
    fx, fy = (pixels[:, 0] - 0.5 - x0)[:, None], (pixels[:, 1] - 0.5 - y0)[:, None]
    image = second.rgb.astype(float)
    x1, y1 = np.minimum(x0 + 1, WIDTH - 1), np.minimum(y0 + 1, HEIGHT - 1)
    colors = (1 - fy) * ((1 - fx) * image[y0, x0] + fx * image[y0, x1]) + fy * (
        (1 - fx) * image[y1, x0] + fx * image[y1, x1]
    )
    for part in (first.mask, (first.depth > 0) & ~first.mask):
        both = inside & seen & part.ravel()
        assert both.sum() > 0.3 * part.sum()
        error = np.abs(colors - first.rgb.reshape(-1, 3))[both].mean(1)
        assert np.median(error) < 7
        spread = first.rgb.reshape(-1, 3)[both].astype(float).std()
        assert spread > 25, "too plain to match"


def test_mask_is_the_mesh_outline(mesh: Mesh, views: list[SampleView]) -> None:
    view = views[5]
    mask = render_view(view).mask
    pixels, _ = project(view, mesh.vertices.astype(np.float64))
    column, row = np.floor(pixels).astype(int).T
    inside = (column >= 0) & (row >= 0) & (column < WIDTH) & (row < HEIGHT)
    outline = np.zeros_like(mask)
    outline[row[inside], column[inside]] = True
    assert (outline & ~mask).sum() < 0.03 * mask.sum()
    # Vertices are about a pixel apart: nearly every pixel of the mask has one.
    assert (mask & ~outline).sum() < 0.10 * mask.sum()


def test_cameras_file_describes_every_picture(capture: Path) -> None:
    cameras = json.loads((capture / "truth" / "cameras.json").read_text())
    for split in ("photos", "test"):
        names = {path.name for path in (capture / split).iterdir()}
        assert names == set(cameras[split])
        for name, camera in cameras[split].items():
            R, t = np.array(camera["R"]), np.array(camera["t"])
            np.testing.assert_allclose(R @ R.T, np.eye(3), atol=1e-12)
            assert np.linalg.det(R) == pytest.approx(1)
            with Image.open(capture / split / name) as photo:
                assert photo.size == (camera["width"], camera["height"]) == (WIDTH, HEIGHT)
            center = -R.T @ t
            assert center[2] > 0.1, "below the table"
            sculpture = np.array([0, 0, 0.135]) @ R.T + t
            pixel = (np.array(camera["K"]) @ sculpture)[:2] / sculpture[2]
            assert np.linalg.norm(pixel - (WIDTH / 2, HEIGHT / 2)) < WIDTH / 6
    assert all(c["distortion"] == [0, 0, 0, 0] for c in cameras["test"].values())
    assert len(cameras["photos"]) == PHOTOS


def test_photos_carry_what_a_phone_writes(capture: Path) -> None:
    camera = json.loads((capture / "truth" / "cameras.json").read_text())["photos"]["0001.jpg"]
    times = []
    for path in sorted((capture / "photos").iterdir()):
        with Image.open(path) as photo:
            exif = photo.getexif()
            details = exif.get_ifd(IFD.Exif)
        assert exif[Base.Orientation] == 1
        assert exif[Base.Make]
        assert exif[Base.Model]
        assert details[Base.FocalLength] > 0
        times.append(details[Base.DateTimeOriginal])
        pixels = details[Base.FocalLengthIn35mmFilm] / 43.267 * math.hypot(WIDTH, HEIGHT)
        assert pixels == pytest.approx(camera["K"][0][0], rel=0.02)
    assert times == sorted(set(times))


def test_truth_on_disk_is_what_was_drawn(capture: Path, mesh: Mesh) -> None:
    camera = json.loads((capture / "truth" / "cameras.json").read_text())["photos"]["0002.jpg"]
    view = SampleView(
        "0002.jpg",
        WIDTH,
        HEIGHT,
        *(np.array(camera[key]) for key in ("K", "R", "t")),
        k1=camera["distortion"][0],
    )
    picture = render_view(view)
    with Image.open(capture / "truth" / "masks" / "photos" / "0002.png") as mask:
        np.testing.assert_array_equal(np.asarray(mask) == 255, picture.mask)
    written = read_mesh(capture / "truth" / "mesh.ply")
    np.testing.assert_array_equal(written.vertices, mesh.vertices)
    np.testing.assert_array_equal(written.faces, mesh.faces)
    with Image.open(capture / "photos" / "0002.jpg") as photo:
        difference = np.asarray(photo).astype(float) - picture.rgb
    assert np.abs(difference).mean() < 25


def test_a_pixel_shows_its_exact_share_of_a_card() -> None:
    """The drawn coverage against many rays through the pixel, on a surface lit evenly."""
    view = hand_held_views(24, WIDTH, HEIGHT, seed=3)[20]
    card = MarkerCard(5, 0.15, -0.11, 0.4, size=0.06)
    bare = render_view(view).radiance
    drawn = render_view(view, cards=[card]).radiance
    changed = np.abs(drawn - bare).max(axis=2) > 1e-6
    pixels, _ = project(view, card.corners)
    center = pixels.mean(axis=0)
    squares = np.pad(pattern("36h11", 5), 1, constant_values=1)
    offsets = (np.arange(12) + 0.5) / 12
    rows, columns = np.nonzero(changed)
    assert len(rows) > 200
    assert np.abs(np.array([columns.mean(), rows.mean()]) - center).max() < 2
    paper = np.quantile(drawn[changed].mean(axis=1), 0.95)
    ink = np.quantile(drawn[changed].mean(axis=1), 0.05)
    far = []
    for row, column in list(zip(rows, columns, strict=True))[::7]:
        x, y = np.meshgrid(column + offsets, row + offsets)
        lines = rays(view, np.stack([x, y], -1).reshape(-1, 2))
        places = view.center + lines * (-view.center[2] / lines[:, 2])[:, None]
        c, s = math.cos(card.turn), math.sin(card.turn)
        local = (places[:, :2] - (card.x, card.y)) @ [[c, -s], [s, c]] * (1, -1)
        at = np.floor(local / (card.size / 8) + 5).astype(int)
        inside = ((at >= 0) & (at < 10)).all(axis=1)
        if not inside.all():
            continue
        share = squares[at[:, 1], at[:, 0]].mean()
        far.append(drawn[row, column].mean() - (ink + share * (paper - ink)))
    assert len(far) > 20
    assert np.abs(far).mean() < 0.03 * paper
    assert np.abs(far).max() < 0.12 * paper


def test_markers_lie_where_the_truth_says(tmp_path: Path) -> None:
    make_sample(tmp_path, 3, 480, 360, marker=True)
    truth = json.loads((tmp_path / "truth" / "markers.json").read_text())
    assert list(truth) == ["0", "1"]
    for marker in truth.values():
        corners = np.array(marker["corners"])
        sides = np.linalg.norm(np.roll(corners, -1, axis=0) - corners, axis=1)
        np.testing.assert_allclose(sides, marker["size"])
        normal = np.cross(corners[3] - corners[0], corners[1] - corners[0])
        assert normal[2] > 0
    make_sample(tmp_path, 3, 96, 72)
    assert not (tmp_path / "truth" / "markers.json").exists()


def test_noise_is_photon_noise() -> None:
    flat = np.full((200, 200, 3), 0.2, np.float32)
    clean = expose(flat, exposure=1.0)
    assert len(np.unique(clean)) == 1
    noisy = expose(flat, 1.0, full_well=2000, read_noise=5, seed=1).astype(float)
    # Back to linear light around one level, where the tone curve is nearly straight.
    ends = expose(np.array([[[0.12] * 3, [0.28] * 3]], np.float32), 1.0).astype(float)
    slope = (ends[0, 1, 0] - ends[0, 0, 0]) / 0.16
    sigma = math.sqrt(0.2 * 2000 + 25) / 2000
    assert noisy.std() / slope == pytest.approx(sigma, rel=0.1)
    assert noisy.mean() == pytest.approx(float(clean[0, 0, 0]), abs=0.5)


def test_a_second_sample_replaces_the_first(tmp_path: Path) -> None:
    make_sample(tmp_path, 4, 96, 72)
    facts = make_sample(tmp_path, 3, 96, 72)
    assert facts.photos == len(list((tmp_path / "photos").iterdir())) == 3
    assert len(list((tmp_path / "truth" / "masks" / "photos").iterdir())) == 3


@pytest.mark.parametrize(
    ("photos", "width", "says"), [(2, 320, "at least 3 photos"), (9, 10, "10x240")]
)
def test_impossible_samples_are_refused(tmp_path: Path, photos: int, width: int, says: str) -> None:
    with pytest.raises(InputError, match=says):
        make_sample(tmp_path / "x", photos, width, 240)
    assert not (tmp_path / "x").exists()


def test_other_peoples_folders_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"dear")
    with pytest.raises(InputError, match="other files"):
        make_sample(tmp_path)
    with pytest.raises(InputError, match="is a file"):
        make_sample(tmp_path / "holiday.jpg")
    assert (tmp_path / "holiday.jpg").read_bytes() == b"dear"


def test_a_full_disk_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("gypsum.sample._capture.write_mesh", full)
    with pytest.raises(ResourceError, match="No space left on device"):
        make_sample(tmp_path, 3, 96, 72)
