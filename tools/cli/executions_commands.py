"""`alga-ext executions` and `alga-ext usage`: what a tenant's calls did, and what they used."""

import json
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import Annotated, Any, Final
from urllib.parse import quote, urlencode

import typer

from tools.cli.call_texts import printable
from tools.cli.client import Client
from tools.cli.options import AsJson, TokenFile, Url, client
from tools.cli.output import CommandError, answer, answer_json
from tools.cli.tables import table

PAGE_SIZE: Final = 100
_RECORD: Final = (
    "execution_id", "accepted_at", "finished_at", "state", "outcome", "status", "error_code", "method", "path",
    "path_template", "principal", "install_id", "extension_id", "version_id", "content_hash", "request_id", "trace_id",
    "duration_ms", "cpu_ms", "memory_peak_bytes", "fuel", "egress_bytes", "response_bytes", "log_bytes", "attempts",
    "breaker", "log_lines", "log_lines_dropped",
)  # fmt: skip
"""Members of a record that are one value each, as they are shown."""
_AMOUNTS: Final = (
    "calls", "failed_calls", "unknown_calls", "cpu_ms", "memory_peak_bytes", "egress_bytes", "log_bytes",
)  # fmt: skip
_QUOTAS: Final = ("calls", "cpu_ms", "egress_bytes", "log_bytes", "storage_bytes")


def executions(
    execution_id: Annotated[str | None, typer.Argument(help="Show the whole record of this call.")] = None,
    install: Annotated[str | None, typer.Option("--install", help="Only calls of this install.")] = None,
    outcome: Annotated[
        str | None, typer.Option("--outcome", help="Such as ok, timeout or trapped; error: all but ok; running.")
    ] = None,
    status: Annotated[str | None, typer.Option("--status", help="Such as 404 or 5xx.")] = None,
    principal: Annotated[str | None, typer.Option("--principal", help="Only calls of this caller.")] = None,
    from_: Annotated[str | None, typer.Option("--from", help="Accepted at this instant (RFC 3339) or later.")] = None,
    to: Annotated[str | None, typer.Option("--to", help="Accepted before this instant (RFC 3339).")] = None,
    last: Annotated[int, typer.Option("--last", help="How many calls to show at most.", min=1, max=10_000)] = 20,
    url: Url = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """List the tenant's calls, newest first, or show one of them."""
    given = {
        "install": install, "outcome": outcome, "status": status, "principal": principal, "from": from_, "to": to,
    }  # fmt: skip
    filters = {name: value for name, value in given.items() if value is not None}
    asked = client(url, token_file)
    if execution_id is None:
        found = islice(pages_of(asked, "/executions", filters), last)
        _show(found, _calls, as_json=as_json)
        return
    if filters:
        raise CommandError("an execution id and filters do not go together", "leave one of them out")
    record = asked.json("GET", f"/executions/{quote(execution_id, safe='')}")
    if as_json:
        answer_json(record)
    else:
        answer("\n".join(_record(record)))


def usage(
    period: Annotated[str, typer.Option("--period", help="month or day, in UTC.")] = "month",
    from_: Annotated[str | None, typer.Option("--from", help="First day, such as 2026-03-01; by default --to.")] = None,
    to: Annotated[str | None, typer.Option("--to", help="Last day; by default today.")] = None,
    install: Annotated[
        str | None, typer.Option("--install", help="Only this install, or `tenant`: only the tenant itself.")
    ] = None,
    by_endpoint: Annotated[bool, typer.Option("--endpoints", help="By endpoint in place of install.")] = False,
    url: Url = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Show what the tenant and its installs, or their endpoints, used in days or months, beside the quotas."""
    given = {"period": period, "from": from_, "to": to, "install": install}
    query = {name: value for name, value in given.items() if value is not None}
    path = "/usage/endpoints" if by_endpoint else "/usage"
    found = pages_of(client(url, token_file), path, query)
    _show(found, _endpoints if by_endpoint else _owners, as_json=as_json)


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(executions)
    app.command()(usage)


def pages_of(asked: Client, path: str, query: dict[str, str]) -> Iterator[dict[str, Any]]:
    """Yield the items of all pages of a list."""
    cursor: str | None = ""
    while cursor is not None:
        page = asked.json("GET", f"{path}?{urlencode({**query, 'page_size': PAGE_SIZE, 'cursor': cursor})}")
        yield from page["items"]
        cursor = page["next_cursor"]


def _show(found: Iterator[dict[str, Any]], lines: Any, *, as_json: bool) -> None:
    """Print items as a table; as JSON, one document a line."""
    if as_json:
        for item in found:
            answer(json.dumps(item, ensure_ascii=False))
        return
    for line in lines(list(found)):
        answer(line)


def _calls(found: list[dict[str, Any]]) -> Iterator[str]:
    titles = ("accepted", "method", "path", "status", "ms", "outcome", "error", "caller", "execution")
    yield from table(
        titles,
        [
            (
                _at(item["accepted_at"]),
                item["method"],
                item["path"],
                str(item["status"] or "-"),
                item["duration_ms"],
                item["outcome"] or "running",
                item["error_code"],
                item["principal"],
                item["execution_id"],
            )
            for item in found
        ],
    )


def _record(record: dict[str, Any]) -> Iterator[str]:
    width = max(map(len, (*_RECORD, "last_refusal")))
    shown = {name: record[name] for name in _RECORD}
    shown["host_calls"] = ", ".join(f"{name} {count}" for name, count in sorted(record["host_calls"].items())) or None
    refusal = record["last_refusal"]
    shown["last_refusal"] = refusal and f"{refusal['capability']}: {refusal['reason']}"
    shown |= {name: record[name] for name in ("guest_error", "guest_stack")}
    for name, value in shown.items():
        if value is not None:
            first, *more = printable(str(value)).split("\n")
            yield f"{name:{width}}  {first}"
            yield from (f"{'':{width}}  {line}" for line in more)


def _owners(found: list[dict[str, Any]]) -> Iterator[str]:
    yield from table(
        ("period", "install", *_AMOUNTS, "storage_bytes", "of quota"),
        [
            (
                item["period"],
                item["install_id"] or "(tenant)",
                *(item[name] for name in _AMOUNTS),
                item["storage_bytes"],
                _of_quota(item),
            )
            for item in found
        ],
    )


def _of_quota(item: dict[str, Any]) -> str | None:
    """Return how much of each quota is used, such as ``calls 12% of 1,000``; None when there is no quota."""
    parts = []
    for name in _QUOTAS:
        amount = (item["quotas"] or {}).get(name)
        hard = amount and amount["hard"]
        if hard is not None:
            part = f" {item[name] / hard:.0%} of" if hard else ""
            parts.append(f"{name}{part} {hard:,}")
    return ", ".join(parts) or None


def _endpoints(found: list[dict[str, Any]]) -> Iterator[str]:
    yield from table(
        ("period", "install", "method", "path", *_AMOUNTS),
        [
            (
                item["period"],
                item["install_id"],
                item["method"],
                item["path_template"],
                *(item[name] for name in _AMOUNTS),
            )
            for item in found
        ],
    )


def _at(instant: str) -> str:
    return f"{datetime.fromisoformat(instant).astimezone():%Y-%m-%d %H:%M:%S}"
