"""Requests to a service: with the key, again when the line breaks, errors as sentences."""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterable, Iterable, Mapping
from typing import Any

import httpx

from gypsum.errors import GypsumError

#: Seconds that a request may take before a byte comes.
_PATIENCE = 60.0
#: How often a request is sent again, and the seconds before the first time; they double.
_AGAIN, _PAUSE = 6, 0.5
#: What a service says that is busy, or is being started again.
_LATER = (429, 502, 503, 504)
#: Requests that may be sent twice.
_REPEATABLE = ("GET", "HEAD", "DELETE", "OPTIONS")

Content = bytes | Iterable[bytes] | AsyncIterable[bytes] | None


class ServiceError(GypsumError):
    """The service refused, or can't be reached."""

    exit_code = 3

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class Connection:
    """To one service, for one account. Threads may share it."""

    def __init__(self, url: str, key: str, client: httpx.Client | None = None) -> None:
        self.url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {key}"}
        self._client = client or httpx.Client(timeout=_PATIENCE)

    def close(self) -> None:
        """Let go of the service."""
        self._client.close()

    def call(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, Any] | None = None,
        key: str | None = None,
    ) -> Any:
        """Send JSON, get JSON; a call with a ``key`` may be repeated (Idempotency-Key)."""
        headers = {} if key is None else {"Idempotency-Key": key}
        given = {name: value for name, value in (query or {}).items() if value is not None}
        repeatable = key is not None or method in _REPEATABLE
        answer = self.send(
            method, path, headers=headers, json=body, params=given, repeatable=repeatable
        )
        return answer.json() if answer.content else None

    def send(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        repeatable: bool = False,
        **request: Any,
    ) -> httpx.Response:
        """Send a request; raises ServiceError for every answer that is no success."""
        pause = _PAUSE
        for attempt in range(_AGAIN + 1):
            last = attempt == _AGAIN
            try:
                answer = self._client.request(
                    method, self.url + path, headers={**self._headers, **(headers or {})}, **request
                )
            except httpx.UnsupportedProtocol as error:
                raise ServiceError(
                    f"{self.url} is no address of a service: it begins with http:// or https://."
                ) from error
            except httpx.TransportError as error:
                never_sent = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
                if last or not (repeatable or never_sent):
                    raise ServiceError(
                        f"The service at {self.url} can't be reached: {error}. "
                        "Run the same command again to go on."
                    ) from error
            else:
                if answer.is_success:
                    return answer
                if last or answer.status_code not in _LATER or not repeatable:
                    raise _refusal(answer)
                pause = max(pause, _asked_to_wait(answer))
            # Many programs that lost the same service should not come back at once.
            time.sleep(pause * random.uniform(0.8, 1.2))
            pause *= 2
        raise AssertionError("unreachable")

    def stream(self, path: str) -> Any:
        """The answer to a GET, as it comes: ``with connection.stream(path) as answer``."""
        # A signed link needs no key, and is good on another host.
        outside = path.startswith(("http://", "https://"))
        address = path if outside else self.url + path
        return self._client.stream("GET", address, headers={} if outside else self._headers)


def _asked_to_wait(answer: httpx.Response) -> float:
    text = answer.headers.get("retry-after", "")
    return min(30.0, float(text)) if text.isdigit() else 0.0


def _refusal(answer: httpx.Response) -> ServiceError:
    """What a problem says (RFC 9457)."""
    try:
        said = answer.json()["detail"]
    except (ValueError, KeyError, TypeError):
        said = f"The service answered {answer.status_code} {answer.reason_phrase}."
    if answer.status_code == 401:
        said = "The service does not know this API key: make one on its page, under Account."
    return ServiceError(str(said), answer.status_code)
