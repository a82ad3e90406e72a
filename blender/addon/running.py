# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators that run Gypsum beside Blender, watch it, and bring what it made into the scene."""

import atexit
import contextlib
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy
from bpy.props import BoolProperty, CollectionProperty, FloatProperty, StringProperty

from . import catalog, preferences, scans
from .colmap import ModelError
from .jobs import Event, Job, Process
from .service import ServerScan, ServiceError
from .workspace import Workspace

_INTERVAL = 0.25
"""Seconds between looks at what a job tells."""
_ASKING = 60
"""Seconds that the program has to tell its options."""

Arrived = Callable[[bpy.types.Context, Event], str]
"""Brings what a job made into the scene, and tells it."""


class GYPSUM_PG_progress(bpy.types.PropertyGroup):
    """How far the running job is; kept nowhere"""

    running: BoolProperty()
    share: FloatProperty(min=0, max=1)
    doing: StringProperty()
    left: StringProperty()
    warnings: StringProperty(description="Lines")


class _Running:
    """The job that runs, if any: there is one at a time."""

    def __init__(self) -> None:
        self.job: Job | None = None
        self.arrived: Arrived | None = None

    def begin(self, job: Job, arrived: Arrived) -> None:
        """Start it."""
        if self.job is not None:
            raise ModelError("Gypsum is running already; cancel it or wait for it.")
        self.job, self.arrived = job, arrived
        shown = bpy.context.window_manager.gypsum
        shown.running, shown.share, shown.doing = True, 0.0, "Starting"
        shown.left = shown.warnings = ""
        job.start()

    def step(self, context: bpy.types.Context) -> tuple[str, str] | None:
        """Hear what happened; at the end how a report calls it, and a sentence."""
        job, arrived = self.job, self.arrived
        if job is None or arrived is None:
            return "ERROR", "Nothing is running."
        # Asked before the events are taken, so that none comes in between.
        running = job.running
        for event in job.events():
            if event["event"] not in ("done", "error"):
                _show(context.window_manager.gypsum, event)
                continue
            self._forget()
            if event["event"] == "error":
                return "ERROR", str(event["message"])
            try:
                return "INFO", arrived(context, event)
            except ModelError as error:
                return "ERROR", str(error)
        if not running:
            self._forget()
            return "ERROR", "It ended without a word."
        return None

    def end(self) -> None:
        """Stop what runs."""
        job = self.job
        self._forget()
        if job is not None:
            job.close()

    def _forget(self) -> None:
        """Be ready for the next."""
        self.job = self.arrived = None
        shown = getattr(bpy.context.window_manager, "gypsum", None)
        if shown is not None:
            shown.running = False


RUNNING = _Running()


@bpy.app.handlers.persistent
def _another_file(*_: object) -> None:
    """No one watches a job any more when another .blend is opened."""
    RUNNING.end()


def _show(shown: GYPSUM_PG_progress, event: Event) -> None:
    if event["event"] == "progress":
        shown.share = float(event.get("overall") or 0)
        shown.doing = str(event.get("doing") or "")
        left = event.get("left")
        shown.left = "" if left is None else _duration(float(left))
    elif event["event"] == "stage_started":
        shown.doing = str(event.get("label") or "")
    elif event["event"] == "warning":
        shown.warnings += f"{event.get('message')}\n"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


class Runs:
    """An operator that starts a job, and is there until the job's end without holding Blender up.

    Called by a script, or where there is no window, it waits.
    """

    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, _: bpy.types.Context) -> bool:
        return RUNNING.job is None

    def begin(self, context: bpy.types.Context) -> tuple[Job, Arrived]:
        """What to run, and what to do with what it made."""
        raise NotImplementedError

    def invoke(self, context: bpy.types.Context, _: bpy.types.Event) -> set[str]:
        if not self._started(context):
            return {"CANCELLED"}
        manager = context.window_manager
        self._timer = manager.event_timer_add(_INTERVAL, window=context.window)
        manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        if event.type != "TIMER":
            return {"PASS_THROUGH"}
        outcome = RUNNING.step(context)
        for area in context.screen.areas if context.screen else ():
            area.tag_redraw()
        if outcome is None:
            return {"PASS_THROUGH"}
        context.window_manager.event_timer_remove(self._timer)
        return self._over(*outcome)

    def execute(self, context: bpy.types.Context) -> set[str]:
        if not self._started(context):
            return {"CANCELLED"}
        try:
            while (outcome := RUNNING.step(context)) is None:
                if RUNNING.job is not None:
                    RUNNING.job.wait(_INTERVAL)
        except KeyboardInterrupt:
            RUNNING.end()
            raise
        return self._over(*outcome)

    def _started(self, context: bpy.types.Context) -> bool:
        try:
            RUNNING.begin(*self.begin(context))
        except (ModelError, ServiceError) as error:
            self.report({"ERROR"}, str(error))
            return False
        return True

    def _over(self, kind: str, message: str) -> set[str]:
        self.report({kind}, message)
        return {"FINISHED"} if kind == "INFO" else {"CANCELLED"}


