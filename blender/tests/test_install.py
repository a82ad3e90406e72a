# SPDX-License-Identifier: GPL-3.0-or-later
"""The zip in a clean profile, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

BUILD = Path(__file__).resolve().parent.parent / "build.py"

SCRIPT = """
import sys, bpy
def drawn():
    return len(bpy.types.TOPBAR_MT_file_import.draw._draw_funcs)
bpy.ops.extensions.repo_refresh_all()
before = drawn()
bpy.ops.extensions.package_install_files(
    filepath=sys.argv[1], repo="user_default", enable_on_install=True
)
assert "bl_ext.user_default.gypsum" in bpy.context.preferences.addons
assert hasattr(bpy.types, "GYPSUM_OT_delete") and hasattr(bpy.types, "GYPSUM_PT_splats")
assert drawn() == before + 1
assert "import_scene" in dir(bpy.ops) and bpy.ops.import_scene.gypsum_splats.poll()
bpy.ops.preferences.addon_disable(module="bl_ext.user_default.gypsum")
assert not [name for name in dir(bpy.types) if name.startswith("GYPSUM_")]
assert drawn() == before
print("installed and gone")
"""


def test_the_zip_installs_and_leaves_no_trace(tmp_path: Path) -> None:
    zipped = tmp_path / "gypsum.zip"
    subprocess.run([sys.executable, str(BUILD), str(zipped)], check=True)
    environment = {**os.environ, "BLENDER_USER_RESOURCES": str(tmp_path / "profile")}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(zipped)],
        capture_output=True, text=True, env=environment,
    )  # fmt: skip
    assert "installed and gone" in done.stdout, done.stdout + done.stderr
