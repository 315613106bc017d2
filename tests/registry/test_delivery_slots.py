"""``app.queue_deliveries``: at most 4 deliveries of an install and 16 of a tenant are in flight, always."""

import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alga_ext.stores import delivery_slots
from alga_ext.stores.database import Database
from functions.gateway.deliveries import claims
from functions.gateway.deliveries.outcomes import INSTALL_SLOTS, TENANT_SLOTS, Ending, Step, Tried
from tests.conftest import Databases, fresh_databases
from tests.support.delivery_rows import backlog, installs, new_tenant

FAILED = Tried(503, None, "", None, is_recorded=True)
IN_FLIGHT = """
select install_id::text as install, count(*) as n from app.extension_delivery
where tenant_id = :t and state in ('queued', 'running') group by install_id
"""


@pytest.fixture(scope="module")
def shared(postgres_server: str, template_database: str) -> Iterator[Databases]:
    with fresh_databases(postgres_server, template_database) as made:
        yield made


class Tenant:
    """A tenant of its own with installs and deliveries that wait."""

    def __init__(self, shared: Databases, waiting: list[int]) -> None:
        self.id = new_tenant()
        self.owner = Database(shared.owner)
        self.gateway = Database(shared.gateway)
        self.installs = installs(self.owner, self.id, len(waiting))
        for install, count in zip(self.installs, waiting, strict=True):
            backlog(self.owner, self.id, install, count)

    def close(self) -> None:
        self.owner.close()
        self.gateway.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def queue(self) -> list[str]:
        with self.gateway.tenant(self.id) as tx:
            return [one.delivery_id for one in delivery_slots.give(tx, self.id)]

    def in_flight(self) -> dict[str, int]:
        return {row["install"]: row["n"] for row in self.sql(IN_FLIGHT, t=self.id)}

    def sql(self, statement: str, **values: Any) -> list[dict[str, Any]]:
        with self.owner.tenant(self.id) as tx:
            return tx.rows(statement, **values)

    def change(self, statement: str, **values: Any) -> None:
        with self.owner.tenant(self.id) as tx:
            tx.execute(statement, **values)

    def install_of(self, delivery_ids: list[str]) -> list[str]:
        found = self.sql("select delivery_id::text as d, install_id::text as i from app.extension_delivery")
        by_delivery = {row["d"]: row["i"] for row in found}
        return [by_delivery[one] for one in delivery_ids]


def test_an_install_gets_four_slots_and_a_tenant_sixteen(shared: Databases) -> None:
    with Tenant(shared, [20] * 6) as tenant:
        assert len(tenant.queue()) == TENANT_SLOTS
        assert max(tenant.in_flight().values()) <= INSTALL_SLOTS
        assert tenant.queue() == []


def test_every_install_gets_its_first_slot_before_any_gets_its_second(shared: Databases) -> None:
    """The first one's backlog is older than everything of the others."""
    with Tenant(shared, [50, 5, 5, 5]) as tenant:
        order = tenant.install_of(tenant.queue())

        assert set(order[:4]) == set(order[4:8]) == set(tenant.installs)
        assert Counter(order) == dict.fromkeys(tenant.installs, 4)


def test_with_more_installs_than_slots_none_gets_a_second_one(shared: Databases) -> None:
    with Tenant(shared, [3] * 20) as tenant:
        order = tenant.install_of(tenant.queue())

        assert (len(order), len(set(order))) == (16, 16)


def test_an_install_that_holds_slots_comes_after_one_that_holds_none(shared: Databases) -> None:
    with Tenant(shared, [4, 0]) as tenant:
        tenant.queue()
        backlog(tenant.owner, tenant.id, tenant.installs[0], 3)
        (late,) = backlog(tenant.owner, tenant.id, tenant.installs[1], 1)

        assert tenant.queue() == [late]


def test_of_one_install_the_oldest_delivery_comes_first(shared: Databases) -> None:
    with Tenant(shared, [0]) as tenant:
        made = backlog(tenant.owner, tenant.id, tenant.installs[0], 6)

        assert tenant.queue() == made[:4]


def test_a_paused_install_gets_no_slot(shared: Databases) -> None:
    with Tenant(shared, [5, 5]) as tenant:
        paused, other = tenant.installs
        statement = (
            "update app.tenant_extension_install set deliveries_paused_at = now() where install_id = cast(:i as uuid)"
        )
        tenant.change(statement, i=paused)

        assert set(tenant.install_of(tenant.queue())) == {other}


def test_an_install_with_many_retries_gets_no_new_delivery_until_some_have_ended(shared: Databases) -> None:
    with Tenant(shared, [36, 1]) as tenant:
        failing, other = tenant.installs
        tenant.change(
            "update app.extension_delivery set state = 'retrying', next_attempt_at = now() + interval '1 hour' "
            "where delivery_id in (select delivery_id from app.extension_delivery where install_id = cast(:i as uuid) "
            "order by created_at limit 32)",
            i=failing,
        )
        assert set(tenant.install_of(tenant.queue())) == {other}

        tenant.change(
            "update app.extension_delivery set state = 'dead', ended_at = now() where delivery_id = "
            "(select delivery_id from app.extension_delivery where state = 'retrying' limit 1)"
        )

        assert len(tenant.queue()) == INSTALL_SLOTS


DELAY = "update app.extension_delivery set delay_s = 30, created_at = now() - make_interval(secs => :ago_s)"


@pytest.mark.parametrize(("ago_s", "given"), [(0, 0), (29, 0), (31, 1)])
def test_a_delayed_run_gets_a_slot_when_its_delay_is_over(shared: Databases, ago_s: int, given: int) -> None:
    with Tenant(shared, [1]) as tenant:
        tenant.change(DELAY, ago_s=ago_s)

        assert len(tenant.queue()) == given


