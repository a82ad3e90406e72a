"""Attempts that ended before their time: whose fault it was, and what comes of it.

A machine that dies, or a process that somebody ends, says nothing of the scan: it is tried again at
once, later and later where that goes on. A scan that ends its own processes, because it takes more
memory than there is or crashes, would do so everywhere: soon it is given up, with a sentence. Both
are counted in a row; the counts begin anew with each stage that was stored.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass
from pathlib import Path

#: Seconds between two attempts at most.
_LONGEST = 3600.0
#: How a process ends that was ended by another: by signal, or as bubblewrap passes it on.
_FROM_OUTSIDE = frozenset(
    status for number in (signal.SIGKILL, signal.SIGTERM) for status in (-number, 128 + number)
)

NO_MEMORY = "There was not enough memory for this scan; use fewer photos or a lower quality."
GIVEN_UP = (
    "The scan was given up: the machine that worked on it stopped again and again at the same "
    "step. Try fewer or smaller photos, or quality draft."
)
KILLED = "A process of the scan was ended from outside."


@dataclass(frozen=True)
class Blame:
    """Who is to blame for the end of an attempt."""

    column: str
    """Where the scan's record counts such ends since a stage was last stored."""
    most: int
    """With so many in a row the scan is given up."""
    pause: float
    """Seconds before the third attempt; the second comes at once."""

    def wait(self, count: int) -> float:
        """Seconds before the next attempt, after so many losses in a row."""
        return min(_LONGEST, self.pause * (2.0 ** (count - 1) - 1))


#: With its pauses it is eight hours before a scan is given up that ends whole machines.
MACHINE = Blame("losses", 20, 1.0)
SCAN = Blame("faults", 3, 60.0)


def from_outside(status: int) -> bool:
    """Whether a process with this status was ended by another, the system perhaps."""
    return status in _FROM_OUTSIDE


def memory_kills() -> int:
    """How many processes this machine's kernel has ended for want of memory since it started."""
    counts = Path("/proc/vmstat")
    if counts.exists():
        for line in counts.read_text().splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0
