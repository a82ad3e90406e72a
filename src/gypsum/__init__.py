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
    from gypsum.pipelines.scan import ScanResult, scan

__all__ = [
    "CheckResult",
    "ConvertResult",
    "GypsumError",
    "InputError",
    "ReconstructionError",
    "ResourceError",
    "ScanResult",
    "__version__",
    "check",
    "convert",
    "scan",
]

_LAZY = {
    "CheckResult": "gypsum.pipelines.check",
    "ConvertResult": "gypsum.pipelines.convert",
    "ScanResult": "gypsum.pipelines.scan",
    "check": "gypsum.pipelines.check",
    "convert": "gypsum.pipelines.convert",
    "scan": "gypsum.pipelines.scan",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'gypsum' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
