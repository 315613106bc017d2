"""What the database itself refuses of a storage entry, whoever writes it: asked in SQL, as its owner."""

from collections.abc import Iterator
from typing import Any, Final

import pytest

from alga_ext.errors import PlatformError
from alga_ext.stores.database import Database
from functions.runner.imports.storage import rules
from tests.conftest import Databases
from tests.support.rows import fill_tenant

TENANT: Final = "tenant-a"
INSTALL: Final = "00000000-0000-0000-0000-0000000000a1"
_INSERT: Final = """
insert into app.extension_storage_entry (tenant_id, install_id, namespace, key, value, expires_at)
values (:tenant, cast(:install as uuid), :namespace, :key, decode(repeat('78', cast(:size as integer)), 'hex'),
  now() + cast(:lifetime as interval))
"""
_CHECK_VIOLATION: Final = "23514"
_IN_BERLIN: Final = """
update app.extension_storage_entry
set updated_at = cast(:begin as timestamptz), expires_at = cast(:begin as timestamptz) + interval '720 hours'
where set_config('TimeZone', 'Europe/Berlin', true) is not null
"""
DAYS_30: Final = "2592000 seconds"
CODE_POINTS: Final = [*range(1, 0xA2), 0xAD, 0x200B, *range(0x2027, 0x202B), 0xFEFF, 0x1F600]


class _Undone(Exception):
    """Rolls back what was accepted."""


@pytest.fixture
def owner(databases: Databases) -> Iterator[Database]:
    """A database with an install, asked by a role that no policy holds back."""
    fill_tenant(databases, TENANT)
    made = Database(databases.owner)
    yield made
    made.close()


def refused_by(owner: Database, **values: Any) -> str | None:
    """Return the constraint that refuses an entry, or None; nothing of it stays."""
    given = {"namespace": "notes", "key": "key", "size": 1, "lifetime": None, **values}
    return refused(owner, _INSERT, tenant=TENANT, install=INSTALL, **given)


def refused(owner: Database, statement: str, **values: Any) -> str | None:
    try:
        with owner.tenant(TENANT) as tx:
            tx.execute(statement, **values)
            raise _Undone
    except _Undone:
        return None
    except PlatformError as error:
        if error.context["sqlstate"] != _CHECK_VIOLATION:
            raise
        return str(error.context["constraint"]).removeprefix("extension_storage_entry_")


@pytest.mark.parametrize(
    "entry",
    [
        {},
        {"namespace": "n" * 128},
        {"key": "k" * 256},
        {"key": "ü" * 256},
        {"key": "/a/"},
        {"key": " "},
        {"key": "\\u0041"},
        {"size": 0},
        {"size": 65_536},
        {"lifetime": DAYS_30},
        {"lifetime": "-1 second"},
    ],
    ids=str,
)
def test_an_entry_within_every_limit_is_taken(owner: Database, entry: dict[str, Any]) -> None:
    assert refused_by(owner, **entry) is None


@pytest.mark.parametrize(
    ("entry", "constraint"),
    [
        ({"namespace": ""}, "namespace_check"),
        ({"namespace": "n" * 129}, "namespace_check"),
        ({"namespace": "a\nb"}, "namespace_is_plain"),
        ({"namespace": "a\x7f"}, "namespace_is_plain"),
        ({"namespace": "\u2028"}, "namespace_is_plain"),
        ({"key": ""}, "key_check"),
        ({"key": "k" * 257}, "key_check"),
        ({"key": "\x01"}, "key_is_plain"),
        ({"key": "a\u0085b"}, "key_is_plain"),
        ({"key": "/"}, "key_is_more_than_slashes"),
        ({"key": "///"}, "key_is_more_than_slashes"),
        ({"size": 65_537}, "value_check"),
        ({"lifetime": "2592001 seconds"}, "lifetime"),
        ({"lifetime": "infinity"}, "lifetime"),
    ],
    ids=str,
)
def test_an_entry_beyond_a_limit_is_refused(owner: Database, entry: dict[str, Any], constraint: str) -> None:
    assert (refused_by(owner, **entry) or "").startswith(constraint)


def test_a_lifetime_cannot_be_lengthened_afterwards(owner: Database) -> None:
    longer = "update app.extension_storage_entry set expires_at = updated_at + interval '721 hours'"
    assert refused(owner, longer) == "lifetime"


@pytest.mark.parametrize("begin", ["2026-03-10T12:00Z", "2026-10-10T12:00Z"], ids=["to summer", "to winter"])
def test_thirty_days_are_as_long_when_the_clocks_change(owner: Database, begin: str) -> None:
    assert refused(owner, _IN_BERLIN, begin=begin) is None


def test_the_database_knows_the_same_control_characters_as_the_runner(owner: Database) -> None:
    keys = [f"a{chr(number)}b" for number in CODE_POINTS]
    assert {key for key in keys if refused_by(owner, key=key) is None} == {key for key in keys if rules.key_fits(key)}


def test_the_longest_lifetime_is_the_runners_own() -> None:
    assert f"{max(rules.TTL_SECONDS)} seconds" == DAYS_30
