# SPDX-License-Identifier: GPL-3.0-or-later
"""Preferences: where Gypsum is. They are Blender's, so that no key gets into a .blend."""

import os
import shutil
import urllib.parse
from pathlib import Path

import bpy
from bpy.props import EnumProperty, StringProperty

from .colmap import ModelError
from .service import Service

_USUAL = ("~/.local/bin/gypsum", "~/gypsum/.venv/bin/gypsum", "/usr/local/bin/gypsum")
"""Where programs are that a desktop's own search path may lack."""


class GYPSUM_AP_preferences(bpy.types.AddonPreferences):
    """Where scans run"""

    bl_idname = __package__

    where: EnumProperty(
        name="Run Scans",
        items=(
            ("PROGRAM", "On This Computer", "By the program gypsum"),
            ("SERVER", "On a Server", "By a Gypsum server"),
        ),
    )
    program: StringProperty(
        name="Program", description="gypsum; empty finds it by itself", subtype="FILE_PATH"
    )
    server: StringProperty(name="Server", description="Such as https://gypsum.example.org")
    key: StringProperty(
        name="API Key",
        description="Made on the server's page Account; kept in Blender's preferences only",
        subtype="PASSWORD",
    )

    def draw(self, _: bpy.types.Context) -> None:
        layout = self.layout
        layout.use_property_split = True
        layout.prop(self, "where")
        if self.where == "PROGRAM":
            layout.prop(self, "program")
            found = find_program(self.program)
            layout.label(text=f"Found: {found}" if found else "No program gypsum was found")
            return
        layout.prop(self, "server")
        layout.prop(self, "key")
        if self.server.startswith("http:") and not _is_near(self.server):
            layout.label(text="Without https others can read the key on its way", icon="ERROR")


def _is_near(url: str) -> bool:
    """Whether a server is on this computer."""
    return urllib.parse.urlsplit(url).hostname in ("localhost", "127.0.0.1", "::1")


def preferences(context: bpy.types.Context) -> GYPSUM_AP_preferences:
    """The add-on's own."""
    return context.preferences.addons[__package__].preferences


def find_program(chosen: str) -> str:
    """The program's path: what was chosen, else what the search path has; empty without one."""
    if chosen:
        path = Path(bpy.path.abspath(chosen))
        return str(path) if path.is_file() and os.access(path, os.X_OK) else ""
    places = [str(Path(place).expanduser()) for place in _USUAL]
    return next((found for name in ("gypsum", *places) if (found := shutil.which(name))), "")


def program(context: bpy.types.Context) -> str:
    """The program, or a sentence."""
    chosen = preferences(context).program
    if found := find_program(chosen):
        return found
    if chosen:
        raise ModelError(f"{chosen} is no program; set gypsum's path in the preferences.")
    raise ModelError("No program gypsum was found; install Gypsum or set its path in preferences.")


def server(context: bpy.types.Context) -> Service:
    """The server with its key."""
    kept = preferences(context)
    service = Service(kept.server, kept.key)
    if not (bpy.app.online_access or _is_near(kept.server)):
        raise ModelError("Allow online access in Blender's preferences, System, to use a server.")
    return service


CLASSES = (GYPSUM_AP_preferences,)
MENUS = ()
