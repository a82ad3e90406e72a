"""Whether USD's library is there; it comes some months after each new Python."""

from __future__ import annotations

from importlib.util import find_spec

from gypsum.errors import InputError


def check_installed() -> None:
    """Explain in a sentence when it is not."""
    if find_spec("pxr") is None:
        raise InputError(
            "USD files need the library usd-core: install it with pip, where there is one for this "
            "version of Python."
        )
