"""The nouns: what stages take and give."""

from gypsum.scene.capture import Capture, PhotoFile, SkippedPhoto
from gypsum.scene.cloud import PointCloud, ViewLists
from gypsum.scene.mesh import Material, Mesh, TexturedMesh
from gypsum.scene.progress import Progress, no_progress
from gypsum.scene.sparse import Camera, Photo, SparseModel
from gypsum.scene.view import View

__all__ = [
    "Camera",
    "Capture",
    "Material",
    "Mesh",
    "Photo",
    "PhotoFile",
    "PointCloud",
    "Progress",
    "SkippedPhoto",
    "SparseModel",
    "TexturedMesh",
    "View",
    "ViewLists",
    "no_progress",
]