class GYPSUM_OT_scan(Runs, bpy.types.Operator):
    """Scan the chosen photos or clip, and bring the result into the scene"""

    bl_idname = "gypsum.scan"
    bl_label = "Scan"

    def begin(self, context: bpy.types.Context) -> tuple[Job, Arrived]:
        run = context.scene.gypsum
        if not run.inputs:
            raise ModelError("Choose photos or a clip first.")
        inputs = [Path(bpy.path.abspath(item.name)) for item in run.inputs]
        if missing := [path for path in inputs if not path.exists()]:
            raise ModelError(f"{missing[0]} is not there.")
        result = run.result
        if preferences.preferences(context).where == "SERVER":
            service = preferences.server(context)
            folder = result.with_suffix("")
            return ServerScan(service, inputs, run.mode_name, run.values, folder), _models_arrived
        command = catalog.command_of(run, preferences.program(context))
        return Process([*command, "--json"]), _scan_arrived


class GYPSUM_OT_cancel(bpy.types.Operator):
    """Stop Gypsum; running it again goes on from where it was"""

    bl_idname = "gypsum.cancel"
    bl_label = "Cancel"

    @classmethod
    def poll(cls, _: bpy.types.Context) -> bool:
        return RUNNING.job is not None

    def execute(self, context: bpy.types.Context) -> set[str]:
        if RUNNING.job is not None:
            RUNNING.job.cancel()
        context.window_manager.gypsum.doing = "Stopping"
        return {"FINISHED"}


class GYPSUM_OT_choose_input(bpy.types.Operator):
    """Choose photos, clips, zips, or a folder of them"""

    bl_idname = "gypsum.choose_input"
    bl_label = "Choose Photos or Clip"
    bl_options = {"REGISTER", "UNDO"}

    directory: StringProperty(subtype="DIR_PATH", options={"HIDDEN"})
    files: CollectionProperty(type=bpy.types.OperatorFileListElement, options={"HIDDEN"})
    filter_image: BoolProperty(default=True, options={"HIDDEN"})
    filter_movie: BoolProperty(default=True, options={"HIDDEN"})
    filter_folder: BoolProperty(default=True, options={"HIDDEN"})

    def invoke(self, context: bpy.types.Context, _: bpy.types.Event) -> set[str]:
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        run = context.scene.gypsum
        names = [file.name for file in self.files if file.name]
        paths = [Path(self.directory, name) for name in names] or [Path(self.directory)]
        run.inputs.clear()
        for path in paths:
            run.inputs.add().name = str(path)
        # Other photos are another scan.
        run.workspace = ""
        if not run.options:
            with contextlib.suppress(ModelError, ServiceError):
                _learn(context)
        self.report({"INFO"}, f"{len(paths)} chosen")
        return {"FINISHED"}


class GYPSUM_OT_load_options(bpy.types.Operator):
    """Ask Gypsum for its modes and options"""

    bl_idname = "gypsum.load_options"
    bl_label = "Load Options"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        try:
            _learn(context)
        except (ModelError, ServiceError) as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        self.report({"INFO"}, f"{len(context.scene.gypsum.options)} options")
        return {"FINISHED"}


def _learn(context: bpy.types.Context) -> None:
    """Options of the program or the server."""
    if preferences.preferences(context).where == "SERVER":
        context.scene.gypsum.learn(preferences.server(context).options(), server=True)
    else:
        context.scene.gypsum.learn(_declared(preferences.program(context)), server=False)


def _declared(program: str) -> dict[str, Any]:
    command = [program, "options", "--json"]
    try:
        done = subprocess.run(
            command, capture_output=True, timeout=_ASKING, check=True, stdin=subprocess.DEVNULL
        )
        found = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        raise ModelError(f"{program} tells no options; update Gypsum.") from None
    return found if isinstance(found, dict) else {}


def _scan_arrived(context: bpy.types.Context, event: Event) -> str:
    """A workspace as a scan with its cameras."""
    root = Path(str(event.get("workspace") or ""))
    if not event.get("models") and not Workspace(root).shots():
        return "The scan stopped where it was asked to."
    made = scans.load_scan(context, root, cameras=True, photos=True, cloud=False)
    return f"{made.name} is in the scene"


def _models_arrived(context: bpy.types.Context, event: Event) -> str:
    """The first model that can be shown."""
    known = (*scans.LOADED, *(path.suffix.lower() for path in map(Path, event["models"])))
    paths = sorted(map(Path, event["models"]), key=lambda path: known.index(path.suffix.lower()))
    if not paths or paths[0].suffix.lower() not in scans.LOADED:
        raise ModelError("The scan has no model that Blender can show; ask for glb.")
    scans.load_model(context, paths[0])
    return f"{paths[0].name} is in the scene"


CLASSES = (
    GYPSUM_PG_progress,
    GYPSUM_OT_scan,
    GYPSUM_OT_cancel,
    GYPSUM_OT_choose_input,
    GYPSUM_OT_load_options,
)
MENUS = ()


def register() -> None:
    """Where the next run and the running one are kept."""
    bpy.types.Scene.gypsum = bpy.props.PointerProperty(type=catalog.GYPSUM_PG_run)
    bpy.types.WindowManager.gypsum = bpy.props.PointerProperty(
        type=GYPSUM_PG_progress, options={"SKIP_SAVE"}
    )
    atexit.register(RUNNING.end)
    bpy.app.handlers.load_pre.append(_another_file)


def unregister() -> None:
    """The reverse; what runs is stopped."""
    RUNNING.end()
    atexit.unregister(RUNNING.end)
    bpy.app.handlers.load_pre.remove(_another_file)
    del bpy.types.Scene.gypsum
    del bpy.types.WindowManager.gypsum
