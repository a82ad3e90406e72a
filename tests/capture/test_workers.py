"""Decoding processes: shut in, used again, replaced; what ends one is one photo's fault."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from gypsum.capture import limits
from gypsum.capture.unusable import UnusableError
from gypsum.capture.workers import Workers, _environment
from gypsum.errors import ResourceError


def ask(workers: Workers, path: Path, target: Path) -> int:
    """Have a photo prepared; its width."""
    request = {"do": "photo", "path": str(path), "suffix": path.suffix, "target": str(target)}
    return int(workers.ask(request)["width"])


def test_a_process_is_used_again(photos: Path, out: Path) -> None:
    with Workers(out) as workers:
        for i in range(1, 5):
            assert ask(workers, photos / f"{i}.jpg", out / "x") == 320
        assert len(workers._all) == 1
        process = workers._all[0]._process
    assert process.poll() is not None


def test_a_process_that_ends_is_replaced(photos: Path, out: Path) -> None:
    with Workers(out) as workers:
        ask(workers, photos / "1.jpg", out / "x")
        os.kill(workers._all[0]._process.pid, signal.SIGSEGV)
        with pytest.raises(UnusableError, match="decoding it ended the process"):
            ask(workers, photos / "2.jpg", out / "x")
        assert ask(workers, photos / "2.jpg", out / "x") == 320


def test_a_process_that_waits_for_ever_is_ended(
    photos: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(out / "pipe.jpg")
    with Workers(out) as workers:
        ask(workers, photos / "1.jpg", out / "x")
        monkeypatch.setattr(limits, "WORKER_SILENCE", 0.5)
        with pytest.raises(UnusableError, match="takes for ever"):
            ask(workers, out / "pipe.jpg", out / "x")
        monkeypatch.undo()
        assert ask(workers, photos / "1.jpg", out / "x") == 320


def test_defects_of_our_own_are_not_the_photos_fault(out: Path) -> None:
    with Workers(out) as workers, pytest.raises(RuntimeError, match="decoding process failed"):
        workers.ask({"do": "nothing"})


def _run(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run code in a process that is shut in as a decoding one."""
    head = (
        "from pathlib import Path\nfrom gypsum.capture import worker\n"
        f"worker._limit_resources(); confined = worker.confine(Path({str(folder)!r}))\n"
    )
    return subprocess.run(
        [sys.executable, "-P", "-c", head + code],
        capture_output=True,
        text=True,
        env=_environment(),
        check=False,
    )


def test_endless_work_is_ended(out: Path) -> None:
    done = _run("worker._allow(0.5)\nwhile True: pass", out)
    assert done.returncode == -signal.SIGXCPU


def test_memory_is_bounded(out: Path) -> None:
    code = f"bytearray({limits.WORKER_MEMORY + limits.GiB})"
    assert "MemoryError" in _run(code, out).stderr


def test_nothing_is_written_elsewhere(out: Path, tmp_path: Path) -> None:
    code = f"""
if not confined: print("unconfined"); raise SystemExit
inside, outside = Path({str(out)!r}), Path({str(tmp_path)!r})
(inside / "a").write_text("x")
for attempt in (
    lambda: (outside / "b").write_text("x"),
    lambda: (outside / "photos").mkdir(),
    lambda: (inside / "a").rename(outside / "a"),
    lambda: (inside / "a").hardlink_to(Path("/etc/hostname")),
    lambda: (outside / "c").symlink_to("/etc/hostname"),
    lambda: __import__("socket").create_connection(("127.0.0.1", 9), 1),
):
    try:
        attempt()
    except PermissionError:
        print("refused")
    except OSError as error:
        print(error)
"""
    done = _run(code, out)
    if "unconfined" in done.stdout:
        pytest.skip("this kernel has no Landlock")
    refused = done.stdout.split("\n").count("refused")
    assert refused >= 5, done.stdout + done.stderr
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "out"]


def test_a_disk_that_can_not_be_written_ends_the_run(photos: Path, out: Path) -> None:
    with Image.open(photos / "1.jpg") as image:
        image.save(photos / "1.webp")
    with Workers(out) as workers, pytest.raises(ResourceError, match="can't be stored"):
        ask(workers, photos / "1.webp", out / "nowhere" / "x")
