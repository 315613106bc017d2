"""What quotas cost: calls that one recorder records each second, and the time to resolve an install.

``python -m tests.bench.quotas`` fills a fresh database with 10,000 rows of one tenant's usage in the past. Then it
records calls of this tenant, and resolves an install without a cache. It prints figures and sets no bound, because
both depend on the disk.
"""

import statistics
import tempfile
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from alga_ext.calls.envelope import Usage
from alga_ext.calls.limits import PRODUCT
from alga_ext.calls.messages import ExecutionAccepted, ExecutionFinished
from functions.gateway import resolution
from functions.registry.records import recording
from tests.bench.filling import LARGE_TENANT, Filled, Size, id_of
from tests.support.servers import Loop, start_postgres

HISTORY_ROWS: Final = 10_000
CALLS: Final = 600
ROUNDS: Final = 400
TURNS: Final = 3

_HISTORY: Final = f"""
insert into app.extension_quota_usage (tenant_id, install_id, period, calls)
  select '{LARGE_TENANT}', md5('l' || n % 10)::uuid, to_char(date '2020-01-01' + (n / 10)::integer, 'YYYY-MM-DD'), 1
  from generate_series(0, {HISTORY_ROWS} - 1) n;
analyze app.extension_quota_usage
"""


def recorded_per_second(filled: Filled) -> float:
    """Record calls, two messages each, and return how many calls were recorded each second."""
    identity = {
        "tenant_id": LARGE_TENANT,
        "install_id": id_of("l", 0),
        "extension_id": id_of("e", 0),
        "version_id": id_of("v", 0),
        "content_hash": "sha256:" + "0" * 64,
        "request_id": "r",
        "trace_id": "0" * 32,
        "method": "GET",
        "path": "/notes",
        "principal": "user-1",
    }
    at = datetime.now(UTC).isoformat()
    begun = time.perf_counter()
    for _ in range(CALLS):
        call: dict[str, Any] = {**identity, "execution_id": str(uuid.uuid4())}
        usage = Usage(duration_ms=12.5, cpu_ms=3.0, egress_bytes=100)
        recording.record(ExecutionAccepted(**call, at=at), filled.registry, PRODUCT)
        recording.record(
            ExecutionFinished(**call, accepted_at=at, at=at, status=200, usage=usage), filled.registry, PRODUCT
        )
    return CALLS / (time.perf_counter() - begun)


def resolution_ms(filled: Filled) -> float:
    """Return the median milliseconds to resolve an install, round trips included."""
    installs = resolution.Installs(filled.gateway, 0.0)
    times = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        if installs.find(LARGE_TENANT, id_of("l", 0), 0.0, datetime.now(UTC)) is None:
            message = "the install was not found"
            raise AssertionError(message)
        times.append((time.perf_counter() - begun) * 1_000)
    return statistics.median(times)


def main() -> None:
    """Measure and print."""
    loop = Loop()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        Path(folder).chmod(0o755)
        server = start_postgres(loop, Path(folder))
        try:
            filled = Filled(server.url, Size.of(1_000))
            with filled.owner.system() as tx:
                tx.script(_HISTORY)
            recorded = [recorded_per_second(filled) for _ in range(TURNS)]
            resolved = [resolution_ms(filled) for _ in range(TURNS)]
            filled.close()
        finally:
            loop.run(server.stop())
            loop.close()
    print(f"recorded per second: {', '.join(f'{found:.0f}' for found in recorded)}")
    print(f"resolve an install: {', '.join(f'{found:.2f}' for found in resolved)} ms at p50")


if __name__ == "__main__":
    main()
