"""Points of LAZ files, uncompressed by lazrs in a process of its own, which a bad file may end.

Run as a program it is that process: it takes the file and what says how it is compressed, and
writes records of points to its standard output.
"""

from __future__ import annotations

import json
import resource
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
    command = [sys.executable, "-m", "gypsum.formats.clouds.laz", str(source.path.resolve())]
    task = {"start": start, "record": record.hex(), "size": size, "count": count}
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


def main(path: str) -> None:
    """What the process does."""
    import lazrs

    task = json.loads(sys.stdin.buffer.read())
    size, count = task["size"], task["count"]
    seconds = int(_SECONDS + _SECONDS_PER_POINT * count)
    for kind, most in (
        (resource.RLIMIT_DATA, _MEMORY),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(kind)
        allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (allowed, allowed))
    with Path(path).open("rb") as file:
        file.seek(task["start"])
        points = lazrs.LasZipDecompressor(file, bytes.fromhex(task["record"]))
        for begin in range(0, count, CHUNK):
            block = bytearray(min(CHUNK, count - begin) * size)
            points.decompress_many(block)
            sys.stdout.buffer.write(block)


if __name__ == "__main__":
    main(sys.argv[1])
