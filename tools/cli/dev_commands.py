"""`alga-ext dev`: run the platform on this machine until Ctrl-C."""

import os
from pathlib import Path
from typing import Annotated

import typer

from tools.cli.output import CommandError

Port = Annotated[int, typer.Option(help="Port of the API; UI host and host page use the next two. 0: any free.")]


def dev(
    port: Port = 8700,
    samples: Annotated[bool, typer.Option(help="Build, publish and install the sample extensions.")] = True,
    state: Annotated[Path | None, typer.Option(help="Folder of the platform's state; by default .local.")] = None,
) -> None:
    """Run the whole platform on this machine until Ctrl-C; its data is then deleted."""
    # Imported here because the platform imports boto3, which no other command needs.
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
    api_port, ui_port, host_port = (port + n if port else 0 for n in range(3))
    try:
        serve(Options((state or STATE).resolve(), api_port, ui_port, host_port), with_samples=samples)
    except (AlreadyRunningError, StartError, PostgresError) as error:
        raise CommandError(str(error)) from error


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(dev)
