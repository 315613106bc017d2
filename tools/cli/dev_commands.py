"""`alga-ext dev`: run the platform on this machine until Ctrl-C."""

import os
from pathlib import Path
from typing import Annotated

import typer

from tools.cli.output import CommandError, note

Port = Annotated[int, typer.Option(help="Port of the API; UI host and host page use the next two. 0: any free.")]


def dev(
    port: Port = 8700,
    samples: Annotated[bool, typer.Option(help="Build, publish and install the sample extensions.")] = True,
    state: Annotated[Path | None, typer.Option(help="Folder of the platform's state; by default .local.")] = None,
    host_origin: Annotated[
        list[str] | None,
        typer.Option(help="Origin of your own page that shows extensions, such as http://localhost:3000; repeat."),
    ] = None,
) -> None:
    """Run the whole platform on this machine until Ctrl-C; its data is then deleted."""
    # Imported here because the platform imports boto3, which no other command needs.
    from functions.gateway.cors import parse_origins
    from tools.cli.serve import serve
    from tools.local.deployment import OTHER_TOKENS
    from tools.local.lock import AlreadyRunningError
    from tools.local.platform import Options, StartError
    from tools.local.postgres import PostgresError
    from tools.local.state import STATE

    other_tokens = [name for name in OTHER_TOKENS if os.environ.get(name)]
    if samples and other_tokens:
        raise CommandError(
            f"{', '.join(other_tokens)} is set, and then the local tokens that publish the samples are refused",
            "start with --no-samples, or unset it",
        )
    try:
        origins = sorted(parse_origins(",".join(host_origin or ())))
    except ValueError as error:
        raise CommandError(f"--host-origin: {error}") from error
    if any(origin.startswith("https://") for origin in origins):
        note(
            "Chrome 142 and later ask for a permission before a page of an https origin shows a frame of this machine. "
            "Serve the page from http://localhost as well if it stays empty."
        )
    api_port, ui_port, host_port = (port + n if port else 0 for n in range(3))
    try:
        options = Options((state or STATE).resolve(), api_port, ui_port, host_port, tuple(origins))
        serve(options, with_samples=samples)
    except (AlreadyRunningError, StartError, PostgresError) as error:
        raise CommandError(str(error)) from error


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(dev)
