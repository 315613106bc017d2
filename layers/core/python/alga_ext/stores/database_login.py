"""How to connect to a database and sign in: pg8000's arguments for a URL.

With ``auth=iam``, the password is a token of Amazon RDS: a presigned URL without its scheme, made here
(https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/UsingWithRDS.IAMDBAuth.html).
"""

import socket
import ssl
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from alga_ext.database_url import DatabaseAddress, parse_database_url
from alga_ext.settings import environment
from alga_ext.stores.aws_signing import Credentials, presigned_url

_LOCK_TIMEOUT_MS: Final = 2_500
"""How long a statement waits for a lock. It ends before the statement timeout, so that the error names the reason."""

_IDLE_IN_TRANSACTION_TIMEOUT_MS: Final = 5_000
"""After this time PostgreSQL ends a session that does nothing inside a transaction, which frees its locks.

A function can be frozen or lose its network inside a transaction, and a withdrawal must not wait for it.
"""

_TOKEN_LIFETIME_S: Final = 900
"""What RDS allows. It is checked when a connection is made, and does not end connections."""
_TOKEN_REUSE: Final = timedelta(minutes=10)
"""For how long a token is used again. RDS throttles new connections at 200 a second, but not those with a token that it
has seen."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


class IamToken:
    """The password of a role that signs in by IAM.

    Args:
        address: of a database with ``iam_region``.
        credentials: returns the credentials that sign, or raises ``NoCredentialsError``.
        now: returns the present instant in UTC; the wall clock, as in ``CredentialSource``.
    """

    def __init__(
        self, address: DatabaseAddress, credentials: Callable[[], Credentials], now: Callable[[], datetime] = _utc_now
    ) -> None:
        self._address = address
        self._credentials = credentials
        self._now = now
        self._token = ""
        self._made_at = datetime.min.replace(tzinfo=UTC)

    def current(self) -> str:
        """Return a token that is valid for at least 5 minutes.

        Raises:
            NoCredentialsError: there are no credentials.
        """
        now = self._now()
        if not self._made_at <= now < self._made_at + _TOKEN_REUSE:
            self._token = self._make(now)
            self._made_at = now
        return self._token

    def _make(self, now: datetime) -> str:
        address = self._address
        url = f"https://{address.host}:{address.port}/"
        query = {"Action": "connect", "DBUser": address.role}
        region = address.iam_region or ""
        signed = presigned_url(url, query, region, "rds-db", self._credentials(), now, _TOKEN_LIFETIME_S)
        return signed.removeprefix("https://")


class Login:
    """Where one database is, and how to sign in.

    Args:
        url: see ``parse_database_url``.
        statement_timeout_ms: how long a statement may run.
        password: of the role, when the URL contains none.
        environ: the SDK's variables, for a URL with ``auth=iam``; those of this process by default.

    Raises:
        ValueError: the URL does not fit, or the file of its certificates cannot be read; the text has neither.
    """

    def __init__(
        self,
        url: str,
        statement_timeout_ms: int,
        password: str | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self._address = address = parse_database_url(url)
        self._token: IamToken | None = None
        if address.iam_region is not None:
            from alga_ext.stores.aws_credentials import CredentialSource

            self._token = IamToken(address, CredentialSource(environment() if environ is None else environ).current)
        self._arguments: dict[str, Any] = {
            "user": address.role,
            "password": address.password or password or None,
            "database": address.name,
            "startup_params": {
                "statement_timeout": str(statement_timeout_ms),
                "lock_timeout": str(_LOCK_TIMEOUT_MS),
                "idle_in_transaction_session_timeout": str(_IDLE_IN_TRANSACTION_TIMEOUT_MS),
            },
            "application_name": "alga-ext",
            # pg8000 takes None to mean: TLS if the server offers it, with any certificate.
            "ssl_context": _verifying(address.certificates) if address.tls else False,
            "host": address.host,  # the name in the server's certificate
        }

    def arguments(self) -> dict[str, Any]:
        """Return pg8000's arguments for one connection, except its socket.

        Raises:
            NoCredentialsError: there are no credentials to make a token with.
        """
        password = {} if self._token is None else {"password": self._token.current()}
        return {**self._arguments, **password}

    def open_socket(self, timeout_s: float) -> socket.socket:
        """Connect to the server, and return the socket.

        Args:
            timeout_s: how long connecting may take, and later each answer of the server.

        Raises:
            OSError: there is no connection.
        """
        address = self._address
        if address.socket is None:
            made = socket.create_connection((address.host, address.port), timeout_s)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            # pg8000 sends a long parameter and the end of its request apart. Without this, the end waits for the
            # acknowledgement of the parameter, which a server delays by some 40 ms (Nagle's algorithm).
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return made
        made = socket.socket(socket.AF_UNIX)
        try:
            made.settimeout(timeout_s)
            made.connect(address.socket)
        except BaseException:
            made.close()
            raise
        return made


def _verifying(certificates: str | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=certificates)
    except OSError as error:
        message = f"the certificates of sslrootcert cannot be read: {error.strerror or 'they are not PEM'}"
        raise ValueError(message) from None
