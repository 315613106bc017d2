"""Commands about everything that is kept of a tenant: ``alga-ext tenants erase``, ``erasure`` and ``export``."""

import hashlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer
import urllib3

from tools.cli.client import TIMEOUT, Client
from tools.cli.options import AsJson, TokenFile, Url, client
from tools.cli.output import CommandError, answer, answer_json, note

tenants_app = typer.Typer(no_args_is_help=True, help="Erase or export what is kept of a tenant (platform admins).")

Tenant = Annotated[str, typer.Argument(help="Tenant id.")]
POLL_EVERY_S = 5.0


@tenants_app.command("erase")
def tenants_erase(
    tenant: Tenant,
    yes: Annotated[str, typer.Option("--yes-erase", help="The tenant's id once more: this cannot be undone.")],
    url: Url = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Uninstall everything of a tenant and begin to erase its data; show the receipt."""
    if yes != tenant:
        raise CommandError(f"--yes-erase names {yes}, not {tenant}", "name the same tenant twice to erase it")
    _show_erasure(client(url, token_file).json("DELETE", _path(tenant, "data")), as_json)


@tenants_app.command("erasure")
def tenants_erasure(tenant: Tenant, url: Url = None, token_file: TokenFile = None, as_json: AsJson = False) -> None:
    """Show the receipt of a tenant's last erasure."""
    _show_erasure(client(url, token_file).json("GET", _path(tenant, "data")), as_json)


@tenants_app.command("export")
def tenants_export(
    tenant: Tenant,
    folder: Annotated[Path, typer.Argument(help="Folder for the files; it must be new or empty.", file_okay=False)],
    again: Annotated[bool, typer.Option("--again", help="Make another export even if one can be fetched.")] = False,
    timeout_s: Annotated[float, typer.Option("--timeout", help="Seconds to wait for the export.")] = 1800,
    url: Url = None,
    token_file: TokenFile = None,
) -> None:
    """Export a tenant: wait until it is done, then write one .jsonl.gz file for each table, and manifest.json."""
    if folder.exists() and any(folder.iterdir()):
        raise CommandError(f"{folder} is not empty", "name a new folder")
    api = client(url, token_file)
    export = _finished(api, _path(tenant, "export"), timeout_s, again=again)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for part in _parts(api, tenant, export):
        with (folder / f"{part['table_name']}.jsonl.gz").open("ab") as file:
            file.write(_fetched(part["url"], part["sha256"]))
    (folder / "manifest.json").write_bytes(_fetched(export["manifest"]["url"], export["manifest"]["sha256"]))
    answer("\n".join(_counted(export["counts"])))


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(tenants_app, name="tenants")


def _path(tenant: str, what: str) -> str:
    return f"/tenants/{quote(tenant, safe='')}/{what}"


def _finished(api: Client, path: str, timeout_s: float, *, again: bool) -> Any:
    ends_s = time.monotonic() + timeout_s
    export = api.json("GET", f"{path}?again=true" if again else path)
    while export["state"] != "done":
        if time.monotonic() > ends_s:
            raise CommandError(f"the export is not done after {timeout_s:.0f} s", "run the command again; it goes on")
        note(f"{sum(export['counts'].values())} rows so far")
        time.sleep(POLL_EVERY_S)
        export = api.json("GET", path)
    return export


def _parts(api: Client, tenant: str, export: Any) -> Iterator[Any]:
    """Yield the parts in order. URLs are valid for 5 minutes, so each page is asked for when it is needed."""
    while True:
        yield from export["parts"]
        if export["next_cursor"] is None:
            return
        export = api.json("GET", f"{_path(tenant, 'export')}?cursor={export['next_cursor']}")


def _fetched(url: str, sha256: str) -> bytes:
    try:
        with urllib3.PoolManager(timeout=TIMEOUT, retries=False) as pool:
            got = pool.request("GET", url, redirect=False)
    except urllib3.exceptions.HTTPError as error:
        raise CommandError(f"the object store does not answer: {type(error).__name__}", "run it again") from error
    if got.status != 200:
        raise CommandError(f"the object store answered {got.status}", "run it again with a new folder")
    if hashlib.sha256(got.data).hexdigest() != sha256:
        raise CommandError("a file of the export does not have the hash of the manifest", "run it with --again")
    return got.data


def _show_erasure(receipt: Any, as_json: bool) -> None:
    if as_json:
        answer_json(receipt)
        return
    ended = receipt["finished_at"] or f"not before {receipt['settles_at']}"
    answer("\n".join([f"{receipt['state']}: {receipt['erasure_id']}", f"end: {ended}", *_counted(receipt["counts"])]))


def _counted(counts: dict[str, int]) -> Iterator[str]:
    for table, rows in sorted(counts.items()):
        yield f"{table}: {json.dumps(rows)}"
