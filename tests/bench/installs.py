"""Resolving one install and turning pages, among a thousand installs and among a million; status 1 when too slow.

``python -m tests.bench.installs [--installs 1000000]`` fills two fresh databases: installs spread over a tenth as many
tenants and a hundredth as many extensions, one tenant with up to 10,000 installs and many audit rows, one extension
with 10,000 versions, a long log. Then it runs the functions' own statements as their own roles, under row-level
security. Times are the server's own (EXPLAIN ANALYZE, planning and execution) unless they say "whole transaction".
What is compared is measured in turns, so that what else the machine does hits all alike. The bounds are in
``tests.bench.bounds``.
"""

import argparse
import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from alga_ext.stores.database import Database, Tx
from functions.gateway import resolution
from functions.gateway.quotas import day_and_month
from functions.registry.installing import installs
from functions.registry.publishing import versions
from functions.registry.records import audit, transparency
from functions.registry.records.audit import Actor
from tests.bench.bounds import Paging, Resolution, breaches
from tests.bench.filling import LARGE_TENANT, Filled, Size, id_of
from tests.support.servers import Loop, start_postgres

OUT: Final = Path(".build/bench/installs.json")
SMALL_INSTALLS: Final = 1_000
ROUNDS: Final = 400
PAGE_ROUNDS: Final = 100
PAGE_SIZE: Final = 25
NIL: Final = "00000000-0000-0000-0000-000000000000"
LAST: Final = "ffffffff-ffff-ffff-ffff-ffffffffffff"


class Statement(NamedTuple):
    """One of the functions' own statements, with its parameters, as it is sent for one tenant (None = none is set)."""

    database: Database
    tenant_id: str | None
    sql: str
    params: dict[str, Any]

    def run(self, prefix: str) -> list[dict[str, Any]]:
        """Run it with something before it."""
        opened = self.database.tenant(self.tenant_id) if self.tenant_id else self.database.system()
        with opened as tx:
            return tx.rows(f"{prefix} {self.sql}", **self.params)

    def at_database_ms(self) -> float:
        """Return planning and execution time at the server.

        Without timing each node and counting its blocks, which a function's own statement does not pay for either.
        """
        (row,) = self.run("explain (analyze, timing off, buffers off, format json)")
        (document,) = row.values()
        document = json.loads(document) if isinstance(document, str) else document
        return float(document[0]["Planning Time"]) + float(document[0]["Execution Time"])

    def plan(self) -> str:
        """Return the plan as text, with the rows and blocks it really touched."""
        lines = self.run("explain (analyze, costs off, buffers)")
        return "\n".join(str(next(iter(line.values()))) for line in lines)


Pages = dict[str, tuple[Statement, Statement, Statement]]
"""First, middle and last page of each list."""


def resolving(filled: Filled, pick: random.Random) -> dict[str, Statement]:
    """Return statements that resolve installs, each picked at random, by what the caller names them by."""

    day, month = day_and_month(datetime.now(UTC))
    now = {"nobody": NIL, "day": day, "month": month}

    def ordinary() -> tuple[int, str, int]:
        """An install, its tenant and its extension: another each time, so that none finds what the last one read."""
        install = pick.randrange(filled.size.installs)
        return install, filled.tenant_of(install), filled.extension_of(install)

    def large() -> int:
        return pick.randrange(filled.size.large_tenants_installs)

    def by_id(tenant: str, named: str) -> Statement:
        params = {"tenant_id": tenant, "id": named, **now}
        return Statement(filled.gateway, tenant, resolution._BY_ID, params)

    def by_name(tenant: str, extension: int) -> Statement:
        name = f"com.acme.n{extension}"
        params = {"tenant_id": tenant, "publisher": "acme", "name": name, "bare_name": f"acme.{name}", **now}
        return Statement(filled.gateway, tenant, resolution._BY_NAME, params)

    (install, owner, _), (_, second, extension), (_, third, named) = ordinary(), ordinary(), ordinary()
    return {
        "by install id": by_id(owner, id_of("i", install)),
        "by extension id": by_id(second, id_of("e", extension)),
        "by name": by_name(third, named),
        "by install id, large tenant": by_id(LARGE_TENANT, id_of("l", large())),
        "by name, large tenant": by_name(LARGE_TENANT, large()),
    }


