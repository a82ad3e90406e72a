# SPDX-License-Identifier: GPL-3.0-or-later
"""Gypsum run from Blender: by the program, by a server, cancelled, and what it says."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import bpy
import numpy as np
import pytest
import workspaces
from addon import catalog, jobs, running
from addon.workspace import Workspace
from server import Server

CATALOG = {
    "version": "0.1.0",
    "modes": [
        {
            "name": "photo",
            "title": "Photo",
            "options": [
                {"name": "output", "type": "path"},
                {"name": "quality", "title": "Quality", "type": "choice", "default": "normal",
                 "choices": ["draft", "normal", "high"]},
                {"name": "faces", "type": "integer", "default": None, "minimum": 100},
                {"name": "refine", "type": "boolean", "default": None, "deniable": True},
                {"name": "pbr", "type": "boolean", "default": False, "advanced": True},
                {"name": "distance", "type": "list", "default": []},
                {"name": "box", "type": "text", "default": "auto"},
            ],
        },
        {
            "name": "splat",
            "title": "Splat",
            "options": [
                {"name": "quality", "type": "choice", "default": "normal",
                 "choices": [{"name": "draft"}, {"name": "normal"}, {"name": "high"}]},
                {"name": "minutes", "type": "number", "default": None},
            ],
        },
    ],
}  # fmt: skip

PROGRAM = """#!{python}
import json, os, pathlib, subprocess, sys, time
here = pathlib.Path(__file__).parent
def say(**event):
    print(json.dumps(event), flush=True)
if sys.argv[1] == "options":
    print((here / "catalog.json").read_text())
    sys.exit()
(here / "arguments.json").write_text(json.dumps(sys.argv[1:]))
say(event="start", stages=[])
say(event="stage_started", stage="photos", label="Reading the photos")
say(event="progress", overall=0.4, doing="Looking", left=100)
say(event="warning", stage="photos", message="One photo is blurred.")
plan = (here / "plan").read_text()
if plan == "fail":
    say(event="error", message="No photo fits another.", exit_code=3)
    sys.exit(3)
if plan == "crash":
    print("Segmentation fault")
    sys.exit(139)
if plan == "wait":
    child = subprocess.Popen(["sleep", "300"])
    (here / "child").write_text(str(child.pid))
    time.sleep(300)
say(event="done", workspace=str(here / "square.gypsum"), models=["square.glb"])
"""


class Program:
    """Acts as gypsum, as it is told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "gypsum"
        self.path.write_text(PROGRAM.format(python=sys.executable))
        self.path.chmod(self.path.stat().st_mode | stat.S_IXUSR)
        (folder / "catalog.json").write_text(json.dumps(CATALOG))
        self.plan("done")
        workspaces.make(folder / "square.gypsum")
        (folder / "photos").mkdir()
        for number in range(3):
            (folder / "photos" / f"{number}.jpg").write_bytes(bytes([number]) * 1000)

    def plan(self, text: str) -> None:
        (self.folder / "plan").write_text(text)

    @property
    def arguments(self) -> list[str]:
        return json.loads((self.folder / "arguments.json").read_text())


@pytest.fixture
def program(tmp_path: Path, preferences) -> Program:
    """A stand-in with photos chosen for it."""
    made = Program(tmp_path)
    preferences.program = str(made.path)
    bpy.ops.gypsum.choose_input(directory=str(tmp_path / "photos"))
    bpy.context.scene.gypsum.output = str(tmp_path / "out" / "square.glb")
    return made


def _until(condition, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.02)


@pytest.mark.usefixtures("program")
def test_photos_are_chosen_and_options_learnt(tmp_path: Path) -> None:
    run = bpy.context.scene.gypsum
    assert [item.name for item in run.inputs] == [str(tmp_path / "photos")]
    assert [option.name for option in run.options] == [
        "quality", "faces", "refine", "pbr", "distance", "box",
    ]  # fmt: skip
    assert not run.values
    assert run.options["quality"].choice == "normal"
    assert [option.advanced for option in run.options].count(True) == 1
    run.options["quality"].given = True
    run.options["quality"].choice = "draft"
    run.mode = "splat"
    assert [option.name for option in run.options] == ["quality", "minutes"]
    assert run.values == {"quality": "draft"}
    bpy.ops.ed.undo_push(message="before")
    names = [{"name": "0.jpg"}, {"name": "1.jpg"}]
    bpy.ops.gypsum.choose_input(directory=str(tmp_path / "photos"), files=names)
    bpy.ops.ed.undo_push(message="chosen")
    assert len(bpy.context.scene.gypsum.inputs) == 2
    bpy.ops.ed.undo()
    assert len(bpy.context.scene.gypsum.inputs) == 1


