"""Quota events: a tenant or an install has used a part of a quota. Each is recorded once for its period."""

import math
from collections.abc import Collection, Iterable, Mapping
from typing import Final, NamedTuple

from alga_ext.calls.limits import TENANT_AS_INSTALL, Quota
from alga_ext.calls.topics import QUOTA_WARNING
from alga_ext.stores.database import Row, Tx
from functions.registry.events import lifecycle

PERCENTAGES: Final = (50, 75, 90, 100)
"""The parts of a hard limit at which an event is recorded, in per cent."""
WARNING: Final = "warning"
"""The threshold of an event at the warning limit."""

_INSERT: Final = """
insert into app.extension_quota_event (tenant_id, install_id, period, metric, threshold, used, limited_to)
values (:tenant_id, :install_id, :period, :metric, :threshold, :used, :limited_to)
on conflict (tenant_id, install_id, period, metric, threshold) do nothing
"""
_NOTE: Final = """
update app.extension_quota_usage set reached = reached || cast(:reached as text[])
where tenant_id = :tenant_id and install_id = :install_id and period = :period
"""
_LIST: Final = """
select event_id, nullif(install_id, '00000000-0000-0000-0000-000000000000') as install_id, period, metric, threshold,
       used, limited_to, at
from app.extension_quota_event where tenant_id = :tenant_id and event_id < :before_id
order by event_id desc limit :page_size
"""


class Reached(NamedTuple):
    """A threshold that is reached: ``used`` of ``limited_to``, which is the hard or the warning limit."""

    metric: str
    threshold: str
    used: int
    limited_to: int

    @property
    def key(self) -> str:
        """How ``app.extension_quota_usage.reached`` names it."""
        return f"{self.metric}:{self.threshold}"


def newly_reached(quotas: Iterable[Quota], used: Mapping[str, float], known: Collection[str]) -> list[Reached]:
    """Return the thresholds that are reached and not recorded yet (pure).

    Args:
        quotas: those of one period, and storage when ``used`` has it.
        used: what is used of each metric. A metric that is absent is not looked at.
        known: keys of the thresholds that were recorded before.
    """
    found = []
    for _, metric, amount in quotas:
        if metric not in used:
            continue
        whole = math.floor(used[metric])
        if amount.hard is not None:
            found += [
                Reached(metric, str(percentage), whole, amount.hard)
                for percentage in PERCENTAGES
                if used[metric] * 100 >= amount.hard * percentage
            ]
        if amount.warning is not None and used[metric] >= amount.warning:
            found.append(Reached(metric, WARNING, whole, amount.warning))
    return [reached for reached in found if reached.key not in known]


def record(tx: Tx, tenant_id: str, install_id: str, period: str, reached: list[Reached], hops: int) -> None:
    """Record events of one period, and publish each of them on the topic ``quota.warning``.

    ``tx`` must have locked the period's row of ``app.extension_quota_usage``. ``hops`` as for ``lifecycle.tell``.
    """
    for event in reached:
        is_new = tx.execute(
            _INSERT,
            tenant_id=tenant_id,
            install_id=install_id,
            period=period,
            metric=event.metric,
            threshold=event.threshold,
            used=event.used,
            limited_to=event.limited_to,
        )
        if is_new:
            named = None if install_id == TENANT_AS_INSTALL else install_id
            told = {"install_id": named, "period": period, **event._asdict()}
            lifecycle.tell(tx, tenant_id, QUOTA_WARNING, told, hops)
    keys = [event.key for event in reached]
    tx.execute(_NOTE, tenant_id=tenant_id, install_id=install_id, period=period, reached=keys)


def list_events(tx: Tx, tenant_id: str, before_id: int, page_size: int) -> list[Row]:
    """Return a tenant's quota events before ``before_id``, newest first."""
    return tx.rows(_LIST, tenant_id=tenant_id, before_id=before_id, page_size=page_size)
