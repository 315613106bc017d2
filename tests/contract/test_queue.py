"""Messages reach the queue acknowledged, or the sender hears that they did not."""

import os
import uuid

import boto3
import pytest

from alga_ext.calls.messages import PrepareMessage, decode_message, encode_message
from alga_ext.stores.aws_api import AwsApi
from alga_ext.stores.aws_calls import SqsQueue
from tests.support.answering import Reply, answering
from tests.support.refusals import code_of

MESSAGE = PrepareMessage(version_id="v", content_hash="sha256:ü\U0001f600")


@pytest.fixture
def queue_url(aws: str) -> str:
    return str(boto3.client("sqs").create_queue(QueueName=f"q-{uuid.uuid4().hex[:8]}")["QueueUrl"])


def test_a_message_is_in_the_queue_when_sending_returns(queue_url: str) -> None:
    SqsQueue(queue_url, AwsApi(os.environ)).send(encode_message(MESSAGE), group="acme")

    (received,) = boto3.client("sqs").receive_message(QueueUrl=queue_url)["Messages"]
    assert decode_message(received["Body"]) == MESSAGE


@pytest.mark.parametrize(
    "reply",
    [Reply(500), Reply(403, b"{}"), Reply(body=None), Reply(200, b"<html>")],
    ids=["fails", "denies", "hangs-up", "is-no-queue"],
)
def test_a_message_that_is_not_acknowledged_is_an_error(
    reply: Reply, aws: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with answering(lambda _: reply) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        queue = SqsQueue(f"{server.url}/123456789012/q", AwsApi(os.environ))

        assert code_of(lambda: queue.send(encode_message(MESSAGE), group="acme")) == "queue_unavailable"


def test_a_queue_that_is_not_there_is_an_error(queue_url: str) -> None:
    assert (
        code_of(lambda: SqsQueue(f"{queue_url}-gone", AwsApi(os.environ)).send(b"{}", group="acme"))
        == "queue_unavailable"
    )
