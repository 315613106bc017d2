"""The topics that the host application publishes, each with a JSON Schema for the data of its events."""

import json
from collections.abc import Collection, Mapping
from typing import Any, Final

from alga_ext.calls.topics import PLATFORM_TOPICS, is_topic
from alga_ext.errors import PlatformError
from alga_ext.stores.database import Row, Tx
from alga_ext.telemetry import logger
from functions.registry.evaluation.evaluator import Evaluator
from functions.registry.records.audit import Actor

SCHEMA_LIMIT_BYTES: Final = 32 * 1024
"""The largest schema, as JSON in UTF-8."""
TOPICS_LIMIT: Final = 1_000
"""How many topics may be registered."""

_SELECT: Final = """
select topic, description, schema, created_at, changed_at, changed_by from app.event_topic where topic = :topic
"""
_LIST: Final = """
select topic, description, schema, created_at, changed_at, changed_by from app.event_topic
where topic > :after order by topic limit :page_size
"""
_SCHEMAS: Final = "select topic, schema from app.event_topic where topic = any(cast(:topics as text[]))"
_COUNT: Final = "select count(*) as topics from app.event_topic"
_LOCK: Final = "select pg_advisory_xact_lock(hashtextextended('event_topic', 29))"
_SET: Final = """
insert into app.event_topic (topic, description, schema, changed_by)
values (:topic, :description, cast(:schema as jsonb), :actor)
on conflict (topic) do update
set description = excluded.description, schema = excluded.schema, changed_at = now(), changed_by = excluded.changed_by
"""
_DELETE: Final = "delete from app.event_topic where topic = :topic"


def check_schema(schema: Mapping[str, Any], evaluator: Evaluator) -> None:
    """Check that a schema can be applied safely. Call it outside of transactions.

    Raises:
        PlatformError: ``topic_schema_invalid``; its detail names the part that is not allowed.
    """
    size = len(json.dumps(schema, ensure_ascii=False).encode())
    if size > SCHEMA_LIMIT_BYTES:
        raise PlatformError(
            "topic_schema_invalid", f"The schema has {size} bytes; at most {SCHEMA_LIMIT_BYTES} are allowed."
        )
    try:
        evaluator.check_schema(schema)
    except PlatformError as error:
        if error.code != "manifest_invalid":
            raise
        why = error.detail.removeprefix("manifest.json: config: ")
        raise PlatformError("topic_schema_invalid", f"The schema cannot be used: {why}") from None


def check_name(topic: str) -> None:
    """Raise ``invalid_request`` unless a topic can be registered: its form is right, and it is not the platform's."""
    if not is_topic(topic):
        raise PlatformError(
            "invalid_request",
            "A topic begins with a letter or digit; up to 127 letters, digits, '.', '_' or '-' may follow.",
        )
    if topic in PLATFORM_TOPICS:
        raise PlatformError("invalid_request", f"The topic {topic} is the platform's own; choose another name.")


def lock(tx: Tx) -> None:
    """Let only one transaction at a time change topics, so that what it reads stays so until its end."""
    tx.execute(_LOCK)


def find(tx: Tx, topic: str) -> Row | None:
    """Return a registered topic, or None."""
    return tx.row(_SELECT, topic=topic)


def load(tx: Tx, topic: str) -> Row:
    """Return a registered topic, or raise ``topic_not_found``."""
    row = find(tx, topic)
    if row is None:
        raise PlatformError("topic_not_found", f"The topic {topic[:128]!r} is not registered.")
    return row


def listing(tx: Tx, after: str, page_size: int) -> list[Row]:
    """Return the topics after ``after``, in alphabetical order."""
    return tx.rows(_LIST, after=after, page_size=page_size)


def schemas(tx: Tx, topics: Collection[str]) -> dict[str, dict[str, Any]]:
    """Return the schemas of those topics that are registered."""
    return {row["topic"]: row["schema"] for row in tx.rows(_SCHEMAS, topics=sorted(topics))}


def put(tx: Tx, topic: str, description: str, schema: Mapping[str, Any], actor: Actor) -> None:
    """Register a topic, or replace its description and schema. ``lock`` first.

    Raises:
        PlatformError: ``conflict`` when there are ``TOPICS_LIMIT`` others.
    """
    before = find(tx, topic)
    if before is None and tx.one(_COUNT)["topics"] >= TOPICS_LIMIT:
        raise PlatformError("conflict", f"There are {TOPICS_LIMIT} topics, which is the limit; delete one first.")
    tx.execute(_SET, topic=topic, description=description, schema=json.dumps(schema), actor=actor.subject)
    _log("topic registered" if before is None else "topic changed", topic, actor)


def delete(tx: Tx, topic: str, actor: Actor) -> None:
    """Delete a topic: its events are refused from now on. Events that were taken are delivered.

    Raises:
        PlatformError: ``topic_not_found``.
    """
    if tx.execute(_DELETE, topic=topic) == 0:
        raise PlatformError("topic_not_found", f"The topic {topic[:128]!r} is not registered.")
    _log("topic deleted", topic, actor)


def _log(message: str, topic: str, actor: Actor) -> None:
    logger("registry").info(message, extra={"topic": topic, "actor": actor.subject, "request_id": actor.request_id})
