"""Stages and pipelines as data: names, what they need and which settings they depend on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gypsum.scene.progress import Progress, no_progress


@dataclass(frozen=True)
class Stage:
    """One step of a pipeline, run in a child process with a folder of its own."""

    name: str
    label: str
    """What it does, in words that a non-expert understands."""
    function: str
    """``"package.module:function"``, called with a :class:`StageContext`."""
    group: str
    """The part of the pipeline that ``--until`` can name."""
    needs: tuple[str, ...] = ()
    """Earlier stages whose folders it reads; none for a stage that reads the source."""
    settings: tuple[str, ...] = ()
    """The settings it depends on; it sees no others."""
    publishes: tuple[str, ...] = ()
    """Files and folders of its own folder that also appear at the workspace's top."""
    version: int = 1
    """Raised when the same input gives another result."""
    cost: float = 1.0
    """Typical seconds for thirty photos at normal quality; only the ratios matter."""
    when: str = ""
    """The setting that switches it on; none for a stage that every run has."""
    always: bool = False
    """Run it for every ``--until``, on those of its needs that are there."""


@dataclass(frozen=True)
class Pipeline:
    """Stages in the order in which they run."""

    name: str
    stages: tuple[Stage, ...]

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for stage in self.stages:
            missing = set(stage.needs) - seen
            if missing or stage.name in seen:
                raise ValueError(f"stage {stage.name} comes twice or before {sorted(missing)}")
            seen.add(stage.name)

    def chosen(self, settings: Mapping[str, Any]) -> Pipeline:
        """The pipeline without the stages that the settings switch off."""
        kept = [stage for stage in self.stages if not stage.when or settings[stage.when]]
        return Pipeline(self.name, _needing_each_other(kept))

    def until(self, group: str | None) -> tuple[Stage, ...]:
        """The stages up to and with ``group``; all of them for None."""
        if group is None:
            return self.stages
        last = max(i for i, stage in enumerate(self.stages) if stage.group == group)
        return _needing_each_other(
            [stage for i, stage in enumerate(self.stages) if i <= last or stage.always]
        )


def _needing_each_other(stages: Sequence[Stage]) -> tuple[Stage, ...]:
    """The stages without their needs for others."""
    names = {stage.name for stage in stages}
    return tuple(
        replace(stage, needs=tuple(need for need in stage.needs if need in names))
        for stage in stages
    )


@dataclass(frozen=True)
class Source:
    """What the user brought, as the first stage sees it."""

    digest: str
    """Hash of the content: when it changes, everything runs again."""
    paths: tuple[Path, ...]


def _no_warning(message: str) -> None:
    """For stages called outside a run."""


@dataclass(frozen=True)
class StageContext:
    """What a stage function is given."""

    folder: Path
    """The stage's own folder; what an interrupted run of the same stage left is still there."""
    inputs: Mapping[str, Path]
    """Folders of the stages that it needs; to be read only."""
    settings: Mapping[str, Any]
    """The settings that it declared."""
    source: tuple[Path, ...]
    """What the user brought."""
    workspace: Path
    """The workspace's top, where earlier stages' published files are."""
    threads: int
    """Cores to use, at least 1."""
    memory: int
    """Bytes to stay within."""
    progress: Progress = no_progress
    warn: Callable[[str], None] = _no_warning
    facts: dict[str, Any] = field(default_factory=dict)
    """Filled by the stage: what its record and the report tell, JSON only."""