def paging(filled: Filled) -> Pages:
    """Return the statements of three pages of each list; every one of them is full."""
    tenant = {"tenant_id": LARGE_TENANT, "page_size": PAGE_SIZE}

    def pages(tenant_id: str | None, sql: str, params: dict[str, Any], cursors: list[dict[str, Any]]) -> Any:
        return tuple(Statement(filled.registry, tenant_id, sql, {**params, **cursor}) for cursor in cursors)

    with filled.owner.system() as tx:
        ids = _three(tx, f"select install_id as k from app.tenant_extension_install where tenant_id = '{LARGE_TENANT}'")
        audited = _three(tx, f"select -audit_id as k from app.audit_event where tenant_id = '{LARGE_TENANT}'")
        names = _three(tx, "select name as k from app.extension_registry")
        published = tx.rows(
            "select published_at::text as at, version_id::text as id from app.extension_version "
            "where extension_id = cast(:id as uuid) order by published_at desc, version_id desc",
            id=id_of("e", 0),
        )
    leaves, ordinary = filled.size.leaves, filled.tenant_of(3)
    # An ordinary tenant has ten extensions, and the leaves go round all extensions.
    full_page = (PAGE_SIZE // 10 + 1) * filled.size.extensions
    at = [published[len(published) // 2], published[-PAGE_SIZE - 1]]
    return {
        "installs of the large tenant": pages(
            LARGE_TENANT, installs._LIST, tenant, [{"after": NIL}, *({"after": str(k)} for k in ids)]
        ),
        "audit trail of the large tenant": pages(
            LARGE_TENANT, audit._LIST, tenant, [{"before_id": 2**62}, *({"before_id": -k} for k in audited)]
        ),
        "versions of one extension": pages(
            None,
            versions._SELECT_VERSIONS,
            {"extension_id": id_of("e", 0), "unpublished": False, "page_size": PAGE_SIZE},
            [
                {"before_at": "infinity", "before_id": LAST},
                *({"before_at": row["at"], "before_id": row["id"]} for row in at),
            ],
        ),
        "catalogue": pages(
            None,
            versions._LIST_EXTENSIONS,
            {"page_size": PAGE_SIZE},
            [{"after": ""}, *({"after": k} for k in names)],
        ),
        "transparency log": pages(
            None,
            transparency._LEAVES,
            {"page_size": PAGE_SIZE},
            [{"first": first} for first in (0, leaves // 2, leaves - PAGE_SIZE)],
        ),
        "events of the large tenant": pages(
            LARGE_TENANT,
            transparency._OF_LARGE_TENANT,
            tenant,
            [{"before": before} for before in (2**62, leaves // 2, PAGE_SIZE)],
        ),
        "events of an ordinary tenant": pages(
            ordinary,
            transparency._OF_TENANT,
            {"tenant_id": ordinary, "page_size": PAGE_SIZE},
            [{"before": before} for before in (2**62, (leaves + full_page) // 2, full_page)],
        ),
    }


def _three(tx: Tx, keys: str) -> list[Any]:
    """Return the keys after which the middle page and the last full page of a list begin."""
    (found,) = tx.rows(f"select count(*) as n from ({keys}) t")
    count = int(found["n"])
    places = (count // 2, max(count - PAGE_SIZE - 1, 0))
    return [tx.rows(f"select k from ({keys}) t order by k limit 1 offset {place}")[0]["k"] for place in places]


def measure_resolutions(small: Filled, large: Filled) -> list[Resolution]:
    """Resolve in both databases in turns, another install each time."""
    pick = random.Random(7)
    times: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in resolving(small, pick)}
    for _ in range(ROUNDS):
        for filled, column in ((small, 0), (large, 1)):
            for name, statement in resolving(filled, pick).items():
                times[name][column].append(statement.at_database_ms())
    return [Resolution(name, statistics.median(few), statistics.median(many)) for name, (few, many) in times.items()]


def measure_paging(filled: Filled) -> list[Paging]:
    """Turn first, middle and last pages in turns."""
    found = []
    for name, pages in paging(filled).items():
        for page in pages:
            rows = len(page.run(""))
            if rows != PAGE_SIZE:
                message = f"a page of {name} has {rows} rows, not {PAGE_SIZE}"
                raise AssertionError(message)
        times: list[list[float]] = [[], [], []]
        for _ in range(PAGE_ROUNDS):
            for page, taken in zip(pages, times, strict=True):
                taken.append(page.at_database_ms())
        found.append(Paging(name, *map(statistics.median, times)))
    return found


def whole_transactions(filled: Filled) -> dict[str, float]:
    """Median milliseconds of what a caller waits for, round trips included."""
    pick, resolver = random.Random(7), resolution.Installs(filled.gateway, 0.0)

    def resolve() -> None:
        install = pick.randrange(filled.size.installs)
        if resolver.find(filled.tenant_of(install), id_of("i", install), 0.0, datetime.now(UTC)) is None:
            message = f"install {install} was not found"
            raise AssertionError(message)

    def append() -> None:
        with filled.registry.system() as tx:
            entry = transparency.Entry("bench", "acme", {"n": 1})
            transparency.append(tx, entry, Actor("bench", "bench"), datetime.now(UTC))

    with filled.owner.system() as tx:  # appending needs the nodes of the leaves that are there: begin an empty log
        tx.script(
            "truncate app.transparency_leaf, app.transparency_node; update app.transparency_size set tree_size = 0"
        )
    return {"resolve by install id": _median_ms(resolve), "append to the transparency log": _median_ms(append)}


def _median_ms(work: Callable[[], None]) -> float:
    times = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        work()
        times.append((time.perf_counter() - begun) * 1_000)
    return statistics.median(times)


def run(count: int) -> bool:
    """Measure, print and write the figures; tell whether every bound is kept."""
    loop = Loop()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        Path(folder).chmod(0o755)
        server = start_postgres(loop, Path(folder))
        small = large = None
        try:
            small, large = Filled(server.url, Size.of(SMALL_INSTALLS)), Filled(server.url, Size.of(count))
            resolutions = measure_resolutions(small, large)
            pagings = measure_paging(large)
            plans = {name: statement.plan() for name, statement in resolving(large, random.Random(7)).items()}
            plans |= {f"last page of {name}": pages[-1].plan() for name, pages in paging(large).items()}
            whole = whole_transactions(large)
        finally:
            for filled in filter(None, (small, large)):
                filled.close()
            loop.run(server.stop())
            loop.close()
    _show(large.size, large.fill_s, resolutions, pagings, whole)
    for name, plan in plans.items():
        print(f"\n{name}:\n{plan}")
    breached = breaches(resolutions, pagings)
    OUT.parent.mkdir(parents=True, exist_ok=True)
    figures = {
        "size": large.size._asdict(),
        "resolutions": [r._asdict() for r in resolutions],
        "pagings": [p._asdict() for p in pagings],
        "whole_transactions_ms": whole,
        "breaches": breached,
    }
    OUT.write_text(json.dumps(figures, indent=2))
    print(f"\nwritten to {OUT}")
    for breach in breached:
        print(f"TOO SLOW: {breach}")
    return not breached


def _show(
    size: Size, fill_s: float, resolutions: list[Resolution], pagings: list[Paging], whole: dict[str, float]
) -> None:
    print(f"{size}, filled in {fill_s:.0f} s")
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    print(f"\n{'resolve, p50 ms at the database':36}{SMALL_INSTALLS:>12,}{size.installs:>12,}{'ratio':>8}")
    for resolution_ in resolutions:
        few, many = resolution_.small_p50_ms, resolution_.large_p50_ms
        print(f"{resolution_.name:36}{few:>12.3f}{many:>12.3f}{resolution_.growth:>8.2f}")
    print(f"\n{'page of 25, p50 ms at the database':36}{'first':>12}{'middle':>12}{'last':>12}{'ratio':>8}")
    for page in pagings:
        print(
            f"{page.name:36}{page.first_p50_ms:>12.3f}{page.middle_p50_ms:>12.3f}{page.last_p50_ms:>12.3f}"
            f"{page.growth:>8.2f}"
        )
    print("\nwhole transaction, p50 ms")
    for name, ms in whole.items():
        print(f"{name:36}{ms:>12.3f}")


def main() -> int:
    """Run from the command line; return 1 when a bound is breached, else 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--installs", type=int, default=1_000_000)
    return 0 if run(parser.parse_args().installs) else 1


if __name__ == "__main__":
    sys.exit(main())
