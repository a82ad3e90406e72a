"""Events and their documentation are the same."""

from __future__ import annotations

import json
import re
from dataclasses import MISSING, fields
from pathlib import Path

import pytest

from gypsum.workspace.events import EVENTS, Event, PlannedStage, RunStarted

PAGE = (Path(__file__).parents[2] / "docs" / "events.md").read_text()


def section(name: str) -> str:
    """The part of the page on one event."""
    return PAGE.split(f"\n## `{name}`\n")[1].split("\n## ")[0]


@pytest.mark.parametrize("kind", EVENTS)
def test_every_event_and_field_is_documented(kind: type[Event]) -> None:
    documented = re.findall(r"^\| `(\w+)` \|", section(kind.event), re.M)
    assert documented == [field.name for field in fields(kind)]
    assert all(field.default is MISSING for field in fields(kind))


def test_no_other_event_is_documented() -> None:
    assert re.findall(r"^## `(\w+)`$", PAGE, re.M) == [
        "start", "stage_started", "progress", "stage_finished", "warning", "done", "error",
    ]  # fmt: skip
    assert {kind.event for kind in EVENTS} == set(re.findall(r"^## `(\w+)`$", PAGE, re.M))


def test_an_event_is_one_line_of_json() -> None:
    event = RunStarted("1.0", "räume/büste", [PlannedStage("a", "Doing a\n", False, "new")])
    line = event.to_json()
    assert "\n" not in line
    values = json.loads(line)
    assert values["event"] == "start"
    assert values["stages"] == [{"name": "a", "label": "Doing a\n", "kept": False, "reason": "new"}]
    assert values["workspace"] == "räume/büste"
