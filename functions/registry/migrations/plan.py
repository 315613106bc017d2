"""Read and plan migrations: pure rules over file names, file contents and the migrations that are applied already."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from alga_ext.errors import PlatformError

_FILE_NAME: Final = re.compile(r"(\d{4})_[a-z0-9_]+\.sql\Z")


class Migration(NamedTuple):
    """One migration file: its name, its SQL, and the hex SHA-256 of its bytes."""

    name: str
    sql: str
    sha256: str


def read_migration(name: str, data: bytes) -> Migration:
    """Build a migration from a file's name and bytes."""
    return Migration(name, data.decode(), hashlib.sha256(data).hexdigest())


def plan(available: Iterable[Migration], applied: Mapping[str, str]) -> list[Migration]:
    """Return the migrations that are still to be applied, in order.

    Args:
        available: all migration files.
        applied: name → hex SHA-256 of the migrations that the database has.

    Raises:
        PlatformError: ``migration_conflict`` when a number is missing or used twice, when an applied file was edited or
            is gone, or when a new file comes before an applied one.
    """
    ordered = sorted(available, key=lambda migration: migration.name)
    for expected, migration in enumerate(ordered, start=1):
        match = _FILE_NAME.match(migration.name)
        if match is None or int(match[1]) != expected:
            raise PlatformError(
                "migration_conflict",
                f"Migration {migration.name} must have the number {expected:04} and a name like NNNN_verb_noun.sql.",
            )
    for name in applied:
        if name not in {migration.name for migration in ordered}:
            raise PlatformError(
                "migration_conflict",
                f"The database has the migration {name}, but its file is missing; restore the file.",
            )
    for migration in ordered[: len(applied)]:
        if applied.get(migration.name) != migration.sha256:
            raise PlatformError(
                "migration_conflict",
                f"Migration {migration.name} is not the one that was applied at this place. Leave applied files as "
                "they are, and put changes into a new file after them.",
            )
    return ordered[len(applied) :]
