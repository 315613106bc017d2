"""What a tick of the ticker costs beside a million schedules, when none, a hundred and ten thousand of them are due.

``python -m tests.bench.ticking`` fills a fresh database with ``SCHEDULES`` schedules of 100,000 installs in 10,000
tenants, makes some due, and ticks. Those due are in as many tenants as there are, the most costly case: each tenant is
locked by itself. A server takes the place of SQS. Status 1 when ten thousand take longer than ``FIRED_S``, or when a
tick with nothing due takes longer than ``IDLE_MS`` at p50.
"""

import json
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from alga_ext.stores.aws_api import AwsApi
from alga_ext.stores.aws_calls import SqsQueue
from functions.registry.scheduling.services import TickerServices
from functions.registry.scheduling.ticking import BATCH, tick
from tests.bench.filling import Filled, Size
from tests.bench.gateway import stand_ins
from tests.bench.measure import in_turns
from tests.support.servers import Loop, start_postgres

SCHEDULES: Final = 1_000_000
FIRED_S: Final = 20.0
IDLE_MS: Final = 50.0
ROUNDS: Final = 15

_FILL: Final = """
insert into app.extension_schedule
  (tenant_id, install_id, endpoint_method, endpoint_path, cron, timezone, next_run_at)
  select i.tenant_id, i.install_id, 'POST', '/sync', '0 * * * *', 'Europe/Berlin',
         now() + interval '1 hour' + n * interval '1 minute'
  from app.tenant_extension_install i, generate_series(1, {each}) n where i.tenant_id <> 'tenant-large';
analyze app.extension_schedule
"""
_DUE: Final = """
update app.extension_schedule s set next_run_at = now() - interval '1 minute'
from (select distinct on (tenant_id) tenant_id, schedule_id from app.extension_schedule order by tenant_id, schedule_id
      limit {due}) d
where s.tenant_id = d.tenant_id and s.schedule_id = d.schedule_id
"""
_PLAN: Final = """
explain (analyze, format json)
select s.schedule_id from app.extension_schedule s
where s.enabled and s.next_run_at is not null and s.next_run_at <= now()
order by s.next_run_at limit 500 for no key update skip locked
"""


def nodes(plan: dict[str, Any]) -> list[str]:
    """Return the nodes of a plan with the rows and blocks that each touched."""
    name = " ".join(str(plan[key]) for key in ("Node Type", "Index Name") if key in plan)
    blocks = plan.get("Shared Hit Blocks", 0) + plan.get("Shared Read Blocks", 0)
    here = f"{name}: {plan['Actual Rows']:g} rows, {blocks} blocks"
    return [here, *(line for child in plan.get("Plans", ()) for line in nodes(child))]


def main() -> int:
    """Measure and print; return 1 when a bound is missed, else 0."""
    loop = Loop()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        Path(folder).chmod(0o755)
        server = start_postgres(loop, Path(folder))
        try:
            with stand_ins() as aws_url:
                missed = measure(server.url, aws_url)
        finally:
            loop.run(server.stop())
            loop.close()
    return int(missed)


def measure(database_url: str, aws_url: str) -> bool:
    """Fill, tick and print; return whether a bound is missed."""
    installs = SCHEDULES // 10
    filled = Filled(database_url, Size(installs, installs // 10, 1_000, 1_000, 10, 1_000, 10))
    started = time.perf_counter()
    with filled.owner.system() as tx:
        tx.script(_FILL.format(each=10))
    print(f"{SCHEDULES} schedules made in {time.perf_counter() - started:.0f} s; a batch has {BATCH}")
    environ = {
        "AWS_ENDPOINT_URL": aws_url,
        "AWS_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
    }
    api = AwsApi(environ)
    services = TickerServices(
        filled.registry,
        SqsQueue(f"{aws_url}/events", api),
        SqsQueue(f"{aws_url}/deliveries", api),
        lambda: datetime.now(UTC),
    )
    tick(services)
    (idle,) = in_turns([lambda: tick(services)], ROUNDS)
    print(f"0 due: {idle.p50_ms} ms at p50, {idle.p99_ms} ms at p99")
    took_s = 0.0
    for due in (100, 10_000):
        with filled.owner.system() as tx:
            tx.script(_DUE.format(due=due))
        with filled.owner.system() as tx:
            plan = tx.one(_PLAN)["QUERY PLAN"]
        took_s, done = ticked(services, due)
        print(f"{due} due: {took_s:.2f} s, {done} fired")
        for line in nodes((json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]):
            print(f"  {line}")
    filled.close()
    return took_s > FIRED_S or idle.p50_ms > IDLE_MS


def ticked(services: TickerServices, due: int) -> tuple[float, int]:
    """Tick until all are fired, as the next minutes would; return the seconds it took and how many were fired."""
    started, fired = time.perf_counter(), 0
    deadline = datetime.now(UTC) + timedelta(minutes=10)
    while fired < due and datetime.now(UTC) < deadline:
        fired += tick(services)["fired"]
    return time.perf_counter() - started, fired


if __name__ == "__main__":
    sys.exit(main())
