"""Queues and event sources of the topology against their senders, their consumers and SQS's limits."""

import pytest

from alga_ext.calls.deliveries import DELIVERY_TIMEOUT_LIMIT_MS
from functions.gateway.attempts import RUNNER_MARGIN_S
from functions.gateway.deliveries.claims import LEASE_S
from functions.gateway.deliveries.delivering import ANSWER_BY_S
from functions.runner.settings import RunnerSettings
from topology.access import ACCESS
from topology.functions import FUNCTIONS
from topology.queues import EVENT_SOURCES, QUEUES, EventSource, Queue

FUNCTION = {function.name: function for function in FUNCTIONS}
QUEUE = {queue.name: queue for queue in QUEUES}
each_queue = pytest.mark.parametrize("queue", QUEUES, ids=lambda queue: queue.name)
each_source = pytest.mark.parametrize("source", EVENT_SOURCES, ids=lambda source: source.queue)


def test_every_queue_has_a_dead_letter_queue_of_its_own() -> None:
    names = [name for queue in QUEUES for name in (queue.name, queue.dead_letter_queue)]

    assert len(set(names)) == 2 * len(QUEUES)


@each_queue
def test_dead_letters_outlive_the_queue_they_come_from(queue: Queue) -> None:
    assert queue.retention_s < queue.dead_letter_retention_s <= 14 * 86_400


@each_queue
def test_a_message_is_tried_again_before_it_is_set_aside(queue: Queue) -> None:
    assert 2 <= queue.max_receive_count <= 1000


@each_queue
def test_a_message_can_be_received_as_often_as_it_may_before_it_is_too_old(queue: Queue) -> None:
    assert queue.visibility_timeout_s * queue.max_receive_count < queue.retention_s


@each_queue
def test_a_queue_has_one_consumer(queue: Queue) -> None:
    assert [source.queue for source in EVENT_SOURCES].count(queue.name) == 1


@each_queue
def test_a_queue_has_a_sender_and_every_sender_is_given_its_url(queue: Queue) -> None:
    senders = {access.function for access in ACCESS if queue.name in access.sends_to}

    assert senders
    assert senders == {function.name for function in FUNCTIONS if queue.url_name in function.required}


@each_source
def test_an_event_source_names_a_queue_and_a_function(source: EventSource) -> None:
    assert source.queue in QUEUE
    assert source.function in FUNCTION


@each_source
def test_a_message_stays_hidden_for_six_times_the_timeout_of_its_consumer(source: EventSource) -> None:
    assert QUEUE[source.queue].visibility_timeout_s >= 6 * FUNCTION[source.function].timeout_s + source.batch_window_s


@each_source
def test_no_consumer_but_the_dispatcher_sends_to_its_own_queue(source: EventSource) -> None:
    """A delivery that ends gives its slot to another one, so the dispatcher's loop ends when none waits."""
    sends_to = next(access.sends_to for access in ACCESS if access.function == source.function)

    assert (source.queue in sends_to) == (source.function == "dispatcher")


@each_source
def test_a_function_that_sets_visibility_may(source: EventSource) -> None:
    hides = next(access.hides for access in ACCESS if access.function == source.function)

    assert hides == ((source.queue,) if source.sets_visibility else ())


def test_a_lease_outlasts_its_dispatcher_and_ends_before_the_message_comes_back() -> None:
    assert FUNCTION["dispatcher"].timeout_s < LEASE_S < QUEUE["deliveries"].visibility_timeout_s


def test_dispatcher_and_runner_outlast_the_longest_delivery() -> None:
    assert DELIVERY_TIMEOUT_LIMIT_MS / 1_000 + RUNNER_MARGIN_S == ANSWER_BY_S
    assert FUNCTION["dispatcher"].timeout_s >= ANSWER_BY_S + 6  # two transactions of 3 s at most
    assert RunnerSettings.fields()["max_timeout_ms"].default == DELIVERY_TIMEOUT_LIMIT_MS
    assert FUNCTION["runner"].timeout_s > DELIVERY_TIMEOUT_LIMIT_MS / 1_000


@each_source
def test_failures_are_reported_message_by_message(source: EventSource) -> None:
    assert source.report_batch_item_failures


@each_source
def test_batches_are_within_the_limits_of_event_source_mappings(source: EventSource) -> None:
    largest_without_a_window = 10

    assert 1 <= source.batch_size <= (10_000 if source.batch_window_s else largest_without_a_window)
    assert 0 <= source.batch_window_s <= 300
    assert 2 <= source.maximum_concurrency <= 1000


@pytest.mark.parametrize("queue", ["prepare", "prepared"])
def test_one_publishers_version_is_not_handled_in_a_batch_with_anothers(queue: str) -> None:
    """A batch is handled in order, so a version that takes long would delay those after it."""
    (source,) = (source for source in EVENT_SOURCES if source.queue == queue)

    assert source.batch_size == 1