def test_options_are_loaded_anew(program: Program) -> None:
    less = {"modes": [CATALOG["modes"][1]]}
    (program.folder / "catalog.json").write_text(json.dumps(less))
    bpy.ops.gypsum.load_options()
    run = bpy.context.scene.gypsum
    assert (run.mode, len(run.options)) == ("splat", 2)
    (program.folder / "catalog.json").write_text("Usage: gypsum COMMAND")
    with pytest.raises(RuntimeError, match="tells no options"):
        bpy.ops.gypsum.load_options()


def test_given_options_become_flags(program: Program) -> None:
    run = bpy.context.scene.gypsum
    for name, value in [
        ("quality", "high"), ("faces", 900), ("refine", False), ("pbr", True),
        ("distance", ["0 1 25cm", "2 3 1m"]), ("box", "-1 0 0 1 1 1"),
    ]:  # fmt: skip
        run.give(name, value)
    bpy.ops.gypsum.scan()
    assert program.arguments[0] == "scan"
    assert program.arguments[2:] == [
        "-o", str(program.folder / "out/square.glb"), "--mode", "photo", "--quality=high",
        "--faces=900", "--no-refine", "--pbr", "--distance=0 1 25cm", "--distance=2 3 1m",
        "--box=-1 0 0 1 1 1", "--json",
    ]  # fmt: skip


@pytest.mark.usefixtures("program")
def test_the_result_lands_in_the_scene_and_is_undone() -> None:
    bpy.ops.ed.undo_push(message="before")
    assert bpy.ops.gypsum.scan() == {"FINISHED"}
    bpy.ops.ed.undo_push(message="scanned")
    assert "square" in bpy.data.objects
    assert bpy.context.window_manager.gypsum.warnings == "One photo is blurred.\n"
    assert not bpy.context.window_manager.gypsum.running
    bpy.ops.ed.undo()
    assert not bpy.data.objects


def test_without_photos_or_program_it_says_so(program: Program, preferences) -> None:
    preferences.program = str(program.folder / "nothing")
    with pytest.raises(RuntimeError, match="is no program"):
        bpy.ops.gypsum.scan()
    preferences.program = str(program.path)
    bpy.context.scene.gypsum.inputs[0].name = str(program.folder / "none")
    with pytest.raises(RuntimeError, match="is not there"):
        bpy.ops.gypsum.scan()
    bpy.context.scene.gypsum.inputs.clear()
    with pytest.raises(RuntimeError, match="Choose photos"):
        bpy.ops.gypsum.scan()
    with pytest.raises(RuntimeError, match=r"poll\(\) failed"):
        bpy.ops.gypsum.cancel()


@pytest.mark.parametrize(
    ("plan", "why"), [("fail", "No photo fits another"), ("crash", "Segmentation fault")]
)
def test_failures_are_sentences(program: Program, plan: str, why: str) -> None:
    program.plan(plan)
    with pytest.raises(RuntimeError, match=why):
        bpy.ops.gypsum.scan()
    assert running.RUNNING.job is None
    assert not bpy.data.objects


def _begin(program: Program) -> None:
    """As the operator does when a person presses it: it starts, and Blender goes on."""
    command = catalog.command_of(bpy.context.scene.gypsum, str(program.path))
    began = time.monotonic()
    running.RUNNING.begin(jobs.Process([*command, "--json"]), running._scan_arrived)
    assert time.monotonic() - began < 1
    _until((program.folder / "child").exists)


def test_blender_stays_responsive_and_cancel_ends_the_whole_group(program: Program) -> None:
    program.plan("wait")
    _begin(program)
    shown = bpy.context.window_manager.gypsum

    def looking() -> bool:
        began = time.monotonic()
        assert running.RUNNING.step(bpy.context) is None
        assert time.monotonic() - began < 0.5
        return shown.doing == "Looking"

    _until(looking)
    assert shown.running
    assert (shown.share, shown.left) == (pytest.approx(0.4), "2 min")
    with pytest.raises(RuntimeError, match=r"poll\(\) failed"):
        bpy.ops.gypsum.scan()
    child = int((program.folder / "child").read_text())
    bpy.ops.gypsum.cancel()
    outcome = []

    def over() -> bool:
        outcome[:] = [running.RUNNING.step(bpy.context)]
        return outcome[0] is not None

    _until(over)
    assert outcome[0] == ("ERROR", jobs.STOPPED)
    _until(lambda: not _alive(child))
    assert not shown.running


