"""``gypsum remote``: scans on a service of Gypsum, which another machine runs."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from gypsum.cli.display import duration
from gypsum.cli.parameters import with_options
from gypsum.cli.reporting import explained
from gypsum.errors import InputError
from gypsum.formats import format_of
from gypsum.options import ScanOptions

if TYPE_CHECKING:
    from gypsum.remote import Remote

app = typer.Typer(
    help="Scan on a service of Gypsum, which another machine runs.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

#: What is of the machine on which the program runs, and what the page of the service asks for.
_OF_THIS_MACHINE = frozenset(
    {"until", "workspace", "device", "threads", "memory", "cameras", "points", "mask_model", "set",
     "depth", "output"}
)  # fmt: skip
_OPTIONS = {n: i for n, i in ScanOptions.model_fields.items() if n not in _OF_THIS_MACHINE}

#: Formats that are one file.
_WHOLE = (".glb", ".fbx", ".usdz", ".stl", ".xyz", ".spz", ".sog", ".splat")

Server = Annotated[
    str | None,
    typer.Option(
        "--server", envvar="GYPSUM_SERVER", help="The service's address.", show_default=False
    ),
]
Key = Annotated[
    str | None,
    typer.Option(
        "--key",
        envvar="GYPSUM_API_KEY",
        help="An API key of the service, made on its page under Account.",
        show_default=False,
    ),
]
Scan = Annotated[str, typer.Argument(metavar="SCAN", help="The scan's identifier.")]
Folder = Annotated[
    Path, typer.Option("--output", "-o", metavar="FOLDER", help="Where the files go.")
]


@app.command()
def login(
    server: Annotated[str, typer.Argument(metavar="URL", help="The service's address.")],
    key: Key = None,
) -> None:
    """Keep a service's address and an API key for the next times.

    Example: gypsum remote login https://scans.example.org
    """
    with explained(lambda: None):
        given = key or typer.prompt("API key", hide_input=True)
        from gypsum.remote import Remote

        remote = Remote(server, given)
        remote.api.list_scans(limit=1)
        remote.close()
        path = _settings()
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump({"server": server, "key": given}, file)
        print(f"Signed in at {server}.")


@app.command()
@with_options(_OPTIONS)
def scan(
    inputs: Annotated[
        list[Path],
        typer.Argument(metavar="INPUT", help="Folders, photos, clips or zip files to upload."),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            help="Folder for the files, or one file whose suffix says the format.",
        ),
    ] = Path(),
    title: Annotated[str | None, typer.Option(help="The scan's title.", show_default=False)] = None,
    resume: Annotated[
        str | None,
        typer.Option(
            metavar="SCAN",
            help="Go on with this scan's upload, or wait for it.",
            show_default=False,
        ),
    ] = None,
    server: Server = None,
    key: Key = None,
    **options: Any,
) -> None:
    """Upload photos, have them scanned, and download the models.

    Example: gypsum remote scan photos/ -o vase.glb
    """
    with explained(lambda: None), _remote(server, key) as remote:
        given = {name: value for name, value in options.items() if value is not None}
        mode = str(given.pop("mode", "photo"))
        files = remote.check_files(inputs, mode)
        chosen = {name: _sendable(value) for name, value in given.items()}
        folder, file = (output.parent, output) if output.suffix else (output, None)
        if file is not None:
            chosen["format"] = list(dict.fromkeys([format_of(file), *chosen.get("format", ())]))
        number = resume or remote.begin(title or inputs[0].resolve().stem, mode, chosen)
        again = f"gypsum remote scan {' '.join(map(str, inputs))} -o {output} --resume {number}"
        print(f"Scan {number}. Should this be interrupted: {again}")
        with _progress() as shown:
            if remote.api.get_scan(number)["state"] in ("draft", "failed", "cancelled"):
                remote.send(number, files, shown)
                remote.start(number)
            remote.wait(number, shown)
            paths = remote.fetch(number, folder, shown)
        for path in paths:
            print(_renamed(path, file))


@app.command("list")
def list_scans(server: Server = None, key: Key = None) -> None:
    """Your scans on the service, the newest first."""
    with explained(lambda: None), _remote(server, key) as remote:
        table = Table("scan", "title", "mode", "state", "made", box=None)
        for item in remote.api.list_scans(limit=50)["items"]:
            state = item["state"]
            if state == "running":
                state = f"{item['progress']:.0%}"  # type: ignore[assignment]
            made = item["created_at"][:16].replace("T", " ")
            table.add_row(item["id"], item["title"], item["mode"], state, made)
        Console().print(table)


@app.command()
def fetch(scan: Scan, output: Folder = Path(), server: Server = None, key: Key = None) -> None:
    """Wait for a scan and download its models and its report."""
    with explained(lambda: None), _remote(server, key) as remote:
        with _progress() as shown:
            remote.wait(scan, shown)
            paths = remote.fetch(scan, output, shown)
        for path in paths:
            print(path)


@app.command()
def cancel(scan: Scan, server: Server = None, key: Key = None) -> None:
    """Stop a scan; what is finished is kept for the next start."""
    with explained(lambda: None), _remote(server, key) as remote:
        remote.api.cancel_scan(scan)


@app.command()
def delete(scan: Scan, server: Server = None, key: Key = None) -> None:
    """Delete a scan with its photos and models from the service. There is no way back."""
    with explained(lambda: None), _remote(server, key) as remote:
        remote.api.delete_scan(scan)


@contextmanager
def _remote(server: str | None, key: str | None) -> Iterator[Remote]:
    from gypsum.remote import Remote

    kept = _kept()
    server, key = server or kept.get("server"), key or kept.get("key")
    if not server or not key:
        raise InputError(
            "Which service? Run gypsum remote login URL once, or give --server and --key."
        )
    remote = Remote(server, key)
    try:
        yield remote
    finally:
        remote.close()


def _renamed(path: Path, asked: Path | None) -> Path:
    """The model under the name that was asked for, where no other file refers to it by its own."""
    if asked is None or path.suffix != asked.suffix or path.suffix not in _WHOLE:
        return path
    return path.replace(asked)


def _settings() -> Path:
    """Where the address and the key are kept, for the one who runs this alone."""
    base = os.environ.get("XDG_CONFIG_HOME") or os.environ.get("APPDATA")
    return (Path(base) if base else Path.home() / ".config") / "gypsum" / "remote.json"


def _kept() -> dict[str, str]:
    path = _settings()
    try:
        return {str(name): str(value) for name, value in json.loads(path.read_text()).items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, AttributeError) as error:
        raise InputError(f"{path} can't be read; run gypsum remote login URL again.") from error


def _sendable(value: Any) -> Any:
    """An option as JSON."""
    return [str(v) for v in value] if isinstance(value, list | tuple) else value


@contextmanager
def _progress() -> Iterator[Any]:
    """A line that tells what is done."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[left]}"))
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=1.0, left="")

        def shown(what: str, done: float, left: float | None) -> None:
            words = "" if left is None else f"{duration(left)} left"
            progress.update(task, description=what, completed=done, left=words)

        yield shown
