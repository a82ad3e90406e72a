"""A scan's folder on disk.

WORKSPACE/
  scan.json             the last run's source and options
  stages/NAME/          what the stage NAME made
    key.json            what it was begun for; without it the folder is rubbish
    record.json         written last: the stage is complete
  logs/NAME.log         what it printed
  sparse/ cloud.ply …   published copies of stages' results
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from gypsum.errors import InputError
from gypsum.formats.atomic import atomic_write

KEY, RECORD = "key.json", "record.json"

#: How long a run waits for the lock: a killed run's stage needs a moment to go away.
LOCK_PATIENCE = 3.0


@dataclass(frozen=True)
class StageRecord:
    """How a complete stage was made."""

    stage: str
    label: str
    key: str
    ingredients: dict[str, Any]
    """What the key is a hash of: name, version, settings, keys of the needed stages, source."""
    seconds: float
    """Wall time."""
    cpu_seconds: float
    """User and system time of all its threads."""
    peak_bytes: int
    """Largest resident memory."""
    continued: bool
    """Whether it went on from an interrupted attempt, whose time is not counted."""
    finished: str
    """ISO 8601 time, UTC."""
    facts: dict[str, Any]
    warnings: list[str]
    files: dict[str, int]
    """Size of every file in the stage's folder, by path relative to it."""

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> StageRecord:
        """The record in JSON form."""
        return cls(**{field.name: values[field.name] for field in fields(cls)})


class Workspace:
    """Paths, keys, records and published files of one workspace."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def stage(self, name: str) -> Path:
        """The folder of a stage."""
        return self.root / "stages" / name

    def log(self, name: str) -> Path:
        """The log of a stage."""
        return self.root / "logs" / f"{name}.log"

    @contextmanager
    def locked(self) -> Iterator[int]:
        """Make the workspace and hold it; gives the lock's file descriptor.

        The descriptor is handed to the stages' processes, so that the lock is held until the
        last of them is gone, even when this process is killed.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.root / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            _lock(descriptor, self.root)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)
            yield descriptor
        finally:
            os.close(descriptor)

    def begun(self, name: str) -> dict[str, Any] | None:
        """Key and ingredients for which the stage's folder was begun."""
        return read_json(self.stage(name) / KEY)

    def record(self, name: str) -> StageRecord | None:
        """The record of the stage if it is complete and all its files are there."""
        record = self.last_record(name)
        return None if record is None or self.damage(record) else record

    def last_record(self, name: str) -> StageRecord | None:
        """The record of the stage, whatever became of its files."""
        values = read_json(self.stage(name) / RECORD)
        try:
            return None if values is None else StageRecord.from_dict(values)
        except (KeyError, TypeError):
            return None

    def damage(self, record: StageRecord) -> str:
        """The first file of a complete stage that is missing or has another size; "" if none."""
        folder = self.stage(record.stage)
        for name, size in record.files.items():
            try:
                if (folder / name).stat().st_size != size:
                    return name
            except OSError:
                return name
        return ""

    def begin(self, name: str, key: str, ingredients: dict[str, Any]) -> bool:
        """Make the stage's folder ready; True when an interrupted attempt can be continued."""
        folder = self.stage(name)
        begun = self.begun(name)
        if begun is not None and begun.get("key") == key and not (folder / RECORD).exists():
            for part in folder.rglob(".*.part"):
                part.unlink()
            return True
        self.discard(name)
        folder.mkdir(parents=True)
        write_json(folder / KEY, {"key": key, "ingredients": ingredients})
        return False

    def discard(self, name: str) -> None:
        """Remove a stage's folder and log; killed half-way, the rest counts as rubbish."""
        folder = self.stage(name)
        for marker in (RECORD, KEY):
            (folder / marker).unlink(missing_ok=True)
        if folder.exists():
            shutil.rmtree(folder)
        self.log(name).unlink(missing_ok=True)

    def publish(self, name: str, items: tuple[str, ...]) -> None:
        """Copy a stage's files and folders to the workspace's top, each whole or not at all."""
        for item in items:
            _mirror(self.stage(name) / item, self.root / item)

    def unpublish(self, items: tuple[str, ...]) -> None:
        """Remove published copies that no longer belong to the results."""
        for item in items:
            path = self.root / item
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


def _lock(descriptor: int, root: Path) -> None:
    deadline = time.monotonic() + LOCK_PATIENCE
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > deadline:
                owner = os.pread(descriptor, 20, 0).decode() or "unknown"
                raise InputError(
                    f"{root} is in use by another run (process {owner}); wait until it ends or "
                    "choose another --workspace."
                ) from None
            time.sleep(0.05)
        except OSError:
            return  # some network file systems know no locks: better unlocked than unusable


def _mirror(source: Path, target: Path) -> None:
    if source.is_dir():
        if target.is_symlink() or target.is_file():
            target.unlink()
        target.mkdir(parents=True, exist_ok=True)
        wanted = {child.name for child in source.iterdir() if not child.name.endswith(".part")}
        for child in list(target.iterdir()):
            if child.name not in wanted:
                shutil.rmtree(child) if child.is_dir() else child.unlink()
        for name in sorted(wanted):
            _mirror(source / name, target / name)
    elif not _same(source, target):
        copy(source, target)


def _same(source: Path, target: Path) -> bool:
    """Whether ``target`` is an earlier copy of ``source``: equal size and time."""
    if not target.is_file():
        return False
    a, b = source.stat(), target.stat()
    return (a.st_size, a.st_mtime_ns) == (b.st_size, b.st_mtime_ns)


def copy(source: Path, target: Path) -> None:
    """Copy a file with its time; ``target`` appears whole or not at all."""
    with source.open("rb") as data, atomic_write(target) as file:
        shutil.copyfileobj(data, file, 2**20)
    # Copies rather than hard links: a program that edits a published file in place must not
    # change what later stages read.
    times = source.stat()
    os.utime(target, ns=(times.st_atime_ns, times.st_mtime_ns))


def files_below(folder: Path) -> Iterator[Path]:
    """All files in a folder and its folders; links to other folders are not followed."""
    for parent, _, names in os.walk(folder):
        for name in names:
            path = Path(parent, name)
            if path.is_file():
                yield path


def read_json(path: Path) -> dict[str, Any] | None:
    """A JSON object, or None when the file is missing or no such thing."""
    try:
        values = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return values if isinstance(values, dict) else None


def write_json(path: Path, values: dict[str, Any]) -> None:
    """Write a JSON object, whole or not at all."""
    with atomic_write(path) as file:
        text = json.dumps(values, indent=1, ensure_ascii=False, default=_plain)
        file.write((text + "\n").encode())


def _plain(value: Any) -> Any:
    """NumPy's scalars and arrays, and paths, as JSON knows them."""
    return value.tolist() if hasattr(value, "tolist") else str(value)
