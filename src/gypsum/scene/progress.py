"""How a stage tells how far it is."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Called by a stage now and then; must be cheap."""

    def __call__(self, done: float, doing: str = "") -> None:
        """``done`` is the finished share, 0 to 1; ``doing`` is a few words for the user."""


def no_progress(done: float, doing: str = "") -> None:
    """For callers that don't want to know."""
