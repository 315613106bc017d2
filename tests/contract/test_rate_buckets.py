"""The buckets of rates in PostgreSQL: the same decisions as the model, under locks, and for one tenant only."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alga_ext.calls.limits import Rate
from alga_ext.stores.database import Database
from functions.gateway.rates.buckets import PostgresBuckets
from functions.gateway.rates.leases import Ask, Policy
from functions.gateway.rates.limiter import Clocks, RateKey, RateLimiter
from tests.conftest import Databases
from tests.support.rate_model import Bucket, take

TAKE = """
select arrival_us, holders, held, held_until_us, taken, remaining, taken_at_us
from app.take_slots(:holder, :burst, :interval_us, :ahead_us, :wanted, :needed, :kept, :back, :now_us,
                    :arrival_us, cast(:holders as text[]), cast(:held as integer[]), cast(:until_us as bigint[]))
"""
START_US = 1_700_000_000_000_000


@pytest.fixture
def connect(databases: Databases) -> Iterator[Callable[[], Database]]:
    opened: list[Database] = []

    def connect() -> Database:
        opened.append(Database(databases.gateway))
        return opened[-1]

    yield connect
    for database in opened:
        database.close()


def ask(key: str, rate: Rate, wanted: int = 1, needed: int = 1, kept: int = 0, back: int = 0) -> Ask:
    return Ask(key, Policy.of(rate), wanted, needed, kept, back)


def key(name: str, rate: Rate, tenant_id: str = "acme") -> RateKey:
    return RateKey(name, tenant_id, name, rate)


def clocks() -> Clocks:
    return Clocks(time.monotonic(), time.time())


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c"]),
        st.integers(-30_000_000, 30_000_000),  # the clock goes back too
        st.integers(0, 40),
        st.integers(0, 1),
        st.integers(0, 20),
        st.integers(0, 20),
    ),
    min_size=1,
    max_size=12,
)
RATES = st.builds(
    Rate, burst=st.integers(1, 400), per_second=st.sampled_from([0.01, 0.3, 1.0, 2.0, 3.0, 20.0, 100.0, 5_000.0])
)


def test_database_and_model_give_the_same_slots(connect: Callable[[], Database]) -> None:
    database = connect()

    @given(rates=st.lists(RATES, min_size=1, max_size=2), steps=STEPS)
    @settings(max_examples=60, deadline=None)
    def compare(rates: list[Rate], steps: list[tuple[str, int, int, int, int, int]]) -> None:
        model, now_us = Bucket(), START_US
        with database.system() as tx:
            row: dict[str, Any] = {"arrival_us": 0, "holders": [], "held": [], "held_until_us": []}
            for number, (holder, passed_us, wanted, needed, kept, back) in enumerate(steps):
                now_us += passed_us
                asked = ask("k", rates[number % len(rates)], max(wanted, needed), needed, kept, back)
                expected = take(model, holder, asked, now_us)
                row = tx.one(
                    TAKE,
                    holder=holder,
                    burst=asked.policy.burst,
                    interval_us=asked.policy.interval_us,
                    ahead_us=asked.policy.ahead_us,
                    wanted=asked.wanted,
                    needed=needed,
                    kept=kept,
                    back=back,
                    now_us=now_us,
                    arrival_us=row["arrival_us"],
                    holders=row["holders"],
                    held=row["held"],
                    until_us=row["held_until_us"],
                )
                assert (row["arrival_us"], row["taken"], row["remaining"]) == (
                    expected.arrival_us, expected.taken, expected.remaining,
                )  # fmt: skip
                found = dict(zip(row["holders"], zip(row["held"], row["held_until_us"], strict=True), strict=True))
                assert found == model.held

    compare()


def test_the_statement_gives_what_the_function_says(connect: Callable[[], Database]) -> None:
    buckets = PostgresBuckets(connect())
    rate = Rate(burst=400, per_second=1)
    first, second = (buckets.take("acme", [ask("user:ann", rate, wanted=16)])[0] for _ in range(2))
    assert (first.taken, first.remaining, second.taken) == (16, 384, 16)
    assert second.arrival_us - first.arrival_us == 16_000_000


def test_a_clock_read_behind_a_held_lock_is_fresh(connect: Callable[[], Database]) -> None:
    """The one who waits for the row must see the time at which it got the row, not the one at which it asked."""
    rate = Rate(burst=1, per_second=5)
    holding, waiting = connect(), PostgresBuckets(connect())
    waiting.take("acme", [ask("user:ann", rate)])
    got: list[int] = []
    with holding.tenant("acme") as tx:
        tx.execute("select from app.call_rate where key = 'user:ann' for update")
        thread = threading.Thread(target=lambda: got.append(waiting.take("acme", [ask("user:ann", rate)])[0].at_us))
        thread.start()
        time.sleep(0.3)
        released_us = tx.one("select (extract(epoch from clock_timestamp()) * 1000000)::bigint as now")["now"]
    thread.join()
    assert got[0] >= released_us


def test_keys_in_any_order_do_not_deadlock(connect: Callable[[], Database]) -> None:
    rate = Rate(burst=100_000, per_second=1_000)
    keys = [f"user:{number}" for number in range(6)]
    failures: list[BaseException] = []

    def work(turn: int) -> None:
        buckets = PostgresBuckets(connect())
        try:
            for round_number in range(100):
                first = (turn * 2 + round_number) % len(keys)
                order = keys[first:] + keys[:first]
                buckets.take("acme", [ask(name, rate) for name in (order if turn % 2 else reversed(order))])
        except BaseException as error:  # noqa: BLE001 - the test's thread reports it
            failures.append(error)

    threads = [threading.Thread(target=work, args=(turn,)) for turn in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_processes_together_admit_the_burst_and_no_more(connect: Callable[[], Database]) -> None:
    """At one call in 1,000 s, the burst is all that is admitted while the test runs, however slow it is."""
    keys = [key("user", Rate(burst=100, per_second=0.001)), key("tenant", Rate(burst=2_000, per_second=100))]
    admitted: list[int] = []

    def work() -> None:
        limiter = RateLimiter(PostgresBuckets(connect()))
        admitted.append(sum(not limiter.take(keys, clocks()).violated for _ in range(60)))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(admitted) == 100


def test_two_tenants_with_one_user_id_have_a_bucket_each(connect: Callable[[], Database]) -> None:
    limiter = RateLimiter(PostgresBuckets(connect()))
    rate = Rate(burst=1, per_second=0.001)
    verdicts = [limiter.take([key("user", rate, tenant_id)], clocks()) for tenant_id in ("acme", "acme", "umbra")]
    assert [verdict.violated for verdict in verdicts] == [(), ("user",), ()]


def test_a_bucket_is_read_and_written_by_its_tenant_only(connect: Callable[[], Database]) -> None:
    database = connect()
    PostgresBuckets(database).take("acme", [ask("user:ann", Rate(burst=1, per_second=1))])
    with database.tenant("umbra") as tx:
        assert tx.rows("select key from app.call_rate") == []
