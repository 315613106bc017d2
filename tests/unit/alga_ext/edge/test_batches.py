"""A batch of queue messages: those that failed are named, and the others stay done."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from alga_ext.calls.messages import Message, PrepareMessage, encode_message
from alga_ext.edge.batches import answer_batch, answer_whole_batch
from alga_ext.errors import PlatformError


def message(version: str) -> str:
    return encode_message(
        PrepareMessage(version_id=version, content_hash="sha256:" + "0" * 64, component_sha256="0" * 64)
    ).decode()


def event(*bodies: str) -> dict[str, Any]:
    return {"Records": [{"messageId": f"m-{number}", "body": body} for number, body in enumerate(bodies)]}


def answered(*bodies: str, failing: Mapping[str, Exception] | None = None) -> tuple[list[str], list[str]]:
    """Return the ids of the messages to deliver again, and the versions whose messages were handled."""
    handled = []

    def handle(message: Message) -> None:
        assert isinstance(message, PrepareMessage)
        if error := (failing or {}).get(message.version_id):
            raise error
        handled.append(message.version_id)

    answer = answer_batch(event(*bodies), "batches", handle)
    assert answer.keys() == {"batchItemFailures"}
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]], handled


def test_every_message_of_a_batch_is_handled() -> None:
    assert answered(message("a"), message("b")) == ([], ["a", "b"])


@pytest.mark.parametrize("error", [ValueError("x"), KeyError("x"), PlatformError("database_unavailable", "x")])
def test_only_the_message_that_failed_is_delivered_again(error: Exception) -> None:
    assert answered(message("a"), message("b"), message("c"), failing={"b": error}) == (["m-1"], ["a", "c"])


def test_a_batch_in_which_everything_failed_is_delivered_again_whole() -> None:
    failing = {name: ValueError(name) for name in "ab"}
    assert answered(message("a"), message("b"), failing=failing) == (["m-0", "m-1"], [])


@pytest.mark.parametrize("body", ["", "{", "[]", '{"kind": "nothing"}', "\ud800"])
def test_a_message_that_is_none_of_ours_is_a_failure(body: str) -> None:
    assert answered(body, message("b")) == (["m-0"], ["b"])


def test_an_empty_batch_has_no_failures() -> None:
    assert answered() == ([], [])


def test_a_failure_is_logged_with_the_id_of_its_message(capsys: pytest.CaptureFixture[str]) -> None:
    def handle(_: Message) -> None:
        raise PlatformError("database_unavailable", "not now")

    answer_batch(event(message("a")), "batches-logged", handle)

    line = json.loads(capsys.readouterr().out)
    assert (line["code"], line["request_id"], line["service"]) == ("database_unavailable", "m-0", "batches-logged")


def test_an_error_that_all_messages_have_is_logged_once(capsys: pytest.CaptureFixture[str]) -> None:
    outage = PlatformError("database_unavailable", "not now")

    answer = answer_whole_batch(
        event(*map(message, "abc")), "batches-together", lambda _: dict.fromkeys(range(3), outage)
    )

    assert len(answer["batchItemFailures"]) == 3
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_messages_that_are_handled_together_are_named_in_the_order_of_their_delivery() -> None:
    answer = answer_whole_batch(
        event("{", message("a"), message("b")), "batches-together", lambda some: {1: ValueError(some[1])}
    )

    assert [failure["itemIdentifier"] for failure in answer["batchItemFailures"]] == ["m-0", "m-2"]
