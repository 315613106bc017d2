"""A gateway that is killed at any instant: each accepted call has a record, and no call counts twice.

Real PostgreSQL, a real queue, a real runner server. What reaches the queue is recorded, twice and in another order, and
the sweeper runs when the outcomes are overdue.
"""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest

from alga_ext.calls.envelope import MetricTotal, Usage
from alga_ext.calls.limits import PRODUCT, TENANT_AS_INSTALL
from alga_ext.calls.log_lines import CallLog, KeptLine, pack
from alga_ext.calls.messages import ExecutionAccepted, ExecutionFinished, Message
from alga_ext.stores.database import Database
from functions.registry.records.recording import Recorder
from functions.registry.tenant_sweeping import sweep_tenants
from tests.conftest import Databases
from tests.support.call_door import Door, answer, call_door
from tests.support.dying_gateway import DyingGateway

TENANT = "acme"
ANSWER = answer(
    usage=Usage(duration_ms=3.0, cpu_ms=2.0, egress_bytes=10, log_bytes=5),
    metrics=[MetricTotal(name="orders", unit="Count", count=1, sum=2.0, min=2.0, max=2.0)],
    logs_b64z=pack(CallLog(first=[KeptLine(0, "info", "guest", "hello")])),
)
SAMPLED_EVERY: int = 29
"""Of all steps, ``make test`` takes one of so many; it shares no factor with the steps of one message."""


class Sent(NamedTuple):
    """What became of a call whose gateway was killed at a step, or lived."""

    step: int
    status: int | None
    is_run: bool
    messages: list[Message]

    def has(self, kind: type[Message]) -> bool:
        return any(isinstance(message, kind) for message in self.messages)


@pytest.fixture
def door(databases: Databases, aws: str) -> Iterator[Door]:
    with call_door(databases.gateway) as made:
        made.runner_answers(ANSWER)
        yield made


def killed_at(door: Door, every: int, *, is_keyed: bool) -> list[Sent]:
    """Make calls whose gateway is killed at one of so many steps, until one lives."""
    found: list[Sent] = []
    step = random.Random(every).randint(1, every)
    with DyingGateway(door.environment, "all") as gateway:
        while not found or found[-1].status is None:
            before = len(door.server.asked)
            status = gateway.status(f"key {step}" if is_keyed else None, step)
            found.append(Sent(step, status, len(door.server.asked) > before, door.taken()))
            step += every
    return found


def figures(database: Database) -> dict[str, Any]:
    """Return how often the calls of the tenant stand in each place that counts them, and their outcomes."""
    one = {
        "quotas": "select sum(calls) as n from app.extension_quota_usage "
        f"where install_id = '{TENANT_AS_INSTALL}' and length(period) = 10",
        "metrics": "select sum(value_count) as n from app.extension_metric_total",
        "outcomes": "select sum(calls) as n from app.platform_call_total",
        "extensions": "select sum(calls) as n from app.platform_extension_total",
        "lines": "select count(*) as n from app.extension_execution_lines",
        "bytes of lines / 5": "select sum(text_bytes) / 5 as n from app.extension_log_day",
    }
    with database.tenant(TENANT) as tx:
        rows = tx.rows("select outcome, count(*) as n from app.extension_execution_log group by 1")
        counts = {name: int(tx.one(sql)["n"] or 0) for name, sql in one.items()}
    return {"counts": counts, "records": {row["outcome"]: row["n"] for row in rows}}


def check(door: Door, databases: Databases, every: int, *, is_keyed: bool) -> list[Sent]:
    sent = killed_at(door, every, is_keyed=is_keyed)
    for one in sent:
        assert one.has(ExecutionAccepted) or not one.is_run, f"step {one.step}: a call ran that was not accepted"
        assert one.has(ExecutionAccepted) or not one.has(ExecutionFinished), one.step
    assert (sent[-1].status, len(sent[-1].messages)) == (200, 2)
    accepted = sum(one.has(ExecutionAccepted) for one in sent)
    finished = sum(one.has(ExecutionFinished) for one in sent)

    database = Database(databases.registry)
    messages = [message for one in sent for message in one.messages]
    for _ in range(2):  # a queue delivers a message at least once, in any order
        for place in range(0, len(messages), 10):
            assert Recorder(database, PRODUCT).record(messages[place : place + 10]) == {}
        random.Random(every).shuffle(messages)
    sweep_tenants(database, datetime.now(UTC) + timedelta(minutes=16), timedelta(days=30))
    found = figures(database)
    database.close()

    assert set(found["counts"].values()) == {finished}, found["counts"]
    unknown = {"unknown": accepted - finished} if accepted > finished else {}
    assert found["records"] == {"ok": finished, **unknown}
    return sent


@pytest.mark.parametrize("is_keyed", [False, True], ids=["without a key", "with a key"])
def test_a_gateway_killed_at_some_steps_leaves_a_record_of_each_accepted_call(
    door: Door, databases: Databases, is_keyed: bool
) -> None:
    sent = check(door, databases, SAMPLED_EVERY, is_keyed=is_keyed)
    assert len(sent) >= 8


@pytest.mark.kills
@pytest.mark.parametrize("is_keyed", [False, True], ids=["without a key", "with a key"])
def test_a_gateway_killed_at_any_step_leaves_a_record_of_each_accepted_call(
    door: Door, databases: Databases, is_keyed: bool
) -> None:
    sent = check(door, databases, 1, is_keyed=is_keyed)
    kinds = {(one.has(ExecutionAccepted), one.is_run, one.has(ExecutionFinished)) for one in sent}
    assert kinds == {(False, False, False), (True, False, False), (True, True, False), (True, True, True)}
