"""The SQS queues with their dead-letter queues, and the event sources that hand messages to functions."""

from dataclasses import dataclass
from typing import Final

_DAY_S: Final = 86_400


@dataclass(frozen=True, slots=True)
class Queue:
    """One standard queue and its dead-letter queue.

    Attributes:
        name: unique in a deployment; a deployment may add its own prefix.
        dead_letter_queue: name of the queue that takes messages which failed too often.
        url_name: environment name under which a sender is given the queue's URL.
        visibility_timeout_s: how long a received message stays hidden. AWS advises six times the timeout of the
            consuming function, so that a message is not delivered again while Lambda still retries to start it.
        max_receive_count: receives after which a message moves to the dead-letter queue.
        retention_s: how long an unread message is kept.
        dead_letter_retention_s: the same for the dead-letter queue. SQS counts it from the first sending, so it must
            be longer than ``retention_s``.
    """

    name: str
    dead_letter_queue: str
    url_name: str
    visibility_timeout_s: int
    max_receive_count: int = 5
    retention_s: int = 4 * _DAY_S
    dead_letter_retention_s: int = 14 * _DAY_S


@dataclass(frozen=True, slots=True)
class EventSource:
    """Delivers the messages of one queue to one function.

    Attributes:
        queue: name of the queue.
        function: name of the function.
        batch_size: the maximum number of messages in one invocation.
        batch_window_s: how long to wait for a batch to fill.
        report_batch_item_failures: the function returns which messages failed, and only those are delivered again.
        sets_visibility: the function itself decides when a failed message comes again. Where it has not, the message
            stays hidden for the queue's visibility timeout.
        maximum_concurrency: the maximum number of invocations at the same time. It limits the database connections and
            compilations that many messages can cause. No load test has confirmed the value yet.
    """

    queue: str
    function: str
    batch_size: int = 10
    batch_window_s: int = 0
    report_batch_item_failures: bool = True
    maximum_concurrency: int = 10
    sets_visibility: bool = False


PREPARE: Final = Queue("prepare", "prepare-dlq", "PREPARE_QUEUE_URL", visibility_timeout_s=1800)
PREPARED: Final = Queue("prepared", "prepared-dlq", "PREPARED_QUEUE_URL", visibility_timeout_s=360)
EXECUTIONS: Final = Queue("executions", "executions-dlq", "EXECUTIONS_QUEUE_URL", visibility_timeout_s=190)
EVENTS: Final = Queue("events", "events-dlq", "EVENTS_QUEUE_URL", visibility_timeout_s=360)
# A message comes again for each retry of its delivery. So only one that can never be handled has 50 receives.
DELIVERIES: Final = Queue(
    "deliveries", "deliveries-dlq", "DELIVERIES_QUEUE_URL", visibility_timeout_s=420, max_receive_count=50
)

QUEUES: Final = (PREPARE, PREPARED, EXECUTIONS, EVENTS, DELIVERIES)

EVENT_SOURCES: Final = (
    EventSource("prepare", "prepare", batch_size=1),  # one compilation takes a core for seconds
    EventSource("prepared", "assets", batch_size=1),  # so that one publisher's UI delays no other publisher
    # A tenant's calls of a batch cost the recorder little more than one. A record comes up to a second later for it.
    EventSource("executions", "recorder", batch_size=250, batch_window_s=1),
    EventSource("events", "fanout"),
    # One invocation lasts as long as the slowest of its deliveries, 60 s at most. docs/reference/deliveries.md says
    # what this number means when extensions hang.
    EventSource("deliveries", "dispatcher", maximum_concurrency=20, sets_visibility=True),
)
