"""The whole local platform: start everything in order, and stop everything."""

import asyncio
import os
import secrets
import shutil
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from alga_ext.errors import PlatformError
from tools.local.cloud import Cloud, make_cloud
from tools.local.deployment import (
    API_ROUTES,
    IN_FLIGHT,
    UI_ROUTES,
    Addresses,
    EnvironmentNamesError,
    Secrets,
    function_specs,
)
from tools.local.function_processes import Functions
from tools.local.http_front import Front
from tools.local.invoke_api import InvokeApi
from tools.local.keys import LocalKeys, load_or_make_keys
from tools.local.lock import PlatformLock
from tools.local.moto_server import MotoServer
from tools.local.ports import free_port
from tools.local.postgres import Postgres, drop_database, make_database
from tools.local.queues import QueuePollers
from tools.local.runtime_api import StartFunction, start_from_checkout
from tools.local.schedules import Ticker
from tools.local.sign_in import SignInCodes
from tools.local.state import ROOT, STATE, run_folder, write_state
from topology.functions import LOGIN_ROLES, MIGRATE, SWEEPER
from topology.queues import EVENT_SOURCES
from topology.routes import API_DEFAULT
from topology.schedules import SCHEDULES

Watch = Callable[[str, str], None]
"""Is given the queue's name and the body of each message that a function has completed."""
Step = Callable[[str], AbstractContextManager[object]]


class StartError(Exception):
    """The platform could not start; the message says what failed and where to find more."""


@dataclass(frozen=True, slots=True)
class Options:
    """How to start.

    Port 0 means any free port. Pages of `host_origins` may show and call extensions, as the host page may. `environ`
    has the settings that a developer may pass through. `start_function` starts each process of a function.
    """

    state: Path = STATE
    api_port: int = 8700
    ui_port: int = 8701
    host_port: int = 8702
    host_origins: tuple[str, ...] = ()
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    start_function: StartFunction = start_from_checkout


