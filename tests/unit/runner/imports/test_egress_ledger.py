"""What a call sent and received, for each destination."""

from hypothesis import given, settings
from hypothesis import strategies as st

from functions.runner.imports.egress_ledger import Destination, Ledger


def test_a_ledger_of_a_call_without_requests_is_empty() -> None:
    ledger = Ledger()

    assert (ledger.destinations, ledger.requests(), ledger.total_bytes()) == ({}, 0, 0)


def test_a_destination_that_nothing_was_sent_to_counts_nothing() -> None:
    assert Destination() == (0, 0, 0)


def test_what_is_not_named_is_not_counted() -> None:
    ledger = Ledger()

    ledger.add("a:443", requests=1)
    ledger.add("b:443", bytes_sent=20)
    ledger.add("c:443", bytes_received=300)

    assert ledger.destinations == {"a:443": (1, 0, 0), "b:443": (0, 20, 0), "c:443": (0, 0, 300)}


def test_counts_add_up_for_each_destination_and_for_all() -> None:
    ledger = Ledger()

    ledger.add("a:443", requests=1, bytes_sent=100, bytes_received=2_000)
    ledger.add("a:443", requests=1, bytes_sent=10, bytes_received=200)
    ledger.add("b:443", requests=1, bytes_sent=1)

    assert ledger.destinations == {"a:443": (2, 110, 2_200), "b:443": (1, 1, 0)}
    assert (ledger.requests(), ledger.total_bytes()) == (3, 2_311)


def test_a_negative_number_corrects_a_count() -> None:
    ledger = Ledger()

    ledger.add("a:443", requests=1, bytes_sent=100, bytes_received=50)
    ledger.add("a:443", requests=-1, bytes_sent=-70, bytes_received=-50)

    assert ledger.destinations == {"a:443": (0, 30, 0)}


@settings(max_examples=50, derandomize=True, deadline=None, database=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), *[st.integers(0, 1_000)] * 3), max_size=8))
def test_the_totals_are_those_of_all_entries(entries: list[tuple[str, int, int, int]]) -> None:
    ledger = Ledger()

    for destination, requests, sent, received in entries:
        ledger.add(destination, requests=requests, bytes_sent=sent, bytes_received=received)

    assert ledger.requests() == sum(requests for _, requests, _, _ in entries)
    assert ledger.total_bytes() == sum(sent + received for _, _, sent, received in entries)
