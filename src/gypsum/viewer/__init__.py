"""The viewer: a page in the browser, from a server that only this machine reaches."""

from gypsum.viewer.content import Shown, prepare
from gypsum.viewer.serve import Server

__all__ = ["Server", "Shown", "prepare"]
"""What ``gypsum view`` is made of."""
