"""What travels on the queues reads back, and anything else is refused for good."""

import json
import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from alga_ext.calls.envelope import Usage
from alga_ext.calls.messages import (
    Artifact,
    BreakerState,
    ExecutionAccepted,
    ExecutionFinished,
    Message,
    PreparedMessage,
    PrepareMessage,
    Reason,
    decode_message,
    encode_message,
)
from tests.support.refusals import code_of

WHO: dict[str, Any] = {
    "execution_id": "x1",
    "tenant_id": "acme",
    "install_id": "i",
    "extension_id": "e",
    "version_id": "v",
    "content_hash": "h",
    "request_id": "r",
    "trace_id": "t",
    "method": "GET",
    "path": "/ü\0",
    "principal": "u",
}
ARTIFACT = Artifact(key="k", sha256="s", size_bytes=1, target="t", wasmtime_version="50.0.1", engine_config_hash="e")
MESSAGES: list[Message] = [
    PrepareMessage(version_id="v", content_hash="h", component_sha256="c"),
    PrepareMessage(version_id="v", content_hash="h"),
    PreparedMessage(version_id="v", content_hash="h", ok=False, reasons=[Reason(code="component_invalid", detail="d")]),
    PreparedMessage(version_id="v", content_hash="h", ok=True, imports=["a"], exports=["b"], artifact=ARTIFACT),
    ExecutionAccepted(at="2026-06-01T00:00:00+00:00", **WHO),
    ExecutionFinished(accepted_at="a", at="b", status=200, usage=Usage(duration_ms=1.5), response_bytes=3, **WHO),
    ExecutionFinished(accepted_at="a", at="b", status=504, attempts=3, breaker=BreakerState.OPEN, **WHO),
]


@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_reads_back_from_bytes_and_text(message: Message) -> None:
    body = encode_message(message)

    assert decode_message(body) == message
    assert decode_message(body.decode()) == message


@pytest.mark.parametrize("message", MESSAGES)
def test_a_field_that_only_a_newer_sender_knows_is_ignored(message: Message) -> None:
    newer = {**json.loads(encode_message(message)), "new_field": {"a": [1]}}

    assert decode_message(json.dumps(newer)) == message


@pytest.mark.parametrize(
    "body",
    [
        "",
        "x",
        "[]",
        "{}",
        '{"type":"other"}',
        '{"type":1}',
        '{"type":"prepare"}',
        '{"type":"prepare","version_id":1}',
        '{"type":"prepare","x":' + "[" * 50_000,
        "\ud800",
        b"\xff",
        b'{"type":"prepare","version_id":"\xff","content_hash":""}',
    ],
)
def test_what_is_no_message_is_refused(body: str | bytes) -> None:
    assert code_of(lambda: decode_message(body)) == "invalid_request"


@given(st.binary(max_size=100))
def test_any_bytes_are_refused_in_our_words(body: bytes) -> None:
    assert code_of(lambda: decode_message(body)) == "invalid_request"


def test_a_refused_message_is_not_tried_again() -> None:
    from alga_ext.errors import PlatformError

    with pytest.raises(PlatformError) as caught:
        decode_message("{}")
    assert not caught.value.retryable


SQS_CHARACTERS = re.compile("[\\x09\\x0a\\x0d\\x20-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]*")
"""What a message may contain (``SendMessage`` in the Amazon SQS API reference)."""


@given(st.text(st.characters(exclude_categories=["Cs"])))
@example("\ufffe\uffff")
@example("\0\x1f\x7f\x9f\u2028")
@example("\U0001f600\U0010ffff")
@example('"\\\\u00e4')
def test_any_text_is_sent_in_characters_that_sqs_takes(text: str) -> None:
    message = ExecutionAccepted(at="2026-06-01T00:00:00+00:00", **{**WHO, "principal": text, "path": text})
    body = encode_message(message)

    assert body.isascii()
    assert SQS_CHARACTERS.fullmatch(body.decode())
    assert decode_message(body) == message
    assert json.loads(body)["principal"] == text


def test_a_finished_record_of_an_older_gateway_was_sent_once_past_a_closed_breaker() -> None:
    older = {"type": "execution.finished", "accepted_at": "a", "at": "b", "status": 200, **WHO}

    message = decode_message(json.dumps(older))

    assert isinstance(message, ExecutionFinished)
    assert (message.attempts, message.breaker) == (1, BreakerState.CLOSED)
