"""Work on batches of the queue ``events``: store what came from EventBridge, then make the deliveries."""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from alga_ext.calls.messages import EventReceived, Message
from alga_ext.errors import PlatformError
from alga_ext.platform_metrics import EVENTS_RECEIVED, FANOUT_LAG
from alga_ext.stores import delivery_slots
from alga_ext.stores.aws_calls import SqsQueue
from alga_ext.stores.database import Database
from alga_ext.telemetry import emit, log_failure
from functions.registry.evaluation.evaluator import Evaluator
from functions.registry.events import topics
from functions.registry.events.bus import FromBus
from functions.registry.events.event import Event
from functions.registry.events.fan_out import fan_out
from functions.registry.events.receiving import check_data, count_refused
from functions.registry.events.storing import store
from functions.registry.tenant_data import erasure

SERVICE: Final = "registry-fanout"
TIME_LIMIT_S: Final = 40.0
"""After that, no further event from EventBridge is checked. A check takes ten seconds at most of the function's 60."""

Given = Message | FromBus


class Sent(NamedTuple):
    """An event from EventBridge that fits its topic, and when it was put on the bus: see ``FromBus``."""

    event: Event
    sent_at: datetime


class Consumer:
    """Handles batches of the queue ``events``.

    Args:
        database: PostgreSQL as ``fn_registry``.
        deliveries: wakes the dispatcher.
        evaluator: evaluates topics' schemas, in a process of its own.
        monotonic_s: the time, in seconds.
    """

    def __init__(
        self,
        database: Database,
        deliveries: SqsQueue,
        evaluator: Evaluator,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._deliveries = deliveries
        self._evaluator = evaluator
        self._monotonic_s = monotonic_s

    def close(self) -> None:
        """Close the connection to the database, and end the evaluation worker."""
        self._database.close()
        self._evaluator.close()

    def handle(self, batch: Sequence[Given]) -> dict[int, Exception]:
        """Handle a batch, and return the errors by the places of what is to be delivered again.

        The events of a tenant are handled in one transaction. If that fails, they are handled one by one, so one that
        cannot be handled fails alone. An event from EventBridge that cannot be taken, or is from before the end of an
        erasure of its tenant, is counted and logged without anything it says, and does not come again.
        """
        failed: dict[int, Exception] = {}
        of_tenants: dict[str, dict[int, str | Sent]] = {}
        for place, sent in self._taken(batch, failed).items():
            of_tenants.setdefault(sent.event.tenant_id or "", {})[place] = sent
        for place, given in enumerate(batch):
            if isinstance(given, EventReceived):
                of_tenants.setdefault(given.tenant_id, {})[place] = given.event_key
            elif not isinstance(given, FromBus):
                detail = "The queue 'events' carries events only."
                failed[place] = PlatformError("invalid_request", detail)
        oldest = [self._handle_tenant(tenant_id, events, failed) for tenant_id, events in of_tenants.items()]
        if waited := [instant for instant in oldest if instant is not None]:
            lag = datetime.now(UTC) - min(waited)
            emit(SERVICE, {FANOUT_LAG: max(lag.total_seconds() * 1_000, 0)})
        return failed

    def _taken(self, batch: Sequence[Given], failed: dict[int, Exception]) -> dict[int, Sent]:
        """Return the events from EventBridge that fit their topics. Each is checked alone, with a budget of its own."""
        read = {place: given for place, given in enumerate(batch) if isinstance(given, FromBus)}
        if not read:
            return {}
        ends_s = self._monotonic_s() + TIME_LIMIT_S
        refused, taken = [], {}
        try:
            with self._database.system() as tx:
                of_topics = {given.event.topic for given in read.values() if isinstance(given.event, Event)}
                schemas = topics.schemas(tx, of_topics)
        except PlatformError as error:
            failed |= dict.fromkeys(read, error)
            return {}
        for place, given in read.items():
            try:
                if self._monotonic_s() >= ends_s:
                    raise PlatformError("policy_unavailable", "The time for this batch has passed.")
                (checked,) = self._checked(given.event, schemas)
            except PlatformError as error:
                failed[place] = error
                continue
            if isinstance(checked, PlatformError):
                refused.append(checked)
            else:
                taken[place] = Sent(checked, given.sent_at)
        _drop(refused)
        return taken

    def _checked(
        self, given: Event | PlatformError, schemas: Mapping[str, Mapping[str, Any]]
    ) -> list[Event | PlatformError]:
        return check_data([given], schemas, self._evaluator.data_faults)

    def _handle_tenant(
        self, tenant_id: str, events: Mapping[int, str | Sent], failed: dict[int, Exception]
    ) -> datetime | None:
        try:
            return self._fan_out(tenant_id, list(events.values()))
        except Exception as error:  # noqa: BLE001 - whatever it is, other tenants' events are handled
            if len(events) == 1:
                failed |= dict.fromkeys(events, error)
                return None
        oldest = [self._handle_tenant(tenant_id, {place: event}, failed) for place, event in events.items()]
        return min((instant for instant in oldest if instant is not None), default=None)

    def _fan_out(self, tenant_id: str, events: Sequence[str | Sent]) -> datetime | None:
        """Store those that came from EventBridge, make the deliveries of all, and send what got a slot."""
        from_bus = [event for event in events if isinstance(event, Sent)]
        keys = {event for event in events if isinstance(event, str)}
        new, kept = set[str](), list[Event]()
        with self._database.tenant(tenant_id) as tx:
            if from_bus:
                erased_until = erasure.erased_until(tx, tenant_id)
                kept = [one.event for one in from_bus if erased_until is None or one.sent_at > erased_until]
                new = store(tx, tenant_id, kept, "bus")
            done = fan_out(tx, tenant_id, sorted(keys | {event.key for event in kept}))
        if new:
            emit(SERVICE, {EVENTS_RECEIVED: len(new)}, origin="bus")
        erased = PlatformError("tenant_being_erased", "It was sent before an erasure of its tenant was done.")
        _drop([erased] * (len(from_bus) - len(kept)))
        delivery_slots.send(self._deliveries, tenant_id, done.queued, SERVICE)
        return done.oldest


def _drop(refused: Sequence[PlatformError]) -> None:
    """Count events from EventBridge that are lost, and log each without anything it says."""
    count_refused(SERVICE, refused)
    for fault in refused:
        log_failure(SERVICE, PlatformError(fault.code, "An event from EventBridge was refused."), "bus")
