"""Take events that a publisher sends: each fits its topic's schema, and all of a request are stored or none."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from alga_ext.calls.topics import PLATFORM_TOPICS
from alga_ext.errors import PlatformError
from alga_ext.platform_metrics import EVENTS_REFUSED
from alga_ext.stores.aws_calls import SqsQueue
from alga_ext.stores.database import Database
from alga_ext.telemetry import emit
from functions.registry.evaluation.evaluator import Evaluator
from functions.registry.events import outbox, topics
from functions.registry.events.cloudevents import TENANT
from functions.registry.events.event import Event
from functions.registry.events.storing import store
from functions.registry.records import audit
from functions.registry.records.audit import Actor
from functions.registry.tenant_data import erasure

Given = Event | PlatformError
"""An event that was read, or what is wrong with it."""


class Taken(NamedTuple):
    """One event of a request, and whether it was stored now (``accepted``) or before (``duplicate``)."""

    event: Event
    is_new: bool

    @property
    def result(self) -> str:
        """How the answer calls it."""
        return "accepted" if self.is_new else "duplicate"


class Publisher(NamedTuple):
    """Who publishes: ``tenant_id`` of its token, or None when each event names the tenant."""

    actor: Actor
    tenant_id: str | None


def receive(
    given: Sequence[Given],
    publisher: Publisher,
    database: Database,
    queue: SqsQueue,
    evaluator: Evaluator,
) -> list[Taken]:
    """Store the events of a request, wake fan-out for those that are new, and return what became of each.

    1. Each event is of the publisher's tenant. The events of a publisher without one name the same tenant.
    2. The data of each fits the schema of its topic.
    3. They are stored in one transaction. If the publisher's token names no tenant, the tenant's audit trail says who
       published them.
    4. Messages for fan-out are sent. What cannot be sent is sent by the tick.

    Raises:
        PlatformError: with the code of the first fault. ``faults`` in its members has place, code and detail of each
            event that is refused. ``tenant_being_erased`` while an erasure of the tenant is running: its last pass may
            be over, and what is stored after it would outlive the receipt. Nothing is stored then.
    """
    tenant_id, of_tenant = _of_one_tenant(given, publisher.tenant_id)  # (1)
    with database.system() as tx:
        schemas = topics.schemas(tx, {event.topic for event in of_tenant if isinstance(event, Event)})
    events = _all_or_raise(check_data(of_tenant, schemas, evaluator.data_faults))  # (2)
    if tenant_id is None:
        return []  # a batch without events
    with database.tenant(tenant_id) as tx:  # (3)
        erasure.require_none(tx, tenant_id)
        new = store(tx, tenant_id, events, "api")
        if new and publisher.tenant_id is None:
            after = {"events": [{"id": one.document["id"], "type": one.topic} for one in events if one.key in new]}
            audit.record(tx, tenant_id, publisher.actor, "event.publish", tenant_id, after=after)
    outbox.wake(queue, tenant_id, sorted(new))  # (4)
    taken = []
    for event in events:
        taken.append(Taken(event, event.key in new))
        new.discard(event.key)  # one that stands twice in the request is a duplicate the second time
    return taken


def check_data(
    given: Sequence[Given],
    schemas: Mapping[str, Mapping[str, Any]],
    faults_of: Callable[[list[tuple[Mapping[str, Any], Any]]], list[str | None]],
) -> list[Given]:
    """Return the events with those refused whose topic is not registered, or whose data does not fit its schema.

    Args:
        given: what was read.
        schemas: of the registered topics.
        faults_of: see ``Evaluator.data_faults``. Data that is absent is checked as null.
    """
    known = [one for one in given if isinstance(one, Event) and one.topic in schemas]
    faults = iter(faults_of([(schemas[one.topic], one.document.get("data")) for one in known]) if known else [])
    found: list[Given] = []
    for one in given:
        if isinstance(one, PlatformError):
            found.append(one)
        elif one.topic not in schemas:
            found.append(_unknown(one.topic))
        else:
            fault = next(faults)
            found.append(one if fault is None else _does_not_fit(one.topic, fault))
    return found


def _unknown(topic: str) -> PlatformError:
    if topic in PLATFORM_TOPICS:
        return PlatformError("topic_unknown", f"Only the platform itself publishes {topic}.")
    return PlatformError(
        "topic_unknown", f"The topic {topic} is not registered. A platform admin can register it: alga-ext topics set."
    )


def _does_not_fit(topic: str, fault: str) -> PlatformError:
    return PlatformError("event_data_invalid", f"The data does not fit the schema of {topic} {fault}.")


def _of_one_tenant(given: Sequence[Given], tenant_id: str | None) -> tuple[str | None, list[Given]]:
    """Return the tenant of a request, and its events with those refused that are of another tenant or of none."""
    named = next((one.tenant_id for one in given if isinstance(one, Event) and one.tenant_id is not None), None)
    tenant, found = tenant_id or named, []
    for one in given:
        fault: PlatformError | None = None
        if isinstance(one, PlatformError):
            fault = one
        elif one.tenant_id is None and tenant_id is None:
            fault = PlatformError("event_invalid", f"The token names no tenant, so each event needs {TENANT}.")
        elif one.tenant_id is not None and one.tenant_id != tenant:
            whose = "the token" if tenant_id is not None else "an earlier event"
            detail = f"The event's {TENANT} is another tenant than that of {whose}. A request is of one tenant."
            fault = PlatformError("tenant_mismatch", detail)
        found.append(fault or one)
    return tenant, found


def _all_or_raise(given: Sequence[Given]) -> list[Event]:
    """Return the events when none was refused; else count the refused ones, and raise the first fault."""
    faults = [(place, one) for place, one in enumerate(given) if isinstance(one, PlatformError)]
    if faults:
        # A fault may quote what a tenant wrote. Members of the answer are not logged; the detail is.
        detail = f"{len(faults)} of {len(given)} events are refused, and no event is stored; 'faults' has the reasons."
        error = PlatformError(faults[0][1].code, detail)
        error.members["faults"] = [{"index": place, "code": one.code, "detail": one.detail} for place, one in faults]
        count_refused("registry", [one for _, one in faults])
        raise error
    return [one for one in given if isinstance(one, Event)]


def count_refused(service: str, errors: Sequence[PlatformError]) -> None:
    """Write the metric ``EventsRefused`` for each code."""
    for code in sorted({error.code for error in errors}):
        emit(service, {EVENTS_REFUSED: sum(error.code == code for error in errors)}, code=code)
