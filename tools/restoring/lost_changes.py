"""Compare the transparency log with the registry: what was recorded and is not there any more. Pure.

After a restore the log has all its entries again, and the registry repeats what withdrew or revoked something. What
added something cannot be repeated from an entry: it is listed here, to be done again.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from tools.restoring.findings import Finding


class Registry(NamedTuple):
    """What the registry has now.

    Attributes:
        versions: all versions, as ``GET /extensions/…/versions`` shows them.
        extensions: all extensions, as ``GET /extensions`` shows them.
        publishers: all publishers, as ``GET /publishers`` shows them.
        keys: key ids of each publisher.
    """

    versions: list[dict[str, Any]]
    extensions: list[dict[str, Any]]
    publishers: list[dict[str, Any]]
    keys: Mapping[str, frozenset[str]]


def lost_changes(entries: Iterable[Mapping[str, Any]], registry: Registry) -> list[Finding]:
    """Return what the log's entries, in order, record and the registry does not have.

    A publication that was withdrawn or rejected later, and a key that was revoked later, are not missed.
    """
    publications: dict[str, Mapping[str, Any]] = {}
    keys: dict[tuple[str, str], None] = {}
    prefixes: dict[tuple[str, str], None] = {}
    publishers: dict[str, None] = {}
    owners: dict[str, str] = {}
    deprecated: dict[str, bool] = {}
    for entry in entries:
        match entry["kind"]:
            case "version.published":
                publications[entry["content_hash"]] = entry
            case "version.withdrawn" | "version.rejected":
                publications.pop(entry["content_hash"], None)
            case "publisher.created":
                publishers[entry["publisher"]] = None
            case "publisher.prefix_added":
                prefixes[entry["publisher"], entry["prefix"]] = None
            case "publisher.key_added":
                keys[entry["publisher"], entry["key_id"]] = None
            case "publisher.key_revoked":
                keys.pop((entry["publisher"], entry["key_id"]), None)
            case "extension.transferred":
                owners[entry["name"]] = entry["to"]
            case "extension.deprecated" | "extension.undeprecated" as kind:
                deprecated[entry["name"]] = kind == "extension.deprecated"
    slugs = {publisher["publisher"]: publisher["name_prefixes"] for publisher in registry.publishers}
    hashes = {version["content_hash"] for version in registry.versions}
    return [
        *(_lost(f"publisher {slug}", "register it again") for slug in publishers if slug not in slugs),
        *(
            _lost(f"prefix {prefix} of publisher {slug}", "give it to the publisher again")
            for slug, prefix in prefixes
            if prefix not in slugs.get(slug, ())
        ),
        *(
            _lost(f"key {key_id} of publisher {slug}", "add it again: alga-ext publisher add-key")
            for slug, key_id in keys
            if key_id not in registry.keys.get(slug, ())
        ),
        *(
            _lost(
                f"version {entry['name']} {entry['version']} ({content_hash})",
                "its publisher publishes the same bundle again: alga-ext publish",
            )
            for content_hash, entry in publications.items()
            if content_hash not in hashes
        ),
        *_changed_extensions(owners, deprecated, registry),
    ]


def _changed_extensions(
    owners: Mapping[str, str], deprecated: Mapping[str, bool], registry: Registry
) -> Iterable[Finding]:
    for extension in registry.extensions:
        name = extension["name"]
        if owners.get(name, extension["publisher"]) != extension["publisher"]:
            yield _lost(f"transfer of {name} to publisher {owners[name]}", "transfer it again")
        if deprecated.get(name, False) != (extension["deprecated_at"] is not None):
            state = "deprecated" if deprecated.get(name) else "not deprecated any more"
            yield _lost(f"change that {name} is {state}", "repeat it")


def _lost(subject: str, remedy: str) -> Finding:
    return Finding(subject, "the log records it, and the database does not have it", remedy)
