# SPDX-License-Identifier: GPL-3.0-or-later
"""Packs the add-on as Blender installs it: ``build.py OUT.zip``. Equal sources, equal bytes.

All is in one folder, as Blender before 4.2 wants it: there the add-on says that it is too old.
"""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

ADDON = Path(__file__).with_name("addon")


def pack(out: Path) -> None:
    """Everything but what Python compiled."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(ADDON.rglob("*")):
            if path.is_file() and path.suffix != ".pyc":
                entry = zipfile.ZipInfo(f"gypsum/{path.relative_to(ADDON).as_posix()}")
                entry.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(entry, path.read_bytes())


if __name__ == "__main__":
    pack(Path(sys.argv[1]))
