"""Fits by Warp's kernels against those of the native ones.

Without a graphics card they run on the processor: the same source, compiled by the same compiler
of Warp's, but not by a card's.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gypsum.implicit import Field, ImplicitSettings, Level, fit
from gypsum.implicit.engine import Optics, Processor, State, Turn
from gypsum.implicit.grid import NODES, Frame, around_surface
from gypsum.implicit.rays import Rays
from gypsum.native import _sdf
from gypsum.scene import Box

from . import twin
from .test_fit import BOX, around, blob, sphere
from .test_kernels import Case, differences, to_rows

pytest.importorskip("warp", reason="needs gypsum[cuda]")

import warp as wp

from gypsum.implicit import device_kernels
from gypsum.implicit.cuda import Card, _optics

OPTICS = Optics(1.1, 0.8, 0.05, 0.2, 1.0, 0.5, 0.3, 0.37)
#: The photos' errors alone: no smoothness, colours do not decay.
BARE = ImplicitSettings(eikonal=0, curvature=0, diffusion=0, gloss_decay=0)


def rays_of(case: Case) -> Rays:
    return Rays(
        case.camera[None].astype(np.float32), np.zeros(len(case.pixel), np.int16), case.pixel,
        case.target, case.trust, case.depth, (case.chosen(),),
    )  # fmt: skip


def dense(seed: int) -> tuple[State, Rays]:
    """A bumpy ball on blocks that are all there."""
    case = Case(seed)
    rows = np.zeros(case.grid.rows, np.float32)
    return State.begin(Field(case.grid, case.rows, case.color_rows, 1.1, rows)), rays_of(case)


def sparse() -> tuple[State, Rays]:
    """A rough ball on blocks near its surface, seen by two cameras, one within the box."""
    frame = Frame(Box.between([0, 0, 0], [1, 1, 1]), 1 / 34)
    rng = np.random.default_rng(7)
    true = twin.truncated_sphere((44, 44, 44), np.array([21.5, 22.1, 20.9]), 12)
    true += rng.normal(0, 0.1, true.shape)
    assert frame.blocks == (11, 11, 11)
    blocks = true.reshape(11, 4, 11, 4, 11, 4).transpose(4, 2, 0, 5, 3, 1).reshape(11, 11, 11, 64)
    grid = around_surface(frame, np.abs(blocks).min(-1) < 1, blocks.mean(-1) < 0)
    assert (grid.table == _sdf.INSIDE).any()
    assert (grid.table == -1).any()
    color = rng.uniform(0, 1, (grid.rows, 16)).astype(np.float32)
    color[:, 12:] = 0
    field = Field(grid, to_rows(grid, true), color, 1.0, np.zeros(grid.rows, np.float32))
    poses = [[1, 0, 0, 0, 1, 0, 0, 0, 1, 22, 21, -25], [0, 0, 1, 0, 1, 0, -1, 0, 0, 43, 22, 21]]
    cameras = np.array([[30, 31, 16, 16, *pose] for pose in poses], np.float32)
    y, x = np.divmod(np.arange(2048) % 1024, 32)
    rays = Rays(
        cameras, np.repeat(np.arange(2, dtype=np.int16), 1024),
        np.stack([x + 0.5, y + 0.5], 1).astype(np.float32),
        rng.uniform(0, 1, (2048, 4)).astype(np.float32),
        rng.uniform(0.2, 1, 2048).astype(np.float32), None,
        tuple(np.arange(k, 2048, 2, dtype=np.int32) for k in range(2)),
    )  # fmt: skip
    return State.begin(field), rays


def both(
    begun: tuple[State, Rays], settings: ImplicitSettings
) -> list[tuple[State, Processor | Card]]:
    """The same state on either engine."""
    state, rays = begun
    field = state.field
    copies = [
        State.begin(replace(field, distance=field.distance.copy(), color=field.color.copy()))
        for _ in range(2)
    ]
    return [
        (copies[0], Processor(copies[0], rays, settings, 2)),
        (copies[1], Card(copies[1], rays, settings, "cpu")),
    ]


def apart(one: Any, other: Any) -> float:
    """Relative difference of arrays as wholes."""
    one, other = np.asarray(one, np.float64), np.asarray(other, np.float64)
    assert one.shape == other.shape
    return float(np.linalg.norm(one - other) / np.linalg.norm(other))


def test_what_rays_show_is_the_twins_and_the_processors() -> None:
    case = Case(4)
    state, rays = dense(4)
    card = Card(state, rays, BARE, "cpu")
    for chosen in card._look(0, _optics(OPTICS)):
        assert len(chosen) == len(case.pixel)
    seen = card._samples.seen.numpy()
    true = []
    for start, along, depth, at in case.lines():
        rgb, opacity, far = twin.seen(
            case.distance, case.color, start, along, depth, at, OPTICS.sharpness
        )
        true.append([*rgb, opacity, far])
    assert card._samples.count.numpy().tolist() == [len(line[3]) for line in case.lines()]
    drawn = np.empty((len(case.pixel), _sdf.DRAWN), np.float32)
    case.scene(False).draw(OPTICS.row(), OPTICS.phase, case.chosen(), drawn)
    for column in range(5):
        assert apart(seen[:, column], np.array(true)[:, column]) < 1e-3
    assert apart(seen[:, :4], drawn[:, :4]) < 1e-4


@pytest.mark.parametrize("term", ["color", "mask", "depth"])
def test_each_terms_derivative_is_the_finite_differences(term: str) -> None:
    case = Case(1)
    state, rays = dense(1)
    others = {name: 0.0 for name in ("color", "mask", "depth") if name != term}
    optics = replace(OPTICS, **others)
    card = Card(state, rays, BARE, "cpu")
    card.step(Turn(0, 0, optics, 1.0, 0.0))
    card.fetch()
    by_distance = state.moments[0] / np.float32(1 - 0.9)
    by_color = state.color_moments[0] / np.float32(1 - 0.9)
    distances, colors = differences(case, optics.row(), by_distance, by_color)
    assert apart(*distances) < 1e-3
    if term == "color":
        assert apart(*colors) < 1e-3
    else:
        assert not np.any(colors)


@pytest.mark.parametrize("term", ["color", "mask", "depth", "all"])
@pytest.mark.parametrize("scene", [dense, sparse])
def test_the_photos_derivatives_are_the_processors(scene: Any, term: str) -> None:
    others = {n: 0.0 for n in ("color", "mask", "depth") if term not in (n, "all")}
    turn = Turn(0, 0, replace(OPTICS, **others), 1.0, 0.0)
    engines = both(scene() if scene is sparse else dense(2), BARE)
    for _, engine in engines:
        engine.step(turn)
        engine.fetch()
    (native, _), (card, _) = engines
    if scene is sparse and term == "depth":
        assert not native.moments.any()
        assert not card.moments.any()
        return
    assert apart(card.moments[0], native.moments[0]) < 1e-4
    if term in ("color", "all"):
        assert apart(card.color_moments[0], native.color_moments[0]) < 1e-4
    blocks = (card.color_moments[1] != 0).reshape(-1, NODES * 16).any(1)
    assert (blocks == (native.color_moments[1] != 0).reshape(-1, NODES * 16).any(1)).all()


@pytest.mark.parametrize(
    "term",
    [{"eikonal": 0.1}, {"curvature": 0.01}, {"eikonal": 0.1, "curvature": 0.01, "diffusion": 4}],
)
def test_smoothness_pulls_as_the_processors(term: dict[str, Any]) -> None:
    engines = both(sparse(), replace(BARE, **term))
    turn = Turn(0, 0, replace(OPTICS, color=0.0, mask=0.0, depth=0.0), 1.0, 0.0)
    for _, engine in engines:
        engine.step(turn)
        engine.fetch()
    assert apart(engines[1][0].moments[0], engines[0][0].moments[0]) < 1e-4


def test_many_steps_go_the_processors_way() -> None:
    engines = both(sparse(), ImplicitSettings())
    for number in range(6):
        turn = Turn(
            number,
            number % 2,
            replace(OPTICS, phase=0.1 * number),
            0.9,
            None if number == 0 else 0.06,
        )
        for _, engine in engines:
            engine.step(turn)
    (native, processor), (card, device) = engines
    before = sparse()[0].field
    device.fetch()
    assert card.moved == native.moved == 5
    for found, true, begun in (
        (card.field.distance, native.field.distance, before.distance),
        (card.field.color, native.field.color, before.color),
    ):
        assert apart(found - begun, true - begun) < 1e-3
    optics = replace(OPTICS, color=20.0, mask=2.0, depth=0.0)
    assert apart(device.inform(0, optics), processor.inform(0, optics)) < 1e-3


def test_the_kernels_compile_for_a_card(tmp_path: Path) -> None:
    """Which NVIDIA's compiler does without one."""
    (made,) = wp.compile_aot_module(device_kernels, arch=75, module_dir=tmp_path, use_ptx=True)
    assert "scatter" in made.read_text()


def test_a_fit_is_as_good_as_the_processors() -> None:
    settings = ImplicitSettings(
        resolution=32,
        levels=(Level(0.5, 0.5, 40, 2000, rate=0.12), Level(1.0, 1.0, 24, 4000)),
        rebuild=15,
    )
    radii = []
    for device in ("cpu", "warp-cpu"):
        field = fit(around(sphere), BOX, blob(0.8), settings, threads=2, device=device)
        mesh = field.mesh()
        radii.append(np.linalg.norm(mesh.vertices[mesh.vertices[:, 2] > -0.3], axis=1))
        assert np.median(field.evidence(mesh.vertices)) > 0.2
    wrong = [float(np.abs(radius - 0.7).mean()) for radius in radii]
    assert wrong[0] == pytest.approx(wrong[1], abs=0.002)
    assert wrong[1] < 0.03
