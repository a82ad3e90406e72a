"""What people get wrong: one clear sentence, the right exit code, at once, and nothing lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image


class Ended(NamedTuple):
    status: int
    out: str
    err: str


def gypsum(*arguments: object, cwd: Path | None = None) -> Ended:
    """Run the program."""
    command = [sys.executable, "-m", "gypsum", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)
    return Ended(done.returncode, done.stdout, done.stderr)


def noise(path: Path, seed: int, size: tuple[int, int] = (320, 240)) -> None:
    """A photo that looks like nothing else."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 255, (size[1] // 8, size[0] // 8, 3), np.uint8)
    Image.fromarray(small).resize(size, Image.Resampling.BICUBIC).save(path)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Four photos that could be a capture as far as one can tell at once."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for i in range(4):
        noise(folder / f"{i}.jpg", i)
    return folder


def sentence(ended: Ended, status: int, *words: str) -> str:
    """The one sentence of a run that ended as it should."""
    assert ended.status == status, ended
    lines = [line for line in ended.err.splitlines() if line]
    assert len(lines) == 1, ended.err
    assert "Traceback" not in ended.err
    for word in words:
        assert word in lines[0]
    return lines[0]


def test_no_such_folder(tmp_path: Path) -> None:
    sentence(gypsum("scan", tmp_path / "nowhere", "-o", tmp_path / "a.glb"), 2, "nowhere")
    assert not (tmp_path / "a.gypsum").exists()


def test_no_photos(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "notes.txt").write_text("nothing")
    sentence(gypsum("scan", tmp_path / "photos", "-o", tmp_path / "a.glb"), 2, "no photos")


def test_two_photos(photos: Path) -> None:
    (photos / "0.jpg").unlink()
    (photos / "1.jpg").unlink()
    sentence(gypsum("scan", photos, "-o", photos.parent / "a.glb"), 2, "2", "at least 3")


def test_lying_files_are_named(photos: Path) -> None:
    for i in range(2):
        (photos / f"{i}.jpg").write_text("no photo at all")
    ended = gypsum("scan", photos, "-o", photos.parent / "a.glb")
    sentence(ended, 2, "Only 2 of the 4", "0.jpg", "no photo")


def test_the_same_photo_many_times(photos: Path) -> None:
    for i in range(1, 4):
        (photos / f"{i}.jpg").write_bytes((photos / "0.jpg").read_bytes())
    sentence(gypsum("scan", photos, "-o", photos.parent / "a.glb"), 2, "same picture")


def test_black_photos(photos: Path) -> None:
    for i in range(4):
        Image.new("RGB", (320, 240)).save(photos / f"{i}.jpg")
    sentence(gypsum("scan", photos, "-o", photos.parent / "a.glb"), 2, "blank")


def test_photos_that_do_not_overlap(photos: Path) -> None:
    for i in range(4):  # Large and sharp: nothing else is wrong with them.
        tiles = np.random.default_rng(i).integers(0, 255, (75, 100, 3), np.uint8)
        tiled = Image.fromarray(tiles).resize((800, 600), Image.Resampling.NEAREST)
        tiled.save(photos / f"{i}.jpg")
    output = photos.parent / "a.glb"
    ended = gypsum("scan", photos, "-o", output, "--quality", "draft")
    sentence(ended, 3, "overlap")
    assert not output.exists()
    assert (photos.parent / "a.gypsum" / "stages" / "features" / "record.json").exists()


@pytest.mark.parametrize(
    ("output", "words"),
    [("a.blend", [".blend", ".glb"]), ("photos", ["folder"]), ("0.jpg/a.glb", ["0.jpg"])],
)
def test_an_output_that_can_not_be_written(photos: Path, output: str, words: list[str]) -> None:
    noise(photos.parent / "0.jpg", 0)
    sentence(gypsum("scan", photos, "-o", photos.parent / output), 2, *words)


def test_no_output(photos: Path) -> None:
    sentence(gypsum("scan", photos), 2, "-o")


def test_unknown_format(photos: Path) -> None:
    ended = gypsum("scan", photos, "-o", photos.parent / "a.glb", "--format", "fbxx")
    sentence(ended, 2, "fbxx", "glb")


def test_textures_do_not_land_among_the_photos(photos: Path) -> None:
    sentence(gypsum("scan", photos, "-o", photos / "a.obj"), 2, "photos", "glb")


@pytest.fixture
def read_only() -> Callable[[Path], Path]:
    """Makes a folder unwritable, for root too."""

    def make(folder: Path) -> Path:
        folder.mkdir()
        if os.getuid() != 0:
            folder.chmod(0o555)
            return folder
        mount = ["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(folder)]
        if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
            pytest.skip("root can write everywhere, and may not mount here")
        mounted.append(folder)
        return folder

    mounted: list[Path] = []
    yield make  # type: ignore[misc]
    for folder in mounted:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_read_only_output_folder(photos: Path, read_only: Callable[[Path], Path]) -> None:
    folder = read_only(photos.parent / "locked")
    workspace = photos.parent / "w"
    ended = gypsum("scan", photos, "-o", folder / "a.glb", "--workspace", workspace)
    sentence(ended, 2, "locked", "can't be written")
    assert not workspace.exists()


def test_a_read_only_workspace(photos: Path, read_only: Callable[[Path], Path]) -> None:
    folder = read_only(photos.parent / "locked")
    ended = gypsum("scan", photos, "-o", photos.parent / "a.glb", "--workspace", folder / "w")
    sentence(ended, 2, "locked", "can't be written")


def test_a_small_disk(photos: Path) -> None:
    disk = photos.parent / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting a small disk needs root")
    try:
        sentence(gypsum("scan", photos, "-o", disk / "a.glb"), 3, "free", "disk")
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize(("memory", "status"), [("100MiB", 3), ("900TiB", 2)])
def test_memory_that_is_not_there(photos: Path, memory: str, status: int) -> None:
    ended = gypsum("scan", photos, "-o", photos.parent / "a.glb", "--memory", memory)
    sentence(ended, status, "emory")


def test_a_process_that_may_have_little_memory(photos: Path) -> None:
    command = f"ulimit -v 900000; exec {sys.executable} -m gypsum scan {photos} -o {photos}.glb"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert "memory" in done.stderr
    assert "Traceback" not in done.stderr


def test_errors_are_events_too(tmp_path: Path) -> None:
    ended = gypsum("scan", tmp_path / "nowhere", "-o", tmp_path / "a.glb", "--json")
    (event,) = map(json.loads, ended.out.splitlines())
    assert event["event"] == "error"
    assert event["exit_code"] == ended.status == 2
    assert event["message"] in ended.err


def test_a_wrong_flag(photos: Path) -> None:
    ended = gypsum("scan", photos, "-o", photos.parent / "a.glb", "--colour")
    assert ended.status == 2
    assert "--colour" in ended.err


def test_stages_of_something_else(tmp_path: Path) -> None:
    sentence(gypsum("stages", tmp_path), 2, "no workspace")


def test_version_and_help() -> None:
    version = gypsum("--version")
    assert version.status == 0
    assert version.out.startswith("gypsum ")
    help_text = gypsum("--help").out
    assert all(command in help_text for command in ("scan", "stages", "sample"))
