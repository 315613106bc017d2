"""Compare the transparency log with the registry: what was recorded and is not there any more. Pure.

After a restore the log has all its entries again, and the registry has repeated what they contain. An entry has only
the hash of a bundle or a key, so publications and new keys are not repeated: they are listed here, to be done again.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from tools.restoring.findings import Finding

_PROBLEM = "the log records it, and the database does not have it"


def lost_changes(
    entries: Iterable[Mapping[str, Any]], content_hashes: Collection[str], keys: Collection[tuple[str, str]]
) -> list[Finding]:
    """Return the publications and keys that the log records and the registry does not have.

    A publication that was withdrawn or rejected later, and a key that was revoked later, are not missed.

    Args:
        entries: of the log, in order.
        content_hashes: of the registry's versions.
        keys: publisher and id of the registry's keys.
    """
    publications: dict[str, Mapping[str, Any]] = {}
    added: dict[tuple[str, str], None] = {}
    for entry in entries:
        match entry["kind"]:
            case "version.published":
                publications[entry["content_hash"]] = entry
            case "version.withdrawn" | "version.rejected":
                publications.pop(entry["content_hash"], None)
            case "publisher.key_added":
                added[entry["publisher"], entry["key_id"]] = None
            case "publisher.key_revoked":
                added.pop((entry["publisher"], entry["key_id"]), None)
    lost_keys = [
        Finding(f"key {key_id} of publisher {publisher}", _PROBLEM, "add it again: alga-ext publisher add-key")
        for publisher, key_id in added
        if (publisher, key_id) not in keys
    ]
    return lost_keys + [
        Finding(
            f"version {entry['name']} {entry['version']} ({content_hash})",
            _PROBLEM,
            "its publisher publishes the same bundle again: alga-ext publish",
        )
        for content_hash, entry in publications.items()
        if content_hash not in content_hashes
    ]
