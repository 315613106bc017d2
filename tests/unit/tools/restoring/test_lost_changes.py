"""What the log records and the registry does not have any more."""

from typing import Any

from tools.restoring.lost_changes import lost_changes

PUBLISHED = {
    "kind": "version.published",
    "publisher": "acme",
    "name": "com.acme.notes",
    "version": "1.0.0",
    "content_hash": "sha256:ab",
}
ADDED = {"kind": "publisher.key_added", "publisher": "acme", "key_id": "sha256:cd"}


def subjects(*entries: dict[str, Any], hashes: set[str] = set(), keys: set[tuple[str, str]] = set()) -> list[str]:  # noqa: B006
    return [finding.subject for finding in lost_changes(entries, hashes, keys)]


def test_a_lost_publication_is_named_with_its_hash() -> None:
    assert subjects(PUBLISHED) == ["version com.acme.notes 1.0.0 (sha256:ab)"]
    assert subjects(PUBLISHED, hashes={"sha256:ab"}) == []


def test_a_publication_that_was_withdrawn_or_rejected_is_not_missed() -> None:
    for kind in ("version.withdrawn", "version.rejected"):
        assert subjects(PUBLISHED, {"kind": kind, "content_hash": "sha256:ab"}) == []


def test_a_yanked_publication_is_missed() -> None:
    assert len(subjects(PUBLISHED, {"kind": "version.yanked", "content_hash": "sha256:ab"})) == 1


def test_a_lost_key_is_named_with_its_publisher() -> None:
    assert subjects(ADDED) == ["key sha256:cd of publisher acme"]
    assert subjects(ADDED, keys={("acme", "sha256:cd")}) == []
    assert subjects(ADDED, keys={("globex", "sha256:cd")}) == ["key sha256:cd of publisher acme"]


def test_a_key_that_was_revoked_is_not_missed() -> None:
    assert subjects(ADDED, {**ADDED, "kind": "publisher.key_revoked"}) == []
