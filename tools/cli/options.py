"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from tools.cli.client import DEFAULT_URL, Client, need_token, read_token
from tools.local.state import read_state

Url = Annotated[
    str | None,
    typer.Option("--url", envvar="ALGA_URL", help="Base URL of the platform; by default the running local one."),
]
TokenFile = Annotated[Path | None, typer.Option("--token-file", help="File with the bearer token; or ALGA_TOKEN.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def client(url: str | None, token_file: Path | None, *, token_needed: bool = True) -> Client:
    """Return a client for the platform that the options name."""
    if url is None:
        state = read_state()
        url = state["api"] if state else DEFAULT_URL
    return Client(url, need_token(token_file) if token_needed else read_token(token_file))
