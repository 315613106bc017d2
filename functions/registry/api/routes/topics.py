"""Routes with which a platform admin registers the topics that the host application publishes."""

from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from alga_ext.stores.database import Row
from functions.registry.api import permissions
from functions.registry.api.event_shapes import TopicIn, TopicOut
from functions.registry.api.exchange import actor, header, principal, reply, services
from functions.registry.api.idempotency import Answer
from functions.registry.api.paging import decode_cursor, encode_cursor
from functions.registry.api.preconditions import check_match, tag_of_document
from functions.registry.api.shapes import Page, PageSize
from functions.registry.events import topics

router = APIGatewayHttpRouter()


@router.get("/topics")
def list_topics(cursor: str | None = None, page_size: PageSize = 25) -> Response[Page[TopicOut]]:
    """List the registered topics in alphabetical order (platform admins)."""
    permissions.require_platform_admin(principal(router))
    (after,) = decode_cursor(cursor, ("",))
    with services(router).database.system() as tx:
        rows = topics.listing(tx, after, page_size)
    next_cursor = encode_cursor(rows[-1]["topic"]) if len(rows) == page_size else None
    return reply(Answer(200, {"items": [_out(row) for row in rows], "next_cursor": next_cursor}))


@router.get("/topics/<topic>")
def get_topic(topic: str) -> Response[TopicOut]:
    """Get a topic with its schema (platform admins). Send its ETag as If-Match with a change."""
    permissions.require_platform_admin(principal(router))
    with services(router).database.system() as tx:
        return _shown(topics.load(tx, topic))


@router.put("/topics/<topic>")
def set_topic(topic: str, body: Annotated[TopicIn, Body()]) -> Response[TopicOut]:
    """Register a topic, or replace its description and schema (platform admins)."""
    registry, caller = services(router), principal(router)
    permissions.require_platform_admin(caller)
    topics.check_name(topic)
    topics.check_schema(body.json_schema, registry.evaluator)
    with registry.database.system() as tx:
        topics.lock(tx)
        _check_match(topics.find(tx, topic))
        topics.put(tx, topic, body.description, body.json_schema, actor(router, caller))
        return _shown(topics.load(tx, topic))


@router.delete("/topics/<topic>")
def delete_topic(topic: str) -> Response[None]:
    """Delete a topic (platform admins): its events are refused from now on. Those that were taken are delivered."""
    caller = principal(router)
    permissions.require_platform_admin(caller)
    with services(router).database.system() as tx:
        topics.lock(tx)
        _check_match(topics.load(tx, topic))
        topics.delete(tx, topic, actor(router, caller))
    return Response(204)


def _check_match(row: Row | None) -> None:
    """Check If-Match against a topic as it is; one that is not registered has no tag."""
    check_match(header(router, "if-match"), "" if row is None else tag_of_document(_out(row)))


def _shown(row: Row) -> Response[Any]:
    document = _out(row)
    return reply(Answer(200, document), {"etag": tag_of_document(document)})


def _out(row: Row) -> Any:
    return TopicOut.model_validate(row).model_dump(mode="json", by_alias=True)
