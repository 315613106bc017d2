"""What a call sent and received, for each destination."""

from hypothesis import given, settings
from hypothesis import strategies as st

from alga_ext.calls.egress_totals import OTHER
from alga_ext.calls.envelope import EgressTotal
from functions.runner.imports.egress_ledger import Destination, Ledger


def test_a_ledger_of_a_call_without_requests_is_empty() -> None:
    ledger = Ledger()

    assert (ledger.destinations, ledger.requests(), ledger.total_bytes()) == ({}, 0, 0)


def test_a_destination_that_nothing_was_sent_to_counts_nothing() -> None:
    assert Destination() == (0, 0, 0, 0)


def test_what_is_not_named_is_not_counted() -> None:
    ledger = Ledger()

    ledger.add("a:443", requests=1)
    ledger.add("b:443", bytes_sent=20)
    ledger.add("c:443", bytes_received=300)

    assert ledger.destinations == {"a:443": (1, 0, 0, 0), "b:443": (0, 20, 0, 0), "c:443": (0, 0, 300, 0)}


def test_counts_add_up_for_each_destination_and_for_all() -> None:
    ledger = Ledger()

    ledger.add("a:443", requests=1, bytes_sent=100, bytes_received=2_000)
    ledger.add("a:443", requests=1, bytes_sent=10, bytes_received=200)
    ledger.add("b:443", requests=1, bytes_sent=1)

    assert ledger.destinations == {"a:443": (2, 110, 2_200, 0), "b:443": (1, 1, 0, 0)}
    assert (ledger.requests(), ledger.total_bytes()) == (3, 2_311)


def test_a_negative_number_corrects_a_count() -> None:
    ledger = Ledger()

    ledger.add("a:443", requests=1, bytes_sent=100, bytes_received=50)
    ledger.add("a:443", requests=-1, bytes_sent=-70, bytes_received=-50)

    assert ledger.destinations == {"a:443": (0, 30, 0, 0)}


@settings(max_examples=50, derandomize=True, deadline=None, database=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), *[st.integers(0, 1_000)] * 3), max_size=8))
def test_the_totals_are_those_of_all_entries(entries: list[tuple[str, int, int, int]]) -> None:
    ledger = Ledger()

    for destination, requests, sent, received in entries:
        ledger.add(destination, requests=requests, bytes_sent=sent, bytes_received=received)

    assert ledger.requests() == sum(requests for _, requests, _, _ in entries)
    assert ledger.total_bytes() == sum(sent + received for _, _, sent, received in entries)


def unchanged(names: list[str]) -> list[str]:
    return names


def named(totals: list[EgressTotal]) -> dict[str, tuple[int, int]]:
    return {total.destination: (total.requests, total.refused) for total in totals}


def test_the_totals_name_scheme_host_and_port() -> None:
    ledger = Ledger()
    for name in ("b.example", "http://a.example:8080", "[2606:4700::1]:444"):
        ledger.add(name, requests=1, bytes_sent=2, bytes_received=3)

    assert [total.destination for total in ledger.totals(unchanged)] == [
        "[2606:4700::1]:444", "b.example", "http://a.example:8080"
    ]  # fmt: skip


def test_the_51st_destination_by_requests_counts_under_other() -> None:
    ledger = Ledger()
    for number in range(50):
        ledger.add(f"h{number:02}.example", requests=2)
    ledger.add("a.example", requests=1, bytes_sent=10, bytes_received=20)

    found = named(ledger.totals(unchanged))

    assert len(found) == 51
    assert (found["h49.example"], found[OTHER]) == ((2, 0), (1, 0))


def test_the_21st_destination_of_refused_requests_counts_under_other() -> None:
    ledger = Ledger()
    for number in range(20):
        ledger.add(f"h{number:02}.example", refused=2)
    ledger.add("a.example", refused=1)
    ledger.add("granted.example", requests=1)

    found = named(ledger.totals(unchanged))

    assert len(found) == 22
    assert (found["granted.example"], found["h19.example"], found[OTHER]) == ((1, 0), (0, 2), (0, 1))


def test_refused_destinations_do_not_displace_one_that_was_reached() -> None:
    ledger = Ledger()
    for number in range(1_000):
        ledger.add(f"h{number:03}.example", refused=9)
    ledger.add("granted.example", requests=1)

    assert named(ledger.totals(unchanged))["granted.example"] == (1, 0)


def test_a_name_with_a_secret_in_it_counts_under_other() -> None:
    ledger = Ledger()
    ledger.add("hunter2.example", requests=3)
    ledger.add("a.example", requests=1)

    found = ledger.totals(lambda names: [name.replace("hunter2", "[secret KEY]") for name in names])

    assert named(found) == {OTHER: (3, 0), "a.example": (1, 0)}


def test_a_destination_with_nothing_left_is_not_told() -> None:
    ledger = Ledger()
    ledger.add("a.example", bytes_sent=5)
    ledger.add("a.example", bytes_sent=-5)

    assert ledger.totals(unchanged) == []
