"""Names of photos: the user's own where possible, always safe and unique."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from gypsum.capture.names import NAME_BYTES_MAX, Wish, safe_name, unique_names

any_text = st.text(min_size=1, max_size=300)
folders = st.lists(st.sampled_from(["a", "b", "Ä"]), max_size=3).map(tuple)
near_names = st.sampled_from(["x.jpg", "X.JPG", "x-2.jpg", "é.jpg", "é.jpg", "a_x.jpg"])
wishes = st.builds(lambda name, parents: Wish(name, name, parents), near_names | any_text, folders)


def wish(name: str, *parents: str, original: str | None = None) -> Wish:
    return Wish(name, original or name, parents)


@given(any_text)
def test_safe_names_are_safe(name: str):
    safe = safe_name(name)
    assert safe
    assert not set(safe) & set('\\/:*?"<>|,#\0\n\r')
    assert not safe.startswith((".", "-"))
    assert len(safe.encode()) <= NAME_BYTES_MAX
    assert not any(unicodedata.category(c) == "Cc" for c in safe)


@given(any_text)
def test_safe_names_stay(name: str):
    assert safe_name(safe_name(name)) == safe_name(name)


def test_good_names_are_kept():
    for name in ("0001.jpg", "IMG_8835 (2).JPG", "Größe 世界.png", "a.b.c.jpeg"):
        assert safe_name(name) == name


def test_bytes_that_are_no_text():
    assert safe_name(b"caf\xe9.jpg".decode("utf-8", "surrogateescape")) == "caf_.jpg"


@given(st.lists(wishes, max_size=12))
def test_unique_names_are_unique_on_every_file_system(wishes: list[Wish]):
    names = unique_names(wishes)
    assert len(names) == len(wishes)
    keys = {unicodedata.normalize("NFC", name).casefold() for name in names}
    assert len(keys) == len(names)
    assert all(len(name.encode()) <= NAME_BYTES_MAX + 8 for name in names)


def test_the_nearest_folder_that_differs_goes_in_front():
    names = unique_names([wish("1.jpg", "left"), wish("1.jpg", "right"), wish("2.jpg", "right")])
    assert names == ["left_1.jpg", "right_1.jpg", "2.jpg"]
    names = unique_names([wish("1.jpg", "left", "day"), wish("1.jpg", "right", "day")])
    assert names == ["left_day_1.jpg", "right_day_1.jpg"]


def test_the_photo_that_bears_the_name_keeps_it():
    names = unique_names(
        [wish("x.jpg", "p", original="x.heic"), wish("x.jpg", "p"), wish("x-2.jpg", "p")]
    )
    assert names == ["x-3.jpg", "x.jpg", "x-2.jpg"]
