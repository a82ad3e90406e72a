"""``gypsum markers``, and options that take three values."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gypsum.cli.parameters import join_words


def gypsum(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gypsum", *arguments],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_a_sheet_is_written_and_its_use_said(tmp_path: Path) -> None:
    done = gypsum(
        "markers", "-o", "sheet.pdf", "--size", "4cm", "--page", "letter", folder=tmp_path
    )
    assert done.returncode == 0
    assert (tmp_path / "sheet.pdf").read_bytes().startswith(b"%PDF")
    assert "--marker-size 40mm" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--size", "40"], "can't be printed"),
        (["--size", "large"], "5cm"),
        (["-o", "a.txt"], ".pdf or .png"),
    ],
)
def test_what_cannot_be_made_is_one_sentence(
    tmp_path: Path, arguments: list[str], says: str
) -> None:
    done = gypsum("markers", *arguments, folder=tmp_path)
    assert done.returncode == 2
    assert says in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("given", "joined"),
    [
        (["--distance", "0", "1", "5cm", "x"], ["--distance", "0 1 5cm", "x"]),
        (["--distance", "0 1 5cm", "x"], ["--distance", "0 1 5cm", "x"]),
        (["--distance", "a", "b", "1", "--distance", "c", "d", "2"],
         ["--distance", "a b 1", "--distance", "c d 2"]),
        (["--distance", "0", "1"], ["--distance", "0 1"]),
        (["--distance"], ["--distance"]),
        (["-o", "x"], ["-o", "x"]),
    ],
)  # fmt: skip
def test_three_values_become_one(given: list[str], joined: list[str]) -> None:
    assert join_words(given) == joined