def test_disabling_the_add_on_stops_what_runs(program: Program) -> None:
    program.plan("wait")
    _begin(program)
    child = int((program.folder / "child").read_text())
    bpy.ops.preferences.addon_disable(module="addon")
    _until(lambda: not _alive(child))
    bpy.ops.preferences.addon_enable(module="addon")


def test_opening_another_file_stops_what_runs(program: Program) -> None:
    program.plan("wait")
    _begin(program)
    child = int((program.folder / "child").read_text())
    bpy.ops.wm.save_as_mainfile(filepath=str(program.folder / "a.blend"))
    assert running.RUNNING.job is not None
    bpy.ops.wm.open_mainfile(filepath=str(program.folder / "a.blend"))
    assert running.RUNNING.job is None
    _until(lambda: not _alive(child))


class Pressed(running.Runs):
    """The operator as a window calls it, which there is none of here."""

    def __init__(self, program: Program) -> None:
        self.command = catalog.command_of(bpy.context.scene.gypsum, str(program.path))
        self.said: list[str] = []

    def begin(self, _: object) -> tuple[jobs.Job, running.Arrived]:
        return jobs.Process([*self.command, "--json"]), running._scan_arrived

    def report(self, _: object, text: str) -> None:
        self.said.append(text)


def test_pressed_in_a_window_it_watches_by_a_timer(program: Program) -> None:
    program.plan("wait")
    calls = []
    manager = SimpleNamespace(
        gypsum=bpy.context.window_manager.gypsum,
        event_timer_add=lambda seconds, **_: calls.append(seconds) or "timer",
        event_timer_remove=calls.append,
        modal_handler_add=calls.append,
    )
    context = SimpleNamespace(window_manager=manager, window=None, screen=None)
    operator = Pressed(program)
    began = time.monotonic()
    assert operator.invoke(context, None) == {"RUNNING_MODAL"}
    assert time.monotonic() - began < 1
    assert calls == [0.25, operator]
    assert operator.modal(context, SimpleNamespace(type="MOUSEMOVE")) == {"PASS_THROUGH"}
    tick = SimpleNamespace(type="TIMER")
    assert operator.modal(context, tick) == {"PASS_THROUGH"}
    _until((program.folder / "child").exists)
    bpy.ops.gypsum.cancel()
    _until(lambda: operator.modal(context, tick) == {"CANCELLED"})
    assert operator.said == [jobs.STOPPED]
    assert calls[-1] == "timer"


