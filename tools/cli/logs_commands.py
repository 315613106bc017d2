"""`alga-ext logs`: show calls of extensions with their log lines, follow them, or write them to a file."""

import itertools
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlencode

import typer

from tools.cli.call_texts import Call, details, heading, lines_of
from tools.cli.client import ApiError, Client
from tools.cli.options import AsJson, TokenFile, Url, client
from tools.cli.output import CommandError, answer, note

POLL_EVERY_S: Final = 2.0
_LOST_EVERY: Final = 15
"""In every so many rounds, calls are asked for whose end became unknown. The platform decides that once a minute."""
PAGE_SIZE: Final = 100
_LONGEST_CALL: Final = timedelta(minutes=2)
"""Longer than a call and its record take. A call accepted before that is finished, or its end becomes unknown."""
_LOST_WITHIN: Final = timedelta(minutes=20)
"""Longer than it takes until the end of a call counts as unknown."""
_SHARED: Final = (
    "execution_id", "extension_id", "version_id", "request_id", "trace_id", "method", "path_template", "accepted_at",
    "finished_at", "outcome", "status", "error_code", "duration_ms",
)  # fmt: skip
"""What an exported file says about a call: not who called, and not the path, which may name persons."""

Translate = Callable[[str], str]


def logs(
    install: Annotated[str | None, typer.Option("--install", help="Only calls of this install.")] = None,
    extension: Annotated[str | None, typer.Option("--extension", help="Only calls of this extension, by name.")] = None,
    outcome: Annotated[
        str | None, typer.Option("--outcome", help="ok; error: only calls that failed; unknown.")
    ] = None,
    last: Annotated[int, typer.Option("--last", help="How many calls to begin with.", min=0, max=1_000)] = 20,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with new calls until Ctrl-C.")] = False,
    export: Annotated[
        Path | None, typer.Option("--export", help="Write a file for the publisher, without callers and paths.")
    ] = None,
    sources: Annotated[
        Path | None, typer.Option("--sources", help="The extension's source: its places in JavaScript stacks.")
    ] = None,
    url: Url = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Show the tenant's latest calls, oldest first, each with its log lines (tenant admins)."""
    if export is not None and follow:
        raise CommandError("--export and --follow do not go together", "leave one of them out")
    if export is not None and export.exists():
        raise CommandError(f"{export} exists already", "choose another name")
    asked = client(url, token_file)
    wanted = _install_id(asked, extension) if extension is not None else install
    query = {name: value for name, value in (("outcome", outcome), ("install", wanted)) if value is not None}
    translate = _translation(sources) if sources is not None else str
    # Before the calls are listed that are shown first, so that none is missed between the two lists.
    before = _before(asked, query) if follow else []
    calls = [_with_logs(asked, item) for item in reversed(_latest(asked, query, last))]
    if export is not None:
        _export(calls, export)
        return
    for call in calls:
        _show(call, translate, as_json=as_json)
    if follow:
        with suppress(KeyboardInterrupt):
            for item in _new(asked, query, before, {call["execution_id"] for call in calls}):
                _show(_with_logs(asked, item), translate, as_json=as_json)


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command()(logs)


def _install_id(asked: Client, extension: str) -> str:
    """Return the id of the tenant's install of an extension."""
    cursor = ""
    while True:
        page = asked.json("GET", f"/installs?{urlencode({'page_size': PAGE_SIZE, 'cursor': cursor})}")
        for item in page["items"]:
            if extension in (item["name"], f"{item['publisher']}.{item['name']}", item["extension_id"]):
                return str(item["install_id"])
        cursor = page["next_cursor"]
        if not cursor:
            raise CommandError(f"{extension} is not installed", "name an install of the tenant with --install")


def _pages(asked: Client, query: dict[str, str]) -> Iterator[list[Any]]:
    """Yield the pages of the list of executions, newest first."""
    cursor = ""
    while True:
        page = asked.json("GET", f"/executions?{urlencode({**query, 'page_size': PAGE_SIZE, 'cursor': cursor})}")
        yield page["items"]
        cursor = page["next_cursor"]
        if not cursor:
            return


def _latest(asked: Client, query: dict[str, str], count: int) -> list[Any]:
    found: list[Any] = []
    for page in _pages(asked, query):
        found += [item for item in page if _has_ended(item)]
        if len(found) >= count:
            break
    return found[:count]


def _new(asked: Client, query: dict[str, str], before: list[Any], shown: set[str]) -> Iterator[Any]:
    """Yield calls when they end, or their end is unknown; the one accepted first before the others. It does not end.

    Args:
        asked: the platform.
        query: which calls.
        before: the recent calls when following began. Those that had ended are not new.
        shown: ids of further calls that are not new.
    """
    seen = shown | {item["execution_id"] for item in before if _has_ended(item)}
    newest = _accepted_at(before[0]) if before else None
    for number in itertools.count(1):
        items = _recent(asked, query, newest)
        lost = _lost(asked, query, newest) if number % _LOST_EVERY == 0 else []
        for item in sorted((*items, *lost), key=lambda item: (_accepted_at(item), item["execution_id"])):
            if _has_ended(item) and item["execution_id"] not in seen:
                seen.add(item["execution_id"])
                yield item
        newest = _accepted_at(items[0]) if items else newest
        time.sleep(POLL_EVERY_S)


def _before(asked: Client, query: dict[str, str]) -> list[Any]:
    """Return the recent calls, newest first, and after them those whose end became unknown lately."""
    items = _recent(asked, query, None)
    return items + (_lost(asked, query, _accepted_at(items[0])) if items else [])


def _lost(asked: Client, query: dict[str, str], newest: datetime | None) -> list[Any]:
    """Return the calls whose end became unknown and that may have been running when ``newest`` was accepted."""
    if newest is None or query.get("outcome") not in (None, "error", "unknown"):
        return []
    lately = {**query, "outcome": "unknown", "from": (newest - _LOST_WITHIN).isoformat()}
    return [item for page in _pages(asked, lately) for item in page]


def _has_ended(item: dict[str, Any]) -> bool:
    return item["outcome"] is not None


def _recent(asked: Client, query: dict[str, str], newest: datetime | None) -> list[Any]:
    """Return the calls that may not have been finished when ``newest`` was accepted, and later ones; newest first.

    Without ``newest``, it is the newest call there is.
    """
    if newest is not None:
        query = {**query, "from": (newest - _LONGEST_CALL).isoformat()}
    found: list[Any] = []
    for page in _pages(asked, query):
        found += page
        since = newest or (_accepted_at(found[0]) if found else None)
        if page and since and _accepted_at(page[-1]) < since - _LONGEST_CALL:
            break
    return found


def _accepted_at(item: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(item["accepted_at"])


def _with_logs(asked: Client, item: dict[str, Any]) -> dict[str, Any]:
    """Return a call with what it left for the developer as ``logs``; None when nothing is kept of it."""
    try:
        return {**item, "logs": asked.json("GET", f"/executions/{item['execution_id']}/logs")}
    except ApiError as error:
        if error.code != "logs_not_found":
            raise
        return {**item, "logs": None}


def _show(call: dict[str, Any], translate: Translate, *, as_json: bool) -> None:
    if as_json:
        answer(json.dumps(call))
        return
    answer(
        heading(
            Call(
                _accepted_at(call),
                call["method"],
                call["path"],
                call["status"],
                call["duration_ms"],
                "its end is unknown" if call["outcome"] == "unknown" else call["error_code"],
            )
        )
    )
    kept = call["logs"]
    if kept is None:
        return
    refusal = kept["last_refusal"]
    for text in details(
        lines_of(kept),
        kept["dropped"],
        kept["dropped_after"],
        dropped_for=kept["dropped_for"],
        error=kept["guest_error"],
        stack=translate(kept["guest_stack"] or ""),
        refusal=None if refusal is None else refusal["reason"],
    ):
        answer(text)


def _export(calls: list[dict[str, Any]], file: Path) -> None:
    """Write calls into a file that only the user can read, without who called, and without paths."""
    shared = [
        {**{name: call[name] for name in _SHARED if name in call}, "logs": _shared_logs(call["logs"])} for call in calls
    ]
    text = json.dumps({"calls": shared}, indent=2, ensure_ascii=True)
    with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:  # noqa: PTH123 - with a mode
        out.write(text + "\n")
    answer(f"{file}: {len(shared)} calls")
    note("Log lines are what the extension wrote. Read the file before you give it away: it may name persons.")


def _shared_logs(kept: dict[str, Any] | None) -> dict[str, Any] | None:
    return kept and {name: value for name, value in kept.items() if name not in ("install_id", "execution_id")}


def _translation(sources: Path) -> Translate:
    """Return what replaces places of the built script in a stack by places in an extension's sources."""
    # Imported here because only this option needs the builders.
    from tools.guests.build import source_map_of

    found = source_map_of(sources)
    if found is None:
        raise CommandError(f"{sources} has no source map", "only JavaScript and TypeScript guests have one")
    script, mapped = found
    return lambda stack: mapped.translate(stack, script, within=sources.resolve(), hidden=())
