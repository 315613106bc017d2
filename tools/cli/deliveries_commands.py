"""Commands about deliveries: ``alga-ext deliveries list|show|redrive|discard|pause|resume``.

Extensions name schedules and cause errors, so nothing of a delivery may control a terminal.
"""

import json
from typing import Annotated, Any
from urllib.parse import quote, urlencode

import typer

from tools.cli.call_texts import printable
from tools.cli.client import Client
from tools.cli.options import AsJson, TokenFile, Url, client
from tools.cli.output import CommandError, answer, answer_json

deliveries_app = typer.Typer(
    no_args_is_help=True, help="Look at deliveries of events and of runs of schedules, and try dead ones again."
)

DeliveryId = Annotated[str, typer.Argument(help="Id of the delivery, as `list` shows it.")]
InstallId = Annotated[str, typer.Argument(help="Id of the install.")]
Install = Annotated[str | None, typer.Option("--install", help="Only those of this install.")]
Trigger = Annotated[str | None, typer.Option("--trigger", help="Only those of this trigger: event or schedule.")]


@deliveries_app.command("list")
def deliveries_list(
    state: Annotated[
        str | None,
        typer.Option("--state", help="pending, queued, running, retrying, delivered, dead or discarded."),
    ] = None,
    install: Install = None,
    trigger: Trigger = None,
    last: Annotated[int, typer.Option("--last", help="How many at most.", min=1, max=100)] = 25,
    url: Url = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """List the tenant's deliveries, newest first (tenant viewers)."""
    query = _query(state=state, install=install, trigger=trigger, page_size=str(last))
    page = client(url, token_file).json("GET", f"/deliveries{query}")
    if as_json:
        answer_json(page["items"])
        return
    for item in page["items"]:
        answer(_line(item))
    if page["next_cursor"]:
        answer(f"There are more than these {last}.")


@deliveries_app.command("show")
def deliveries_show(
    delivery: DeliveryId, url: Url = None, token_file: TokenFile = None, as_json: AsJson = False
) -> None:
    """Show a delivery: what it delivers, its tries, their records, and why it is dead (tenant admins)."""
    shown = client(url, token_file).json("GET", _path(delivery))
    if as_json:
        answer_json(shown)
        return
    answer(_line(shown))
    if shown["reason"]:
        answer(printable(f"reason: {shown['reason']}"))
    for execution_id in shown["execution_ids"]:
        answer(f"record: {execution_id}")
    if shown["next_attempt_at"]:
        answer(f"next try: {shown['next_attempt_at']}")
    if shown["event"] is not None:
        answer(json.dumps(shown["event"], indent=2, ensure_ascii=True))
    elif shown["payload"] is not None:
        answer(json.dumps(shown["payload"], ensure_ascii=True))


@deliveries_app.command("redrive")
def deliveries_redrive(
    delivery: Annotated[str | None, typer.Argument(help="Id of a dead delivery.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All dead deliveries of the tenant.")] = False,
    install: Install = None,
    trigger: Trigger = None,
    url: Url = None,
    token_file: TokenFile = None,
) -> None:
    """Try a dead delivery again, or with --all every one that --install and --trigger name (tenant admins)."""
    if (delivery is None) != every:
        raise CommandError("it is not said which deliveries", "name one by its id, or all of them with --all")
    asked = client(url, token_file)
    if delivery is not None:
        answer(_line(asked.json("POST", f"{_path(delivery)}/redrive")))
        return
    answer(f"{_redrive_all(asked, _query(install=install, trigger=trigger))} deliveries are tried again")


@deliveries_app.command("discard")
def deliveries_discard(delivery: DeliveryId, url: Url = None, token_file: TokenFile = None) -> None:
    """Discard a delivery that waits or is dead (tenant admins)."""
    answer(_line(client(url, token_file).json("DELETE", _path(delivery))))


@deliveries_app.command("pause")
def deliveries_pause(install: InstallId, url: Url = None, token_file: TokenFile = None) -> None:
    """Let the deliveries of an install wait. What is running is not stopped (tenant admins)."""
    client(url, token_file).json("POST", f"/installs/{quote(install, safe='')}/deliveries/pause")
    answer(f"deliveries to {install} wait")


@deliveries_app.command("resume")
def deliveries_resume(install: InstallId, url: Url = None, token_file: TokenFile = None) -> None:
    """End the pause of an install's deliveries (tenant admins)."""
    client(url, token_file).json("POST", f"/installs/{quote(install, safe='')}/deliveries/resume")
    answer(f"deliveries to {install} go on")


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(deliveries_app, name="deliveries")


def _redrive_all(asked: Client, query: str) -> int:
    """Redrive batch by batch, and return how many deliveries that were."""
    count = 0
    while True:
        done = asked.json("POST", f"/dead-deliveries/redrive{query}")
        count += int(done["redriven"])
        if not done["more"]:
            return count


def _path(delivery: str) -> str:
    return f"/deliveries/{quote(delivery, safe='')}"


def _query(**given: str | None) -> str:
    named = {name: value for name, value in given.items() if value is not None}
    return f"?{urlencode(named)}" if named else ""


def _line(item: dict[str, Any]) -> str:
    ended = item["last_error"] or item["last_status"] or ""
    tries = f"{item['tries']} {'try' if item['tries'] == 1 else 'tries'}"
    line = f"{item['delivery_id']}  {item['created_at']}  {item['state']}  {item['subject']}  {tries}  {ended}"
    return printable(line.rstrip())
