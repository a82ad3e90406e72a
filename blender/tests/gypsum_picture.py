"""Draws splats with Gypsum's own renderer; run by Gypsum's Python, not by Blender's.

gypsum_picture.py SPLATS.ply REQUEST.json PICTURE.npy, where the request has width, height, focal
length in pixels, R (3, 3) and t (3,) of the OpenCV camera, and the scene's extent.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from gypsum.formats.ply.splats import read_splats
from gypsum.scene import View
from gypsum.splats.render import render


def main(splats: str, request: str, picture: str) -> None:
    wanted = json.loads(Path(request).read_text())
    width, height, focal = wanted["width"], wanted["height"], wanted["focal"]
    K = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1.0]])
    view = View("", Path(), width, height, K, np.array(wanted["R"]), np.array(wanted["t"]))
    np.save(picture, render(read_splats(Path(splats)), view, extent=wanted["extent"])[0])


if __name__ == "__main__":
    main(*sys.argv[1:])
