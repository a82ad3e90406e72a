"""Points of LAZ files, uncompressed by lazrs in a process of its own, which a bad file may end."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

from gypsum.formats.clouds.cloud_file import CHUNK
from gypsum.formats.source import Source

_MEMORY = 2 * 2**30
"""Bytes that uncompressing may take; a chunk of usual files takes a few megabytes."""
_SECONDS, _SECONDS_PER_POINT = 60, 2e-5
"""Of processor time; a point takes about a microsecond."""


def inflated(
    source: Source, start: int, record: bytes, size: int, count: int
) -> Generator[bytes, None, None]:
    """Records of ``size`` bytes of ``count`` points, some at a time.

    ``start`` is where the points begin, ``record`` what LASzip noted about the compression.
    """
    # By its path, as the package would take longer to load than most files to read.
    command = [sys.executable, "-P", str(Path(__file__).with_name("inflate.py"))]
    task = {
        "path": str(source.path.resolve()),
        "start": start,
        "record": record.hex(),
        "size": size,
        "count": count,
        "chunk": CHUNK,
        "memory": _MEMORY,
        "seconds": int(_SECONDS + _SECONDS_PER_POINT * count),
    }
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        with process.stdin:
            process.stdin.write(json.dumps(task).encode())
        for begin in range(0, count, CHUNK):
            wanted = min(CHUNK, count - begin) * size
            data = process.stdout.read(wanted)
            if len(data) < wanted:
                raise source.fail("holds compressed points that are damaged or cut off")
            yield data
    except BrokenPipeError:
        raise source.fail("holds compressed points that can't be read") from None
    finally:
        process.stdout.close()
        process.kill()
        process.wait()
