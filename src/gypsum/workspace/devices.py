"""Whether depth maps can be made on a graphics card.

Told without loading pycolmap, which only stages may do: its build for CUDA must be installed, and
NVIDIA's driver must know a card.
"""

from __future__ import annotations

import ctypes
import importlib.metadata

from gypsum.errors import ResourceError
from gypsum.options import Device

#: pycolmap as it is distributed with CUDA, instead of the usual one.
_PACKAGE = "pycolmap-cuda12"
_DRIVER = "libcuda.so.1"


def choose_device(asked: Device) -> Device:
    """``CPU`` or ``CUDA``: a card is used when there is one and nothing else was asked for."""
    if asked is Device.CPU:
        return Device.CPU
    missing = _missing()
    if missing is None:
        return Device.CUDA
    if asked is Device.CUDA:
        raise ResourceError(f"--device cuda can't be used: {missing}; --device cpu needs neither.")
    return Device.CPU


def _missing() -> str | None:
    """What keeps depth maps from a graphics card, if anything."""
    if not _installed():
        return f"{_PACKAGE} is not installed in place of pycolmap"
    if _cards() == 0:
        return "no NVIDIA graphics card with a driver was found"
    return None


def _installed() -> bool:
    try:
        importlib.metadata.version(_PACKAGE)
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
