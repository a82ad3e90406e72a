"""The process that answers requests: ``python -m gypsum.service.api``, with settings in
``GYPSUM_*``."""

from __future__ import annotations

import logging
from types import FrameType

import uvicorn
from fastapi import FastAPI

from gypsum.service.api.app import create_app
from gypsum.service.logs import log_to_stderr
from gypsum.service.settings import ServiceSettings, service_settings

#: Seconds that answers under way have when the process is asked to end.
_GRACE = 5
#: Seconds that a connection is kept for the next request: pages ask every few seconds.
_KEPT = 20
#: Bytes of a request's head.
_HEAD_MOST = 64 * 1024


class _Server(uvicorn.Server):
    """Streams of events never end by themselves: they are told to."""

    def __init__(self, config: uvicorn.Config, app: FastAPI) -> None:
        super().__init__(config)
        self._app = app

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to end."""
        service = getattr(self._app.state, "service", None)
        if service is not None:
            service.events.close()
        super().handle_exit(sig, frame)


def run(settings: ServiceSettings) -> None:
    """Answer requests until SIGTERM or SIGINT."""
    log_to_stderr()
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    app = create_app(settings)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=True,
        forwarded_allow_ips=settings.trusted_proxies,
        timeout_keep_alive=_KEPT,
        timeout_graceful_shutdown=_GRACE,
        h11_max_incomplete_event_size=_HEAD_MOST,
    )
    _Server(config, app).run()


if __name__ == "__main__":
    run(service_settings())
