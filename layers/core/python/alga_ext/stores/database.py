"""Transactions with PostgreSQL. Only this module imports pg8000.

Every unit of work is one transaction. ``tenant()`` sets ``app.tenant_id`` in the transaction, and the policies of
row-level security read it. ``system()`` sets no tenant, so it sees no rows of tenant tables. A connection is kept
between invocations and replaced when it is broken. No statement is prepared by name, so that RDS Proxy does not pin
sessions.
"""

import functools
import select
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import pg8000.exceptions
import pg8000.native

from alga_ext.errors import PlatformError
from alga_ext.ids import TENANT_ID
from alga_ext.stores.aws_credentials import NoCredentialsError
from alga_ext.stores.database_login import Login

# pg8000 reads a statement character by character to find its parameters, at each run: a millisecond for a long one. The
# result depends on the text alone.
pg8000.native.to_statement = functools.lru_cache(maxsize=256)(pg8000.native.to_statement)

Row = dict[str, Any]

_STATEMENT_TIMEOUT_MS: Final = 3_000

_SOCKET_MARGIN_S: Final = 0.25
"""How much longer the socket waits than a statement may run, so that the server reports its timeout first."""

_CHECK_TIMEOUT_S: Final = 1.0

_RESUME_S: Final = 15
"""How long Aurora takes to resume from a pause, typically. A new connection may wait for that and time out."""

_IDLE_SESSION_TIMEOUT: Final = "57P05"
"""The SQLSTATE with which a server ends a session that was idle for ``idle_session_timeout``."""

# An error of the server: its type, its length, then fields of one letter and a text each
# (https://www.postgresql.org/docs/current/protocol-message-formats.html).
_ERROR_RESPONSE: Final = b"E"
_ERROR_HEADER_BYTES: Final = 5

# SQLSTATE → error code. A state that is not listed here is a fault of the platform (``internal``).
_SQLSTATES: Final = {
    "23505": "conflict",  # unique_violation
    "23503": "conflict",  # foreign_key_violation
    "23P01": "conflict",  # exclusion_violation
    "40001": "database_unavailable",  # serialization_failure: try again
    "40P01": "database_unavailable",  # deadlock_detected: try again
    "55P03": "database_unavailable",  # lock_not_available
    "57014": "database_unavailable",  # query_canceled by the statement timeout
    "53300": "database_unavailable",  # too_many_connections
    "AE001": "quota_exceeded",  # raised by app.count_storage()
}

_CLASSES: Final = {
    "08": "database_unavailable",  # connection_exception
    "22": "invalid_request",  # data_exception: a NUL in a text, a lone surrogate in JSON, an invalid cursor
    "53": "database_unavailable",  # insufficient_resources
    "57": "database_unavailable",  # operator_intervention
}


class Tx:
    """One open transaction; only ``Database`` makes it."""

    def __init__(self, connection: pg8000.native.Connection) -> None:
        self._connection = connection
        self.is_broken = False
        """Whether the connection may hold unread responses of the server, so that it must not be used again."""

    def rows(self, sql: str, **params: Any) -> list[Row]:
        """Run a statement with ``:name`` parameters and return its rows, in the statement's order."""
        found: Sequence[Sequence[Any]] = self._run(sql, params) or []
        columns = self._connection.columns or []
        names = [column["name"] for column in columns]
        return [dict(zip(names, row, strict=True)) for row in found]

    def row(self, sql: str, **params: Any) -> Row | None:
        """Run a statement and return its only row, or None.

        Raises:
            ValueError: there is more than one row, which is a mistake in the statement.
        """
        found = self.rows(sql, **params)
        if len(found) > 1:
            message = f"a statement that must return at most one row returned {len(found)}"
            raise ValueError(message)
        return found[0] if found else None

    def one(self, sql: str, **params: Any) -> Row:
        """Run a statement that must return exactly one row, and return that row.

        Raises:
            LookupError: there is no row, or more than one: a mistake in the statement or in the code that calls it.
        """
        found = self.rows(sql, **params)
        if len(found) != 1:
            message = f"a statement that must return one row returned {len(found)}"
            raise LookupError(message)
        return found[0]

    def execute(self, sql: str, **params: Any) -> int:
        """Run a statement and return the number of rows that it affected."""
        self._run(sql, params)
        return max(int(self._connection.row_count), 0)

    def _run(self, sql: str, params: dict[str, Any]) -> Any:
        """Run a statement.

        pg8000 asks the server to describe a statement before it encodes the parameters. If a parameter cannot be
        encoded (an instant before year 1 in UTC, a lone surrogate), the server's response stays unread. The next
        statement would then read it as its own response. So the transaction is marked as broken.

        Raises:
            PlatformError: ``invalid_request`` for a value that cannot be encoded.
        """
        try:
            return self._connection.run(sql, **params)
        except pg8000.exceptions.DatabaseError:
            raise  # an error from the server, whose response is read completely
        except (ValueError, OverflowError) as error:
            self.is_broken = True
            raise PlatformError(
                "invalid_request",
                "The request contains a value that cannot be stored, such as a time that is out of range.",
                cause=error,
            ) from error
        except BaseException:
            self.is_broken = True
            raise

    def script(self, sql: str) -> None:
        """Run several statements without parameters (a migration) in this transaction."""
        self._connection.execute_simple(sql)

    def set_role_password(self, role: str, password: str) -> None:
        """Set the password of a login role. It is sent as a quoted literal, because DDL takes no parameters."""
        name = pg8000.native.identifier(role)
        self._connection.execute_simple(f"alter role {name} password {pg8000.native.literal(password)}")


