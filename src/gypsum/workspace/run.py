"""The runner: brings a workspace to what a pipeline, a source and settings ask for."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gypsum._version import __version__
from gypsum.errors import GypsumError
from gypsum.options import Settings
from gypsum.workspace.estimate import TimeModel
from gypsum.workspace.events import (
    Listener,
    PlannedStage,
    RunStarted,
    StageFinished,
    StageProgress,
    StageStarted,
    Warned,
    ignore,
)
from gypsum.workspace.failures import BrokenStageError, explained_at
from gypsum.workspace.folder import KEY, StageRecord, Workspace
from gypsum.workspace.plan import Step, plan
from gypsum.workspace.process import run_in_child
from gypsum.workspace.stage import Pipeline, Source


@dataclass(frozen=True)
class Limits:
    """What a run may use."""

    threads: int
    memory: int
    """Bytes."""


def run_pipeline(
    pipeline: Pipeline,
    workspace: Workspace,
    source: Source,
    settings: Settings,
    limits: Limits,
    until: str | None = None,
    listener: Listener = ignore,
) -> list[StageRecord]:
    """Run the stages whose results are missing or out of date; returns the records of all.

    A stage's folder belongs to a key: a hash of its settings, its version and the keys of the
    stages that it needs. A folder of another key is wiped; one of the same key without a record
    is continued. Killed at any moment, the next call goes on from what was complete.
    """
    with explained_at(workspace.root), workspace.locked() as lock:
        return _Run(pipeline, workspace, source, settings, limits, listener, lock).until(until)


@dataclass
class _Run:
    pipeline: Pipeline
    workspace: Workspace
    source: Source
    settings: Settings
    limits: Limits
    listener: Listener
    lock: int

    def until(self, group: str | None) -> list[StageRecord]:
        steps = plan(self.pipeline.until(group), self.workspace, self.source, self.settings)
        self._unpublish_stale(steps)
        self._announce(steps)
        self.time = TimeModel(steps)
        return [self._keep(step) if step.kept else self._make(step) for step in steps]

    def _unpublish_stale(self, steps: Sequence[Step]) -> None:
        """What is at the workspace's top always belongs together, in one frame."""
        kept = {step.stage.name for step in steps if step.kept}
        everything = plan(self.pipeline.stages, self.workspace, self.source, self.settings)
        kept |= {step.stage.name for step in everything if step.kept}
        for stage in self.pipeline.stages:
            if stage.name not in kept:
                self.workspace.unpublish(stage.publishes)

    def _announce(self, steps: Sequence[Step]) -> None:
        planned = [
            PlannedStage(step.stage.name, step.stage.label, step.kept, step.reason)
            for step in steps
        ]
        self.listener(RunStarted(__version__, str(self.workspace.root), planned))

    def _keep(self, step: Step) -> StageRecord:
        assert step.record is not None
        for message in step.record.warnings:
            self.listener(Warned(step.stage.name, message))
        self._finish(step, step.record, kept=True)
        return step.record

    def _make(self, step: Step) -> StageRecord:
        stage = step.stage
        continued = self.workspace.begin(stage.name, step.key, step.ingredients)
        self.listener(StageStarted(stage.name, stage.label))
        self._announce_progress(step, time.monotonic(), 0.0, "")
        try:
            self._run(step, continued)
        except BrokenStageError:
            (self.workspace.stage(stage.name) / KEY).unlink(missing_ok=True)
            raise
        record = self.workspace.record(stage.name)
        if record is None:
            raise GypsumError(f"The results of “{stage.label}” were removed while it ran.")
        self.time.finished(stage.name, record.seconds)
        self._finish(step, record, kept=False)
        return record

    def _run(self, step: Step, continued: bool) -> None:
        began = time.monotonic()
        done, doing = 0.0, ""

        def hear(message: dict[str, Any]) -> None:
            nonlocal done, doing
            if message.get("kind") == "warning":
                self.listener(Warned(step.stage.name, message["message"]))
            elif message.get("kind") == "progress":
                done, doing = max(done, message["done"]), message["doing"] or doing
            self._announce_progress(step, began, done, doing)

        log = self.workspace.log(step.stage.name)
        run_in_child(self._request(step, continued), log, self.lock, hear)

    def _request(self, step: Step, continued: bool) -> dict[str, Any]:
        stage, root = step.stage, self.workspace.root.absolute()
        folders = Workspace(root)
        return {
            "stage": stage.name,
            "label": stage.label,
            "function": stage.function,
            "folder": str(folders.stage(stage.name)),
            "inputs": {name: str(folders.stage(name)) for name in stage.needs},
            "source": [str(path.absolute()) for path in self.source.paths],
            "workspace": str(root),
            "threads": self.limits.threads,
            "memory": self.limits.memory,
            "key": step.key,
            "ingredients": step.ingredients,
            "continued": continued,
        }

    def _announce_progress(self, step: Step, began: float, done: float, doing: str) -> None:
        elapsed = time.monotonic() - began
        estimate = self.time.estimate(step.stage.name, elapsed, done)
        self.listener(
            StageProgress(
                step.stage.name,
                done,
                doing,
                round(elapsed, 1),
                estimate.stage_left,
                estimate.overall,
                estimate.left,
            )
        )

    def _finish(self, step: Step, record: StageRecord, kept: bool) -> None:
        stage = step.stage
        self.workspace.publish(stage.name, stage.publishes)
        self.listener(StageFinished(stage.name, stage.label, kept, record.seconds, record.facts))
