"""Codebooks: few values that stand for many, for SOG."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]

CODES = 256
"""Of numbers; a byte each."""

_BINS = 4096

_SAMPLE = 2**16
_COARSE = 256
_ROUNDS_COARSE, _ROUNDS_FINE = 6, 4
_BLOCK = 2**16
"""Rows that are compared at a time."""


def scalar(values: Float32) -> tuple[Float32, NDArray[np.uint8]]:
    """256 ascending values and, in the shape of ``values``, the nearest one's number.

    Half of the codes are where they err least on the whole, as dense as the third root of the
    values (Panter and Dite 1951); the others are spread evenly, so that no two are further apart
    than 1/127 of the range.
    """
    low, high = float(values.min()), float(values.max())
    # All the same, too, have to fall into bins of some width.
    wide = max(high, low + 1e-6 * max(1, abs(low)))
    counts, edges = np.histogram(values.astype(np.float64), _BINS, (low, wide))
    dense = np.cbrt(counts)
    reached = np.concatenate([[0.0], np.cumsum(dense / dense.sum() + 1 / _BINS)])
    codes = np.interp(np.linspace(0, reached[-1], CODES), reached, edges)
    book = codes.astype(np.float32)
    return book, np.searchsorted((book[1:] + book[:-1]) / 2, values).astype(np.uint8)


def vector(rows: Float32, size: int, seed: int = 0) -> tuple[Float32, NDArray[np.int64]]:
    """(K, D) centres, K at most ``size``, and (N,) the number of each row's.

    k-means in two steps, as one of tens of thousands of centres would take minutes: few coarse
    clusters, then centres within each, as many as it has rows for.
    """
    if len(rows) <= size:
        return rows, np.arange(len(rows))
    rng = np.random.default_rng(seed)
    sample = rows[rng.choice(len(rows), min(_SAMPLE, len(rows)), replace=False)]
    coarse = _means(sample, min(_COARSE, size), _ROUNDS_COARSE, rng)
    owner = _closest(rows, coarse)
    counts = np.bincount(owner, minlength=len(coarse))
    shares = np.minimum(counts, np.maximum(1, counts * (size - len(coarse)) // len(rows)))
    order = np.argsort(owner, kind="stable")
    ends = np.cumsum(counts)
    centres, labels, found = [], np.empty(len(rows), np.int64), 0
    for number, share in enumerate(shares):
        if share == 0:
            continue
        mine = order[ends[number] - counts[number] : ends[number]]
        fine = _means(rows[mine], int(share), _ROUNDS_FINE, rng)
        labels[mine] = found + _closest(rows[mine], fine)
        centres.append(fine)
        found += len(fine)
    return np.concatenate(centres), labels


def _means(rows: Float32, count: int, rounds: int, rng: np.random.Generator) -> Float32:
    """Lloyd's iterations from rows drawn by chance."""
    centres = rows[rng.choice(len(rows), count, replace=False)]
    for _ in range(rounds):
        owner = _closest(rows, centres)
        order = np.argsort(owner, kind="stable")
        used, starts = np.unique(owner[order], return_index=True)
        sums = np.add.reduceat(rows[order].astype(np.float64), starts)
        counts = np.diff([*starts, len(rows)])[:, None]
        centres = centres.copy()
        centres[used] = sums / counts
    return centres


def _closest(rows: Float32, centres: Float32) -> NDArray[np.int64]:
    """(N,) which centre is nearest to each row."""
    half = (centres**2).sum(axis=1) / 2
    blocks = range(0, len(rows), max(1, _BLOCK * _COARSE // len(centres)))
    step = blocks.step
    parts = [np.argmin(half - rows[at : at + step] @ centres.T, axis=1) for at in blocks]
    return np.concatenate(parts)