class Platform:
    """All processes and servers of one local platform; call `start` and `stop` in the same event loop.

    After `start`, these attributes can be used: `addresses`, `cloud`, `keys`, `functions`, `postgres` (None when
    DATABASE_URL names another server) and `moto`. The last three have process ids, so that tests can stop them.
    """

    addresses: Addresses
    cloud: Cloud
    keys: LocalKeys
    functions: Functions
    postgres: Postgres | None
    moto: MotoServer

    def __init__(self, options: Options, step: Step | None = None, watch: Watch | None = None) -> None:
        self.options = options
        self._watch: Watch = watch or (lambda _queue, _body: None)
        self.sign_in = SignInCodes()
        self._step: Step = step or (lambda _: nullcontext())
        self._run = run_folder(options.state)
        self._logs = options.state / "logs"
        # Called at the end, in reverse order.
        self._undo: list[Callable[[], Any]] = []

    async def start(self) -> None:
        """Start everything. On failure or cancellation, stop again what was started.

        1. Take the lock of the state folder; empty its folders for the run and the logs.
        2. Start PostgreSQL and moto at the same time; create bucket and queues.
        3. Deploy the functions, migrate the database, and sweep once: without the list of withdrawn versions, which
           the sweeper writes, the UI host shows nothing.
        4. Open the ports and start polling the queues.

        Raises AlreadyRunningError, StartError; OSError when a port is in use.
        """
        try:
            lock = PlatformLock(self.options.state / "lock")  # (1)
            self._undo.append(lock.release)
            self._prepare_folders()
            self.keys = load_or_make_keys(self.options.state / "keys")
            with self._step("PostgreSQL, object store and queues"):  # (2)
                results = await asyncio.gather(self._start_database(), self._start_cloud(), return_exceptions=True)
                for result in results:
                    if isinstance(result, BaseException):
                        raise result
            await self._deploy(str(results[0]))  # (3)
            with self._step("Database migrations"):
                await self._run_once(MIGRATE.name, "The database could not be migrated")
            with self._step("First sweep"):
                await self._run_once(SWEEPER.name, "The first sweep failed")
            with self._step("HTTP fronts and queue pollers"):  # (4)
                await self._open()
            write_state(self.options.state, {**asdict(self.addresses), **asdict(self.cloud)})
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop everything; no process, port or lock is left. Safe to call at any time, more than once."""
        while self._undo:
            undo = self._undo.pop()
            result = undo()
            if asyncio.iscoroutine(result):
                await result

    def _prepare_folders(self) -> None:
        for folder in (self._run, self._logs):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        self._undo.append(lambda: shutil.rmtree(self._run, ignore_errors=True))

    async def _start_database(self) -> str:
        """Start the server, or use the one in DATABASE_URL; return the superuser's URL of a new database."""
        server_url = self.options.environ.get("DATABASE_URL")
        if server_url:
            self.postgres = None
            name = f"alga_local_{secrets.token_hex(6)}"
            try:
                url = await asyncio.to_thread(make_database, server_url, name)
            except (PlatformError, ValueError) as error:
                raise StartError(_database_problem(error)) from error
            self._undo.append(lambda: asyncio.to_thread(drop_database, server_url, name))
            return url
        postgres = self.postgres = Postgres(self._run / "postgres", self._logs / "postgres.log")
        self._undo.append(postgres.stop)
        await postgres.create()
        await postgres.start()
        return postgres.url

    async def _start_cloud(self) -> None:
        self.moto = MotoServer(ROOT, self._logs / "moto.log")
        self._undo.append(self.moto.stop)
        await self.moto.start()
        self.cloud = await asyncio.to_thread(make_cloud, self.moto.url)

    async def _deploy(self, database: str) -> None:
        # Ports are chosen first, because functions get each other's addresses before any of them is started.
        given = (self.options.api_port, self.options.ui_port, self.options.host_port, 0)
        self._ports = [port or free_port() for port in given]
        api, ui, host, invoke = (f"http://127.0.0.1:{port}" for port in self._ports)
        self.addresses = Addresses(api, ui, host, invoke, database)
        trust_bundle = self._run / "trust-bundle.json"
        trust_bundle.write_text(self.keys.trust_bundle, encoding="utf-8")
        passwords = {role: secrets.token_urlsafe(24) for role in LOGIN_ROLES}
        try:
            specs = function_specs(
                ROOT,
                self.addresses,
                self.cloud,
                Secrets(self.keys, passwords, trust_bundle),
                self.options.environ,
                self.options.host_origins,
            )
        except EnvironmentNamesError as error:
            raise StartError(str(error)) from error
        self.functions = Functions(specs, self._logs, self._run / "tmp", self.options.start_function)
        self.functions.start()
        self._undo.append(self.functions.close)
        invoke_api = InvokeApi(self.functions)
        await invoke_api.start(self._ports[3])
        self._undo.append(invoke_api.close)

    async def _run_once(self, function: str, failed: str) -> None:
        outcome = await self.functions.invoke(function, b"{}")
        if outcome.error is not None:
            reason = msgspec.json.decode(outcome.payload).get("errorMessage", "unknown")
            message = f"{failed}: {reason} (see {self._logs / f'{function}.log'})"
            raise StartError(message)

    async def _open(self) -> None:
        page = ROOT / "web" / "host-demo" / "dist"
        fronts = (
            (Front(self.functions, API_ROUTES, default=API_DEFAULT), self._ports[0]),
            (Front(self.functions, UI_ROUTES), self._ports[1]),
            # The host application's web server: its page and the API on the same origin.
            (Front(self.functions, API_ROUTES, page, self.addresses.ui, self.sign_in), self._ports[2]),
        )
        for front, port in fronts:
            try:
                await front.start(port)
            except OSError as error:
                message = (
                    f"Port {port} cannot be used ({error.strerror}). Choose another with `make up PORT=9000` or "
                    "`alga-ext dev --port 9000` (the next two are used too); 0 takes any free ones."
                )
                raise StartError(message) from error
            self._undo.append(front.close)
        pollers = QueuePollers(self.functions, self.cloud, EVENT_SOURCES, IN_FLIGHT, self._watch)
        pollers.start()
        self._undo.append(lambda: self._close_pollers(pollers))
        ticker = Ticker(self.functions, SCHEDULES)
        ticker.start()
        self._undo.append(ticker.close)

    async def _close_pollers(self, pollers: QueuePollers) -> None:
        # A running poll ends when the queue service ends, so both are stopped at the same time.
        await asyncio.gather(pollers.close(), self.moto.stop())


def _database_problem(error: PlatformError | ValueError) -> str:
    reason = error.context.get("cause") if isinstance(error, PlatformError) else error
    return (
        f"The PostgreSQL server of DATABASE_URL cannot be used: {reason}. A server on another machine needs TLS with a "
        "certificate that this machine can verify (sslrootcert=FILE), or sslmode=disable in the URL."
    )
