"""Guests that want what others have stored."""

from typing import Final

from alga_ext.calls.envelope import ExecuteRequest
from tests.security.attacks import Attack
from tests.security.guests import wat_snippets
from tests.security.world import NEIGHBOUR, OTHER_INSTALL, OTHER_TENANT, World

MISSING: Final = 480
DENIED: Final = 482
INTERNAL: Final = 483


def _keeping(
    status: int,
    namespace: str,
    key: str,
    *,
    method: str = "GET",
    body: bytes | None = None,
    whose: tuple[str, str] | None = None,
) -> Attack:
    """A guest that reads, writes, deletes or lists (OPTIONS) at a place."""

    def meet(_world: World, request: ExecuteRequest) -> None:
        if whose is not None:
            request.context.tenant_id, request.context.install_id = whose

    call = {"headers": {"a": namespace, "b": key}, "method": method, "body": body}
    return Attack(wat_snippets.keeper, None, status=status, call=call, meet=meet)


_PLACES: Final = {
    "another install's key": ("notes", "theirs", MISSING),
    "a namespace that climbs": ("../globex/notes", "theirs", MISSING),
    "a key that climbs": ("notes", "../../globex/notes/theirs", MISSING),
    "a namespace that names another tenant": ("globex:notes", "theirs", MISSING),
    "a namespace that ends the statement": ("notes' or '1'='1", "theirs", MISSING),
    "a key that ends the statement": ("notes", "'; drop table app.extension_storage_entry; --", MISSING),
    "a key with a parameter's name": ("notes", ":tenant", MISSING),
    "a namespace of wildcards": ("%", "%", MISSING),
    "a namespace with NUL": ("notes\0", "theirs", DENIED),
    "a key with NUL": ("notes", "own\0theirs", DENIED),
    "a namespace with a line's end": ("notes\n", "own", DENIED),
    "a key with an escape": ("notes", "\x1b[2J", DENIED),
    "an empty namespace": ("", "own", DENIED),
    "an empty key": ("notes", "", DENIED),
    "a key of slashes": ("notes", "////", DENIED),
    "a namespace of four kilobytes": ("n" * 4_096, "own", DENIED),
    "a key of four kilobytes": ("notes", "k" * 4_096, DENIED),
    "a key of one character too many": ("notes", "k" * 257, DENIED),
    "a key of a megabyte": ("notes", "k" * 1_000_000, DENIED),
}

_LARGE: Final = {"a": "notes", "b": "large"}

ATTACKS: Final[dict[str, Attack]] = {
    **{f"reading {what}": _keeping(status, namespace, key) for what, (namespace, key, status) in _PLACES.items()},
    **{
        f"writing {what}": _keeping(DENIED, namespace, key, method="PUT", body=b"x")
        for what, (namespace, key, status) in _PLACES.items()
        if status == DENIED
    },
    "deleting another install's key": _keeping(MISSING, "notes", "theirs", method="DELETE"),
    "listing another install's namespace": Attack(
        wat_snippets.keeper, None, 200, b"2", call={"headers": {"a": "notes", "b": ""}, "method": "OPTIONS"}
    ),
    "a cursor with NUL": _keeping(DENIED, "notes", "\0", method="OPTIONS"),
    "a value over its limit": _keeping(DENIED, "notes", "large", method="PUT", body=b"x" * 65_537),
    "a value of four megabytes": Attack(
        wat_snippets.keeper, "guest_trapped", call={"headers": _LARGE, "method": "PUT", "body": b"x" * 4_194_304}
    ),
    "another tenant's install under its own tenant, reading": _keeping(
        MISSING, "notes", "theirs", whose=("acme", OTHER_INSTALL)
    ),
    "another tenant's install under its own tenant, writing": _keeping(
        DENIED, "notes", "theirs", method="PUT", body=b"x", whose=("acme", OTHER_INSTALL)
    ),
    "another tenant with its own install": _keeping(MISSING, "notes", "theirs", whose=(OTHER_TENANT, NEIGHBOUR)),
    "an install that is no identifier": _keeping(INTERNAL, "notes", "theirs", whose=("acme", "' or true --")),
    "a tenant that is no identifier": _keeping(INTERNAL, "notes", "theirs", whose=("acme' or '1'='1", OTHER_INSTALL)),
}
