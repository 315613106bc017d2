"""The request and response bodies about topics and events, as pydantic models."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from functions.registry.api.shapes import In, Out


class TopicIn(In):
    """What a topic is about, and a JSON Schema for the data of its events."""

    description: Annotated[str, Field(max_length=1000)] = ""
    json_schema: Annotated[dict[str, Any], Field(alias="schema")]


class TopicOut(Out):
    """A registered topic."""

    topic: str
    description: str
    json_schema: Annotated[dict[str, Any], Field(alias="schema")]
    created_at: datetime
    changed_at: datetime
    changed_by: str


class EventOut(Out):
    """An event of a request. ``duplicate``: one with its source and id was stored before."""

    id: str
    source: str
    result: Literal["accepted", "duplicate"]


class EventsOut(Out):
    """The events of a request, in its order."""

    events: list[EventOut]
