"""A folder as a stream of bytes (tar, pax), and back, with bounded memory.

Only files, folders and links within the archive exist in it; owners, modes and devices do not.
"""

from __future__ import annotations

import os
import posixpath
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from gypsum.errors import InputError

_CHUNK = 2**20


def pack(folder: Path, last: Sequence[str] = ()) -> Iterator[bytes]:
    """The folder and all in it, under its own name, in pieces.

    Args:
        folder: what is packed; times are kept, for copies are told apart by them.
        last: names of files in it that come at the end: where they are, all is.
    """
    for path in _ordered(folder, last):
        info = _info(path, path.relative_to(folder.parent).as_posix())
        yield info.tobuf(tarfile.PAX_FORMAT)
        if info.isreg():
            yield from _content(path, info.size)
    yield bytes(2 * tarfile.BLOCKSIZE)


def _ordered(folder: Path, last: Sequence[str]) -> list[Path]:
    found = []
    for parent, folders, files in os.walk(folder):
        here = Path(parent)
        found += [here / name for name in (*folders, *files)]
    ends = [folder / name for name in last]
    inner = sorted(path for path in found if path not in ends)
    return [folder, *inner, *(path for path in ends if path.exists())]


def _info(path: Path, name: str) -> tarfile.TarInfo:
    state = path.lstat()
    info = tarfile.TarInfo(name)
    info.mtime = state.st_mtime_ns / 1e9
    if path.is_symlink():
        info.type, info.linkname = tarfile.SYMTYPE, path.readlink().as_posix()
    elif path.is_dir():
        info.type, info.mode = tarfile.DIRTYPE, 0o755
    else:
        info.size = state.st_size
    return info


def _content(path: Path, size: int) -> Iterator[bytes]:
    left = size
    with path.open("rb") as file:
        while left:
            chunk = file.read(min(_CHUNK, left))
            if not chunk:
                raise OSError(f"{path} became shorter while it was read")
            left -= len(chunk)
            yield chunk
    yield bytes(-size % tarfile.BLOCKSIZE)


def unpack(archive: Path, folder: Path) -> None:
    """Everything in ``archive`` below ``folder``. Raises `InputError` for what leads out of it."""
    try:
        with tarfile.open(archive, "r:") as tar:
            for member in tar:
                _extract(tar, member, folder)
    except tarfile.TarError as error:
        raise InputError(f"{archive.name} is damaged ({error}).") from error


def _extract(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    name = PurePosixPath(member.name)
    target = folder / name
    linked = posixpath.normpath(posixpath.join(name.parent.as_posix(), member.linkname))
    outside = name.is_absolute() or ".." in name.parts
    if outside or (member.issym() and linked.startswith(("/", ".."))):
        raise InputError(f"{member.name} leads out of the archive that it is in.")
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.parent.resolve().is_relative_to(folder.resolve()):
        raise InputError(f"{member.name} leads out of the archive that it is in.")
    if member.isdir():
        target.mkdir(exist_ok=True)
    elif member.issym():
        target.unlink(missing_ok=True)
        target.symlink_to(member.linkname)
    elif member.isreg() and (source := tar.extractfile(member)) is not None:
        target.unlink(missing_ok=True)
        with source, target.open("xb") as file:
            while chunk := source.read(_CHUNK):
                file.write(chunk)
        nanoseconds = round(float(member.mtime) * 1e9)
        os.utime(target, ns=(nanoseconds, nanoseconds))
    else:
        raise InputError(f"{member.name} is no file.")
