"""Bring a database that was restored to an earlier instant up to what the object store proves.

The sweeper does it every minute, and a deployment with a restored database does it before any function uses it. In a
database that was not restored, it only copies new leaves of the log.
"""

from typing import Final

from alga_ext.calls.messages import Reason
from alga_ext.errors import PlatformError
from alga_ext.stores import object_keys
from alga_ext.telemetry import logger
from functions.registry.job_services import SweeperServices
from functions.registry.publishing import versions, withdrawal, withdrawn_list
from functions.registry.records.audit import Actor
from functions.registry.recovery import log_copy

_ACTOR: Final = Actor("platform", "restore")
_REASON: Final = (
    "The signed list of withdrawn versions names this bundle. The database was restored to an instant before that."
)
_STILL_ACTIVE: Final = """
select version_id from app.extension_version
where content_hash = any(:content_hashes) and state in ('pending', 'ready', 'yanked') order by version_id
"""


def catch_up(services: SweeperServices) -> dict[str, int]:
    """Give a restored database back what must not be lost, and return how much that was.

    1. The leaves of the transparency log that it lacks, with the changes that they contain. Leaves that
       the copy lacks are copied.
    2. The end of versions that only the signed list of withdrawn versions names, because it came in the last minute
       before the loss, or because the version was rejected automatically. This waits until the log has all its leaves,
       since a withdrawal appends one. When the log has forked, it is done all the same: the fork cannot become worse.

    Returns:
        ``log_copied``, ``log_restored`` (leaves) and ``versions_ended_again``.

    Raises:
        PlatformError: as ``log_copy.synchronise``.
    """
    fork: PlatformError | None = None
    copied = log_copy.Copied(0, 0, 0)
    try:
        copied = log_copy.synchronise(services)  # (1)
    except PlatformError as error:
        if error.code != "log_integrity":
            raise
        fork = error
    ended = end_listed(services)  # (2)
    if fork is not None:
        raise fork
    return {"log_copied": copied.copied, "log_restored": copied.restored, "versions_ended_again": ended}


def end_listed(services: SweeperServices) -> int:
    """Withdraw, or reject, the versions that the stored list names and PostgreSQL does not; return how many."""
    stored = services.objects.get_tagged(object_keys.withdrawn_list())
    if stored is None:
        return 0
    now = services.now()
    listed = withdrawn_list.read_hashes(stored, services.trust.current(), now) or frozenset()
    with services.database.system() as tx:
        if withdrawn_list.is_complete(tx, listed):
            return 0
        rows = tx.rows(_STILL_ACTIVE, content_hashes=[f"sha256:{digits}" for digits in sorted(listed)])
    ended = 0
    for row in rows:
        with services.database.system() as tx:
            version = versions.load_version(tx, str(row["version_id"]), lock=True)
            if version["state"] == "pending":
                reasons = [Reason(code="version.rejected", detail=_REASON)]
                versions.settle(tx, str(version["version_id"]), reasons=reasons, imports=[], undeclared=[])
            elif version["state"] in ("ready", "yanked"):
                withdrawal.move(tx, version, "withdrawn", _REASON, _ACTOR, now)
        ended += 1
    if ended:
        message = "versions that only the signed list calls withdrawn have ended again: the database was restored"
        logger("registry").error(message, extra={"versions": ended})
    return ended
