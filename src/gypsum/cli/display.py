"""What people see while a scan runs: a line for each stage."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.text import Text

from gypsum.scene import Progress as StageProgressFunction
from gypsum.workspace.events import (
    Event,
    RunFailed,
    RunFinished,
    StageFinished,
    StageProgress,
    StageStarted,
    Warned,
)


def duration(seconds: float) -> str:
    """``"40 s"``, ``"3 min"``, ``"1 h 20 min"``: as precise as a person wants it."""
    if seconds < 0.95:
        return f"{seconds:.1f} s"
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


class _LeftColumn(ProgressColumn):
    """Time left while a stage runs, time taken when it is done."""

    max_refresh = 0.5

    def render(self, task: Task) -> Text:
        return Text(str(task.fields["time"]).rjust(14), style="cyan")


class JsonLines:
    """Every event as a line of JSON on standard output."""

    def __enter__(self) -> JsonLines:
        return self

    def __exit__(self, *_: object) -> None:
        sys.stdout.flush()

    def __call__(self, event: Event) -> None:
        """Print an event."""
        print(event.to_json(), flush=True)

    def failed(self, message: str, status: int) -> None:
        """Print the end of a run that failed."""
        self(RunFailed(message, status))


class Quiet:
    """For logs and pipes: warnings on standard error, and the results at the end."""

    def __enter__(self) -> Quiet:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is held."""

    def __call__(self, event: Event) -> None:
        """Print what matters."""
        if isinstance(event, Warned):
            print(f"gypsum: {event.message}", file=sys.stderr, flush=True)
        elif isinstance(event, RunFinished):
            print_results(event)


class Bars:
    """A line with a bar for each stage, and one for the whole."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:>3.0f}%"),
            _LeftColumn(),
            TextColumn("{task.fields[doing]}", style="dim", markup=False),
            console=self._console,
        )
        self._stage: TaskID | None = None
        self._total: TaskID | None = None

    def __enter__(self) -> Bars:
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._remove_total()
        self._bars.stop()

    def __call__(self, event: Event) -> None:
        """Show an event."""
        match event:
            case StageStarted():
                self._remove_total()
                self._stage = self._add(event.label)
                self._total = self._add("[bold]All together")
            case StageProgress():
                self._progress(event)
            case StageFinished():
                self._finish(event)
            case Warned():
                self._console.print(event.message, style="yellow", markup=False, highlight=False)
            case RunFinished():
                self._remove_total()
                self._bars.stop()
                print_results(event)
            case _:
                pass

    def _add(self, label: str) -> TaskID:
        return self._bars.add_task(label, total=1.0, time="", doing="")

    def _progress(self, event: StageProgress) -> None:
        if self._stage is None or self._total is None:
            return
        left = "" if event.stage_left is None else f"{duration(event.stage_left)} left"
        self._bars.update(self._stage, completed=event.done, doing=event.doing, time=left)
        left = "" if event.left is None else f"{duration(event.left)} left"
        self._bars.update(self._total, completed=event.overall, time=left)

    def _finish(self, event: StageFinished) -> None:
        if event.kept:
            self._bars.update(self._add(event.label), completed=1.0, doing="kept")
        elif self._stage is not None:
            self._bars.update(self._stage, completed=1.0, doing="", time=duration(event.seconds))
            self._stage = None
            self._remove_total()

    def _remove_total(self) -> None:
        if self._total is not None:
            self._bars.remove_task(self._total)
            self._total = None


@contextmanager
def bar(label: str) -> Iterator[StageProgressFunction]:
    """A single bar, on a terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(24), TextColumn("{task.fields[doing]}"))
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        task = bars.add_task(label, total=1.0, doing="")

        def progress(done: float, doing: str = "") -> None:
            bars.update(task, completed=done, doing=doing)

        yield progress


def print_results(event: RunFinished) -> None:
    """Where the results are, one line each."""
    lines = [("Model", path) for path in event.models]
    lines += [("Previews", str(Path(event.previews[0]).parent))] if event.previews else []
    lines += [("Report", event.report)] if event.report else []
    lines += [("Workspace", event.workspace)]
    for name, path in lines:
        print(f"{name + ':':<10} {path}")
    print(f"Done in {duration(event.seconds)}.", flush=True)


def display(json_lines: bool) -> JsonLines | Quiet | Bars:
    """The display that suits where the output goes."""
    if json_lines:
        return JsonLines()
    return Bars() if sys.stderr.isatty() else Quiet()
