"""All functions of the platform and their processes: choose, start and end the processes that serve invocations.

The rules apply to each function and, for a function in tenant isolation mode, to each tenant. An idle process serves
the invocation, the most recently used one first. If none is idle and fewer than the maximum run, a process is started.
Otherwise the invocation waits. Real Lambda answers 429 instead; on one machine waiting is more useful.
"""

import asyncio
import logging
import time
import uuid
from collections import deque
from collections.abc import Iterable
from pathlib import Path

from tools.local.lambda_types import FunctionSpec, Outcome, failure
from tools.local.runtime_api import RuntimeProcess, StartFunction, start_from_checkout

LOG = logging.getLogger(__name__)
IDLE_S_MAX = 300.0
REAP_EVERY_S = 15.0


class UnknownFunctionError(Exception):
    """No function with that name is deployed."""


class TenantRuleError(Exception):
    """A tenant id is missing for a tenant-isolated function, or was given for a function without isolation."""


class InitFailedError(Exception):
    """The process started for a waiting invocation ended before it was ready."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__("initialisation failed")
        self.outcome = outcome


class Pool:
    """The processes of one function (and one tenant)."""

    def __init__(self, spec: FunctionSpec, start: StartFunction, log: Path, scratch: Path) -> None:
        self._spec = spec
        self._start = start
        self._log = log
        self._scratch = scratch
        self._waiting: deque[asyncio.Future[RuntimeProcess]] = deque()
        self._idle: list[RuntimeProcess] = []
        self._starting = 0
        self._launches: set[asyncio.Task[None]] = set()
        self._closed = False
        self.processes: list[RuntimeProcess] = []
        self.cold_starts = 0

    async def take(self) -> RuntimeProcess:
        """Return an idle process; it serves only the caller until it asks for work again. Raises InitFailedError."""
        if self._idle:
            return self._idle.pop()
        waiter: asyncio.Future[RuntimeProcess] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        self._grow()
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self._offer(waiter.result(), first=False)  # it was assigned at the moment the caller was cancelled
            raise

    def reap(self, idle_since_before: float) -> None:
        """Kill processes idle since before that time (`time.monotonic` seconds)."""
        for process in [p for p in self._idle if p.idle_since < idle_since_before]:
            self._idle.remove(process)
            process.kill()

    async def close(self) -> None:
        """Kill all processes and wait for their end."""
        self._closed = True
        await asyncio.gather(*self._launches, return_exceptions=True)
        await asyncio.gather(*(process.stop() for process in list(self.processes)))

    def warm(self) -> None:
        """Start a first process before the first invocation."""
        if not self.processes and not self._closed:
            self._start_process()

    def _grow(self) -> None:
        while (
            not self._closed and self._starting < len(self._waiting) and len(self.processes) < self._spec.processes_max
        ):
            self._start_process()

    def _start_process(self) -> None:
        scratch = self._scratch / f"{self._spec.name}-{uuid.uuid4().hex[:8]}"
        process = RuntimeProcess(self._spec, self._start, self._log, scratch, self._on_idle, self._on_end)
        self.processes.append(process)
        self._starting += 1
        self.cold_starts += 1
        task = asyncio.create_task(self._launch(process))
        self._launches.add(task)
        task.add_done_callback(self._launches.discard)

    async def _launch(self, process: RuntimeProcess) -> None:
        try:
            await process.start()
        except OSError as error:  # no more ports, memory or processes
            self._on_end(process, failure("-", "Runtime.ExitError", f"the process could not be started: {error}"))

    def _on_idle(self, process: RuntimeProcess, first: bool) -> None:
        self._offer(process, first=first)

    def _offer(self, process: RuntimeProcess, *, first: bool) -> None:
        self._starting -= first
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(process)
                return
        self._idle.append(process)

    def _on_end(self, process: RuntimeProcess, init_failure: Outcome | None) -> None:
        self.processes.remove(process)
        if process in self._idle:
            self._idle.remove(process)
        if init_failure is not None:
            self._starting -= 1
            if not self._closed:
                LOG.warning("%s: a process ended during initialisation; see %s", self._spec.name, self._log)
            self._fail_one(InitFailedError(init_failure))
        self._grow()

    def _fail_one(self, error: InitFailedError) -> None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_exception(error)
                return


class Functions:
    """Takes the place of the Lambda service: invokes any deployed function by name.

    Args:
        specs: the functions.
        logs: folder for each function's output, as `NAME.log`.
        scratch: folder in which each process has its own /tmp, removed with the process.
        start: starts a function's process.
    """

    def __init__(
        self, specs: Iterable[FunctionSpec], logs: Path, scratch: Path, start: StartFunction = start_from_checkout
    ) -> None:
        self.specs = {spec.name: spec for spec in specs}
        self._start = start
        self._logs = logs
        self._scratch = scratch
        self._pools: dict[tuple[str, str | None], Pool] = {}
        self._reaper: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin reaping idle processes; processes themselves start with the first invocation."""
        self._reaper = asyncio.create_task(self._reap())

    async def invoke(self, name: str, payload: bytes, tenant_id: str | None = None) -> Outcome:
        """Run a function to its end.

        An invocation that a process has received runs to its end even if the caller is cancelled, as in Lambda.
        Raises UnknownFunctionError and TenantRuleError; every failure of the function itself is in the outcome.
        """
        pool = self._pool(name, tenant_id)
        try:
            process = await pool.take()
        except InitFailedError as error:
            return error.outcome
        return await asyncio.shield(process.invoke(payload, tenant_id))

    def warm(self, name: str, tenant_id: str | None = None) -> None:
        """Start a process of a function if it has none, as provisioned concurrency does."""
        self._pool(name, tenant_id).warm()

    def pids(self, name: str | None = None) -> list[int]:
        """Return the process ids of the running processes, of one function or all."""
        pools = [pool for (owner, _), pool in self._pools.items() if name in {None, owner}]
        return [process.pid for pool in pools for process in pool.processes if process.pid is not None]

    def cold_starts(self, name: str) -> int:
        """Return how many processes have been started for a function so far, for all tenants together."""
        return sum(pool.cold_starts for (owner, _), pool in self._pools.items() if owner == name)

    def reap(self, idle_since_before: float) -> None:
        """End the processes idle since before that time (`time.monotonic` seconds)."""
        for pool in self._pools.values():
            pool.reap(idle_since_before)

    async def close(self) -> None:
        """End every process; waiting invocations fail."""
        if self._reaper is not None:
            self._reaper.cancel()
        await asyncio.gather(*(pool.close() for pool in self._pools.values()))

    def _pool(self, name: str, tenant_id: str | None) -> Pool:
        spec = self.specs.get(name)
        if spec is None:
            raise UnknownFunctionError(name)
        if spec.per_tenant != (tenant_id is not None):
            raise TenantRuleError(name)
        pool = self._pools.get((name, tenant_id))
        if pool is None:
            pool = self._pools[name, tenant_id] = Pool(spec, self._start, self._logs / f"{name}.log", self._scratch)
        return pool

    async def _reap(self) -> None:
        while True:
            await asyncio.sleep(REAP_EVERY_S)
            self.reap(time.monotonic() - IDLE_S_MAX)
