"""Commands about a tenant's schedules: ``alga-ext schedules list|show|disable|enable|run``.

Extensions name schedules and cause errors, so nothing of a schedule may control a terminal.
"""

from collections.abc import Iterator
from typing import Annotated, Any
from urllib.parse import quote, urlencode

import typer

from tools.cli.call_texts import printable
from tools.cli.client import Client
from tools.cli.options import AsJson, TokenFile, Url, client
from tools.cli.output import answer, answer_json

schedules_app = typer.Typer(no_args_is_help=True, help="Show a tenant's schedules, disable and enable them, run one.")

Schedule = Annotated[str, typer.Argument(help="Schedule id, as `list` prints it.")]


@schedules_app.command("list")
def schedules_list(
    install: Annotated[str | None, typer.Option("--install", help="Only schedules of this install.")] = None,
    url: Url = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """List the tenant's schedules: when each runs next, and how its last run ended."""
    items = list(all_schedules(client(url, token_file), install))
    if as_json:
        answer_json(items)
    else:
        for item in items:
            answer(_line(item))


@schedules_app.command("show")
def schedules_show(schedule: Schedule, url: Url = None, token_file: TokenFile = None, as_json: AsJson = False) -> None:
    """Show one schedule."""
    _show(client(url, token_file).json("GET", _path(schedule)), as_json)


@schedules_app.command("disable")
def schedules_disable(
    schedule: Schedule, url: Url = None, token_file: TokenFile = None, as_json: AsJson = False
) -> None:
    """Disable a schedule. Its extension cannot enable it again."""
    _show(client(url, token_file).json("POST", f"{_path(schedule)}/disable"), as_json)


@schedules_app.command("enable")
def schedules_enable(
    schedule: Schedule, url: Url = None, token_file: TokenFile = None, as_json: AsJson = False
) -> None:
    """Enable a schedule, also one that backs off after failures."""
    _show(client(url, token_file).json("POST", f"{_path(schedule)}/enable"), as_json)


@schedules_app.command("run")
def schedules_run(schedule: Schedule, url: Url = None, token_file: TokenFile = None, as_json: AsJson = False) -> None:
    """Run a schedule now, besides its own times: five times a minute for an install."""
    run_schedule(client(url, token_file), schedule, as_json)


def run_schedule(asked: Client, schedule_id: str, as_json: bool) -> None:
    """Run a schedule now and show the delivery. Raises ApiError."""
    made = asked.json("POST", f"{_path(schedule_id)}/run")
    if as_json:
        answer_json(made)
    else:
        answer(f"delivery {made['delivery_id']}")


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(schedules_app, name="schedules")


def _path(schedule: str) -> str:
    return f"/schedules/{quote(schedule, safe='')}"


def all_schedules(asked: Client, install: str | None) -> Iterator[Any]:
    """Return the tenant's schedules, of one install or of all. Raises ApiError."""
    query = {"page_size": "100"} | ({} if install is None else {"install": install})
    while True:
        page = asked.json("GET", f"/schedules?{urlencode(query)}")
        yield from page["items"]
        if page["next_cursor"] is None:
            return
        query["cursor"] = page["next_cursor"]


def _line(item: Any) -> str:
    name = item["name"] or "-"
    runs = f"{item['cron']} {item['timezone']} {item['method']} {item['path']}"
    return printable(f"{item['schedule_id']}  {name}  {runs}  {_state(item)}")


def _state(item: Any) -> str:
    if not item["enabled"]:
        reason = item["disabled_reason"]
        return "disabled" if reason is None else f"disabled ({reason})"
    if item["backs_off_until"] is not None:
        return f"backs off until {item['backs_off_until']} after {item['consecutive_failures']} failures"
    return f"next {item['next_run_at'] or '-'}, last {item['last_run_status'] or '-'}"


def _show(item: Any, as_json: bool) -> None:
    if as_json:
        answer_json(item)
    else:
        answer("\n".join(printable(f"{name}: {'-' if value is None else value}") for name, value in item.items()))
