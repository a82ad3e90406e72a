"""The nouns: what stages take and give."""

from gypsum.scene.box import Box
from gypsum.scene.capture import Capture, PhotoFile, SkippedPhoto
from gypsum.scene.cloud import PointCloud, ViewLists
from gypsum.scene.mesh import Material, Mesh, TexturedMesh
from gypsum.scene.place import Crs, Place
from gypsum.scene.progress import Progress, no_progress
from gypsum.scene.rgbd import RgbdFrame, read_frames, write_frames
from gypsum.scene.sparse import Camera, Photo, SparseModel
from gypsum.scene.splats import SH_C0, Splats
from gypsum.scene.view import View

__all__ = [
    "SH_C0",
    "Box",
    "Camera",
    "Capture",
    "Crs",
    "Material",
    "Mesh",
    "Photo",
    "PhotoFile",
    "Place",
    "PointCloud",
    "Progress",
    "RgbdFrame",
    "SkippedPhoto",
    "SparseModel",
    "Splats",
    "TexturedMesh",
    "View",
    "ViewLists",
    "no_progress",
    "read_frames",
    "write_frames",
]
