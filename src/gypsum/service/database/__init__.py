"""PostgreSQL: connections, the tables and how they came to be, and an embedded server."""

from gypsum.service.database.embedded import EmbeddedDatabase
from gypsum.service.database.migrate import migrate
from gypsum.service.database.pool import Connection, Pool, Row, open_pool

__all__ = ["Connection", "EmbeddedDatabase", "Pool", "Row", "migrate", "open_pool"]