def _alive(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{number}/stat")
    # A zombie that no one waits for is dead, too.
    return not (state.exists() and state.read_text().rsplit(")", 1)[1].split()[0] == "Z")


@pytest.fixture
def server(program: Program, preferences):
    """A server as Gypsum's, with the key in the preferences."""
    with Server(CATALOG, program.folder / "square.gypsum" / "models" / "square.glb") as made:
        preferences.where = "SERVER"
        preferences.server = made.url
        preferences.key = made.key
        yield made


def test_a_server_scans(server: Server, program: Program) -> None:
    bpy.ops.gypsum.load_options()
    bpy.context.scene.gypsum.give("quality", "draft")
    server.drop_once = True
    bpy.ops.ed.undo_push(message="before")
    assert bpy.ops.gypsum.scan() == {"FINISHED"}
    bpy.ops.ed.undo_push(message="scanned")
    assert server.asked == {
        "title": "square", "mode": "photo", "options": {"quality": "draft"}, "privacy": "private",
    }  # fmt: skip
    assert server.files == {f"{number}.jpg": bytes([number]) * 1000 for number in range(3)}
    assert (program.folder / "out/square/square.glb").is_file()
    mesh = next(thing for thing in bpy.data.objects if thing.type == "MESH")
    assert mesh.data.uv_layers
    assert mesh.data.materials
    bpy.ops.ed.undo()
    assert not bpy.data.objects


def test_the_key_goes_to_the_server_alone_and_not_into_the_file(
    server: Server, tmp_path: Path
) -> None:
    bpy.ops.gypsum.scan()
    assert server.keys == {"api": {f"Bearer {server.key}"}, "elsewhere": {None}}
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"), compress=False)
    assert server.key.encode() not in (tmp_path / "a.blend").read_bytes()


def test_a_server_is_told_to_cancel(server: Server) -> None:
    server.endless = True
    service = running.preferences.server(bpy.context)
    job = running.ServerScan(
        service, [Path(bpy.context.scene.gypsum.inputs[0].name)], "photo", {}, Path("square")
    )
    running.RUNNING.begin(job, running._models_arrived)
    _until(lambda: server.started)
    bpy.ops.gypsum.cancel()
    outcome = []

    def over() -> bool:
        outcome[:] = [running.RUNNING.step(bpy.context)]
        return outcome[0] is not None

    _until(over)
    assert outcome[0] == ("ERROR", "Stopped; what was sent stays on the server.")
    assert server.cancelled


def test_a_servers_refusals_are_sentences(server: Server, preferences) -> None:
    server.problem = (413, "The photos are larger than this server allows.")
    with pytest.raises(RuntimeError, match="larger than this server allows"):
        bpy.ops.gypsum.scan()
    server.problem = None
    preferences.key = "wrong"
    with pytest.raises(RuntimeError, match="Check the API key"):
        bpy.ops.gypsum.scan()
    preferences.key = ""
    with pytest.raises(RuntimeError, match="Set the server's API key"):
        bpy.ops.gypsum.scan()
    preferences.key = "k"
    preferences.server = "ftp://somewhere"
    with pytest.raises(RuntimeError, match="begins with https"):
        bpy.ops.gypsum.scan()
    preferences.server = "https://gypsum.example.org"
    if not bpy.app.online_access:
        with pytest.raises(RuntimeError, match="Allow online access"):
            bpy.ops.gypsum.scan()
    preferences.server = "http://127.0.0.1:9"
    with pytest.raises(RuntimeError, match="can't be reached"):
        bpy.ops.gypsum.scan()


def test_the_sample_is_scanned_from_the_operator(gypsum: Path, tmp_path: Path) -> None:
    """The real program on a small sample: a mesh with texture coordinates and a texture arrives."""
    sample = [str(gypsum), "sample", str(tmp_path / "sample"), "--photos", "20"]
    subprocess.run([*sample, "--width", "512", "--height", "384"], check=True, capture_output=True)
    bpy.ops.gypsum.choose_input(directory=str(tmp_path / "sample" / "photos"))
    run = bpy.context.scene.gypsum
    assert len(run.options) > 20
    run.output = str(tmp_path / "scan.glb")
    run.give("quality", "draft")
    run.give("faces", 3000)
    run.give("texture", "1k")
    assert bpy.ops.gypsum.scan() == {"FINISHED"}
    root = bpy.context.active_object
    meshes = [thing for thing in root.children if thing.type == "MESH"]
    assert len(meshes) == 1
    assert 1000 < len(meshes[0].data.polygons) <= 3000
    assert meshes[0].data.uv_layers
    nodes = meshes[0].data.materials[0].node_tree.nodes
    texture = next(node.image for node in nodes if node.type == "TEX_IMAGE")
    assert texture.size[0] >= 256
    cameras = [thing for thing in root.children if thing.type == "CAMERA"]
    assert len(cameras) >= 18
    assert all(camera.data.background_images[0].image for camera in cameras)
    _next_run_takes_the_edits(root)


def _next_run_takes_the_edits(root: bpy.types.Object) -> None:
    """Twice as large and turned; the next run's cameras stand where the scene's stand."""
    root.scale = (2, 2, 2)
    root.rotation_euler.z = 1
    bpy.context.view_layer.update()
    wanted = {
        thing.name: np.array(thing.matrix_world.translation)
        for thing in root.children
        if thing.type == "CAMERA"
    }
    bpy.ops.gypsum.send_back()
    run = bpy.context.scene.gypsum
    run.give("until", "cameras")
    folder = Path(run.workspace)
    assert bpy.ops.gypsum.scan() == {"FINISHED"}
    for shot in Workspace(folder).shots():
        assert np.allclose(-shot.R.T @ shot.t, wanted[shot.name], atol=1e-4)
