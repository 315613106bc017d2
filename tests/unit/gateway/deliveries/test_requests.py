"""The call that a delivery makes."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from alga_ext.errors import PlatformError
from functions.gateway.deliveries.requests import Delivery, call_of
from tests.support.gateway import install

ID = "9b2d7a6e-0000-8000-8000-00000000000d"


def delivery(**members: Any) -> Delivery:
    event = {"specversion": "1.0", "id": "e", "source": "/s", "type": "t"}
    given: dict[str, Any] = {
        "tenant_id": "acme",
        "delivery_id": ID,
        "install_id": "9b2d7a6e-0000-4000-8000-000000000001",
        "version_id": "9b2d7a6e-0000-4000-8000-000000000002",
        "trigger": "event",
        "subject": "t",
        "schedule_id": None,
        "due_at": None,
        "missed": 0,
        "method": "POST",
        "path": "/on-t",
        "payload": None,
        "timeout_ms": None,
        "hops": 0,
        "tries": 1,
        "event": json.dumps(event),
        "received_at": datetime(2026, 3, 1, tzinfo=UTC),
        "is_subscribed": True,
        "lag_ms": 0.0,
    }
    return Delivery(**{**given, **members})


def schedule(**members: Any) -> Delivery:
    own = {"trigger": "schedule", "event": None, "received_at": None, "due_at": datetime(2026, 3, 1, tzinfo=UTC)}
    return delivery(**{**own, "path": "/notes", **members})


def refusal(made: Delivery, **installed: Any) -> str:
    with pytest.raises(PlatformError) as caught:
        call_of(made, install(**installed))
    return caught.value.code


def test_the_handler_of_an_event_need_not_be_an_endpoint() -> None:
    call = call_of(delivery(), install(endpoints=[]))

    assert (call.method, call.path, call.path_template) == ("POST", "/on-t", "/on-t")


def test_a_topic_that_is_not_received_any_more_is_refused() -> None:
    assert refusal(delivery(is_subscribed=False)) == "endpoint_not_found"


def test_the_endpoint_of_a_schedule_must_be_declared() -> None:
    assert call_of(schedule(), install()).path_template == "/notes"
    assert refusal(schedule(path="/gone")) == "endpoint_not_found"
    assert refusal(schedule(method="GET", path="/gone")) == "endpoint_not_found"


def test_without_an_install_nothing_is_called() -> None:
    with pytest.raises(PlatformError) as caught:
        call_of(delivery(), None)

    assert caught.value.code == "not_installed"


@pytest.mark.parametrize("given", ["", "x", "00-" + "0" * 32 + "-b7ad6b7169203331-01", 7])
def test_an_event_without_a_valid_trace_gets_that_of_its_delivery(given: Any) -> None:
    event = {"specversion": "1.0", "id": "e", "source": "/s", "type": "t", "traceparent": given}

    call = call_of(delivery(event=json.dumps(event)), install())

    trace_id = ID.replace("-", "")
    assert call.headers["traceparent"] == f"00-{trace_id}-{trace_id[16:]}-01"
    assert json.loads(call.body)["traceparent"] == call.headers["traceparent"]


def test_an_event_cannot_set_what_the_platform_says() -> None:
    event = {"specversion": "1.0", "id": "e", "source": "/s", "type": "t", "algahops": 0, "algaeventid": "forged"}

    sent = json.loads(call_of(delivery(event=json.dumps(event), hops=5), install()).body)

    assert (sent["id"], sent["algaeventid"], sent["algahops"]) == (ID, "e", 5)


@pytest.mark.parametrize(("made", "subject"), [(delivery(), "system:event"), (schedule(), "system:schedule")])
def test_no_user_makes_a_delivery(made: Delivery, subject: str) -> None:
    call = call_of(made, install())

    assert (call.principal.subject, call.principal.roles, call.principal.email) == (subject, frozenset(), "")
    assert call.trigger is not None


def test_a_schedule_without_payload_has_no_body_and_no_type() -> None:
    call = call_of(schedule(), install())

    assert (call.body, "content-type" in call.headers) == (b"", False)
