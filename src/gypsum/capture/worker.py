"""Run as a program: a process that decodes what people brought, shut in.

Decoders are large, written in C, and meet files from anywhere: some end the process, some never
end, some ask for all memory there is. Here they may hold `limits.WORKER_MEMORY`, work for
`limits.WORKER_SECONDS` on one picture, and on Linux write into one folder only (`confine`).

A line of JSON on standard input asks for something; lines of JSON on standard output tell how it
goes, the last with what came of it. The end of standard input ends the process.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from PIL import Image  # noqa: F401 - before anything that brings a zlib of its own

from gypsum.capture import limits
from gypsum.capture.confine import confine
from gypsum.capture.prepare import prepare_photo
from gypsum.capture.prepared import to_json
from gypsum.capture.unusable import StorageError, UnusableError

_PAUSE = 0.2
"""Seconds between two words about a clip's progress."""


def main(folder: str) -> None:
    """Serve requests until standard input ends; write nowhere but below ``folder``."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Libraries print as they like.
    _limit_resources()
    confine(Path(folder))
    server = _Server(answers)
    for line in sys.stdin:
        server.serve(json.loads(line))


class _Server:
    def __init__(self, answers: Any) -> None:
        self._answers = answers
        self._spoke = 0.0

    def serve(self, request: dict[str, Any]) -> None:
        """Do what one request asks for, and answer."""
        try:
            _allow(limits.WORKER_SECONDS)
            answer = getattr(self, f"_do_{request.pop('do')}")(**request)
            self._say("done", answer=answer)
        except UnusableError as error:
            self._say("unusable", reason=str(error))
        except StorageError as error:
            self._say("storage", reason=str(error))
        except MemoryError:
            self._say("unusable", reason="needs more memory than any photo should")
        except Exception:
            self._say("failed", reason=traceback.format_exc(limit=-8))

    def _do_photo(self, path: str, suffix: str, target: str) -> dict[str, Any]:
        return to_json(prepare_photo(Path(path), suffix, Path(target), self._announce))

    def _do_seconds(self, path: str) -> float:
        from gypsum.capture.prepare_clips import clip_seconds  # Loading that takes a while.

        return clip_seconds(Path(path))

    def _do_clip(self, path: str, target: str, most: int, threads: int) -> dict[str, Any]:
        from gypsum.capture.prepare_clips import prepare_frames  # As above.

        def seen(done: float) -> None:
            _allow(limits.WORKER_SECONDS * threads)
            if time.monotonic() - self._spoke > _PAUSE:
                self._say("progress", done=done)

        _allow(limits.WORKER_SECONDS * threads)
        frames = prepare_frames(Path(path), Path(target), most, threads, seen)
        return {
            "chosen": [(number, to_json(frame)) for number, frame in frames.chosen],
            "decoded": frames.decoded,
            "promised": frames.promised,
        }

    def _do_rgbd(self, request: dict[str, Any]) -> dict[str, Any]:
        from gypsum.capture.rgbd.prepare import prepare_frame  # As above.

        return prepare_frame(request)

    def _do_given_depth(self, request: dict[str, Any]) -> None:
        from gypsum.capture.given_depth import prepare_given  # As above.

        prepare_given(request)

    def _do_rgbd_clip(self, path: str, chosen: list[tuple[int, str]], threads: int) -> Any:
        from gypsum.capture.rgbd.prepare import prepare_clip  # As above.

        def seen() -> None:
            _allow(limits.WORKER_SECONDS * threads)
            if time.monotonic() - self._spoke > _PAUSE:
                self._say("progress", done=0.0)

        wanted = {number: Path(target) for number, target in chosen}
        return list(prepare_clip(Path(path), wanted, threads, seen).items())

    def _announce(self, pixels: int) -> None:
        """Wait until there is room for so many pixels."""
        self._say("pixels", count=pixels)
        sys.stdin.readline()
        _allow(max(limits.WORKER_SECONDS, limits.WORKER_SECONDS_PER_PIXEL * pixels))

    def _say(self, kind: str, **values: Any) -> None:
        self._answers.write(json.dumps({"kind": kind, **values}) + "\n")
        self._answers.flush()
        self._spoke = time.monotonic()


def _limit_resources() -> None:
    for kind, most in (
        (resource.RLIMIT_DATA, limits.WORKER_MEMORY),
        (resource.RLIMIT_FSIZE, limits.PHOTO_BYTES_MAX),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(kind)
        allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (allowed, allowed))


def _allow(seconds: float) -> None:
    """So much processor time from now on; then the system ends this process."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    until = int(usage.ru_utime + usage.ru_stime + seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (until, hard))


if __name__ == "__main__":
    main(sys.argv[1])
