"""Command-line parameters from the declared options, so that nothing is declared twice."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, cast, get_args, get_origin

import typer
from pydantic.fields import FieldInfo

from gypsum.options import flags, limits

_METAVARS: dict[type[Any], str] = {Path: "PATH", int: "N", str: "SIZE", list: "NAME"}

Command = TypeVar("Command", bound=Callable[..., None])


def with_options(declared: Mapping[str, FieldInfo]) -> Callable[[Command], Command]:
    """Give a command with ``**options`` a parameter for each of the declared options.

    Options that are not given on the command line arrive as None.
    """

    def decorate(command: Command) -> Command:
        own = [
            parameter
            for parameter in inspect.signature(command, eval_str=True).parameters.values()
            if parameter.kind is not inspect.Parameter.VAR_KEYWORD
        ]
        generated = [_parameter(name, info) for name, info in declared.items()]
        signature = inspect.Signature([*own, *generated])
        command.__signature__ = signature  # type: ignore[attr-defined]
        command.__annotations__ = {p.name: p.annotation for p in signature.parameters.values()}
        return command

    return decorate


def _parameter(name: str, info: FieldInfo) -> inspect.Parameter:
    kind = _parsed_type(info)
    low, high = limits(info) if kind is int else (None, None)
    option = typer.Option(
        *flags(name, info),
        help=_help(info),
        min=low,
        max=high,
        metavar=_METAVARS.get(kind, name.upper()) if not issubclass(kind, Enum | bool) else None,
    )
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[(list[str] if kind is list else kind) | None, option],
    )


def _help(info: FieldInfo) -> str:
    shown = info.default is not None and info.default not in (False, ())
    return f"{info.description}  [default: {info.default}]" if shown else str(info.description)


def _parsed_type(info: FieldInfo) -> type[Any]:
    """What the command line parses: text where the option itself does the parsing."""
    kind = next(kind for kind in _alternatives(info.annotation) if kind is not type(None))
    if get_origin(kind) is tuple:
        return list
    if get_origin(kind) is Annotated:
        return str
    return cast(type[Any], kind)


def _alternatives(annotation: Any) -> tuple[Any, ...]:
    if get_origin(annotation) in (Union, UnionType):
        return get_args(annotation)
    return (annotation,)
