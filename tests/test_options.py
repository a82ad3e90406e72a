"""Options are declared once: the command line, Python and the documents agree with them."""

from __future__ import annotations

import inspect
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

import gypsum
from gypsum.cli.app import app
from gypsum.errors import InputError
from gypsum.formats import FORMATS
from gypsum.options import (
    PRESETS,
    Quality,
    ScanOptions,
    TextureSize,
    extra,
    fields,
    flags,
    format_bytes,
    limits,
    parse_bytes,
    reference,
    scan_options,
)

DOCS = Path(__file__).parent.parent / "docs"


def scan_parameters() -> dict[str, Any]:
    """Parameters of ``gypsum scan`` by name."""
    command = typer.main.get_group(app).commands["scan"]
    return {parameter.name: parameter for parameter in command.params}


@pytest.mark.parametrize("name", fields())
def test_every_option_has_one_line_of_help(name: str) -> None:
    text = fields()[name].description
    assert text
    assert "\n" not in text
    assert text[0].isupper()
    assert text.endswith(".")


@pytest.mark.parametrize("name", fields())
def test_every_number_has_a_range_and_a_unit(name: str) -> None:
    info = fields()[name]
    if info.annotation in (int, int | None):
        assert None not in limits(info)
        assert extra(info, "unit")


def test_the_page_of_options_is_up_to_date() -> None:
    again = """python -c 'from gypsum.options import reference as r; print(r(), end="")'"""
    assert (DOCS / "options.md").read_text() == reference(), f"{again} > docs/options.md"


def test_the_command_line_has_every_option() -> None:
    parameters = scan_parameters()
    for name, info in fields().items():
        assert set(flags(name, info)) <= set(parameters[name].opts)
        assert parameters[name].help.startswith(info.description)
    assert set(parameters) == {"inputs", *fields()}


def test_no_flag_is_used_twice() -> None:
    spelled = [flag for name, info in fields().items() for flag in flags(name, info)]
    assert len(spelled) == len(set(spelled))


def test_python_has_every_option() -> None:
    parameters = inspect.signature(gypsum.scan).parameters
    assert list(parameters)[:3] == ["inputs", "output", "progress"]
    for name, info in ScanOptions.model_fields.items():
        assert parameters[name].default == info.default


def test_the_help_names_every_format() -> None:
    text = fields()["format"].description or ""
    assert all(re.search(rf"\b{name}\b", text) for name in FORMATS)


def test_presets_grow_with_quality() -> None:
    sizes = [
        (p.feature_side, p.depth_side, p.depth_photos, p.faces, p.texture.pixels)
        for p in PRESETS.values()
    ]
    assert list(PRESETS) == list(Quality)
    for smaller, larger in pairwise(sizes):
        assert all(a < b for a, b in zip(smaller, larger, strict=True))


def test_what_is_asked_for_wins_over_the_preset() -> None:
    settings = scan_options({"quality": "draft", "faces": 1234, "texture": "8k"}).settings()
    assert (settings["faces"], settings["texture"]) == (1234, 8192)
    assert settings["depth_side"] == PRESETS[Quality.DRAFT].depth_side


def test_one_format_may_be_given_as_text() -> None:
    assert scan_options({"format": "obj"}).format == ("obj",)
    assert scan_options({"format": ["obj", "ply"]}).format == ("obj", "ply")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"faces": 3}, ["faces", "3", "100"]),
        ({"faces": "many"}, ["faces", "many"]),
        ({"texture": "3k"}, ["texture", "3k", "8k"]),
        ({"quality": "best"}, ["quality", "best", "high"]),
        ({"memory": "lots"}, ["memory", "lots", "4GiB"]),
        ({"threads": -1}, ["threads", "-1"]),
        ({"colour": True}, ["colour", "faces"]),
    ],
)
def test_wrong_values_are_one_sentence(values: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        scan_options(values)
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith(".")
    assert all(word in message for word in words)


@pytest.mark.parametrize(
    ("text", "count"),
    [("4GiB", 4 * 2**30), ("800 MB", 800 * 2**20), ("2g", 2**31), ("1.5k", 1536), ("7", 7)],
)
def test_sizes_in_bytes(text: str, count: int) -> None:
    assert parse_bytes(text) == count


@given(st.integers(min_value=0, max_value=2**50))
def test_sizes_survive_being_written(count: int) -> None:
    again = parse_bytes(format_bytes(count))
    assert isinstance(again, int)
    assert abs(again - count) <= 0.05 * count


def test_texture_sizes() -> None:
    assert [size.pixels for size in TextureSize] == [1024, 2048, 4096, 8192]


@pytest.mark.parametrize(
    ("text", "metres"),
    [("5cm", 0.05), ("50 mm", 0.05), ("2in", 0.0508), ("0.05", 0.05), ("1ft", 0.3048)],
)
def test_lengths(text: object, metres: float) -> None:
    assert scan_options({"marker_size": text}).marker_size == pytest.approx(metres)


@pytest.mark.parametrize("value", ["0", "-1", "5 parsec", "1e9", True, [1]])
def test_what_is_no_length(value: object) -> None:
    with pytest.raises(InputError, match=r"5cm, 50mm"):
        scan_options({"marker_size": value})


@pytest.mark.parametrize(
    ("given", "count"),
    [
        ("0 1 25cm", 1),
        (("0", "1", 0.25), 1),
        ([("0", "1", 0.25), ("a", "b", "3m")], 2),
        (["0 1 25cm", "a b 3m", "c d 1"], 3),
        ([["0", "1", 0.25]], 1),
    ],
)
def test_distances(given: object, count: int) -> None:
    assert len(scan_options({"distance": given}).distance) == count


@pytest.mark.parametrize("given", ["0 1", 5, [5], ["0 1"], [("0", "1")]])
def test_what_is_no_distance(given: object) -> None:
    with pytest.raises(InputError, match="two points and a length"):
        scan_options({"distance": given})
