"""Topics: registered by the platform's admin, each with a schema that can be applied safely."""

from typing import Any

import pytest

from alga_ext.calls.topics import PLATFORM_TOPICS
from functions.registry.events import topics
from tests.support.events import SCHEMA, event_of, post, register_topic
from tests.support.registry import RegistryWorld


def test_a_registered_topic_is_shown_with_its_schema(world: RegistryWorld) -> None:
    register_topic(world)

    shown = world.call("GET", "/topics/ticket.created", world.admin).body

    assert (shown["topic"], shown["schema"], shown["changed_by"]) == ("ticket.created", SCHEMA, "platform")


def test_topics_are_listed_in_alphabetical_order(world: RegistryWorld) -> None:
    for name in ("c.c", "a.a", "b.b"):
        register_topic(world, name)
    first = world.call("GET", "/topics", world.admin, query="page_size=2").body
    second = world.call("GET", "/topics", world.admin, query=f"page_size=2&cursor={first['next_cursor']}").body

    assert [item["topic"] for page in (first, second) for item in page["items"]] == ["a.a", "b.b", "c.c"]


def test_a_replaced_schema_is_the_one_that_applies(world: RegistryWorld) -> None:
    register_topic(world, schema={"type": "string"})
    register_topic(world)

    assert post(world, event_of()).status == 202


def test_events_of_a_deleted_topic_are_refused(world: RegistryWorld) -> None:
    register_topic(world)
    assert world.call("DELETE", "/topics/ticket.created", world.admin).status == 204

    assert post(world, event_of()).code == "topic_unknown"


def test_a_topic_that_is_not_registered_is_not_found(world: RegistryWorld) -> None:
    for method in ("GET", "DELETE"):
        assert world.call(method, "/topics/no.such", world.admin).code == "topic_not_found"


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_a_change_of_something_older_is_refused(world: RegistryWorld, method: str) -> None:
    register_topic(world)
    body: Any = {"schema": {}} if method == "PUT" else None
    etag = world.call("GET", "/topics/ticket.created", world.admin).headers["etag"]

    refused = world.call(method, "/topics/ticket.created", world.admin, body, headers={"if-match": '"0"'})

    assert refused.code == "precondition_failed"
    assert world.call(method, "/topics/ticket.created", world.admin, body, headers={"if-match": etag}).status < 300


@pytest.mark.parametrize("topic", PLATFORM_TOPICS)
def test_a_topic_of_the_platform_cannot_be_registered(world: RegistryWorld, topic: str) -> None:
    refused = world.call("PUT", f"/topics/{topic}", world.admin, {"schema": {}})

    assert refused.code == "invalid_request"
    assert topic in refused.body["detail"]


@pytest.mark.parametrize("topic", ["-a", "a*", "a.*", ".a", "a" * 129, "ä"])
def test_a_name_in_another_form_cannot_be_registered(world: RegistryWorld, topic: str) -> None:
    assert world.call("PUT", f"/topics/{topic}", world.admin, {"schema": {}}).status in (400, 404)
    assert world.call("GET", "/topics", world.admin).body["items"] == []


@pytest.mark.parametrize(
    "schema",
    [{"type": "objekt"}, {"$ref": "https://example.com/s"}, {"pattern": "(a+)+\\1"}, {"patternProperties": {}}],
)
def test_a_schema_that_cannot_be_applied_safely_is_refused(world: RegistryWorld, schema: object) -> None:
    refused = world.call("PUT", "/topics/a.b", world.admin, {"schema": schema})

    assert refused.code == "topic_schema_invalid"
    assert "manifest" not in refused.body["detail"]


@pytest.mark.parametrize(("size_bytes", "status"), [(32 * 1024, 200), (32 * 1024 + 1, 400)])
def test_a_schema_has_32_kib_at_most(world: RegistryWorld, size_bytes: int, status: int) -> None:
    schema = {"description": "x" * (size_bytes - len('{"description": ""}'))}

    assert world.call("PUT", "/topics/a.b", world.admin, {"schema": schema}).status == status


def test_there_is_a_largest_number_of_topics(world: RegistryWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topics, "TOPICS_LIMIT", 2)
    for name in ("a.a", "b.b", "b.b"):
        register_topic(world, name)

    assert world.call("PUT", "/topics/c.c", world.admin, {"schema": {}}).code == "conflict"
