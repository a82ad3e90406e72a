# SPDX-License-Identifier: GPL-3.0-or-later
"""The next run: its input, its mode, and the options that Gypsum itself declares.

Options come from ``gypsum options --json`` or a server, so this add-on knows none of them by name.
Only those that are ticked are given.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import bpy
from bpy.props import (
    BoolProperty,
    CollectionProperty,
    EnumProperty,
    FloatProperty,
    IntProperty,
    StringProperty,
)

from .colmap import ModelError
from .workspace import Workspace

_OWN = ("output", "workspace", "mode", "set")
"""Options that the form asks for in its own way."""
_KINDS = ("boolean", "integer", "number", "choice", "text", "list", "path")
_MOST = 2**31 - 1
_SEPARATOR = ";"
"""Between the items of a list."""

Items = list[tuple[str, str, str]]
_menus: dict[str, Items] = {}
"""Blender wants the texts of a menu to stay where they are."""


def _menu(names: str) -> Items:
    """Items of a menu, from lines."""
    lines = names.split("\n") if names else []
    return _menus.setdefault(
        names, [(name, name.replace("-", " ").capitalize(), "") for name in lines]
    )


def _chosen(field: str, names: Callable[[Any], str]) -> dict[str, Any]:
    """Arguments of an enumeration whose items come with the data: it is kept by name in a text."""

    def get(self: bpy.types.PropertyGroup) -> int:
        found = [item[0] for item in _menu(names(self))]
        value = getattr(self, field)
        return found.index(value) if value in found else 0

    def put(self: bpy.types.PropertyGroup, value: int) -> None:
        setattr(self, field, _menu(names(self))[value][0])

    return {"items": lambda self, _: _menu(names(self)), "get": get, "set": put}


class GYPSUM_PG_option(bpy.types.PropertyGroup):
    """One of Gypsum's options; ``name`` is Blender's own property"""

    kind: StringProperty()
    title: StringProperty()
    help: StringProperty()
    choices: StringProperty(description="Lines")
    advanced: BoolProperty()
    deniable: BoolProperty()
    given: BoolProperty(name="Give", description="Give this option; else Gypsum's default holds")
    boolean: BoolProperty(name="On")
    integer: IntProperty(name="Value", max=_MOST)
    number: FloatProperty(name="Value", precision=4)
    text: StringProperty(name="Value", description="Items of lists are separated by ;")
    choice: EnumProperty(name="Value", **_chosen("text", lambda self: self.choices))

    @property
    def field(self) -> str:
        """Which property holds the value."""
        fields = {"boolean": "boolean", "integer": "integer", "number": "number"}
        return fields.get(self.kind, "choice" if self.kind == "choice" else "text")

    @property
    def value(self) -> Any:
        """As JSON has it."""
        if self.kind == "choice":
            return self.choice
        if self.kind == "list":
            return [item.strip() for item in self.text.split(_SEPARATOR) if item.strip()]
        return getattr(self, self.field)

    def assign(self, value: Any) -> None:
        """Give the option a value of JSON."""
        self.given = True
        if self.field in ("boolean", "integer", "number"):
            setattr(self, self.field, value)
        elif self.kind == "list":
            self.text = _SEPARATOR.join(map(_words, value))
        else:
            self.text = _words(value)


class GYPSUM_PG_input(bpy.types.PropertyGroup):
    """A photo, a clip or a folder; ``name`` is its path"""


class GYPSUM_PG_run(bpy.types.PropertyGroup):
    """What the next run is told"""

    inputs: CollectionProperty(type=GYPSUM_PG_input)
    output: StringProperty(
        name="Result",
        description="The model to write, such as //scans/vase.glb; the workspace lies beside it",
        subtype="FILE_PATH",
        default="//scan.glb",
    )
    workspace: StringProperty(description="The workspace to go on with; empty is beside the result")
    catalog: StringProperty(description="Modes and options, JSON")
    mode_name: StringProperty(default="photo")
    mode: EnumProperty(
        name="Mode",
        **_chosen("mode_name", lambda self: "\n".join(_modes(self))),
        update=lambda self, _: self.show_options(),
    )
    options: CollectionProperty(type=GYPSUM_PG_option)
    advanced: BoolProperty(name="All Options")
    server: BoolProperty(description="Whether the options are those of a server")

    def show_options(self) -> None:
        """Those of the mode; what was given stays."""
        given = {option.name: option.value for option in self.options if option.given}
        self.options.clear()
        for entry in _modes(self).get(self.mode_name, []):
            if entry["name"] not in _OWN:
                _add(self, entry)
        for name, value in given.items():
            if name in self.options:
                self.options[name].assign(value)

    def learn(self, catalog: dict[str, Any], *, server: bool) -> None:
        """Take modes and options from what Gypsum says of itself."""
        modes = catalog.get("modes")
        if not modes or any("options" not in mode or "name" not in mode for mode in modes):
            raise ModelError("This Gypsum tells no options; update it.")
        self.catalog, self.server = json.dumps(catalog), server
        if self.mode_name not in _modes(self):
            self.mode_name = modes[0]["name"]
        self.show_options()

    def give(self, name: str, value: Any) -> None:
        """Give an option, also one of a Gypsum that was not asked yet."""
        if name not in self.options:
            _add(self, {"name": name, "type": _kind_of(value)})
        self.options[name].assign(value)

    @property
    def values(self) -> dict[str, Any]:
        """Options that are given, as JSON."""
        return {option.name: option.value for option in self.options if option.given}

    @property
    def result(self) -> Path:
        """The model's path; beside the .blend where that has a place."""
        if self.output.startswith("//") and not bpy.data.filepath:
            raise ModelError("Save the .blend first, or choose where the result goes.")
        return Path(bpy.path.abspath(self.output))


