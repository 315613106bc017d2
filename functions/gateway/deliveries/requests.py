"""Build the call that a delivery makes (docs/reference/deliveries.md). Pure."""

import json
from datetime import UTC, datetime
from typing import Any, Final, Literal, NamedTuple

from alga_ext import strict_json
from alga_ext.calls.envelope import ExecuteTrigger
from alga_ext.edge.principal import Principal
from alga_ext.errors import PlatformError
from functions.gateway import headers
from functions.gateway.admission import AdmittedCall
from functions.gateway.install import Install
from functions.gateway.routing import find_endpoint

CLOUD_EVENT: Final = "application/cloudevents+json"
_PRINCIPALS: Final = {"event": "system:event", "schedule": "system:schedule"}


class Delivery(NamedTuple):
    """A delivery that was claimed for one try.

    Attributes:
        tenant_id, delivery_id, install_id: which it is.
        version_id: what the install has, as it was when the delivery was claimed.
        trigger: event or schedule.
        subject: the event's topic, or the schedule's name or id.
        schedule_id, due_at, missed: of a schedule.
        method, path: where the extension receives it.
        payload: of a schedule.
        timeout_ms: of the manifest's subscription; None for the time limit of a call.
        hops: how many events and runs caused one another before this one.
        tries: with this one.
        event: the stored event as structured JSON; None for a schedule.
        received_at: when the event was stored.
        is_subscribed: whether the installed version still receives the event's topic at this path.
        lag_ms: from when it was to be tried first until this try, which is the first one; None for every other try.
    """

    tenant_id: str
    delivery_id: str
    install_id: str
    version_id: str
    trigger: Literal["event", "schedule"]
    subject: str
    schedule_id: str | None
    due_at: datetime | None
    missed: int
    method: str
    path: str
    payload: str | None
    timeout_ms: int | None
    hops: int
    tries: int
    event: str | None
    received_at: datetime | None
    is_subscribed: bool
    lag_ms: float | None


def call_of(delivery: Delivery, install: Install | None) -> AdmittedCall:
    """Return the call of a delivery, when the install may receive it.

    Raises:
        PlatformError: ``not_installed``; ``endpoint_not_found`` when the installed version does not declare the
            schedule's endpoint, or no longer receives the topic there.
    """
    if install is None:
        raise PlatformError("not_installed", "The extension is not installed and enabled any more.")
    event = None if delivery.event is None else json.loads(delivery.event)
    traceparent = _traceparent(delivery.delivery_id, event)
    content_type, body = (CLOUD_EVENT, cloud_event(delivery, event, traceparent)) if event else _payload(delivery)
    sent = {"idempotency-key": delivery.delivery_id, "traceparent": traceparent}
    return AdmittedCall(
        request_id=delivery.delivery_id,
        tenant_id=delivery.tenant_id,
        install=install,
        principal=_system(delivery),
        extension=install.extension_id,
        method=delivery.method,
        path=delivery.path,
        path_template=_declared_path(delivery, install),
        raw_query="",
        headers={**sent, "content-type": content_type} if body else sent,
        body=body,
        trigger=ExecuteTrigger(
            type=delivery.trigger,
            id=delivery.delivery_id,
            name=delivery.subject,
            due_at=None if delivery.due_at is None else _rfc3339(delivery.due_at),
            missed=delivery.missed,
            hops=delivery.hops,
            try_number=delivery.tries,
        ),
    )


def cloud_event(delivery: Delivery, event: dict[str, Any], traceparent: str) -> bytes:
    """Return the event that the extension gets, as structured JSON.

    It is the published event with the delivery's id in ``id``, so that source and id are the same at each try and
    different for each handler. The published id is in ``algaeventid``. ``time`` is when the event was received if it
    has none.
    """
    received = {} if delivery.received_at is None else {"time": _rfc3339(delivery.received_at)}
    own = {
        "id": delivery.delivery_id,
        "algaeventid": event["id"],
        "algahops": delivery.hops,
        "traceparent": traceparent,
    }
    return json.dumps({**received, **event, **own}, ensure_ascii=False, separators=(",", ":")).encode()


def _payload(delivery: Delivery) -> tuple[str, bytes]:
    """Return type and bytes of a schedule's payload, which is empty without one."""
    body = (delivery.payload or "").encode()
    try:
        strict_json.parse(body)
    except ValueError:  # covers JsonError
        return "text/plain; charset=utf-8", body
    return "application/json", body


def _declared_path(delivery: Delivery, install: Install) -> str:
    """Return the path for records: the handler of an event, or the declared endpoint of a schedule."""
    if delivery.trigger == "event":
        if not delivery.is_subscribed:
            detail = f"The installed version does not receive {delivery.subject} at {delivery.path} any more."
            raise PlatformError("endpoint_not_found", detail)
        return delivery.path
    endpoint = find_endpoint(install.endpoints, delivery.method, delivery.path)
    if endpoint is None:
        detail = f"The installed version declares no endpoint for {delivery.method} {delivery.path}."
        raise PlatformError("endpoint_not_found", detail)
    path: str = endpoint["path"]
    return path


def _traceparent(delivery_id: str, event: dict[str, Any] | None) -> str:
    """Return the event's trace when it has a valid one, or else a trace whose id is the delivery's."""
    given = str((event or {}).get("traceparent", ""))
    if headers.trace_id({"traceparent": given}) is not None:
        return given
    trace = delivery_id.replace("-", "")
    return f"00-{trace}-{trace[16:]}-01"


def _system(delivery: Delivery) -> Principal:
    return Principal(
        subject=_PRINCIPALS[delivery.trigger],
        tenant_id=delivery.tenant_id,
        roles=frozenset(),
        publishers=frozenset(),
        user_type="internal",
        client_id=None,
        client_name="",
        email="",
        name="",
    )


def _rfc3339(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
