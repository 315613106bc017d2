"""How many calls the recorder records each second, against another checkout: alternating pairs of runs.

``python -m tests.bench.recorder ../other-checkout`` sends the same calls, two messages each, to the recorder's handler
there and here, in batches as the event source of each makes them. Both databases are on one server, which does not wait
for the disk. A managed one does, at each commit: then sets gain more. The other checkout needs its own ``make setup``.
Status 1 when the median ratio is below ``FASTER``, with one tenant or with ten.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from alga_ext.calls.envelope import Usage
from alga_ext.calls.messages import ExecutionAccepted, ExecutionFinished, encode_message
from alga_ext.ids import new_execution_id
from alga_ext.stores.database import Database
from functions.registry.migrations.migrate import migrate
from tests.bench.checkouts import Program
from tests.bench.filling import PASSWORD, ROLES
from tests.support.places import ROOT
from tests.support.servers import Loop, start_postgres
from tools.local.postgres import database_url, make_database

FASTER: Final = 5.0
"""How many times as many calls as before sets were recorded together."""
CALLS: Final = 1_000

_BATCH_SIZE: Final = """
from topology.queues import EVENT_SOURCES
print(next(source.batch_size for source in EVENT_SOURCES if source.function == "recorder"))
"""
_PROGRAM: Final = """
import contextlib, json, sys
from functions.registry.recorder import handler
for line in sys.stdin:
    with contextlib.redirect_stdout(sys.stderr):  # its metrics are not taken for an answer
        failed = handler(json.loads(line), None)["batchItemFailures"]
    print(len(failed), flush=True)
"""


class Checkout:
    """One checkout's recorder: a process of its own, with a database of its own. Close it."""

    def __init__(self, folder: Path, server_url: str) -> None:
        self._python = str(folder / ".venv" / "bin" / "python")
        self._folder = folder
        url = make_database(server_url, f"bench_{uuid.uuid4().hex[:8]}")
        owner = Database(url, 60_000)
        migrate(owner, folder / "migrations", dict.fromkeys(ROLES, PASSWORD))
        owner.close()
        self.batch_size = int(
            subprocess.run([self._python, "-c", _BATCH_SIZE], cwd=folder, check=True, capture_output=True).stdout
        )
        self._program = Program(
            folder, _PROGRAM, {"DATABASE_URL": database_url(url, role="fn_registry", password=PASSWORD)}
        )

    def calls_per_second(self, bodies: Sequence[str]) -> float:
        """Record messages in batches, and return how many calls were recorded each second."""
        batches = [
            json.dumps({"Records": [{"messageId": str(n), "body": body} for n, body in enumerate(some)]})
            for some in (bodies[at : at + self.batch_size] for at in range(0, len(bodies), self.batch_size))
        ]
        begun = time.perf_counter()
        for batch in batches:
            self._ask(batch)
        return len(bodies) / 2 / (time.perf_counter() - begun)

    def _ask(self, batch: str) -> None:
        if (failed := self._program.ask(batch)) != "0":
            message = f"the recorder of {self._folder} failed: {failed}"
            raise RuntimeError(message)

    def close(self) -> None:
        """End the process."""
        self._program.close()


def messages(calls: int, tenants: int) -> list[str]:
    """Return the messages of calls of three installs of each tenant, the finished one soon after the accepted one."""
    found = []
    now = datetime.now(UTC)
    for number in range(calls):
        identity: dict[str, Any] = {
            "execution_id": new_execution_id(now),
            "tenant_id": f"tenant-{number % tenants}",
            "install_id": f"00000000-0000-0000-0000-00000000000{number % 3 + 1}",
            "extension_id": "00000000-0000-0000-0000-0000000000e1",
            "version_id": "00000000-0000-0000-0000-0000000000b1",
            "content_hash": "sha256:" + "0" * 64,
            "request_id": "r",
            "trace_id": "0" * 32,
            "method": "GET",
            "path": f"/notes/{number}",
            "principal": "user-1",
        }
        usage = Usage(duration_ms=12.5, cpu_ms=3.0, egress_bytes=100, host_calls={"storage.get": 2})
        at = now.isoformat()
        found.append(encode_message(ExecutionAccepted(**identity, at=at)).decode())
        found.append(
            encode_message(ExecutionFinished(**identity, accepted_at=at, at=at, status=200, usage=usage)).decode()
        )
    return found


def main() -> int:
    """Run from the command line; return 1 when the ratio is too small, else 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("other", type=Path, help="the other checkout")
    parser.add_argument("--pairs", type=int, default=9)
    options = parser.parse_args()
    loop = Loop()
    ratios: dict[int, float] = {}
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        Path(folder).chmod(0o755)
        server = start_postgres(loop, Path(folder))
        there, here = Checkout(options.other.resolve(), server.url), Checkout(ROOT, server.url)
        try:
            for tenants in (1, 10):
                pairs = []
                for number in range(options.pairs + 1):  # the first pair is not counted
                    bodies = messages(CALLS, tenants)
                    order = (there, here) if number % 2 else (here, there)
                    taken = {one: one.calls_per_second(bodies) for one in order}
                    pairs.append((taken[there], taken[here]))
                before, after = (statistics.median(figures) for figures in zip(*pairs[1:], strict=True))
                ratios[tenants] = statistics.median(b / a for a, b in pairs[1:])
                print(
                    f"calls of {tenants} tenants: {before:.0f} a second there, {after:.0f} here, "
                    f"median ratio {ratios[tenants]:.1f} of {options.pairs} pairs"
                )
        finally:
            there.close()
            here.close()
            loop.run(server.stop())
            loop.close()
    return int(min(ratios.values()) < FASTER)


if __name__ == "__main__":
    sys.exit(main())
