"""What several tests share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent

#: How the system schedules this process, where it tells.
_scheduling = getattr(os, "sched_getscheduler", lambda _: None)
_ORDINARY = _scheduling(0)


@pytest.fixture(autouse=True)
def ordinary() -> Iterator[None]:
    """No test makes this process, and all that later tests start, a real-time one."""
    yield
    assert _scheduling(0) == _ORDINARY


@pytest.fixture(scope="session")
def captures() -> Path:
    """The folder of real captures with known truth, which are too large to ship with the project.

    Named by the environment variable ``GYPSUM_CAPTURES``, else ``shared/data`` beside the checkout.
    """
    named = os.environ.get("GYPSUM_CAPTURES")
    folder = Path(named) if named else CHECKOUT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no real captures in {folder}; set GYPSUM_CAPTURES to where they are")
    return folder
