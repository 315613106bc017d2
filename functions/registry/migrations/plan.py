"""Reading and planning migrations: pure rules over file names, texts and what is applied already."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from alga_ext.errors import PlatformError

_FILE_NAME: Final = re.compile(r"(\d{4})_[a-z0-9_]+\.sql\Z")


class Migration(NamedTuple):
    """One file: its name, its SQL, and the hex SHA-256 of its bytes."""

    name: str
    sql: str
    sha256: str


def read_migration(name: str, data: bytes) -> Migration:
    """Make a migration of a file's name and bytes."""
    return Migration(name, data.decode(), hashlib.sha256(data).hexdigest())


def plan(available: Iterable[Migration], applied: Mapping[str, str]) -> list[Migration]:
    """Return the migrations still to run, in order.

    Args:
        available: every file there is.
        applied: name → sha256 of what the database has.

    Raises:
        PlatformError: ``migration_conflict`` when a number is missing or doubled, an applied file was edited, is
            gone, or a new one stands before it.
    """
    ordered = sorted(available, key=lambda migration: migration.name)
    for expected, migration in enumerate(ordered, start=1):
        match = _FILE_NAME.match(migration.name)
        if match is None or int(match[1]) != expected:
            raise PlatformError(
                "migration_conflict",
                f"Migration {migration.name} should be number {expected:04}, named NNNN_verb_noun.sql.",
            )
    for name in applied:
        if name not in {migration.name for migration in ordered}:
            raise PlatformError(
                "migration_conflict", f"The database has {name}, which is not among the migrations here."
            )
    for migration in ordered[: len(applied)]:
        if applied.get(migration.name) != migration.sha256:
            raise PlatformError(
                "migration_conflict", f"{migration.name} was applied with other content; add a new file instead."
            )
    return ordered[len(applied) :]
