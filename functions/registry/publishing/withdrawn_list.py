"""Write the signed list of withdrawn bundles, by which the UI host decides what it may show.

PostgreSQL says which versions are withdrawn or rejected; both states are permanent. The list in the object store is
made from it after each withdrawal and each rejection, and every minute by the sweeper, so that it does not expire.
"""

import hashlib
from datetime import datetime
from typing import Final

from alga_ext.errors import PlatformError
from alga_ext.ids import ContentHash, sha256_hex
from alga_ext.platform_metrics import WITHDRAWN_LIST_LARGE
from alga_ext.stores import object_keys
from alga_ext.stores.database import Database, Tx
from alga_ext.stores.objects import Tagged
from alga_ext.telemetry import alarm, logger
from alga_ext.trust.policy import TrustBundle
from alga_ext.trust.withdrawn_list import ALARM_BYTES, LIST_LIMIT_BYTES, sign_list, verify_list
from functions.registry.job_services import AssetsServices, SweeperServices
from functions.registry.services import Services

_DIGEST: Final = """
select encode(sha256(convert_to(coalesce(
         string_agg(content_hash, E'\\n' order by content_hash collate "C"), ''), 'UTF8')), 'hex') as digest
from app.extension_version where state in ('withdrawn', 'rejected')
"""
"""One value that differs when the hashes differ. Reading all hashes costs three times as much, and 7 MB for 100,000."""
_HASHES: Final = "select content_hash from app.extension_version where state in ('withdrawn', 'rejected')"
_ATTEMPTS: Final = 10
"""An attempt fails only when another process has written a list in the meantime."""


def renew(services: Services | AssetsServices | SweeperServices) -> int:
    """Store a list that is issued now and names every bundle that has ended; return how many it adds.

    1. Read and verify the stored list. A list that does not verify counts as empty, and is replaced.
    2. Ask PostgreSQL for a digest of the bundles that it knows. If it is the digest of the list, the list is complete.
       Otherwise read them all from PostgreSQL, and keep those that only the list names.
    3. Sign, and replace exactly the list that was read. If another process was faster, read its list. If that names all
       these bundles, there is nothing left to do; otherwise add what it names, and try again.

    No transaction is open during (1) and (3). When PostgreSQL cannot be reached, nothing is signed: so a list never
    outlives its comparison with PostgreSQL by more than its lifetime.

    Raises:
        PlatformError: ``database_unavailable``, ``object_store_unavailable``, ``signer_unavailable``,
            ``policy_unavailable``; ``object_conflict`` when other processes were faster each time.
    """
    trust, now = services.trust.current(), services.now()
    stored = services.objects.get_tagged(object_keys.withdrawn_list())  # (1)
    before = read_hashes(stored, trust, now) or frozenset()
    hashes = _ended(services.database, before)  # (2)
    for _ in range(_ATTEMPTS):  # (3)
        envelope = sign_list(hashes, services.release_signer, now, services.withdrawn_list_lifetime)
        if len(envelope) > ALARM_BYTES:
            message = "the list of withdrawn versions is larger than half its limit"
            alarm(
                "registry", WITHDRAWN_LIST_LARGE, message, now, size_bytes=len(envelope), limit_bytes=LIST_LIMIT_BYTES
            )
        tag = None if stored is None else stored.tag
        try:
            services.objects.replace(object_keys.withdrawn_list(), envelope, "application/json", tag)
        except PlatformError as error:
            if error.code != "object_conflict":
                raise
        else:
            return len(hashes - before)
        stored = services.objects.get_tagged(object_keys.withdrawn_list())
        listed = read_hashes(stored, trust, now)
        if listed is not None and listed >= hashes:
            return 0
        hashes |= listed or frozenset()
    raise PlatformError("object_conflict", "Other processes keep writing the list of withdrawn versions; try again.")


def renew_after_withdrawal(services: Services) -> None:
    """Renew the list after a withdrawal was committed. A failure is logged, because the withdrawal is recorded.

    The gateway stops the version in any case. The sweeper renews the list within a minute, and if it cannot, the list
    expires and nothing is shown.
    """
    try:
        renew(services)
    except PlatformError as error:
        extra = {"code": error.code, "why": error.detail}
        logger("registry").error("the list of withdrawn versions could not be written; the sweeper will", extra=extra)


def read_hashes(stored: Tagged | None, trust: TrustBundle, now: datetime) -> frozenset[str] | None:
    """Return the hashes of the stored list, also of one that has expired; None when no list is there that verifies."""
    if stored is None:
        return None
    try:
        return verify_list(stored.data, trust, now).hashes
    except PlatformError as error:
        extra = {"code": error.code, "why": error.detail}
        logger("registry").error("the stored list of withdrawn versions does not verify, and is replaced", extra=extra)
        return None


def _ended(database: Database, listed: frozenset[str]) -> frozenset[str]:
    with database.system() as tx:
        if is_complete(tx, listed):
            return listed
        rows = tx.rows(_HASHES)
    return listed | {sha256_hex(ContentHash(row["content_hash"])) for row in rows}


def is_complete(tx: Tx, listed: frozenset[str]) -> bool:
    """Tell whether the listed bundles are exactly those whose versions PostgreSQL calls withdrawn or rejected."""
    digest: str = tx.one(_DIGEST)["digest"]
    return digest == _digest(listed)


def _digest(listed: frozenset[str]) -> str:
    """Return for listed hashes what ``_DIGEST`` returns for the content hashes in PostgreSQL."""
    return hashlib.sha256("\n".join(f"sha256:{digits}" for digits in sorted(listed)).encode()).hexdigest()
