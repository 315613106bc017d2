"""A benchmark that is too slow says so and fails."""

import pytest

from tests.bench import installs
from tests.bench.bounds import Paging, Resolution, breaches

FAST = Resolution("by name", 0.2, 0.3)
FLAT = Paging("audit trail", 0.2, 0.2, 0.2)


def test_what_keeps_every_bound_breaches_none() -> None:
    assert breaches([FAST], [FLAT]) == []


def test_a_resolution_at_its_limit_is_too_slow() -> None:
    assert breaches([Resolution("by name", 0.4, 0.5)], []) == [
        "by name: 0.500 ms at the database, and it must be below 0.5 ms"
    ]


def test_a_resolution_that_doubles_grows_too_much() -> None:
    assert breaches([Resolution("by name", 0.1, 0.2)], []) == [
        "by name: grows 2.00 times, and it must stay below 2.0 times"
    ]


@pytest.mark.parametrize("paging", [Paging("log", 0.1, 0.2, 0.1), Paging("log", 0.1, 0.1, 0.2)], ids=["middle", "last"])
def test_a_list_with_a_slower_later_page_is_not_constant(paging: Paging) -> None:
    assert breaches([], [paging]) == ["log: a later page takes 2.00 times the first, and it must stay below 2.0 times"]


@pytest.mark.parametrize(("kept", "status"), [(True, 0), (False, 1)])
def test_the_benchmark_ends_with_status_1_when_a_bound_is_breached(
    monkeypatch: pytest.MonkeyPatch, kept: bool, status: int
) -> None:
    monkeypatch.setattr("sys.argv", ["installs"])
    monkeypatch.setattr(installs, "run", lambda _: kept)

    assert installs.main() == status
