"""Copy the transparency log to the object store, and give a restored database the leaves back that it lost.

Only PostgreSQL has the log. Restored to an earlier instant, it lacks leaves that signed heads cover. If it then
appended others under the same indexes, the log would have forked, and no proof between old and new heads would verify.
Therefore every leaf is copied before a head covers it, and a database that has fewer leaves than the copy takes them
from there. A database that already has other leaves is refused.
"""

from typing import NamedTuple

from alga_ext.errors import Fault, PlatformError
from alga_ext.stores import object_keys
from alga_ext.stores.database import Tx
from alga_ext.telemetry import logger
from functions.registry.job_services import SweeperServices
from functions.registry.records import transparency
from functions.registry.recovery import replayed
from functions.registry.recovery.log_batch import ENTRIES_LIMIT, Batch, read_batch, sign_batch
from functions.registry.services import Services


class Copied(NamedTuple):
    """The result: how many leaves PostgreSQL and the copy have in common, and how many each of the two was given."""

    size: int
    copied: int
    restored: int


def synchronise(services: Services | SweeperServices) -> Copied:
    """Give the copy the leaves that it lacks, and PostgreSQL the leaves that it lacks.

    It goes from batch to batch, beginning after the last leaf whose copy PostgreSQL has noted:

    1. If the copy has a batch that begins here, verify it. Otherwise, if PostgreSQL has more leaves, sign and write a
       batch of them. Otherwise both have the same leaves, and this is the end.
    2. In one transaction, compare the batch with the leaves that PostgreSQL has, append those that it lacks together
       with what they change (``replayed.apply``), and note the copy.

    When the last batch is missing from the store, it begins with the first leaf of the log and writes what is missing.
    Every step can be interrupted, and several processes may do this at the same time.

    Raises:
        PlatformError: ``log_integrity`` when a batch does not verify, or when PostgreSQL has other leaves than the
            copy; ``database_unavailable``, ``object_store_unavailable``, ``signer_unavailable``,
            ``policy_unavailable``.
    """
    at, copied, restored = _begin(services), 0, 0
    while True:
        envelope = services.objects.get_optional(object_keys.log_batch(at))  # (1)
        if envelope is None:
            with services.database.system() as tx:
                new = _next_batch(tx, at)
            if new is None:
                return Copied(at, copied, restored)
            envelope = sign_batch(new, services.log_signer)
            try:
                services.objects.put_new(object_keys.log_batch(at), envelope, "application/json")
            except PlatformError as error:
                if error.code != "object_conflict":
                    raise
                continue  # another process was faster: read its batch
            copied += len(new.entries)
        batch = read_batch(envelope, at, services.trust.current(), services.now())
        with services.database.system() as tx:  # (2)
            restored += _take(tx, batch)
        at = batch.end


def _begin(services: Services | SweeperServices) -> int:
    with services.database.system() as tx:
        progress = transparency.copy_progress(tx)
    if progress.size == 0 or services.objects.size(object_keys.log_batch(progress.last_batch)) is not None:
        return progress.size
    message = "the copy of the transparency log lacks its last batch; what is missing is written again"
    logger("registry").error(message, extra={"first": progress.last_batch})
    with services.database.system() as tx:
        transparency.forget_copy(tx)
    return 0


def _next_batch(tx: Tx, first: int) -> Batch | None:
    entries = [row["entry"] for row in transparency.list_entries(tx, first, ENTRIES_LIMIT)]
    return Batch(first, transparency.root_hash(tx, first), entries) if entries else None


def _take(tx: Tx, batch: Batch) -> int:
    """Compare a batch with PostgreSQL, append the leaves that are missing there, and return how many these are."""
    size = transparency.lock(tx)
    if transparency.root_hash(tx, batch.first) != batch.root_hash:
        raise _forked(batch.first)
    present = transparency.list_entries(tx, batch.first, len(batch.entries))
    for row, entry in zip(present, batch.entries, strict=False):
        if row["entry"] != entry:
            raise _forked(int(row["leaf_index"]))
    for index in range(size, batch.end):
        replayed.apply(tx, transparency.restore_leaf(tx, index, batch.entries[index - batch.first]))
    transparency.note_copy(tx, batch.first, batch.end)
    restored = max(0, batch.end - size)
    if restored:
        message = "PostgreSQL lacked entries of the transparency log, and has them back from the copy"
        logger("registry").error(message, extra={"first": size, "entries": restored})
    return restored


def _forked(index: int) -> PlatformError:
    detail = (
        f"The transparency log has forked: before or at entry {index}, the database has other entries than the copy in "
        "the object store. It was restored to an earlier instant and changed before it had the later entries back. "
        "Restore it again, as docs/how-to/back-up-and-restore.md says."
    )
    return PlatformError("log_integrity", detail, fault=Fault.LOG_COPY)
