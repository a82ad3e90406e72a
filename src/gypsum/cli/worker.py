"""``gypsum worker``: a machine that joins a service's queue."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from gypsum.cli.parameters import with_options
from gypsum.cli.reporting import explained
from gypsum.service.settings import ServiceSettings

#: Settings of the service that its workers need; each is read from ``GYPSUM_*`` too.
_SETTINGS = (
    "database_url",
    "storage_url",
    "data",
    "scratch",
    "scan_memory",
    "scan_threads",
    "spare_bytes",
    "running_per_user",
    "public_url",
    "smtp_url",
    "mail_from",
    "retention_days",
    "draft_days",
    "upload_days",
    "allow_private_webhooks",
)


@with_options({name: ServiceSettings.model_fields[name] for name in _SETTINGS})
def worker(
    name: Annotated[
        str | None,
        typer.Option(
            help="Tells this worker from others; default: the machine's name and the process.",
            show_default=False,
        ),
    ] = None,
    concurrency: Annotated[int, typer.Option(help="Scans at once.", min=1, max=64)] = 1,
    needs: Annotated[
        list[str] | None,
        typer.Option(
            help="Scans to take: cpu, gpu (repeatable).  [default: cpu]", show_default=False
        ),
    ] = None,
    **given: Any,
) -> None:
    """Take scans from the queue of a service, on this machine or another.

    What is under way when it ends goes back to the queue, and on from the last finished stage.

    Example: gypsum worker --database-url postgresql://gypsum@db/gypsum --storage-url s3://gypsum
    """
    with explained(lambda: None):
        from gypsum.service.settings import check_installed, service_settings

        check_installed()
        from gypsum.service.jobs.worker import default_name, run_worker
        from gypsum.service.logs import log_to_stderr

        log_to_stderr()
        run_worker(
            service_settings(given),
            name=name or default_name(),
            concurrency=concurrency,
            needs=needs or ["cpu"],
        )
