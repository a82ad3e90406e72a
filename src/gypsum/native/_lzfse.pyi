"""Unpacking of LZFSE."""

def decompress(packed: bytes, size: int) -> bytes:
    """The ``size`` bytes that were packed; ValueError where they are damaged or not as many."""
