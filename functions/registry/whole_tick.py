"""What the ticker does each minute, and a platform admin by hand."""

from functions.registry.deliveries.recovering import TENANTS, recover
from functions.registry.scheduling.services import TickerServices
from functions.registry.scheduling.ticking import TIME_S, tick


def run_tick(services: TickerServices, time_s: float = TIME_S, tenants: int = TENANTS) -> dict[str, int]:
    """Fire due schedules, then find forgotten events and deliveries, also when firing failed; return the counts.

    Args:
        services: the ticker's.
        time_s: no batch of schedules begins after this time.
        tenants: in how many tenants forgotten rows are looked for at most.

    Raises:
        PlatformError: as ``tick`` and ``recover``.
    """
    try:
        done = tick(services, time_s)
    finally:  # so that schedules that cannot be fired hold back no event
        found = recover(services.database, services.events_queue, services.deliveries_queue, services.now(), tenants)
    return {**done, "events_sent_again": found.events, "deliveries_sent_again": found.deliveries}
