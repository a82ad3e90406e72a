"""Whether depth maps can be made, splats be trained or surfaces be fitted on a graphics card.

Told without loading the packages that do it, which only stages may do: they must be installed, and
NVIDIA's driver must know a card.
"""

from __future__ import annotations

import ctypes
import importlib.metadata

from gypsum.errors import ResourceError
from gypsum.options import Device

#: Makes depth maps: pycolmap as it is distributed with CUDA, in place of the usual one.
DEPTH_PACKAGE = "pycolmap-cuda12"
#: Compiles the kernels that train splats and fit surfaces.
KERNELS_PACKAGE = "warp-lang"
#: What to install where one of them is missing.
_INSTALL = {DEPTH_PACKAGE: DEPTH_PACKAGE, KERNELS_PACKAGE: "gypsum[cuda]"}
_DRIVER = "libcuda.so.1"


def choose_device(asked: Device, package: str = DEPTH_PACKAGE) -> Device:
    """``CPU`` or ``CUDA``: a card is used when there is one and nothing else was asked for.

    Raises:
        ResourceError: a card was asked for, and it or the ``package`` is missing.
    """
    if asked is Device.CPU:
        return Device.CPU
    missing = _missing(package)
    if missing is None:
        return Device.CUDA
    if asked is Device.CUDA:
        raise ResourceError(f"--device cuda can't be used: {missing}; --device cpu needs neither.")
    return Device.CPU


def _missing(package: str) -> str | None:
    """What keeps the work from a graphics card, if anything."""
    if not _installed(package):
        return f"{_INSTALL[package]} is not installed"
    if _cards() == 0:
        return "no NVIDIA graphics card with a driver was found"
    return None


def _installed(package: str) -> bool:
    try:
        importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _cards() -> int:
    """NVIDIA cards that the driver knows."""
    try:
        driver = ctypes.CDLL(_DRIVER)
    except OSError:
        return 0
    count = ctypes.c_int(0)
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return 0
    return count.value
