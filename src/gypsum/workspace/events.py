"""What a run tells while it works: the same events reach Python callbacks, bars and ``--json``.

``docs/events.md`` documents each event and field; a test holds the two together.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, ClassVar


@dataclass(frozen=True)
class Event:
    """Base of all events."""

    event: ClassVar[str]

    def to_json(self) -> str:
        """One line of JSON; the first field, ``event``, is the event's name."""
        return json.dumps({"event": self.event, **asdict(self)}, ensure_ascii=False)


@dataclass(frozen=True)
class PlannedStage:
    """A stage of the run that starts."""

    name: str
    label: str
    kept: bool
    """Whether its result from an earlier run is used again."""
    reason: str
    """Why it runs; empty when it is kept."""


@dataclass(frozen=True)
class RunStarted(Event):
    """First event of a run."""

    event: ClassVar[str] = "start"
    version: str
    workspace: str
    stages: list[PlannedStage]


@dataclass(frozen=True)
class StageStarted(Event):
    """A stage begins."""

    event: ClassVar[str] = "stage_started"
    stage: str
    label: str


@dataclass(frozen=True)
class StageProgress(Event):
    """A stage works; sent several times a second, also when nothing changed."""

    event: ClassVar[str] = "progress"
    stage: str
    done: float
    """Finished share of the stage, 0 to 1."""
    doing: str
    """A few words for people."""
    elapsed: float
    """Seconds since the stage began."""
    stage_left: float | None
    """Seconds until the stage ends, estimated; null while unknown."""
    overall: float
    """Finished share of the run, 0 to 1, estimated."""
    left: float | None
    """Seconds until the run ends, estimated; null while unknown."""


@dataclass(frozen=True)
class StageFinished(Event):
    """A stage's result is complete, just made or kept from an earlier run."""

    event: ClassVar[str] = "stage_finished"
    stage: str
    label: str
    kept: bool
    seconds: float
    """Seconds it took when it was made."""
    facts: dict[str, Any]
    """What the stage found out: counts, errors, sizes."""


@dataclass(frozen=True)
class Warned(Event):
    """Something that the user should know and that does not end the run."""

    event: ClassVar[str] = "warning"
    stage: str
    message: str


@dataclass(frozen=True)
class RunFinished(Event):
    """Last event of a run that ended well."""

    event: ClassVar[str] = "done"
    seconds: float
    workspace: str
    models: list[str]
    previews: list[str]
    report: str | None


@dataclass(frozen=True)
class RunFailed(Event):
    """Last event of a run that ended with an error (command line only)."""

    event: ClassVar[str] = "error"
    message: str
    exit_code: int


EVENTS: tuple[type[Event], ...] = (
    RunStarted, StageStarted, StageProgress, StageFinished, Warned, RunFinished, RunFailed,
)  # fmt: skip

Listener = Callable[[Event], None]


def ignore(_event: Event) -> None:
    """A listener for callers that don't want to know."""
