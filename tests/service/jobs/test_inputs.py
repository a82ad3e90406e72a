"""Uploads as files: safe names, the same on every machine."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gypsum.service.jobs import inputs
from gypsum.service.jobs.inputs import NoRoomError, check_room, fetch
from gypsum.service.storage import Store


def brought(folder: Path, names: list[str]) -> list[Path]:
    store = Store(f"file://{folder}/objects")
    (folder / "in").mkdir()

    async def work() -> list[Path]:
        files: list[Any] = []
        for number, name in enumerate(names):
            await store.put(f"a/{number}", str(number).encode())
            files.append({"name": name, "object_key": f"a/{number}", "bytes": 1})
        return await fetch(store, files, folder / "in")

    return asyncio.run(work())


def test_photos_are_a_folder_and_zips_are_given_by_themselves(tmp_path: Path) -> None:
    assert brought(tmp_path, ["b.jpg", "a.jpg"]) == [tmp_path / "in"]
    other = tmp_path / "other"
    other.mkdir()
    assert brought(other, ["b.zip", "a.jpg"]) == [other / "in" / "a.jpg", other / "in" / "b.zip"]


def test_names_that_clash_or_lead_away_are_safe(tmp_path: Path) -> None:
    names = ["a.jpg", "a.jpg", "A.jpg", "../../x.jpg", "/etc/passwd", "..", "c:\\d\\e.jpg", ".h"]
    brought(tmp_path, names)
    found = [path for path in (tmp_path / "in").rglob("*") if path.is_file()]
    assert sorted(path.read_text() for path in found) == sorted(map(str, range(len(names))))
    assert all(path.stat().st_mtime == 1_000_000_000 for path in found)


@given(st.lists(st.text(min_size=1, max_size=30), min_size=1, max_size=8))
def test_no_name_leads_out(names: list[str]) -> None:
    places = inputs._places([{"name": name} for name in names])
    assert len({str(place).casefold() for place in places}) == len(names)
    for place in places:
        assert not place.is_absolute()
        assert ".." not in place.parts


def test_a_full_disk_is_noticed_before(tmp_path: Path) -> None:
    check_room(tmp_path, [{"bytes": 1}], spare=1)
    for size, spare in ((2**60, 0), (1, 2**60)):
        with pytest.raises(NoRoomError, match="needed"):
            check_room(tmp_path, [{"bytes": size}], spare)
