"""A process gives up the right to write anywhere but below few folders (Linux's Landlock)."""

from __future__ import annotations

import ctypes
import os
import platform
from pathlib import Path

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
"""System calls, the same on every architecture."""
_VERSION_FLAG = 1
_PATH_BENEATH = 1
_NO_NEW_PRIVILEGES = 38

_WRITES = (1 << 1) | sum(1 << bit for bit in range(4, 13))
"""Write to files; remove folders and files; make anything."""
_REFER = 1 << 13
"""Move between folders: denied to all that is confined unless it is asked for."""
_TRUNCATE = 1 << 14
_TCP = 0b11
"""Bind and connect."""
_KNOWS_REFER, _KNOWS_TRUNCATE, _KNOWS_TCP = 2, 3, 4
"""Versions of the interface."""


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64))


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("files", ctypes.c_uint64), ("folder", ctypes.c_int32))


def confine(*folders: Path) -> bool:
    """From now on and for good, write below ``folders`` only and open no TCP connection.

    Returns False where the system can't do that: other systems than Linux, and kernels before
    5.13. Reading is left as it is, because libraries load parts of themselves late.
    """
    if platform.system() != "Linux":
        return False
    system = ctypes.CDLL(None, use_errno=True)
    version = system.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION_FLAG)
    if version < 1:
        return False
    writes = _WRITES | (_REFER if version >= _KNOWS_REFER else 0)
    writes |= _TRUNCATE if version >= _KNOWS_TRUNCATE else 0
    asked = _Ruleset(writes, _TCP if version >= _KNOWS_TCP else 0)
    size = ctypes.c_size_t(ctypes.sizeof(asked) if version >= _KNOWS_TCP else 8)
    ruleset = system.syscall(_CREATE_RULESET, ctypes.byref(asked), size, 0)
    if ruleset < 0:
        return False
    try:
        allowed = all(_allow(system, ruleset, folder, writes) for folder in folders)
        system.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
        return allowed and system.syscall(_RESTRICT_SELF, ruleset, 0) == 0
    finally:
        os.close(ruleset)


def _allow(system: ctypes.CDLL, ruleset: int, folder: Path, writes: int) -> bool:
    place = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        rule = _Beneath(writes, place)
        added = system.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.byref(rule), 0)
        return bool(added == 0)
    finally:
        os.close(place)
