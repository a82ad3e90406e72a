"""What people see: bars on a terminal, little elsewhere."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from gypsum.cli.display import Bars, JsonLines, Quiet, display, duration
from gypsum.workspace.events import (
    Event,
    PlannedStage,
    RunFinished,
    RunStarted,
    StageFinished,
    StageProgress,
    StageStarted,
    Warned,
)

RUN: list[Event] = [
    RunStarted("1", "vase.gypsum", [PlannedStage("a", "Reading", True, "")]),
    StageFinished("a", "Reading", True, 3.0, {}),
    StageStarted("b", "Measuring"),
    StageProgress("b", 0.25, "photo 1 of 4", 10.0, 30.0, 0.2, 125.0),
    Warned("b", "IMG[1].jpg was left out: it is blank."),
    StageProgress("b", 1.0, "photo 4 of 4", 40.0, 0.0, 1.0, 0.0),
    StageFinished("b", "Measuring", False, 40.0, {}),
    RunFinished(43.0, "vase.gypsum", ["vase.glb"], ["previews/model.png"], "report.html"),
]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (9.6, "10 s"), (99, "99 s"), (130, "2 min"), (4800, "1 h 20 min")],
)
def test_durations_in_words(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_bars_show_stages_shares_and_time_left(capsys: pytest.CaptureFixture[str]) -> None:
    written = io.StringIO()
    console = Console(file=written, force_terminal=True, width=120)
    with Bars(console) as bars:
        for event in RUN[:5]:
            bars(event)
            bars._bars.refresh()
        shown = written.getvalue()
        for event in RUN[5:]:
            bars(event)
    for words in ("Reading", "kept", "Measuring", "25%", "photo 1 of 4", "30 s left", "2 min left"):
        assert words in shown
    assert "IMG[1].jpg was left out" in shown
    assert "40 s" in written.getvalue()
    results = capsys.readouterr().out
    assert all(path in results for path in ("vase.glb", "previews", "report.html"))


def test_without_a_terminal_only_warnings_and_results(capsys: pytest.CaptureFixture[str]) -> None:
    with Quiet() as quiet:
        for event in RUN:
            quiet(event)
    shown = capsys.readouterr()
    assert shown.err == "gypsum: IMG[1].jpg was left out: it is blank.\n"
    assert shown.out.splitlines()[0].split() == ["Model:", "vase.glb"]


def test_json_is_a_line_for_each_event(capsys: pytest.CaptureFixture[str]) -> None:
    with JsonLines() as lines:
        for event in RUN:
            lines(event)
    assert capsys.readouterr().out.splitlines() == [event.to_json() for event in RUN]


def test_the_display_fits_where_it_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(display(True), JsonLines)
    for terminal, kind in ((True, Bars), (False, Quiet)):
        monkeypatch.setattr("sys.stderr.isatty", lambda terminal=terminal: terminal, raising=False)
        assert isinstance(display(False), kind)
