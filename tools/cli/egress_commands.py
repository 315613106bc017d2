"""Commands about egress: where extensions sent requests, and trials of narrower lists of hosts."""

from collections.abc import Iterator
from typing import Annotated, Any, Final
from urllib.parse import quote, urlencode

import typer

from tools.cli.client import Client
from tools.cli.options import AsJson, TokenFile, Url, client
from tools.cli.output import answer, answer_json

egress_app = typer.Typer(no_args_is_help=True, help="Show where extensions send requests, and try narrower grants.")

_PAGE_SIZE: Final = 100

InstallId = Annotated[str, typer.Argument(help="Install id.")]


@egress_app.command("show")
def egress_show(
    install: Annotated[str | None, typer.Option("--install", help="Only of this install.")] = None,
    first_day: Annotated[str | None, typer.Option("--from", help="First UTC day, YYYY-MM-DD.")] = None,
    last_day: Annotated[str | None, typer.Option("--to", help="Last UTC day, YYYY-MM-DD.")] = None,
    url: Url = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Show requests by destination, of the last 31 days if nothing else is said (tenant viewers)."""
    given = {"install": install, "first_day": first_day, "last_day": last_day}
    query = {name: value for name, value in given.items() if value is not None}
    items = list(_items(client(url, token_file), query))
    if as_json:
        answer_json(items)
        return
    for item in items:
        answer(
            f"{item['install_id']} {item['destination']}: {item['requests']} requests, "
            f"{item['bytes_sent']} bytes sent, {item['bytes_received']} received, {item['refused']} refused"
        )


@egress_app.command("try")
def egress_try(
    install: InstallId,
    hosts: Annotated[list[str], typer.Option("--host", help="A host that stays allowed; give it for each.")],
    days: Annotated[int, typer.Option("--days", help="For how many days, 1 to 30.")] = 7,
    url: Url = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Try a narrower list of hosts on an install. Nothing is refused (tenant admins)."""
    _show(client(url, token_file).json("PUT", _path(install), {"hosts": hosts, "days": days}), as_json)


@egress_app.command("report")
def egress_report(install: InstallId, url: Url = None, token_file: TokenFile = None, as_json: AsJson = False) -> None:
    """Show what the list that is tried would have refused (tenant viewers)."""
    _show(client(url, token_file).json("GET", _path(install)), as_json)


@egress_app.command("apply")
def egress_apply(
    install: InstallId,
    revision: Annotated[
        int | None,
        typer.Option("--revision", help="Refuse unless this is the present revision, as `report` prints it."),
    ] = None,
    url: Url = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Grant exactly the hosts that were tried, and end the trial (tenant admins)."""
    headers = {} if revision is None else {"if-match": f'"{revision}"'}
    changed = client(url, token_file).json("POST", f"{_path(install)}/apply", headers=headers)
    if as_json:
        answer_json(changed)
    else:
        answer(f"granted hosts: {', '.join(changed['grants']['egress']) or 'none'}")


@egress_app.command("stop")
def egress_stop(install: InstallId, url: Url = None, token_file: TokenFile = None) -> None:
    """End a trial. The grants stay as they are (tenant admins)."""
    client(url, token_file).json("DELETE", _path(install))
    answer("the trial has ended; the grants are as before")


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(egress_app, name="egress")


def _path(install: str) -> str:
    return f"/installs/{quote(install, safe='')}/egress-trial"


def _items(asked: Client, query: dict[str, str]) -> Iterator[Any]:
    cursor = ""
    while True:
        page = asked.json("GET", f"/egress?{urlencode({**query, 'page_size': _PAGE_SIZE, 'cursor': cursor})}")
        yield from page["items"]
        cursor = page["next_cursor"]
        if not cursor:
            return


def _show(trial: Any, as_json: bool) -> None:
    if as_json:
        answer_json(trial)
        return
    for line in _lines(trial):
        answer(line)


def _lines(trial: Any) -> Iterator[str]:
    yield f"tried: {', '.join(trial['hosts']) or 'no host'}"
    yield f"{trial['first_day']} to {trial['last_day']} ({trial['state']})"
    yield f"{trial['refused_requests']} of {trial['requests']} requests would have been refused"
    for one in trial["would_refuse"]:
        yield f"  {one['destination']}: {one['requests']}, last on {one['last_day']}"
    if trial["more_destinations"]:
        yield f"  and {trial['more_destinations']} more destinations"
    if trial["unjudged_requests"]:
        yield f"{trial['unjudged_requests']} requests cannot be judged: the ledger does not name their destinations"
    yield f"revision {trial['revision']}"
