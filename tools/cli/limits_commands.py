"""Commands about limits: ``alga-ext limits show`` and ``alga-ext limits set``."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from tools.cli.options import AsJson, TokenFile, Url, client
from tools.cli.output import CommandError, answer, answer_json

limits_app = typer.Typer(no_args_is_help=True, help="Show and set how often and how much a tenant may call.")

Tenant = Annotated[str | None, typer.Option("--tenant", help="Tenant id. For an install: only for platform admins.")]
Install = Annotated[str | None, typer.Option("--install", help="Install id; without it, those of the tenant.")]


@limits_app.command("show")
def limits_show(
    tenant: Tenant = None,
    install: Install = None,
    url: Url = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Show the limits that apply to a tenant or to an install, and what is used of them."""
    shown = client(url, token_file).json("GET", _path(tenant, install))
    _show(shown, as_json)


@limits_app.command("set")
def limits_set(
    document: Annotated[Path, typer.Argument(help="JSON file with the limits.", exists=True, dir_okay=False)],
    tenant: Tenant = None,
    install: Install = None,
    revision: Annotated[
        int | None, typer.Option("--revision", help="Refuse unless this is the present revision, as `show` prints it.")
    ] = None,
    url: Url = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Replace the limits that you set: the platform's as platform admin, otherwise those of your own tenant."""
    try:
        limits = json.loads(document.read_bytes())
    except ValueError as error:
        raise CommandError(f"{document} is not JSON: {error}", "docs/reference/limits.md has an example") from None
    headers = {} if revision is None else {"if-match": f'"{revision}"'}
    shown = client(url, token_file).json("PUT", _path(tenant, install), limits, headers)
    _show(shown, as_json)


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(limits_app, name="limits")


def _path(tenant: str | None, install: str | None) -> str:
    if install is not None:
        query = "" if tenant is None else f"?tenant_id={quote(tenant, safe='')}"
        return f"/installs/{quote(install, safe='')}/limits{query}"
    if tenant is None:
        raise CommandError("it is not said whose limits", "name a tenant with --tenant or an install with --install")
    return f"/tenants/{quote(tenant, safe='')}/limits"


def _show(shown: Any, as_json: bool) -> None:
    if as_json:
        answer_json(shown)
    else:
        answer("\n".join(_lines(shown)))


def _lines(shown: Any) -> Iterator[str]:
    effective, usage = shown["effective"], shown["usage"]
    rates = [(name, effective[name]) for name in ("user", "tenant", "rate") if effective.get(name)]
    rates += [(f"user {subject}", rate) for subject, rate in effective.get("users", {}).items()]
    for name, rate in rates:
        yield f"{name}: {rate['burst']} at once, {rate['per_second']:g} a second"
    for period in ("day", "month"):
        for metric, amount in effective["quotas"][period].items():
            yield f"{usage[period]['period']} {metric}: {_amount(usage[period][metric], amount)}"
    yield f"storage_bytes: {_amount(usage['storage_bytes'], effective['quotas']['storage_bytes'])}"
    if "kept_log_bytes" in effective:
        yield f"log lines kept a day: {effective['kept_log_bytes']} bytes"
    yield f"revision {shown['revision']}"


def _amount(used: float, amount: Any) -> str:
    limits = [f"{name} {amount[name]}" for name in ("warning", "hard") if amount and amount[name] is not None]
    return f"{used:g} used" + (f", {', '.join(limits)}" if limits else ", no limit")
