"""The request and response bodies about egress: the ledger, and lists that are tried."""

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import Field

from functions.registry.api.shapes import In, Out


class EgressOut(Out):
    """Requests of an install to one destination.

    ``destination`` is ``host[:port]``, after ``http://`` when it is not https, as a grant names it. ``(other)`` are all
    destinations beyond those that are named. ``requests`` were not refused, whether the host answered or not; nothing
    was sent of those that were ``refused``.
    """

    install_id: str
    destination: str
    requests: int
    bytes_sent: int
    bytes_received: int
    refused: int


class EgressTrialIn(In):
    """A list of hosts to try, each within what is granted now, and for how many whole days."""

    hosts: Annotated[list[Annotated[str, Field(max_length=300)]], Field(max_length=200, fail_fast=True)]
    days: Annotated[int, Field(ge=1, le=30)]


class WouldRefuseOut(Out):
    """Requests to a destination that the tried hosts do not cover, and the first and the last UTC day of them."""

    destination: str
    requests: int
    first_day: date
    last_day: date


class EgressTrialOut(Out):
    """A list of hosts that is tried, and what it would have refused from ``first_day`` to ``last_day``.

    ``would_refuse`` has the destinations with the most requests; ``more_destinations`` are not shown. Of
    ``unjudged_requests`` the destination has no name in the ledger. A trial has ``ended`` after its last day; what it
    reports then stays. ``revision`` is the install's.
    """

    install_id: str
    hosts: list[str]
    first_day: date
    last_day: date
    state: Literal["running", "ended"]
    started_by: str
    started_at: datetime
    requests: int
    refused_requests: int
    unjudged_requests: int
    would_refuse: list[WouldRefuseOut]
    more_destinations: int
    revision: int
