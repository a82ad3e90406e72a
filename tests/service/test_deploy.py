"""The examples of a deployment: they say nothing that the program does not know."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command

from gypsum.cli.app import app
from gypsum.service.settings import PREFIX, ServiceSettings

DEPLOY = Path(__file__).parents[2] / "deploy"
FILES = sorted(path for path in DEPLOY.rglob("*") if path.is_file())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_variables_are_settings(path: Path) -> None:
    named = set(re.findall(rf"\b{PREFIX}[A-Z_]+\b", path.read_text()))
    known = {PREFIX + name.upper() for name in ServiceSettings.model_fields}
    assert named <= known


def _commands() -> list[list[str]]:
    units = [path.read_text() for path in DEPLOY.glob("systemd/*")]
    started = [shlex.split(line)[1:] for unit in units for line in _values(unit, "ExecStart")]
    compose = re.findall(r"command: \[(.*)\]", (DEPLOY / "compose.yaml").read_text())
    return [*started, *([word.strip(' "') for word in words.split(",")] for words in compose)]


def _values(unit: str, name: str) -> list[str]:
    return [line.split("=", 1)[1] for line in unit.splitlines() if line.startswith(f"{name}=")]


@pytest.mark.parametrize("words", _commands(), ids=" ".join)
def test_commands_are_understood(words: list[str]) -> None:
    command = get_command(app).commands[words[0]]  # type: ignore[attr-defined]
    command.make_context(words[0], words[1:])


def test_all_are_there() -> None:
    names = {"Dockerfile", "compose.yaml", "gypsum.service", "gypsum-worker@.service"}
    assert {path.name for path in FILES} >= names
    assert len(_commands()) == 4
