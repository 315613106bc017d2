"""Event source mappings: done messages are deleted, failed ones tried again, and after five receives set aside."""

import json
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from tests.support.servers import Loop
from tools.local.cloud import Cloud, aws_client, make_cloud
from tools.local.function_processes import Functions
from tools.local.lambda_types import FunctionSpec
from tools.local.moto_server import MotoServer
from tools.local.queues import QueuePollers
from tools.local.state import ROOT
from topology.queues import EXECUTIONS, QUEUES, EventSource, Queue

PATIENCE_S = 30


@pytest.fixture(scope="module")
def cloud(server_loop: Loop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    folder = tmp_path_factory.mktemp("queues")
    moto = MotoServer(ROOT, folder / "moto.log")
    server_loop.run(moto.start())
    cloud = make_cloud(moto.url)
    functions = Functions(
        [
            FunctionSpec("batch", "tests.support.small_functions.batch", 5),
            FunctionSpec("refuse", "tests.support.small_functions.refuse", 5),
        ],
        folder / "logs",
        folder / "tmp",
    )

    async def start() -> QueuePollers:
        sources = (
            EventSource("executions", "batch"),
            EventSource("prepared", "refuse"),
            EventSource("prepare", "refuse", sets_visibility=True),
        )
        pollers = QueuePollers(functions, cloud, sources)
        pollers.start()
        return pollers

    pollers = server_loop.run(start())
    yield cloud
    server_loop.run(moto.stop())
    server_loop.run(pollers.close())
    server_loop.run(functions.close())


@pytest.fixture
def sqs(cloud: Cloud) -> Iterator[Any]:
    with closing(aws_client("sqs", cloud.endpoint_url)) as client:
        yield client


def test_only_the_failed_message_of_a_batch_comes_back_and_ends_in_the_dead_letters(cloud: Cloud, sqs: Any) -> None:
    bodies = [{"n": n, "fail": n == 2} for n in range(5)]
    entries = [{"Id": str(n), "MessageBody": json.dumps(body)} for n, body in enumerate(bodies)]
    sqs.send_message_batch(QueueUrl=cloud.queue_urls["executions"], Entries=entries)

    dead = wait_for_message(sqs, cloud.queue_urls["executions-dlq"])

    assert json.loads(dead["Body"]) == {"n": 2, "fail": True}
    assert int(dead["Attributes"]["ApproximateReceiveCount"]) >= EXECUTIONS.max_receive_count
    assert depth(sqs, cloud.queue_urls["executions"]) == 0


def test_a_batch_whose_function_fails_ends_whole_in_the_dead_letters(cloud: Cloud, sqs: Any) -> None:
    for n in range(2):
        sqs.send_message(QueueUrl=cloud.queue_urls["prepared"], MessageBody=str(n))

    dead = {wait_for_message(sqs, cloud.queue_urls["prepared-dlq"])["Body"] for _ in range(2)}

    assert dead == {"0", "1"}
    assert depth(sqs, cloud.queue_urls["prepared"]) == 0


def test_a_message_whose_function_sets_visibility_itself_is_left_as_it_is(cloud: Cloud, sqs: Any) -> None:
    sqs.send_message(QueueUrl=cloud.queue_urls["prepare"], MessageBody="left")
    sqs.send_message(QueueUrl=cloud.queue_urls["prepared"], MessageBody="repeated")

    assert wait_for_message(sqs, cloud.queue_urls["prepared-dlq"])["Body"] == "repeated"  # after as many tries

    assert depth(sqs, cloud.queue_urls["prepare-dlq"]) == 0
    assert depth(sqs, cloud.queue_urls["prepare"]) == 1


@pytest.mark.parametrize("queue", QUEUES, ids=lambda queue: queue.name)
def test_a_queue_is_made_as_the_topology_says(cloud: Cloud, sqs: Any, queue: Queue) -> None:
    made, dead = (
        sqs.get_queue_attributes(QueueUrl=cloud.queue_urls[name], AttributeNames=["All"])["Attributes"]
        for name in (queue.name, queue.dead_letter_queue)
    )

    assert int(made["VisibilityTimeout"]) == queue.visibility_timeout_s
    assert int(made["MessageRetentionPeriod"]) == queue.retention_s
    assert int(dead["MessageRetentionPeriod"]) == queue.dead_letter_retention_s
    redrive = json.loads(made["RedrivePolicy"])
    assert redrive["deadLetterTargetArn"] == dead["QueueArn"]
    assert int(redrive["maxReceiveCount"]) == queue.max_receive_count


def wait_for_message(sqs: Any, url: str) -> dict[str, Any]:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        answer = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1, MessageSystemAttributeNames=["All"])
        if answer.get("Messages"):
            return dict(answer["Messages"][0])
    pytest.fail("nothing came to the dead letters")


def depth(sqs: Any, url: str) -> int:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return sum(int(answer[name]) for name in names)
