"""A scan on a service of Gypsum, from another machine: ``gypsum remote``, or a program."""

from gypsum.remote.api import Api
from gypsum.remote.connection import Connection, ServiceError
from gypsum.remote.scanning import Remote

__all__ = ["Api", "Connection", "Remote", "ServiceError"]
