# SPDX-License-Identifier: GPL-3.0-or-later
"""That no operator is without a test, and that each one that changes the scene is undone."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import bpy
import numpy as np
import pytest
import workspaces
from addon import objects, registration, scans

TESTS = Path(__file__).parent


def operators() -> dict[str, type]:
    """All of the add-on's, by the name with which they are called."""
    kinds = [kind for part in registration._PARTS for kind in part.CLASSES]
    return {kind.bl_idname: kind for kind in kinds if issubclass(kind, bpy.types.Operator)}


def test_every_operator_is_run_by_a_test() -> None:
    text = "".join(path.read_text() for path in TESTS.glob("test_*.py"))
    missing = [name for name in operators() if f"bpy.ops.{name}(" not in text]
    assert not missing


def test_what_changes_the_scene_can_be_undone() -> None:
    unchanging = {"export_scene.gypsum_splats", "gypsum.cancel"}
    without = {
        name for name, kind in operators().items() if "UNDO" not in getattr(kind, "bl_options", ())
    }
    assert without == unchanging


def _state() -> str:
    """Of everything that operators touch."""
    bpy.context.view_layer.update()
    digest = hashlib.sha256()
    for thing in sorted(bpy.data.objects, key=lambda thing: thing.name):
        digest.update(f"{thing.name} {thing.type}".encode())
        digest.update(np.array(thing.matrix_world).round(6).tobytes())
        if thing.type == "MESH":
            digest.update(objects.selected(thing.data).tobytes())
        if objects.is_splats(thing):
            splats = objects.splats_of(thing.data)
            for part in (splats.means, splats.log_scales, splats.quaternions, splats.harmonics):
                digest.update(part.tobytes())
    run, scene = bpy.context.scene.gypsum, bpy.context.scene
    digest.update(f"{run.values} {[item.name for item in run.inputs]}".encode())
    digest.update(f"{scene.camera and scene.camera.name} {scene.render.resolution_x}".encode())
    digest.update(str(sorted(bpy.data.node_groups.keys())).encode())
    return digest.hexdigest()


def _splats(make_splats: Callable[..., object]) -> None:
    """Two objects of splats, the second active, both chosen; some of them are selected."""
    first = objects.create(bpy.context, "first", make_splats(200), "Z")
    second = objects.create(bpy.context, "second", make_splats(100, seed=2), "Z")
    first.select_set(True)
    second.rotation_euler.x = 0.4
    objects.set_selected(second.data, np.arange(100) < 30)
    bpy.context.view_layer.update()


def _curved() -> None:
    bpy.ops.gypsum.make_curves()


OF_SPLATS = {
    "select": lambda: bpy.ops.gypsum.select(by="SPHERE", radius=0.5),
    "select_floaters": lambda: bpy.ops.gypsum.select(by="FLOATERS", neighbors=20),
    "delete": lambda: bpy.ops.gypsum.delete(),
    "crop": lambda: bpy.ops.gypsum.delete(others=True),
    "decimate": lambda: bpy.ops.gypsum.decimate(ratio=0.5),
    "apply_transform": lambda: bpy.ops.gypsum.apply_transform(),
    "merge": lambda: bpy.ops.gypsum.merge(),
    "recolor": lambda: bpy.ops.gypsum.recolor(hue=1),
    "make_curves": _curved,
    "paint": lambda: bpy.ops.gypsum.paint(stroke=[{"name": "", "location": (0, 0, 0)}], radius=2),
}


@pytest.mark.parametrize("name", OF_SPLATS)
def test_edits_of_splats_are_undone(make_splats, name: str) -> None:
    _splats(make_splats)
    before = _state()
    bpy.ops.ed.undo_push(message="before")
    OF_SPLATS[name]()
    bpy.ops.ed.undo_push(message=name)
    after = _state()
    assert after != before
    bpy.ops.ed.undo()
    assert _state() == before
    bpy.ops.ed.redo()
    assert _state() == after


def _activate(name: str) -> None:
    bpy.context.view_layer.objects.active = bpy.data.objects[name]


def _through_camera() -> None:
    _activate("2.png")
    bpy.ops.gypsum.look_through()


def _sent_back() -> None:
    bpy.ops.gypsum.send_back()


OF_SCANS = {
    "look_through": _through_camera,
    "set_up": lambda: bpy.ops.gypsum.set_up(axis="X"),
    "set_ground": lambda: bpy.ops.gypsum.set_ground(by="LOWEST"),
    "add_crop_box": lambda: bpy.ops.gypsum.add_crop_box(),
    "send_back": _sent_back,
    "mesh_to_splats": lambda: (_activate("mesh"), bpy.ops.gypsum.mesh_to_splats(count=50)),
}


@pytest.mark.parametrize("name", OF_SCANS)
def test_edits_of_scans_are_undone(tmp_path: Path, name: str) -> None:
    bpy.ops.import_scene.gypsum_scan(filepath=str(workspaces.make(tmp_path / "a.gypsum")))
    root = bpy.context.active_object
    root.rotation_euler.x = 0.3
    next(thing for thing in root.children if thing.type == "MESH").name = "mesh"
    assert scans.scan_of(bpy.data.objects["mesh"]) == root
    before = _state()
    bpy.ops.ed.undo_push(message="before")
    OF_SCANS[name]()
    bpy.ops.ed.undo_push(message=name)
    after = _state()
    assert after != before
    bpy.ops.ed.undo()
    assert _state() == before
    bpy.ops.ed.redo()
    assert _state() == after


def test_panels_are_drawn_for_what_is_active(make_splats, tmp_path: Path) -> None:
    """With a layout that takes everything, as there is no window: no property may be missing."""
    from addon import panel

    class Layout:
        """Takes every call, checks the names of operators and properties."""

        def __getattr__(self, name: str) -> Callable[..., object]:
            def call(*arguments: object, **_: object) -> Layout:
                if name.startswith("operator"):
                    assert arguments[0] in operators()
                if name == "prop":
                    thing, field = arguments
                    assert field.startswith("[") or hasattr(thing, field)
                return self

            return call

    class Self:
        layout = Layout()

    bpy.ops.import_scene.gypsum_scan(filepath=str(workspaces.make(tmp_path / "a.gypsum")))
    bpy.context.scene.gypsum.inputs.add().name = "a.jpg"
    bpy.context.scene.gypsum.give("faces", 500)
    for kind in panel.CLASSES[:3]:
        kind.draw(Self, bpy.context)
    objects.create(bpy.context, "splats", make_splats(5), "Z")
    _curved()
    for kind in panel.CLASSES:
        kind.draw(Self, bpy.context)
    bpy.context.window_manager.gypsum.running = True
    panel.GYPSUM_PT_run.draw(Self, bpy.context)
    own = bpy.context.preferences.addons["addon"].preferences
    for own.where in ("PROGRAM", "SERVER"):
        shown = SimpleNamespace(
            layout=Layout(), where=own.where, program="", server="http://a.b", key=""
        )
        type(own).draw(shown, bpy.context)
