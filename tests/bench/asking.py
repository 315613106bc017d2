"""What it costs to page through the executions of a large tenant, with each filter and with rare combinations of them.

``python -m tests.bench.asking`` fills a fresh database with 1,000,000 executions of one tenant and 250,000 of a hundred
others, over 90 days. Then it reads pages as the registry does, and prints the time of a page, and the rows and blocks
that its statement reads. Status 1 when the median page of a list took longer
than ``PAGE_MS``.
"""

import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

from functions.registry.limiting import endpoint_totals, usage
from functions.registry.records import executions
from functions.registry.records.execution_scan import Filters, Position
from tests.bench.filling import LARGE_TENANT, Filled, Size
from tests.support.many_executions import fill, install_id
from tests.support.plans import Plan, PlannedTx
from tests.support.servers import Loop, start_postgres

EXECUTIONS: Final = 1_000_000
OTHERS: Final = 250_000
DAYS: Final = 90
PAGE_SIZE: Final = 100
PAGES: Final = 60
PAGE_MS: Final = 250.0
_TABLE: Final = "extension_execution_log"


class Paged(NamedTuple):
    """Pages of one list: how many, how many items they had, the time of each, and the plan of the last one."""

    items: int
    times_ms: list[float]
    plan: Plan


def filters(now: datetime) -> Iterator[tuple[str, Filters]]:
    """Yield filters with their names, the common ones first."""
    install, hour = install_id(3), timedelta(hours=1)
    yield "no filter", Filters()
    yield "install", Filters(install_id=install)
    yield "principal", Filters(principal="user-7")
    yield "rare principal", Filters(principal="rare")
    yield "outcome=error", Filters(outcome="error")
    yield "outcome=out_of_memory", Filters(outcome="out_of_memory")
    yield "outcome=timeout (no such call)", Filters(outcome="timeout")
    yield "outcome=running (no such call)", Filters(outcome="running")
    yield "status=5xx", Filters(status="5xx")
    yield "status=404 (no such call)", Filters(status="404")
    yield "install and error", Filters(install_id=install, outcome="error")
    yield "install and status=404 (no such call)", Filters(install_id=install, status="404")
    yield "rare principal and error", Filters(principal="rare", outcome="error")
    yield "an hour, 60 days ago", Filters(since=now - timedelta(days=60), until=now - timedelta(days=60) + hour)
    yield "up to 80 days ago", Filters(until=now - timedelta(days=80))


def paged(filled: Filled, wanted: Filters) -> Paged:
    """Read the first pages of a list, each as a request of its own does."""
    items, times, cursor = 0, list[float](), None
    position: Position | None = None
    for _ in range(PAGES):
        position = cursor
        begun = time.perf_counter()
        with filled.registry.tenant(LARGE_TENANT) as tx:
            rows, cursor = executions.list_executions(tx, LARGE_TENANT, wanted, position, PAGE_SIZE)
        times.append((time.perf_counter() - begun) * 1_000)
        items += len(rows)
        if cursor is None:
            break
    with filled.registry.tenant(LARGE_TENANT) as tx:
        planned = PlannedTx(tx)
        executions.list_executions(planned, LARGE_TENANT, wanted, position, PAGE_SIZE)
    return Paged(items, times, planned.plans[-1])


def usage_times(filled: Filled, now: datetime) -> Iterator[tuple[str, float]]:
    """Yield what a page of each list of totals took, in milliseconds: a year, 1,000 installs, 1,000 endpoints."""
    year = (now.date() - timedelta(days=364), now.date())
    begun = time.perf_counter()
    with filled.registry.tenant(LARGE_TENANT) as tx:
        months = sorted({f"{year[0] + timedelta(days=n):%Y-%m}" for n in range(365)})
        usage.list_usage(tx, LARGE_TENANT, None, months, months[-1], usage.FIRST, PAGE_SIZE)
    yield "usage, months of a year", (time.perf_counter() - begun) * 1_000
    for period in ("day", "month"):
        begun = time.perf_counter()
        with filled.registry.tenant(LARGE_TENANT) as tx:
            endpoint_totals.list_endpoints(tx, LARGE_TENANT, None, period, year, endpoint_totals.FIRST, PAGE_SIZE)
        yield f"usage of endpoints, {period}s of a year", (time.perf_counter() - begun) * 1_000


def main() -> int:
    """Measure and print; return 1 when the bound is missed, else 0."""
    loop, now, slowest = Loop(), datetime.now(UTC), 0.0
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        Path(folder).chmod(0o755)
        server = start_postgres(loop, Path(folder))
        try:
            filled = Filled(server.url, Size.of(1_000))
            begun = time.perf_counter()
            with filled.owner.system() as tx:
                fill(tx, LARGE_TENANT, EXECUTIONS, OTHERS, DAYS, installs=1_000, total_days=365)
            print(f"{EXECUTIONS + OTHERS} executions made in {time.perf_counter() - begun:.0f} s")
            print(f"{'':42} pages  items  p50 ms  max ms  rows read  blocks")
            for name, wanted in filters(now):
                found = paged(filled, wanted)
                times = sorted(found.times_ms)
                slowest = max(slowest, times[len(times) // 2])
                print(
                    f"{name:42} {len(times):5} {found.items:6} {times[len(times) // 2]:7.1f} {times[-1]:7.1f} "
                    f"{found.plan.rows_read(_TABLE):10} {found.plan.buffers:7}"
                )
            for name, took_ms in usage_times(filled, now):
                slowest = max(slowest, took_ms)
                print(f"{name}: {took_ms:.1f} ms")
            filled.close()
        finally:
            loop.run(server.stop())
            loop.close()
    return int(slowest > PAGE_MS)


if __name__ == "__main__":
    sys.exit(main())
