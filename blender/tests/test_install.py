# SPDX-License-Identifier: GPL-3.0-or-later
"""The zip in a clean profile, in a process of its own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

BUILD = Path(__file__).resolve().parent.parent / "build.py"

SCRIPT = """
import sys, bpy
from pathlib import Path
MODULE = "bl_ext.user_default.gypsum"
def found():
    menus = ("TOPBAR_MT_file_import", "TOPBAR_MT_file_export")
    drawn = [len(getattr(bpy.types, menu).draw._draw_funcs) for menu in menus]
    types = [name for name in dir(bpy.types) if name.startswith("GYPSUM_")]
    operators = dir(bpy.ops.gypsum) + [n for n in dir(bpy.ops.import_scene) if "gypsum" in n]
    here = [hasattr(bpy.types.Scene, "gypsum"), hasattr(bpy.types.WindowManager, "gypsum")]
    return drawn, types, operators, here
bpy.ops.extensions.repo_refresh_all()
before = found()
bpy.ops.extensions.package_install_files(
    filepath=sys.argv[1], repo="user_default", enable_on_install=True
)
assert MODULE in bpy.context.preferences.addons
drawn, types, operators, here = found()
assert drawn == [before[0][0] + 2, before[0][1] + 1], drawn
assert {"GYPSUM_OT_delete", "GYPSUM_PT_splats", "GYPSUM_FH_splats"} <= set(types), types
assert "import_scene" in dir(bpy.ops) and bpy.ops.import_scene.gypsum_splats.poll()
assert here == [True, True]
assert bpy.context.preferences.addons[MODULE].preferences.where == "PROGRAM"
bpy.ops.preferences.addon_disable(module=MODULE)
assert found() == before, found()
bpy.ops.extensions.package_uninstall(repo_index=0, pkg_id="gypsum")
print("installed and gone")
"""


def _clean(folder: Path) -> dict[str, str]:
    """The environment of a Blender that was never used."""
    return {**os.environ, "BLENDER_USER_RESOURCES": str(folder / "profile")}


def _packed(folder: Path) -> Path:
    zipped = folder / "gypsum.zip"
    subprocess.run([sys.executable, str(BUILD), str(zipped)], check=True)
    return zipped


def test_the_zip_installs_and_leaves_no_trace(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(_packed(tmp_path))],
        capture_output=True, text=True, env=_clean(tmp_path),
    )  # fmt: skip
    assert "installed and gone" in done.stdout, done.stdout + done.stderr


def test_an_old_blender_is_told_politely(tmp_path: Path) -> None:
    """Debian's Blender 3.4, or what BLENDER_OLD names, takes the same zip and says a sentence."""
    old = os.environ.get("BLENDER_OLD", "") or shutil.which("blender")
    told = subprocess.run([old, "--version"], capture_output=True, text=True) if old else None
    if told is None or not re.match(r"Blender ([23]\.|4\.[01])", told.stdout):
        pytest.skip("no Blender before 4.2 is installed")
    script = (
        "import bpy;"
        f"bpy.ops.preferences.addon_install(filepath={str(_packed(tmp_path))!r});"
        "bpy.ops.preferences.addon_enable(module='gypsum');"
        "print([name for name in dir(bpy.types) if name.startswith('GYPSUM_OT')]);"
        "bpy.ops.preferences.addon_disable(module='gypsum')"
    )
    profile = {f"BLENDER_USER_{name}": str(tmp_path / name) for name in ("SCRIPTS", "CONFIG")}
    done = subprocess.run(
        [str(old), "-b", "--factory-startup", "--python-expr", script],
        capture_output=True, text=True, env={**os.environ, **profile},
    )  # fmt: skip
    assert "Gypsum needs Blender 4.2 or newer; this is " in done.stdout, done.stdout + done.stderr
    assert "[]" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