def prepare(run: GYPSUM_PG_run, workspace: Workspace, changed: dict[str, Any]) -> None:
    """The next run of a workspace: as the last one, but for what was changed."""
    run.inputs.clear()
    for path in workspace.inputs:
        run.inputs.add().name = path
    run.workspace = str(workspace.root)
    last = workspace.options
    name = Path(str(last.get("output") or f"{workspace.name}.glb")).name
    run.output = str(workspace.root.parent / name)
    run.mode_name = workspace.mode
    run.show_options()
    for option in run.options:
        option.given = False
    for name, value in last.items():
        if name not in _OWN and value not in (None, False, [], ""):
            run.give(name, value)
    for name, value in changed.items():
        run.give(name, value)


def command_of(run: GYPSUM_PG_run, program: str = "gypsum") -> list[str]:
    """The command line of a run."""
    command = [program, "scan", *(item.name for item in run.inputs), "-o", str(run.result)]
    if run.workspace:
        command += ["--workspace", run.workspace]
    return [*command, "--mode", run.mode_name, *_flags(run)]


def _flags(run: GYPSUM_PG_run) -> Iterator[str]:
    """Given options as the command line has them."""
    for option in run.options:
        if not option.given:
            continue
        flag = "--" + option.name.replace("_", "-")
        if option.kind == "boolean":
            if option.boolean or option.deniable:
                yield flag if option.boolean else flag.replace("--", "--no-", 1)
            continue
        values = option.value if option.kind == "list" else [option.value]
        for value in values:
            # With an equals sign a value may begin with a minus.
            yield f"{flag}={_words(value)}"


def _modes(run: GYPSUM_PG_run) -> dict[str, list[dict[str, Any]]]:
    """Options by mode."""
    modes = json.loads(run.catalog)["modes"] if run.catalog else []
    return {mode["name"]: mode["options"] for mode in modes}


def _add(run: GYPSUM_PG_run, entry: dict[str, Any]) -> None:
    option = run.options.add()
    option.name = entry["name"]
    option.kind = entry["type"] if entry["type"] in _KINDS else "text"
    option.title = entry.get("title") or entry["name"]
    option.help = entry.get("help") or ""
    option.choices = "\n".join(_choice_names(entry.get("choices") or []))
    option.advanced = bool(entry.get("advanced"))
    option.deniable = bool(entry.get("deniable"))
    if (default := entry.get("default")) not in (None, []):
        option.assign(default)
    elif option.field in ("integer", "number") and entry.get("minimum") is not None:
        option.assign(type(getattr(option, option.field))(entry["minimum"]))
    option.given = False


def _choice_names(choices: list[Any]) -> list[str]:
    """Choices are names, or objects with one."""
    return [str(item["name"] if isinstance(item, dict) else item) for item in choices]


def _kind_of(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int) and abs(value) <= _MOST:
        return "integer"
    if isinstance(value, list) and not all(isinstance(item, int | float) for item in value):
        return "list"
    return "text"


def _words(value: Any) -> str:
    """A value as the command line has it; corners and distances are words side by side."""
    if isinstance(value, list | tuple):
        return " ".join(map(_words, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


CLASSES = (GYPSUM_PG_option, GYPSUM_PG_input, GYPSUM_PG_run)
MENUS = ()
