"""What is wrong with one file, as opposed to the whole capture."""

from __future__ import annotations


class UnusableError(Exception):
    """A photo or clip can't be used; the text goes on after its name, like "is empty"."""


class StorageError(Exception):
    """What was made of it can't be written; the text says why."""
