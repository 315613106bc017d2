"""What a ``postgresql://`` URL says: where the database is, as which role to connect, and how to verify the server."""

from typing import Final, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

_THIS_MACHINE: Final = ("localhost", "127.0.0.1", "::1")
_TLS_MODES: Final = ("require", "verify-ca", "verify-full")
"""libpq verifies less in the first two; here certificate and name are verified in all of them."""


class DatabaseAddress(NamedTuple):
    """The parts of a URL. Exactly one of ``host`` and ``socket`` is set.

    Attributes:
        role: the role to connect as.
        password: of the role, if any.
        name: of the database, if any.
        host: name or address of the server.
        port: of the server.
        socket: path of its Unix socket.
        tls: whether to connect with TLS.
        certificates: path of a PEM file with the certificates to trust; the system's when it is None.
    """

    role: str
    password: str | None
    name: str | None
    host: str | None
    port: int
    socket: str | None
    tls: bool
    certificates: str | None


def parse_database_url(url: str) -> DatabaseAddress:
    """Return the parts of ``postgresql://role:password@host:port/name``.

    ``?host=/folder`` names a Unix socket. A server on another machine is reached with TLS, one on this machine without;
    ``?sslmode=disable`` or ``?sslmode=verify-full`` chooses. ``?sslrootcert=/file.pem`` holds the trusted certificates.

    Raises:
        ValueError: the URL has another form; the text does not contain it.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:  # its text may quote a part of the URL
        message = "it is not a URL, or its port is not a number from 1 to 65535"
        raise ValueError(message) from None
    if parts.scheme not in ("postgresql", "postgres") or not parts.username or port == 0:
        message = "it is not the URL of a PostgreSQL database with a role"
        raise ValueError(message)
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    folder = query.get("host")
    if folder is not None and not folder.startswith("/"):
        message = "its parameter host must be the folder of a Unix socket and begin with /"
        raise ValueError(message)
    port = port or 5432
    host = (parts.hostname or "127.0.0.1") if folder is None else None
    mode = query.get("sslmode", "disable" if host is None or host in _THIS_MACHINE else "verify-full")
    if mode != "disable" and (mode not in _TLS_MODES or host is None):
        message = f"its parameter sslmode must be disable{' for a Unix socket' if host is None else ' or verify-full'}"
        raise ValueError(message)
    return DatabaseAddress(
        role=unquote(parts.username),
        password=unquote(parts.password) if parts.password else None,
        name=unquote(parts.path.lstrip("/")) or None,
        host=host,
        port=port,
        socket=None if folder is None else f"{folder}/.s.PGSQL.{query.get('port') or port}",
        tls=mode != "disable",
        certificates=query.get("sslrootcert"),
    )
