"""Files appear whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from gypsum.formats.atomic import atomic_write, write_together


def test_a_failed_write_leaves_the_old_file(tmp_path: Path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")

    def write_half() -> None:
        with atomic_write(path) as file:
            file.write(b"half of the n")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_half()
    assert [(f.name, f.read_bytes()) for f in tmp_path.iterdir()] == [("a.bin", b"old")]


def test_files_written_together(tmp_path: Path):
    (tmp_path / "a").write_bytes(b"old")
    write_together({tmp_path / "b": b"1", tmp_path / "a": b"2"})
    assert sorted((f.name, f.read_bytes()) for f in tmp_path.iterdir()) == [
        ("a", b"2"),
        ("b", b"1"),
    ]


def test_when_the_last_rename_fails_the_first_is_taken_back(tmp_path: Path):
    (tmp_path / "a").write_bytes(b"old")
    blocked = tmp_path / "c"
    blocked.mkdir()
    (blocked / "inside").touch()

    class Stubborn(type(blocked)):
        """A path that never can be replaced."""

        def replace(self, target: Path) -> Path:
            raise OSError(f"{self} stays, not {target}")

    with pytest.raises(OSError, match="stays"):
        write_together({tmp_path / "a": b"2", tmp_path / "b": b"1", Stubborn(blocked): b"3"})
    assert sorted(f.name for f in tmp_path.iterdir()) == ["a", "c"]
    assert (tmp_path / "a").read_bytes() == b"old"
