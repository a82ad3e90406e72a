"""What a scan's process says, as the records and the page want it: little, and no paths."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from gypsum.service.jobs.engine import Connection, rows

#: Bytes of an event's data beyond which a stage's facts are left out.
_DATA_MOST = 16_000
#: Events that logs are made of, and how.
_LINES: dict[str, Callable[[dict[str, Any]], str]] = {
    "state": lambda data: data.get("message") or data.get("state", ""),
    "stage_started": lambda data: data.get("label", ""),
    "stage_finished": lambda data: (
        f"{data.get('label', '')}: "
        + ("kept" if data.get("kept") else f"done in {data.get('seconds', 0):.0f} s")
    ),
    "warning": lambda data: f"Note: {data.get('message', '')}",
    "error": lambda data: data.get("message", ""),
}


#: The folders of an absolute path, also within a sentence; not those of an address.
_FOLDERS = re.compile(r"(?<![\w./:])/(?:[^\s/'\"]+/)*(?=[^\s/'\"]+)")


class News:
    """What is new since the last renewal of the lease; progress is but its latest."""

    def __init__(self) -> None:
        self._labels: dict[str, str] = {}
        self._changes: dict[str, Any] = {}
        self._events: list[tuple[str, dict[str, Any]]] = []
        self._progress: dict[str, Any] | None = None

    def hear(self, message: dict[str, Any]) -> None:
        """Take an event of the scan."""
        event = message["event"]
        data = {
            name: _without_folders(value)
            for name, value in message.items()
            if name not in ("event", "workspace")
        }
        if event == "progress":
            self._progress = data
            self._changes |= {
                "progress": data["overall"],
                "stage": data["stage"],
                "doing": data["doing"] or self._labels.get(data["stage"]),
                "seconds_left": data["left"],
            }
            return
        if event == "start":
            self._labels = {stage["name"]: stage["label"] for stage in data["stages"]}
        elif event == "stage_started":
            self._changes |= {"stage": data["stage"], "doing": data["label"]}
        elif event == "stage_finished" and len(json.dumps(data)) > _DATA_MOST:
            data["facts"] = {}
        self._events.append((event, data))

    def stored(self) -> None:
        """A stage is safe: whatever happens from here on, the scan got further."""
        self._changes |= {"losses": 0, "faults": 0}

    def take(self) -> tuple[dict[str, Any], list[tuple[str, dict[str, Any]]]]:
        """Columns that changed, and events; from now on they are no news."""
        changes, events = self._changes, self._events
        if self._progress is not None:
            events.append(("progress", self._progress))
        self._changes, self._events, self._progress = {}, [], None
        return changes, events

    def put_back(self, changes: dict[str, Any], events: list[tuple[str, dict[str, Any]]]) -> None:
        """What could not be written stays news."""
        self._changes = changes | self._changes
        self._events = events + self._events


def _without_folders(value: Any) -> Any:
    """Names of files in place of their paths: where they lie is the worker's affair."""
    if isinstance(value, str):
        return _FOLDERS.sub("", value)
    if isinstance(value, dict):
        return {name: _without_folders(inner) for name, inner in value.items()}
    return [_without_folders(inner) for inner in value] if isinstance(value, list) else value


async def log_lines(connection: Connection, scan_id: Any, tail: int) -> list[str]:
    """The last lines of a scan's log: what happened and when, for people."""
    found = await rows(
        connection,
        "select at, event, data from scan_events where scan_id = %s and event = any(%s) "
        "order by id desc limit %s",
        [scan_id, list(_LINES), tail],
    )
    return [
        f"{row['at']:%Y-%m-%d %H:%M:%S}  {_LINES[row['event']](row['data'])}"
        for row in reversed(found)
    ]
