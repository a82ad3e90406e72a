"""Command-line parameters from the declared options, so that nothing is declared twice."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from itertools import islice
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, cast, get_args, get_origin

import typer
from pydantic import BeforeValidator
from pydantic.fields import FieldInfo

from gypsum.options import BOX_WORDS, ConvertOptions, denial, extra, fields, flags, limits

_METAVARS: dict[type[Any], str] = {Path: "PATH", int: "N", str: "SIZE", list: "NAME"}

#: Options whose value is several words, and how many.
_SEVERAL = {
    flag: words
    for name, info in {**ConvertOptions.model_fields, **fields()}.items()
    if (words := len(extra(info, "metavar").split())) > 1
    for flag in flags(name, info)
}

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
    long, *short = flags(name, info)
    off = denial(name, info)
    option = typer.Option(
        f"{long}/{off}" if off else long,
        *short,
        help=_help(info),
        min=low,
        max=high,
        metavar=_metavar(name, kind, info),
    )
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[(list[str] if kind is list else kind) | None, option],
    )


def _help(info: FieldInfo) -> str:
    fixed = info.default_factory is None and info.default is not None
    shown = fixed and info.default not in (False, ())
    return f"{info.description}  [default: {info.default}]" if shown else str(info.description)


def _parsed_type(info: FieldInfo) -> type[Any]:
    """What the command line parses: text where the option itself does the parsing."""
    kind = next(kind for kind in _alternatives(info.annotation) if kind is not type(None))
    if get_origin(kind) is tuple:
        return list
    if get_origin(kind) is Annotated or any(isinstance(m, BeforeValidator) for m in info.metadata):
        return str
    return cast(type[Any], kind)


def _metavar(name: str, kind: type[Any], info: FieldInfo) -> str | None:
    """What help calls the value; None where its choices say it."""
    if issubclass(kind, Enum | bool):
        return None
    return extra(info, "metavar") or _METAVARS.get(kind, name.upper())


def join_words(arguments: Sequence[str]) -> list[str]:
    """``--distance A B 0.25`` as ``--distance "A B 0.25"``: typer's options take one value.

    A value that is whole already, such as ``--box auto`` or one in quotes, stays as it is.
    """
    joined: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        joined.append(argument)
        first = next(rest, None) if argument in _SEVERAL else None
        if first is not None:
            count = _SEVERAL[argument]
            whole = len(first.split()) == count or first in BOX_WORDS
            words = [first] if whole else [first, *islice(rest, count - 1)]
            joined.append(" ".join(words))
    return joined


def _alternatives(annotation: Any) -> tuple[Any, ...]:
    if get_origin(annotation) in (Union, UnionType):
        return get_args(annotation)
    return (annotation,)
