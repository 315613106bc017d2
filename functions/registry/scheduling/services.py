"""The ticker's clients, built once from its environment.

They are apart from those of the sweeper, because the ticker is deployed without the library that reads S3.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic
from typing import Self

from alga_ext.stores.aws_api import AwsApi
from alga_ext.stores.aws_calls import SqsQueue
from alga_ext.stores.database import Database
from functions.registry.settings import TickerSettings


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class TickerServices:
    """Clients of the ticker, which fires schedules and sends lost messages again.

    Attributes:
        database: PostgreSQL as ``fn_registry``.
        events_queue: wakes the fan-out of events.
        deliveries_queue: tells the dispatcher which deliveries have a slot.
        now: returns the present instant, in UTC.
        monotonic_s: a monotonic clock, in seconds.
    """

    database: Database
    events_queue: SqsQueue
    deliveries_queue: SqsQueue
    now: Callable[[], datetime] = _now
    monotonic_s: Callable[[], float] = monotonic

    @classmethod
    def build(cls, environ: Mapping[str, str]) -> Self:
        """Build the services from environment variables, or raise ``SettingsError``."""
        settings = TickerSettings.read(environ)
        api = AwsApi(environ)
        return cls(
            database=Database(settings.database_url.get_secret_value()),
            events_queue=SqsQueue(settings.events_queue_url, api),
            deliveries_queue=SqsQueue(settings.deliveries_queue_url, api),
        )

    def close(self) -> None:
        """Close the connection to the database."""
        self.database.close()
