"""Turn finished calls into rows of the egress ledger: one for each install, day and destination (pure)."""

from collections.abc import Iterable
from typing import Any

from alga_ext.calls.messages import ExecutionFinished
from functions.registry.records.execution_rows import day_of

COUNTS = ("requests", "bytes_sent", "bytes_received", "refused")


def egress_rows(finished: Iterable[ExecutionFinished]) -> list[dict[str, Any]]:
    """Return the sums of calls of one tenant. The day is that of the call's record.

    Raises:
        PlatformError: see ``day_of``.
    """
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    for message in finished:
        if not message.egress:
            continue
        place = {"install_id": message.install_id, "day": day_of(message).isoformat()}
        for total in message.egress:
            key = (place["install_id"], place["day"], total.destination)
            row = found.setdefault(key, {**place, "destination": total.destination, **dict.fromkeys(COUNTS, 0)})
            for name in COUNTS:
                row[name] += getattr(total, name)
    return list(found.values())
