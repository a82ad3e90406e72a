"""``gypsum options --json``, from which other programs make their forms."""

from __future__ import annotations

import json

from typer.testing import CliRunner

from gypsum.cli.app import app
from gypsum.cli.options import _BASIC, _ONLY_FOR, catalog
from gypsum.options import Mode, ScanOptions, reference


def test_every_option_is_told_with_its_kind() -> None:
    done = CliRunner().invoke(app, ["options", "--json"])
    told = json.loads(done.output)
    assert told == catalog()
    assert [mode["name"] for mode in told["modes"]] == [mode.value for mode in Mode]
    names = {option["name"] for mode in told["modes"] for option in mode["options"]}
    assert names == set(ScanOptions.model_fields) - {"mode"}


def test_kinds_ranges_and_defaults_are_those_declared() -> None:
    options = {option["name"]: option for option in catalog()["modes"][0]["options"]}
    assert options["quality"]["choices"] == ["draft", "normal", "high"]
    assert options["quality"]["default"] == "normal"
    assert (options["faces"]["type"], options["faces"]["minimum"]) == ("integer", 100)
    assert options["marker_size"]["type"] == options["box"]["type"] == "text"
    assert options["memory"]["type"] == "text"
    assert options["watertight"]["type"] == options["refine"]["type"] == "boolean"
    assert options["refine"]["deniable"]
    assert not options["watertight"]["deniable"]
    assert options["workspace"]["type"] == options["points"]["type"] == "path"
    assert options["format"]["type"] == options["distance"]["type"] == "list"
    assert "splats" not in options


def test_names_in_tables_exist() -> None:
    assert {*_BASIC, *_ONLY_FOR} <= set(ScanOptions.model_fields)


def test_for_people_it_is_the_page_of_the_documentation() -> None:
    assert CliRunner().invoke(app, ["options"]).output.strip() == reference().strip()
