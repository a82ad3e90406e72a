"""HTML that can't be broken by what is put into it."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


Content = str | int | Iterable["Content"]
"""Text (escaped), markup (kept), numbers, or several of them."""

_VOID = frozenset({"img", "meta", "br"})


def element(name: str, /, *content: Content, **attributes: str | int) -> Markup:
    """An element; a trailing underscore in an attribute's name is dropped (``class_``)."""
    opening = name
    for key, value in attributes.items():
        opening += f' {key.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
    if name in _VOID:
        return Markup(f"<{opening}>")
    return Markup(f"<{opening}>{join(content)}</{name}>")


def join(content: Content) -> Markup:
    """Escape what is text and join it all."""
    if isinstance(content, Markup):
        return content
    if isinstance(content, str | int):
        return Markup(escape(str(content)))
    return Markup("".join(join(part) for part in content))
