"""``gypsum options``: what a scan can be told, for programs that start scans."""

from __future__ import annotations

import json
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import typer
from pydantic import BeforeValidator
from pydantic.fields import FieldInfo

from gypsum import __version__
from gypsum.options import Mode, ScanOptions, denial, extra, limits, reference

_ONLY_FOR = {
    "splats": (Mode.SPLAT,),
    "minutes": (Mode.SPLAT,),
    "voxel": (Mode.LIDAR,),
    "register_scans": (Mode.LIDAR,),
    "plan": (Mode.LIDAR,),
    "dem": (Mode.LIDAR,),
    "contours": (Mode.LIDAR,),
}
"""Options that other modes take no notice of."""

_BASIC = ("quality", "mask", "faces", "texture", "splats", "minutes", "marker_size", "box")
"""What a short form shows; the rest is for those who look for it."""


def options(
    as_json: Annotated[
        bool, typer.Option("--json", help="Print them as one JSON object, for programs.")
    ] = False,
) -> None:
    """Print all options of a scan, with their ranges and defaults."""
    print(json.dumps(catalog(), indent=1) if as_json else reference())


def catalog() -> dict[str, Any]:
    """Modes, and for each the options of ``gypsum scan`` that it takes; JSON's types only."""
    return {
        "version": __version__,
        "modes": [
            {
                "name": mode.value,
                "title": mode.value.capitalize(),
                "options": [
                    _described(name, info)
                    for name, info in ScanOptions.model_fields.items()
                    if name != "mode" and mode in _ONLY_FOR.get(name, tuple(Mode))
                ],
            }
            for mode in Mode
        ],
    }


def _described(name: str, info: FieldInfo) -> dict[str, Any]:
    low, high = limits(info)
    choices = _choices(info)
    return {
        "name": name,
        "title": name.replace("_", " ").capitalize(),
        "help": info.description,
        "type": "choice" if choices else _type(info),
        "default": _plain(info.default),
        "choices": choices,
        "minimum": low,
        "maximum": high,
        "unit": extra(info, "unit"),
        "metavar": extra(info, "metavar"),
        "deniable": bool(denial(name, info)),
        "advanced": name not in _BASIC,
    }


def _choices(info: FieldInfo) -> list[str]:
    """Of an enumeration."""
    for kind in _kinds(info.annotation):
        if isinstance(kind, type) and issubclass(kind, Enum):
            return [str(item.value) for item in kind]
    return []


def _type(info: FieldInfo) -> str:
    """What a program has to ask for; lists are of text, lengths and sizes are text with a unit."""
    kinds = set(_kinds(info.annotation))
    if info.default == ():
        return "list"
    if bool in kinds:
        return "boolean"
    if Path in kinds:
        return "path"
    if Annotated in kinds or any(isinstance(rule, BeforeValidator) for rule in info.metadata):
        return "text"
    return "integer" if int in kinds else "number" if float in kinds else "text"


def _kinds(annotation: Any) -> Iterator[Any]:
    """The types that an annotation is made of, inside of unions."""
    yield get_origin(annotation) or annotation
    for part in get_args(annotation):
        yield from _kinds(part)


def _plain(value: Any) -> Any:
    """A default as JSON has it."""
    if isinstance(value, Enum):
        return value.value
    return list(value) if isinstance(value, tuple) else value


__all__ = ["catalog", "options"]