class Database:
    """One database, used as one login role. It keeps one connection; transactions of several threads wait for it.

    Args:
        url: see ``parse_database_url``.
        statement_timeout_ms: how long a statement may run; the socket waits a little longer.
        password: of the role, when the URL contains none.

    Raises:
        ValueError: see ``Login``.
    """

    def __init__(
        self, url: str, statement_timeout_ms: int = _STATEMENT_TIMEOUT_MS, password: str | None = None
    ) -> None:
        self._login = Login(url, statement_timeout_ms, password)
        self._statement_timeout_ms = statement_timeout_ms
        self._connection: pg8000.native.Connection | None = None
        # Two threads on one connection would read each other's responses.
        self._lock = threading.Lock()
        self._owner: int | None = None

    @property
    def in_transaction(self) -> bool:
        """Whether the calling thread has a transaction open. Slow work must not begin then: it would keep the locks."""
        return self._owner == threading.get_ident()

    @contextmanager
    def tenant(self, tenant_id: str, timeout_ms: int | None = None, *, durable: bool = True) -> Iterator[Tx]:
        """Open a transaction that can read and write the rows of one tenant only.

        It commits at the end of the block, and rolls back when the block raises.

        Args:
            tenant_id: the tenant.
            timeout_ms: the time left until the caller's deadline. It limits each statement; the wait for each response
                of the server is a little longer. None means the timeout of this ``Database``, which is also the
                maximum.
            durable: whether the commit waits until it is on disk. Without that, a crash of the server may lose it.

        Raises:
            PlatformError: ``invalid_request`` for an invalid tenant id or value; ``database_unavailable``;
                ``conflict`` from a unique, foreign key or exclusion constraint; ``quota_exceeded``.
        """
        if not TENANT_ID.match(tenant_id):
            detail = "The tenant id is not valid: it needs 1 to 64 letters, digits, '_', '.' or '-'."
            raise PlatformError("invalid_request", detail, tenant_id=tenant_id)
        limit_ms = max(1, min(timeout_ms or self._statement_timeout_ms, self._statement_timeout_ms))
        # One round trip, as a simple query with quoted literals, so that the tenant is set before any other statement.
        opening = (
            f"begin; select set_config('app.tenant_id', {pg8000.native.literal(tenant_id)}, true), "
            f"set_config('statement_timeout', {pg8000.native.literal(str(limit_ms))}, true)"
            + ("" if durable else ", set_config('synchronous_commit', 'off', true)")
        )
        with self._transaction(limit_ms, opening) as tx:
            yield tx

    @contextmanager
    def system(self) -> Iterator[Tx]:
        """Open a transaction without a tenant: it sees platform tables, but no rows of tenants."""
        with self._transaction(self._statement_timeout_ms, "begin") as tx:
            yield tx

    def check(self) -> Mapping[str, Any]:
        """Check the open connection. It makes no new one, because a health check must not wake a paused database.

        Returns:
            ``connected``: whether a connection is open. A busy connection counts as working. A connection that the
            server ended because it was idle does not count as broken.

        Raises:
            PlatformError: ``database_unavailable`` when the open connection does not respond; it is closed then.
        """
        if not self._lock.acquire(blocking=False):
            return {"connected": True}
        try:
            if self._connection is None:
                return {"connected": False}
            _set_socket_timeout(self._connection, _CHECK_TIMEOUT_S)
            if _ended_with(self._connection) == _IDLE_SESSION_TIMEOUT:
                self.close()
                return {"connected": False}
            self._connection.execute_simple("select 1")
        except (pg8000.exceptions.DatabaseError, pg8000.exceptions.InterfaceError, OSError) as error:
            self.close()
            raise _unavailable(error) from error
        finally:
            self._lock.release()
        return {"connected": True}

    def close(self) -> None:
        """Close the connection, if there is one; the next transaction makes a new one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.close()
            except (pg8000.exceptions.InterfaceError, OSError):
                return  # the connection was already broken, so there is nothing left to close

    @contextmanager
    def _transaction(self, timeout_ms: int, opening: str) -> Iterator[Tx]:
        if not self._lock.acquire(timeout=timeout_ms / 1000 + _SOCKET_MARGIN_S):
            raise PlatformError("database_unavailable", "The database is busy with other requests; try again.")
        self._owner = threading.get_ident()
        try:
            with self._locked_transaction(timeout_ms, opening) as tx:
                yield tx
        finally:
            self._owner = None
            self._lock.release()

    @contextmanager
    def _locked_transaction(self, timeout_ms: int, opening: str) -> Iterator[Tx]:
        connection = self._begin(timeout_ms, opening)
        tx = Tx(connection)
        try:
            yield tx
            if tx.is_broken:  # the block caught the error of an interrupted statement and continued
                message = "a transaction cannot be committed after a statement was interrupted"
                raise RuntimeError(message)
            connection.execute_simple("commit")
        except pg8000.exceptions.DatabaseError as error:
            self._roll_back()
            raise _translate(error) from error
        except (pg8000.exceptions.InterfaceError, OSError) as error:
            self.close()
            raise _unavailable(error) from error
        except PlatformError:
            if tx.is_broken:
                self.close()
            self._roll_back()
            raise
        except BaseException:
            self.close()  # the server rolls back, and the next transaction cannot read a left-over response
            raise

    def _begin(self, timeout_ms: int, opening: str) -> pg8000.native.Connection:
        """Return a connection with an open transaction; a kept connection that has ended is replaced once."""
        socket_timeout_s = timeout_ms / 1000 + _SOCKET_MARGIN_S
        if self._connection is not None and self._begin_on(self._connection, socket_timeout_s, opening):
            return self._connection
        try:
            self._connection = self._connect(socket_timeout_s)
            self._connection.execute_simple(opening)
        except (pg8000.exceptions.DatabaseError, pg8000.exceptions.InterfaceError, OSError) as error:
            self.close()
            raise _unavailable(error, retry_after_s=_RESUME_S) from error
        except NoCredentialsError as error:
            raise _unavailable(error) from error
        return self._connection

    def _begin_on(self, kept: pg8000.native.Connection, socket_timeout_s: float, opening: str) -> bool:
        """Open a transaction on the kept connection; close it and return False when it has ended.

        This is normal after a function was frozen: the server may end idle sessions, and networks drop them.
        """
        reason: str | None = None
        try:
            _set_socket_timeout(kept, socket_timeout_s)
            reason = _ended_with(kept)
            if reason is None:
                kept.execute_simple(opening)
                return True
        except Exception as error:  # noqa: BLE001 - any error of a kept connection leads to a new connection
            reason = type(error).__name__
        self.close()
        from alga_ext.telemetry import logger  # seldom needed, and not free to load

        logger("database").info("a kept connection had ended; connecting again", extra={"reason": reason})
        return False

    def _connect(self, timeout_s: float) -> pg8000.native.Connection:
        """Return a new connection. pg8000 would leave its own socket open when a server accepts and does not answer."""
        arguments = self._login.arguments()
        opened = self._login.open_socket(timeout_s)
        try:
            return pg8000.native.Connection(**arguments, sock=opened)
        except BaseException:
            opened.close()
            raise

    def _roll_back(self) -> None:
        if self._connection is None:
            return
        try:
            self._connection.execute_simple("rollback")
        except (pg8000.exceptions.DatabaseError, pg8000.exceptions.InterfaceError, OSError):
            self.close()


def _translate(error: pg8000.exceptions.DatabaseError) -> PlatformError:
    fields = error.args[0] if error.args and isinstance(error.args[0], dict) else {}
    state = str(fields.get("C", ""))
    code = _SQLSTATES.get(state) or _CLASSES.get(state[:2], "internal")
    detail = {
        "conflict": "The request conflicts with data that is already stored; read it again.",
        "invalid_request": "The request contains a value that cannot be stored, such as a NUL character.",
        "quota_exceeded": str(fields.get("M", "The quota is used up.")),
        "database_unavailable": "The database cannot serve this request at the moment; try again.",
    }.get(code, "Something went wrong on our side.")
    # A message about data quotes the data. 22023 is our own functions' code, and their messages are for the log.
    quotes = state.startswith("22") and state != "22023"
    message = None if quotes else fields.get("M")
    return PlatformError(code, detail, sqlstate=state, message=message, constraint=fields.get("n"))


def _unavailable(error: Exception, **context: object) -> PlatformError:
    return PlatformError("database_unavailable", "The database cannot be reached; try again.", cause=error, **context)


def _set_socket_timeout(connection: pg8000.native.Connection, timeout_s: float) -> None:
    """Set how long the connection waits for the server; pg8000 itself sets it only when it connects."""
    connection._usock.settimeout(timeout_s)  # noqa: SLF001 - there is no public way


def _ended_with(connection: pg8000.native.Connection) -> str | None:
    """Return the SQLSTATE with which the server has ended an idle connection; None when it has sent no error.

    pg8000 reads the error with the response to the next statement, and then loses it: it reports a network error,
    because the connection is closed.
    """
    waiting = select.poll()
    waiting.register(connection._usock, select.POLLIN)  # noqa: SLF001 - there is no public way
    if not waiting.poll(0):
        return None
    sent: bytes = connection._sock.peek()  # noqa: SLF001 - there is no public way
    if not sent.startswith(_ERROR_RESPONSE):
        return None
    fields = {field[:1]: field[1:] for field in sent[_ERROR_HEADER_BYTES:].split(b"\0")}
    return fields.get(b"C", b"").decode("ascii", "replace")
