"""SQS event source mappings: poll a queue, pass batches to a function, delete exactly the messages that it completed.

The function answers `{"batchItemFailures": [{"itemIdentifier": messageId}]}` (ReportBatchItemFailures). An empty or
absent list means that all messages are done. A function error, or an identifier that is not in the batch, means that
none is. Failed messages become visible again and, after the queue's `max_receive_count` receives, go to the dead-letter
queue.

Differences from AWS: there a failed message waits for the queue's visibility timeout; here it waits `RETRY_AFTER_S`, so
that a developer sees the retries, unless the function sets visibility itself (`sets_visibility`). A batch does not wait
to fill (`batch_window_s`). One machine can run fewer batches at the same time than `maximum_concurrency`.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType
from typing import Any

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from tools.local.cloud import Cloud, aws_client
from tools.local.function_processes import Functions
from tools.local.lambda_types import ACCOUNT_ID, Outcome
from topology.queues import EventSource

LOG = logging.getLogger(__name__)
WAIT_S = 10
RECEIVED_AT_ONCE_MAX = 10  # SQS's limit; a larger batch needs several receives, and here several invocations
RETRY_AFTER_S = 1
PAUSE_WHEN_UNREACHABLE_S = 0.5


class QueuePollers:
    """All event sources of one platform. The blocking client has threads of its own.

    Args:
        functions: the functions that consume messages.
        cloud: the queues' URLs.
        sources: which function consumes which queue.
        in_flight: how many batches of a queue may be in flight, by the queue's name; by default one.
        watch: is given the queue's name and the body of each message that a function has completed.
    """

    def __init__(
        self,
        functions: Functions,
        cloud: Cloud,
        sources: tuple[EventSource, ...],
        in_flight: Mapping[str, int] = MappingProxyType({}),
        watch: Callable[[str, str], None] = lambda _queue, _body: None,
    ) -> None:
        self._watch = watch
        self._functions = functions
        self._cloud = cloud
        self._sources = sources
        self._free = {source.queue: asyncio.Semaphore(in_flight.get(source.queue, 1)) for source in sources}
        # One waits for messages of each source, and others delete what is done.
        self._threads = ThreadPoolExecutor(2 * max(len(sources), 1), "queue")
        self._sqs = aws_client("sqs", cloud.endpoint_url, read_timeout_s=WAIT_S + 5)
        self._tasks: list[asyncio.Task[None]] = []
        self._batches: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Begin polling."""
        self._tasks = [asyncio.create_task(self._poll(source)) for source in self._sources]

    async def close(self) -> None:
        """Stop polling. It waits for running polls, so end the queue service at the same time to be fast."""
        tasks = [*self._tasks, *self._batches]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.to_thread(self._threads.shutdown, wait=True, cancel_futures=True)
        self._sqs.close()

    async def _poll(self, source: EventSource) -> None:
        unreachable = False
        free = self._free[source.queue]
        while True:
            await free.acquire()
            batch = None
            try:
                messages = await self._call(
                    "receive_message",
                    source,
                    MaxNumberOfMessages=min(source.batch_size, RECEIVED_AT_ONCE_MAX),
                    WaitTimeSeconds=WAIT_S,
                    MessageSystemAttributeNames=["All"],
                    MessageAttributeNames=["All"],
                )
                if messages.get("Messages"):
                    batch = asyncio.create_task(self._process(source, messages["Messages"]))
                    self._batches.add(batch)
                    batch.add_done_callback(self._batches.discard)
                    batch.add_done_callback(lambda _: free.release())
                unreachable = False
            except (BotoCoreError, ClientError) as error:
                if not unreachable:
                    LOG.warning("queue %s cannot be reached, trying again: %s", source.queue, error)
                unreachable = True
                await asyncio.sleep(PAUSE_WHEN_UNREACHABLE_S)
            finally:
                if batch is None:
                    free.release()

    async def _process(self, source: EventSource, messages: list[dict[str, Any]]) -> None:
        records = [_record(message, source.queue) for message in messages]
        outcome = await self._functions.invoke(source.function, msgspec.json.encode({"Records": records}))
        failed = failed_ids(outcome, {message["MessageId"] for message in messages})
        if failed and not source.sets_visibility:  # where it does, a failed message is an ordinary retry
            LOG.warning("%s failed on %s of %s messages", source.function, len(failed), len(messages))
        done = [message for message in messages if message["MessageId"] not in failed]
        for message in done:
            self._watch(source.queue, message["Body"])
        again = [message for message in messages if message["MessageId"] in failed]
        try:
            if done:
                entries = [{"Id": str(n), "ReceiptHandle": m["ReceiptHandle"]} for n, m in enumerate(done)]
                await self._call("delete_message_batch", source, Entries=entries)
            if again and not source.sets_visibility:
                entries = [
                    {"Id": str(n), "ReceiptHandle": m["ReceiptHandle"], "VisibilityTimeout": RETRY_AFTER_S}
                    for n, m in enumerate(again)
                ]
                await self._call("change_message_visibility_batch", source, Entries=entries)
        except (BotoCoreError, ClientError) as error:
            LOG.warning("queue %s cannot be reached; its messages come again later: %s", source.queue, error)

    async def _call(self, operation: str, source: EventSource, **arguments: Any) -> dict[str, Any]:
        arguments["QueueUrl"] = self._cloud.queue_urls[source.queue]
        call = getattr(self._sqs, operation)
        answer: dict[str, Any] = await asyncio.get_running_loop().run_in_executor(
            self._threads, lambda: call(**arguments)
        )
        return answer


def failed_ids(outcome: Outcome, sent: set[str]) -> set[str]:
    """Return the ids of the messages that must be delivered again, by the rules of ReportBatchItemFailures."""
    if outcome.error is not None:
        return sent
    try:
        answer = msgspec.json.decode(outcome.payload)
    except msgspec.DecodeError:
        return sent
    failures = (answer or {}).get("batchItemFailures") if isinstance(answer, dict | None) else None
    if not failures:
        return set()
    named = {str(entry.get("itemIdentifier")) if isinstance(entry, dict) else "" for entry in failures}
    return named if sent.issuperset(named) else sent


def _record(message: dict[str, Any], queue: str) -> dict[str, Any]:
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message.get("Attributes", {}),
        "messageAttributes": {},
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:us-east-1:{ACCOUNT_ID}:{queue}",
        "awsRegion": "us-east-1",
    }
