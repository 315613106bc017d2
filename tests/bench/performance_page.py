"""Write docs/reference/performance.md from what the benchmark measured."""

from collections.abc import Sequence
from typing import Final

from tests.bench.clients import Measured, Profile
from tests.bench.measure import Timing
from tests.support.places import ROOT

PAGE: Final = ROOT / "docs" / "reference" / "performance.md"


def write_page(cpu_ms: Timing, calls: int, trips: int, measured: Sequence[Measured], profile: Profile | None) -> None:
    """Replace the page."""
    rows = [f"| {row.clients} | {row.calls_per_s:.0f} | {row.p50_ms:.1f} | {row.p99_ms:.1f} |" for row in measured]
    lines = [
        "# Performance",
        "",
        "Written by `python -m tests.bench.gateway`, on a machine with two cores that also ran the clients. Compare",
        "figures of one run only: other machines, and other work on this one, change all of them.",
        "",
        "## The gateway's own time",
        "",
        f"A warm call of a service account costs the gateway {cpu_ms.p50_ms:.2f} ms of CPU, the median of",
        f"{cpu_ms.times} rounds with {calls} calls together: token, rates, two queue messages, execution token,",
        "invocation.",
        f"The rates needed {trips} trips to the database, the queue exactly two requests a call. No AWS SDK is loaded",
        "(`tests/integration/test_first_answers.py`).",
        "",
        "## The local platform",
        "",
        "Calls of a handler that answers `hello`, through HTTP front, gateway, queue, runner and sandbox.",
        "",
        "| clients | calls a second | p50 ms | p99 ms |",
        "|---|---|---|---|",
        *rows,
    ]
    if profile is not None:
        parts = [f"| {part} | {spent:.2f} |" for part, spent in profile.cpu_ms.items()]
        lines += [
            "",
            f"With one client, a call takes {profile.p50_ms:.1f} ms at p50. One message to the emulated queue takes",
            f"{profile.send_ms:.1f} ms, and a call waits for two. This is the CPU time of one call by part, with all",
            "processes of that part; recorder, emulated queue and pollers also work while nobody waits for them.",
            "",
            "| part | CPU ms a call |",
            "|---|---|",
            *parts,
        ]
    PAGE.write_text("\n".join([*lines, ""]))
