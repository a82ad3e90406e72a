"""Gypsum: photos become textured 3D models, on an ordinary CPU.

    import gypsum

    result = gypsum.scan("photos/", "vase.glb", faces=100_000)

Nothing heavy is loaded until it is used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from gypsum._version import __version__
from gypsum.errors import GypsumError, InputError, ReconstructionError, ResourceError

if TYPE_CHECKING:
    from gypsum.pipelines.check import CheckResult, check
    from gypsum.pipelines.convert import ConvertResult, convert
    from gypsum.pipelines.mesh import MeshResult, to_mesh
    from gypsum.pipelines.render import RenderResult, render
    from gypsum.pipelines.scan import ScanResult, scan

__all__ = [
    "CheckResult",
    "ConvertResult",
    "GypsumError",
    "InputError",
    "MeshResult",
    "ReconstructionError",
    "RenderResult",
    "ResourceError",
    "ScanResult",
    "__version__",
    "check",
    "convert",
    "render",
    "scan",
    "to_mesh",
]

_LAZY = {
    "CheckResult": "gypsum.pipelines.check",
    "ConvertResult": "gypsum.pipelines.convert",
    "MeshResult": "gypsum.pipelines.mesh",
    "RenderResult": "gypsum.pipelines.render",
    "ScanResult": "gypsum.pipelines.scan",
    "check": "gypsum.pipelines.check",
    "convert": "gypsum.pipelines.convert",
    "render": "gypsum.pipelines.render",
    "scan": "gypsum.pipelines.scan",
    "to_mesh": "gypsum.pipelines.mesh",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'gypsum' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
