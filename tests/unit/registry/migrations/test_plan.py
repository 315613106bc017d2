"""Which migrations are still to be applied, and when none may be."""

import pytest

from functions.registry.migrations.plan import Migration, plan, read_migration
from tests.support.refusals import code_of


def files(*names: str) -> list[Migration]:
    return [read_migration(name, f"-- {name}".encode()) for name in names]


def applied(*names: str) -> dict[str, str]:
    return {migration.name: migration.sha256 for migration in files(*names)}


A, B, C = "0001_add_a.sql", "0002_add_b.sql", "0003_add_c2.sql"


def test_a_migration_has_the_hash_of_its_bytes() -> None:
    assert read_migration("0001_a.sql", "-- ü".encode()) == Migration(
        "0001_a.sql", "-- ü", "99a711bde6162caef1cb0c4b98a83755774017b0fb41efdc2cecfbe8bf186d70"
    )


@pytest.mark.parametrize(
    ("available", "done", "left"),
    [([], [], []), ([C, A, B], [], [A, B, C]), ([B, A, C], [A], [B, C]), ([A, B], [A, B], [])],
)
def test_what_is_not_applied_is_left_in_the_order_of_the_numbers(
    available: list[str], done: list[str], left: list[str]
) -> None:
    assert [migration.name for migration in plan(files(*available), applied(*done))] == left


@pytest.mark.parametrize(
    "available",
    [
        [B],
        [A, C],
        [A, "0001_add_b.sql"],
        ["0000_add_a.sql"],
        ["001_add_a.sql"],
        ["00001_add_a.sql"],
        ["x0001_add_a.sql"],
        ["0001_.sql"],
        ["0001add_a.sql"],
        ["0001_Add_a.sql"],
        ["0001_add-a.sql"],
        ["0001_add_a.sql.bak"],
        ["0001_add_a.sql\n"],
        ["0001_add_asql"],
    ],
)
def test_numbers_without_a_gap_and_names_of_one_form_are_needed(available: list[str]) -> None:
    assert code_of(lambda: plan(files(*available), {})) == "migration_conflict"


@pytest.mark.parametrize(
    ("available", "done"), [([A], applied(A, B)), ([A, B], applied(B)), ([A, B, C], applied(A, C)), ([A], {A: "0"})]
)
def test_an_applied_file_is_neither_gone_nor_edited_nor_preceded_by_a_new_one(
    available: list[str], done: dict[str, str]
) -> None:
    assert code_of(lambda: plan(files(*available), done)) == "migration_conflict"
