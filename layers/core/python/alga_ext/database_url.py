"""What a ``postgresql://`` URL says: where the database is, as which role to connect, and how to verify the server."""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

_THIS_MACHINE: Final = ("localhost", "127.0.0.1", "::1")
_REGION: Final = re.compile(r"[a-z]{2}(?:-[a-z]+)+-[0-9]+")
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
        iam_region: the AWS region of a server at which the role signs in by IAM; None for a password.
    """

    role: str
    password: str | None
    name: str | None
    host: str | None
    port: int
    socket: str | None
    tls: bool
    certificates: str | None
    iam_region: str | None = None


def parse_database_url(url: str) -> DatabaseAddress:
    """Return the parts of ``postgresql://role:password@host:port/name``.

    ``?host=/folder`` names a Unix socket. A server on another machine is reached with TLS, one on this machine without;
    ``?sslmode=disable`` or ``?sslmode=verify-full`` chooses. ``?sslrootcert=/file.pem`` holds the trusted certificates.
    ``?auth=iam&region=eu-central-1`` names no password, and needs TLS.

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
    iam_region = _iam_region(query, parts.password) if "auth" in query else None
    if iam_region is not None and mode == "disable":
        message = "its parameter auth=iam needs a server with TLS; on this machine, sslmode=verify-full"
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
        iam_region=iam_region,
    )


def _iam_region(query: Mapping[str, str], password: str | None) -> str:
    if query["auth"] != "iam":
        message = "its parameter auth must be iam; leave it out to sign in with a password"
    elif password:
        message = "with its parameter auth=iam it must not contain a password"
    elif not _REGION.fullmatch(query.get("region", "")):
        message = "its parameter auth=iam needs the parameter region, such as eu-central-1"
    else:
        return query["region"]
    raise ValueError(message)
