"""``gypsum serve``: the web service on this machine."""

from __future__ import annotations

from typing import Any

from gypsum.cli.parameters import with_options
from gypsum.cli.reporting import explained
from gypsum.service.settings import ServiceSettings


@with_options(ServiceSettings.model_fields)
def serve(**given: Any) -> None:
    """Run the web service: the page, the API, a database and a worker.

    Each option may be given as GYPSUM_NAME in the environment instead. Ctrl-C ends all of it; what
    was under way goes on with the next start.

    Example: gypsum serve
    """
    with explained(lambda: None):
        from gypsum.service.settings import check_installed, service_settings

        check_installed()
        from gypsum.service.logs import log_to_stderr
        from gypsum.service.supervisor import serve as run

        log_to_stderr()
        try:
            run(service_settings(given), lambda text: print(text, flush=True))
        except KeyboardInterrupt:
            return
