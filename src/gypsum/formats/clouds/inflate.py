"""Run as a program: uncompresses the points of a LAZ file to its standard output.

It is told what to do by JSON at its standard input, loads nothing else of the package, and keeps
within bounds of memory and time; it can't write to files.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path
from typing import Any

import lazrs


def main(task: dict[str, Any]) -> None:
    """Write the records of all points."""
    for kind, most in (
        (resource.RLIMIT_DATA, task["memory"]),
        (resource.RLIMIT_CPU, task["seconds"]),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(kind)
        allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (allowed, allowed))
    with Path(task["path"]).open("rb") as file:
        file.seek(task["start"])
        points = lazrs.LasZipDecompressor(file, bytes.fromhex(task["record"]))
        for begin in range(0, task["count"], task["chunk"]):
            block = bytearray(min(task["chunk"], task["count"] - begin) * task["size"])
            points.decompress_many(block)
            sys.stdout.buffer.write(block)


if __name__ == "__main__":
    main(json.loads(sys.stdin.buffer.read()))
