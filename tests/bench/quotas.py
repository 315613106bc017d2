"""What quotas cost when an install is resolved. ``tests.bench.recorder`` has what they cost the recorder.

``python -m tests.bench.quotas`` fills a fresh database with 10,000 rows of one tenant's usage in the past. Then it
resolves an install of this tenant without a cache. It prints figures and sets no bound, because they depend on the
disk.
"""

import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from functions.gateway import resolution
from tests.bench.filling import LARGE_TENANT, Filled, Size, id_of
from tests.support.servers import Loop, start_postgres

HISTORY_ROWS: Final = 10_000
ROUNDS: Final = 400
TURNS: Final = 3

_HISTORY: Final = f"""
insert into app.extension_quota_usage (tenant_id, install_id, period, calls)
  select '{LARGE_TENANT}', md5('l' || n % 10)::uuid, to_char(date '2020-01-01' + (n / 10)::integer, 'YYYY-MM-DD'), 1
  from generate_series(0, {HISTORY_ROWS} - 1) n;
analyze app.extension_quota_usage
"""


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
            resolved = [resolution_ms(filled) for _ in range(TURNS)]
            filled.close()
        finally:
            loop.run(server.stop())
            loop.close()
    print(f"resolve an install: {', '.join(f'{found:.2f}' for found in resolved)} ms at p50")


if __name__ == "__main__":
    main()
