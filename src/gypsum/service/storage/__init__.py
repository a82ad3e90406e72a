"""Where uploads, stages' results and models are kept: a folder, or a bucket that speaks S3."""

from gypsum.service.storage.store import MissingObjectError, StorageError, Store

__all__ = ["MissingObjectError", "StorageError", "Store"]
