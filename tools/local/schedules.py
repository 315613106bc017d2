"""Invoke functions at fixed intervals, as EventBridge Scheduler does."""

import asyncio
import logging

from tools.local.function_processes import Functions
from topology.schedules import Schedule

LOG = logging.getLogger(__name__)


class Ticker:
    """Runs schedules. Runs never overlap: the interval begins again when a run has ended."""

    def __init__(self, functions: Functions, schedules: tuple[Schedule, ...]) -> None:
        self._functions = functions
        self._schedules = schedules
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start all schedules."""
        self._tasks = [asyncio.create_task(self._tick(schedule)) for schedule in self._schedules]

    async def close(self) -> None:
        """Stop all schedules; a running invocation ends when its function ends or is closed."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _tick(self, schedule: Schedule) -> None:
        while True:
            await asyncio.sleep(schedule.every_s)
            outcome = await self._functions.invoke(schedule.function, b"{}")
            if outcome.error is not None:
                LOG.warning(
                    "%s failed on its schedule: %s", schedule.function, outcome.payload[:200].decode(errors="replace")
                )
