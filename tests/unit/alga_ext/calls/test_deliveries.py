"""Ids of events and deliveries."""

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from alga_ext.calls.deliveries import event_delivery_id, event_key, schedule_delivery_id

pairs = st.tuples(st.text(max_size=4), st.text(max_size=4))


def test_the_same_event_has_the_same_key() -> None:
    assert event_key("/host", "1") == event_key("/host", "1")


@given(pairs, pairs)
def test_different_events_have_different_keys(one: tuple[str, str], other: tuple[str, str]) -> None:
    assert (event_key(*one) == event_key(*other)) == (one == other)


def test_a_key_is_a_uuid_of_version_8() -> None:
    key = UUID(event_key("/host", "1"))

    assert (key.version, key.variant) == (8, "specified in RFC 4122")


def test_an_event_has_one_delivery_for_each_handler() -> None:
    key = event_key("/host", "1")

    assert (
        len({event_delivery_id(key, "a", "/x"), event_delivery_id(key, "a", "/y"), event_delivery_id(key, "b", "/x")})
        == 3
    )


def test_a_run_is_the_same_in_every_offset() -> None:
    due = datetime(2026, 3, 1, 12, tzinfo=UTC)
    elsewhere = due.astimezone(timezone(timedelta(hours=5)))

    assert schedule_delivery_id("s", due) == schedule_delivery_id("s", elsewhere)


def test_each_run_of_a_schedule_has_its_own_delivery() -> None:
    due = datetime(2026, 3, 1, 12, tzinfo=UTC)

    assert schedule_delivery_id("s", due) != schedule_delivery_id("s", due + timedelta(minutes=1))
