"""How long it still takes.

Each stage has a typical cost; the stages that ran on this machine, now or in an earlier run of the
workspace, tell how the machine and the photos compare with the typical ones. The stage that runs
is judged by its own rate as soon as that says more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gypsum.workspace.plan import Step

#: A stage's own rate is trusted fully from this share on.
_TRUSTED = 0.25

#: Below this share done, or this many seconds, nothing is said about a stage without comparison.
_TOO_EARLY = 0.02
_TOO_SHORT = 2.0


@dataclass(frozen=True)
class Estimate:
    """Seconds left and share done; None while unknown."""

    stage_left: float | None
    overall: float
    left: float | None


class TimeModel:
    """Time estimates for one run."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self._costs = {step.stage.name: step.stage.cost for step in steps}
        self._running = [step.stage.name for step in steps if not step.kept]
        self._seconds = {
            step.stage.name: step.record.seconds for step in steps if step.record is not None
        }
        self._made: dict[str, float] = {}

    def finished(self, name: str, seconds: float) -> None:
        """A stage has run."""
        self._seconds[name] = self._made[name] = seconds

    def estimate(self, name: str, elapsed: float, done: float) -> Estimate:
        """Where the run is when stage ``name`` has worked ``elapsed`` seconds for ``done``."""
        factor = self._factor()
        typical = self._costs[name] * (factor if factor is not None else 1.0)
        total = self._total(typical, elapsed, done)
        known = factor is not None or (done >= _TOO_EARLY and elapsed >= _TOO_SHORT)
        # Without any finished stage, this one's own rate is the only hint at the machine.
        pace = factor if factor is not None else total / self._costs[name]
        after = self._running[self._running.index(name) + 1 :]
        stage_left = max(0.0, total - elapsed)
        left = stage_left + sum(self._costs[other] * pace for other in after)
        spent = sum(self._made.values()) + elapsed
        overall = spent / (spent + left) if spent + left > 0 else 0.0
        return Estimate(
            round(stage_left, 1) if known else None,
            round(overall, 4),
            round(left, 1) if known else None,
        )

    def _factor(self) -> float | None:
        """This machine's and capture's seconds per typical second."""
        cost = sum(self._costs[name] for name in self._seconds)
        return sum(self._seconds.values()) / cost if cost > 0 else None

    @staticmethod
    def _total(typical: float, elapsed: float, done: float) -> float:
        """Seconds a stage takes in all: from typical to its own rate as it proceeds."""
        if done <= 0 or elapsed < _TOO_SHORT:
            return max(typical, elapsed)
        trust = min(1.0, done / _TRUSTED)
        return trust * elapsed / done + (1 - trust) * max(typical, elapsed)
