"""Check a platform after a restore: collect what the registry has, and compare it with log and object store."""

import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from urllib.parse import quote

from alga_ext.stores.objects import ObjectStore
from alga_ext.trust.policy import TrustBundle
from alga_ext.trust.signing import parse_envelope
from functions.runner.provenance import Engine
from tools.restoring.findings import Finding
from tools.restoring.lost_changes import lost_changes
from tools.restoring.stored_objects import StoredObjects

Ask = Callable[[str], Any]
"""Returns the registry's JSON answer to a GET of a path, as a platform admin; raises when it is refused."""


class Report(NamedTuple):
    """The result: how many versions and objects were looked at, and what is wrong."""

    versions: int
    objects: int
    findings: list[Finding]


def check(
    ask: Ask, store: ObjectStore, trust: TrustBundle, now: Callable[[], Any], *, hash_contents: bool = True
) -> Report:
    """Compare database, transparency log and object store.

    1. Ask for the log's head. This brings a restored database up to the copy of the log; a log that has forked is
       refused here.
    2. Read from the registry what it has, and from the log what was recorded.
    3. Compare both with each other, and with the objects.
    """
    head = ask("/log/head")  # (1)
    payload = json.loads(parse_envelope(json.dumps(head, separators=(",", ":")).encode()).payload)
    versions = [  # (2)
        version
        for extension in _pages(ask, "/extensions")
        for version in _pages(ask, f"/extensions/{quote(extension['extension_id'], safe='')}/versions")
    ]
    keys = {
        (key["publisher"], key["key_id"])
        for publisher in _pages(ask, "/publishers")
        for key in _pages(ask, f"/publishers/{quote(publisher['publisher'], safe='')}/keys")
    }
    entries = [json.loads(leaf["entry"]) for leaf in _pages(ask, "/log/entries")]
    engines = ask("/maintenance/prepare")
    engine = None
    if engines:  # the engine of the latest compilation comes first
        engine = Engine(engines[0]["wasmtime_version"], engines[0]["engine_config_hash"], engines[0]["target"])
    stored = StoredObjects(store, trust, now(), engine, hash_contents=hash_contents)
    findings = [  # (3)
        *lost_changes(entries, {version["content_hash"] for version in versions}, keys),
        *stored.check_list(versions),
        *stored.check_log_copy(payload["tree_size"]),
        *(finding for version in versions for finding in stored.check_version(version)),
    ]
    return Report(len(versions), stored.checked, findings)


def _pages(ask: Ask, path: str) -> Iterator[dict[str, Any]]:
    cursor = ""
    while True:
        page = ask(f"{path}?page_size=100" + (f"&cursor={quote(cursor, safe='')}" if cursor else ""))
        yield from page["items"]
        if page["next_cursor"] is None:
            return
        cursor = page["next_cursor"]
