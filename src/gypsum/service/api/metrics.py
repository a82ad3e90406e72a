"""Counts for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_REGISTRY = CollectorRegistry()
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)

_REQUESTS = Counter(
    "gypsum_http_requests", "Requests answered.", ["method", "route", "status"], registry=_REGISTRY
)
_SECONDS = Histogram(
    "gypsum_http_request_seconds",
    "How long requests took.",
    ["method", "route"],
    buckets=_BUCKETS,
    registry=_REGISTRY,
)
_BYTES = Counter("gypsum_uploaded_bytes", "Bytes of uploads taken in.", registry=_REGISTRY)
_LISTENERS = Gauge("gypsum_event_listeners", "Open streams of events.", registry=_REGISTRY)


def count(method: str, route: str, status: int, seconds: float) -> None:
    """One request. Unknown addresses are one route, else anybody could make up more."""
    _REQUESTS.labels(method, route or "other", status).inc()
    _SECONDS.labels(method, route or "other").observe(seconds)


def uploaded(count: int) -> None:
    """Bytes that arrived."""
    _BYTES.inc(count)


def listening(change: int) -> None:
    """A stream of events opened (1) or closed (-1)."""
    _LISTENERS.inc(change)


def text() -> str:
    """All counts, as Prometheus reads them."""
    return generate_latest(_REGISTRY).decode()
