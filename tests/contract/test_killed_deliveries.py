"""A dispatcher that is killed between any two of its steps: nothing is lost, and nothing comes under two ids."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest

from alga_ext.calls.messages import ExecutionAccepted, ExecutionFinished
from alga_ext.stores.aws_api import AwsApi
from alga_ext.stores.aws_calls import SqsQueue
from alga_ext.stores.database import Database
from functions.registry.deliveries.recovering import recover
from tests.conftest import Databases, fresh_databases
from tests.support.dispatcher import Dispatching, dispatching
from tests.support.places import ROOT

SAMPLE = (1, 5, 7, 11, 13, 16, 18)
"""Before the claim; in it; after its commit; before and after the runner; in the transaction of the end; after it."""
LONGER_THAN_ANY = 40


class Ended(NamedTuple):
    """What was left after a batch that died at a step, and everything that repairs it."""

    died: bool
    rows: list[dict[str, Any]]
    calls: list[str]
    records: list[Any]


@pytest.fixture(scope="module")
def shared(postgres_server: str, template_database: str) -> Iterator[Databases]:
    with fresh_databases(postgres_server, template_database) as made:
        yield made


@contextmanager
def dying(environment: dict[str, str]) -> Iterator[Any]:
    """Another process of the dispatcher, as a function of records and the step at which it dies."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.dying_dispatcher"],
        cwd=ROOT,
        env={**environment, "LOG_LEVEL": "CRITICAL"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def batch(records: list[dict[str, Any]], step: int) -> list[str] | None:
        assert process.stdin is not None
        assert process.stdout is not None
        print(json.dumps({"step": step, "records": records}), file=process.stdin, flush=True)
        again: list[str] | None = json.loads(process.stdout.readline())
        return again

    yield batch
    process.communicate()


def told(shared: Databases, step: int, answers: dict[str, Any]) -> Ended:
    """Deliver five events of an install; the first message dies at a step. Then time passes, and the tick runs."""
    with dispatching(shared) as made:
        made.change("delete from app.extension_delivery")
        made.answers(answers)
        install = made.install()
        deliveries = [made.event(install) for _ in range(5)]
        records = [message(one) for one in made.queue()]
        assert [one["messageId"] for one in records] == deliveries[:4]  # the fifth gets its message from the dispatcher
        with dying(made.environment) as batch:
            died = batch(records[:1], step) is None
        made.answers({})
        registry = Database(shared.registry)
        try:
            for _ in range(5):
                if all(made.state(one) == "delivered" for one in deliveries):
                    break
                pass_time(made)
                for received in [*records, *made.received()]:
                    made.batch(received)
                recover(registry, queue_of(made), queue_of(made), datetime.now(UTC) + timedelta(minutes=1))
        finally:
            registry.close()
        rows = made.sql("select delivery_id, state, tries, execution_ids from app.extension_delivery")
        ids = [str(call.http.headers["idempotency-key"]) for call in made.calls]
        return Ended(died, rows, ids, made.sent("executions"))


def message(delivery_id: str) -> dict[str, Any]:
    body = json.dumps({"type": "delivery.queued", "tenant_id": "acme", "delivery_id": delivery_id})
    return {"messageId": delivery_id, "body": body, "receiptHandle": "none"}


def pass_time(made: Dispatching) -> None:
    """Let every lease, wait and recheck of the rows end."""
    made.change(
        "update app.extension_delivery set lease_until = lease_until - interval '1 hour', "
        "next_attempt_at = next_attempt_at - interval '1 hour', recheck_at = recheck_at - interval '1 hour'"
    )


def queue_of(made: Dispatching) -> SqsQueue:
    return SqsQueue(made.urls["deliveries"], AwsApi(made.environment))


def check(ended: Ended) -> None:
    """Assert what holds wherever the dispatcher died."""
    assert {row["state"] for row in ended.rows} == {"delivered"}
    wanted = {str(row["delivery_id"]) for row in ended.rows}
    assert len(wanted) == 5
    assert set(ended.calls) == wanted  # none is lost, and none came under another id
    finished = [one.execution_id for one in ended.records if isinstance(one, ExecutionFinished)]
    accepted = {one.execution_id for one in ended.records if isinstance(one, ExecutionAccepted)}
    noted = [str(one) for row in ended.rows for one in row["execution_ids"]]
    assert len(finished) == len(set(finished))  # each counts once
    assert len(noted) == len(set(noted))
    assert accepted <= set(noted)
    assert all(row["tries"] == len(row["execution_ids"]) for row in ended.rows)


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize("step", SAMPLE)
def test_a_dispatcher_that_is_killed_loses_nothing(shared: Databases, step: int) -> None:
    ended = told(shared, step, {})

    assert ended.died
    check(ended)


@pytest.mark.kills
@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize("answers", [{}, {"status": 503}], ids=["delivered", "retrying"])
def test_a_dispatcher_that_is_killed_at_any_step_loses_nothing(shared: Databases, answers: dict[str, Any]) -> None:
    for step in range(1, LONGER_THAN_ANY):
        ended = told(shared, step, answers)
        check(ended)
        if not ended.died:
            break

    assert not ended.died
    assert step > max(SAMPLE)
