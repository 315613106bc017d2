"""Which rows of the egress ledger finished calls add to."""

from alga_ext.calls.envelope import EgressTotal
from functions.registry.records.egress_rows import egress_rows
from tests.registry.test_recorder import finished

SECOND = "00000000-0000-0000-0000-0000000000ff"


def test_calls_without_requests_make_no_row() -> None:
    assert egress_rows([finished()]) == []


def test_calls_of_one_install_day_and_destination_are_added() -> None:
    one = EgressTotal(destination="a.example", requests=1, bytes_sent=2, bytes_received=3, refused=4)

    assert egress_rows([finished(egress=[one]), finished(egress=[one])]) == [
        {
            "install_id": "00000000-0000-0000-0000-00000000000a",
            "day": "2026-03-01",
            "destination": "a.example",
            "requests": 2,
            "bytes_sent": 4,
            "bytes_received": 6,
            "refused": 8,
        }
    ]


def test_installs_days_and_destinations_are_kept_apart() -> None:
    one, two = (EgressTotal(destination=name, requests=1) for name in ("a.example", "http://a.example"))
    later = "2026-03-02T00:00:00+00:00"

    rows = egress_rows(
        [
            finished(egress=[one, two]),
            finished(egress=[one], install_id=SECOND),
            finished(egress=[one], accepted_at=later),
        ]
    )

    assert [(row["install_id"][-2:], row["day"][-2:], row["destination"]) for row in rows] == [
        ("0a", "01", "a.example"),
        ("0a", "01", "http://a.example"),
        ("ff", "01", "a.example"),
        ("0a", "02", "a.example"),
    ]


def test_the_day_is_that_of_the_record_and_not_of_the_acceptance() -> None:
    # The id of version 7 was made in the last second of February.
    message = finished(
        execution_id="019ca6b1-d818-7000-8000-000000000001", egress=[EgressTotal(destination="a.example", requests=1)]
    )
    assert [row["day"] for row in egress_rows([message])] == ["2026-02-28"]