def test_delayed_runs_take_no_slot_from_what_may_run_now(shared: Databases) -> None:
    with Tenant(shared, [5, 5]) as tenant:
        delayed, other = tenant.installs
        tenant.change(DELAY + " where install_id = cast(:i as uuid)", ago_s=0, i=delayed)

        assert tenant.install_of(tenant.queue()) == [other] * INSTALL_SLOTS


def test_a_message_of_a_run_that_has_no_slot_takes_one_and_wakes_what_waits_besides(shared: Databases) -> None:
    with Tenant(shared, [1, 2]) as tenant:
        (run,) = [one for one in waiting_in(tenant) if tenant.install_of([one]) == tenant.installs[:1]]

        claim = claims.claim(tenant.gateway, tenant.id, run, str(uuid.uuid4()), enabled=True)

        assert claim.step is Step.RUN
        assert tenant.install_of([one.delivery_id for one in claim.queued]) == [tenant.installs[1]] * 2
        assert sum(tenant.in_flight().values()) == 3


@pytest.mark.parametrize("hindrance", ["no slot is free", "paused", "switched off"])
def test_a_message_of_a_run_that_gets_no_slot_leaves_it_waiting(shared: Databases, hindrance: str) -> None:
    with Tenant(shared, [INSTALL_SLOTS + 1]) as tenant:
        if hindrance == "no slot is free":
            tenant.queue()
        if hindrance == "paused":
            tenant.change("update app.tenant_extension_install set deliveries_paused_at = now()")
        (run,) = waiting_in(tenant)[-1:]

        claim = claims.claim(tenant.gateway, tenant.id, run, str(uuid.uuid4()), enabled=hindrance != "switched off")

        assert (claim.step, claim.queued) == (Step.DROP, ())
        assert run in waiting_in(tenant)


def waiting_in(tenant: Tenant) -> list[str]:
    """Return the deliveries of a tenant that have no slot, the oldest first."""
    rows = tenant.sql(
        "select delivery_id::text as d from app.extension_delivery where state = 'pending' order by created_at"
    )
    return [row["d"] for row in rows]


def test_one_tenant_does_not_count_toward_another(shared: Databases) -> None:
    with Tenant(shared, [20] * 5) as one, Tenant(shared, [1]) as other:
        one.queue()

        assert len(other.queue()) == 1


def test_ten_thousand_waiting_deliveries_cost_no_more_than_a_hundred(shared: Databases) -> None:
    """Counted in pages that the server reads, not in time."""
    pages = {}
    for count in (100, 10_000):
        with Tenant(shared, [count, 10]) as tenant:
            tenant.sql("select 1")
            with tenant.owner.system() as tx:
                tx.execute("analyze app.extension_delivery")
            (plan,) = tenant.sql("explain (analyze, buffers, format json) " + GIVEN, t=tenant.id)
            pages[count] = plan["QUERY PLAN"][0]["Plan"]["Shared Hit Blocks"]

    assert pages[10_000] <= pages[100] * 2 + 50, pages


GIVEN = "select * from app.queue_deliveries(:t)"


@settings(
    deadline=None, max_examples=8, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(
    waiting=st.lists(st.integers(0, 12), min_size=1, max_size=7),
    ends=st.lists(st.sampled_from(["delivered", "retrying", "dead", "again"]), min_size=1, max_size=12),
    workers=st.integers(2, 4),
)
def test_the_slots_hold_however_claims_and_ends_interleave(
    shared: Databases, waiting: list[int], ends: list[str], workers: int
) -> None:
    """Workers claim and end deliveries at once, with retries that come back; a watcher counts all the time."""
    with Tenant(shared, waiting) as tenant:
        ready = tenant.queue()
        lock, seen, most, claimed = threading.Lock(), [0], Counter[str](), Counter[tuple[str, int]]()
        finished = threading.Event()

        def watch() -> None:
            watcher = Database(shared.owner)
            while not finished.is_set():
                with watcher.tenant(tenant.id) as tx:
                    rows = tx.rows(IN_FLIGHT, t=tenant.id)
                seen[0] = max(seen[0], sum(row["n"] for row in rows))
                for row in rows:
                    most[row["install"]] = max(most[row["install"]], row["n"])
                time.sleep(0.001)
            watcher.close()

        def work(number: int) -> None:
            database = Database(shared.gateway)
            for turn in range(15):
                with lock:
                    if not ready:
                        continue
                    delivery_id = ready[0] if ends[turn % len(ends)] == "again" else ready.pop(0)
                execution_id = str(uuid.uuid4())
                claim = claims.claim(database, tenant.id, delivery_id, execution_id, enabled=True)
                given_now = list(claim.queued)
                if claim.step is Step.RUN:
                    assert claim.delivery is not None
                    with lock:
                        claimed[delivery_id, claim.delivery.tries] += 1
                    state = ends[(turn + number) % len(ends)].replace("again", "delivered")
                    queued = claims.end(database, claim.delivery, FAILED, Ending(state, wait_s=0), execution_id)
                    assert queued is not None
                    given_now += queued
                    if state == "retrying":
                        with lock:
                            ready.append(delivery_id)
                with lock:
                    ready.extend(one.delivery_id for one in given_now)
            database.close()

        watching = threading.Thread(target=watch)
        watching.start()
        with ThreadPoolExecutor(workers) as threads:
            for future in [threads.submit(work, number) for number in range(workers)]:
                future.result()
        finished.set()
        watching.join()

        assert seen[0] <= TENANT_SLOTS
        assert max(most.values(), default=0) <= INSTALL_SLOTS
        assert set(claimed.values()) <= {1}  # no try was made twice
