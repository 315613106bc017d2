"""Remove the UIs of withdrawn and rejected versions from the caches of the content delivery network.

The sweeper does this, in two runs at least: one finds the version on the stored list of withdrawn bundles, a later one
sends the invalidation. In between, every UI host has read that list: one that has not would fill the cache again
(docs/adr/0032-one-spelling-of-a-pages-url.md).
"""

import hashlib
from datetime import timedelta
from typing import Final

from alga_ext.ids import ContentHash, sha256_hex
from alga_ext.telemetry import logger
from functions.registry.job_services import SweeperServices

PATHS_LIMIT: Final = 15
"""CloudFront's limit of paths with a wildcard that are in progress at the same time."""
READ_BY_ALL_AFTER: Final = timedelta(seconds=45)
"""The UI host reads the list every 30 seconds, and a request takes it at most 10."""
_EVERYTHING: Final = "/ext-ui/*"
_VERSIONS_LIMIT: Final = 10_000
_WAITING: Final = """
from app.extension_version
where state in ('withdrawn', 'rejected') and ui_invalidated_at is null and jsonb_typeof(manifest -> 'ui') = 'object'
"""
_UNLISTED: Final = f"select version_id {_WAITING} and ui_listed_at is null limit :limit"
_NOTE_LISTED: Final = """
update app.extension_version set ui_listed_at = :at where version_id = any(cast(:ids as uuid[]))
"""
_DUE: Final = f"""
select version_id, content_hash {_WAITING} and ui_listed_at <= :before order by content_hash limit :limit
"""
_NOTE_INVALIDATED: Final = """
update app.extension_version set ui_invalidated_at = :at where version_id = any(cast(:ids as uuid[]))
"""


def unlisted(services: SweeperServices) -> list[str]:
    """Return the ids of ended versions with a UI that were not found on the list yet; none without a distribution.

    A list that is made after this call names them all.
    """
    if services.ui_distribution is None:
        return []
    with services.database.system() as tx:
        return [str(row["version_id"]) for row in tx.rows(_UNLISTED, limit=_VERSIONS_LIMIT)]


def note_listed(services: SweeperServices, version_ids: list[str]) -> None:
    """Record that the stored list names these versions now."""
    if version_ids:
        with services.database.system() as tx:
            tx.execute(_NOTE_LISTED, ids=version_ids, at=services.now())


def invalidate(services: SweeperServices) -> int:
    """Send one invalidation for all versions that are due, and return how many these are.

    When more than ``PATHS_LIMIT`` are due, all UIs are invalidated. When this process ends before it has recorded the
    invalidation, the next run sends it again under the same reference, and CloudFront makes no second one.

    Raises:
        PlatformError: ``cdn_unavailable``, ``database_unavailable``. The versions stay due.
    """
    if services.ui_distribution is None:
        return 0
    now = services.now()
    with services.database.system() as tx:
        due = tx.rows(_DUE, before=now - READ_BY_ALL_AFTER, limit=_VERSIONS_LIMIT)
    if not due:
        return 0
    hashes = [sha256_hex(ContentHash(row["content_hash"])) for row in due]
    paths = [f"/ext-ui/{digits}/*" for digits in hashes] if len(hashes) <= PATHS_LIMIT else [_EVERYTHING]
    reference = hashlib.sha256("\n".join(hashes).encode()).hexdigest()
    if not services.ui_distribution.invalidate(paths, reference):
        logger("registry-sweeper").info("other invalidations are in progress", extra={"waiting": len(due)})
        return 0
    with services.database.system() as tx:
        tx.execute(_NOTE_INVALIDATED, ids=[str(row["version_id"]) for row in due], at=now)
    return len(due)
