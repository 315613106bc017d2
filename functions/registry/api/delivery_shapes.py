"""The response bodies about deliveries."""

import json
from datetime import datetime
from typing import Any

from alga_ext.stores.database import Row
from functions.registry.api.shapes import Out, texts
from functions.registry.deliveries.deliveries import State, Trigger


class DeliveryOut(Out):
    """One delivery. ``subject`` is the event's topic, or the schedule's name or id.

    ``execution_ids`` are the records of its tries, in order. A try that was refused before it was accepted has none.
    """

    delivery_id: str
    install_id: str
    trigger: Trigger
    subject: str
    state: State
    tries: int
    method: str
    path: str
    hops: int
    due_at: datetime | None
    missed: int
    created_at: datetime
    next_attempt_at: datetime | None
    ended_at: datetime | None
    last_status: int | None
    last_error: str | None
    reason: str | None
    execution_ids: list[str]


class DeliveryDetailOut(DeliveryOut):
    """A delivery with what it delivers: the published ``event``, or the ``payload`` of a schedule."""

    event: dict[str, Any] | None
    payload: str | None


class RedrivenOut(Out):
    """How many dead deliveries are tried again. With ``more``, there may be others: send the request again."""

    redriven: int
    more: bool


def delivery_out(row: Row) -> DeliveryOut:
    """Return a delivery as it is listed."""
    return DeliveryOut.model_validate(_members(row))


def delivery_detail_out(row: Row) -> DeliveryDetailOut:
    """Return a delivery with what it delivers."""
    event = None if row["event"] is None else json.loads(row["event"])
    return DeliveryDetailOut.model_validate({**_members(row), "event": event})


def _members(row: Row) -> dict[str, Any]:
    return {**texts(row), "execution_ids": [str(one) for one in row["execution_ids"]]}
