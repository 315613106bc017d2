"""What the log records and the registry does not have any more."""

from typing import Any

from tools.restoring.lost_changes import Registry, lost_changes

EMPTY = Registry([], [], [], {})


def entry(kind: str, **members: Any) -> dict[str, Any]:
    return {"kind": kind, "publisher": "acme", "name": "com.acme.notes", **members}


def extension(**members: Any) -> dict[str, Any]:
    return {"name": "com.acme.notes", "publisher": "acme", "deprecated_at": None, **members}


def subjects(entries: list[dict[str, Any]], registry: Registry = EMPTY) -> list[str]:
    return [finding.subject for finding in lost_changes(entries, registry)]


def test_a_lost_publication_is_named_with_its_hash() -> None:
    published = entry("version.published", version="1.0.0", content_hash="sha256:ab")
    assert subjects([published]) == ["version com.acme.notes 1.0.0 (sha256:ab)"]
    assert subjects([published], EMPTY._replace(versions=[{"content_hash": "sha256:ab"}])) == []


def test_a_publication_that_was_withdrawn_or_rejected_is_not_missed() -> None:
    published = entry("version.published", version="1.0.0", content_hash="sha256:ab")
    for kind in ("version.withdrawn", "version.rejected"):
        assert subjects([published, entry(kind, content_hash="sha256:ab")]) == []


def test_a_yanked_publication_is_missed() -> None:
    published = entry("version.published", version="1.0.0", content_hash="sha256:ab")
    assert len(subjects([published, entry("version.yanked", content_hash="sha256:ab")])) == 1


def test_a_lost_publisher_with_its_prefix_and_key_is_named() -> None:
    entries = [
        entry("publisher.created"),
        entry("publisher.prefix_added", prefix="com.acme."),
        entry("publisher.key_added", key_id="sha256:cd"),
    ]
    assert subjects(entries) == [
        "publisher acme",
        "prefix com.acme. of publisher acme",
        "key sha256:cd of publisher acme",
    ]
    known = [{"publisher": "acme", "name_prefixes": ["com.acme."]}]
    assert subjects(entries, Registry([], [], known, {"acme": frozenset({"sha256:cd"})})) == []


def test_a_key_that_was_revoked_is_not_missed() -> None:
    added = entry("publisher.key_added", key_id="sha256:cd")
    assert subjects([added, entry("publisher.key_revoked", key_id="sha256:cd")]) == []


def test_a_lost_transfer_is_named() -> None:
    moved = [entry("extension.transferred", to="globex"), entry("extension.transferred", to="initech")]
    registry = EMPTY._replace(extensions=[extension()])
    assert subjects(moved, registry) == ["transfer of com.acme.notes to publisher initech"]
    assert subjects(moved, EMPTY._replace(extensions=[extension(publisher="initech")])) == []


def test_a_lost_deprecation_is_named_and_so_is_a_lost_end_of_one() -> None:
    deprecated, ended = entry("extension.deprecated"), entry("extension.undeprecated")
    plain = EMPTY._replace(extensions=[extension()])
    marked = EMPTY._replace(extensions=[extension(deprecated_at="2026-06-01T00:00:00Z")])
    assert subjects([deprecated], plain) == ["change that com.acme.notes is deprecated"]
    assert subjects([deprecated, ended], marked) == ["change that com.acme.notes is not deprecated any more"]
    assert (subjects([deprecated], marked), subjects([deprecated, ended], plain)) == ([], [])
