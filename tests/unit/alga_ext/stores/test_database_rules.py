"""The parts of the database module that need no database: URLs and the meaning of SQLSTATEs."""

import socket
import ssl
import tempfile
from pathlib import Path
from typing import Any

import pg8000.exceptions
import pytest

from alga_ext.stores.database import _translate
from alga_ext.stores.database_login import Login
from tests.support.tls import Authority


def connection_arguments(url: str, statement_timeout_ms: int) -> dict[str, Any]:
    return Login(url, statement_timeout_ms).arguments()


def test_a_url_names_role_host_and_database() -> None:
    given = connection_arguments("postgresql://fn_gateway:p%40ss@db.internal:6432/app", 3_000)

    assert {name: given[name] for name in ("user", "password", "host", "database")} == {
        "user": "fn_gateway",
        "password": "p@ss",
        "host": "db.internal",
        "database": "app",
    }
    assert given["startup_params"]["statement_timeout"] == "3000"


def test_a_connection_goes_to_the_port_of_the_url() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with Login(f"postgresql://r@127.0.0.1:{port}/d", 1_000).open_socket(timeout_s=5) as opened:
            assert (opened.getpeername(), opened.gettimeout()) == (("127.0.0.1", port), 5)


def test_the_end_of_a_request_does_not_wait_for_the_acknowledgement_of_its_beginning() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with Login(f"postgresql://r@127.0.0.1:{port}/d", 1_000).open_socket(timeout_s=5) as opened:
            assert opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_socket_folder_replaces_the_host() -> None:
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as server:
        server.bind(f"{folder}/.s.PGSQL.5432")
        server.listen()
        with Login(f"postgresql://fn_gateway@/app?host={folder}", 1_000).open_socket(timeout_s=5) as opened:
            assert (opened.getpeername(), opened.gettimeout()) == (f"{folder}/.s.PGSQL.5432", 5)


@pytest.mark.parametrize("place", ["127.0.0.1:1/d", "/d?host=/no/such/folder"], ids=["address", "folder"])
def test_a_server_that_is_not_there_is_an_error(place: str) -> None:
    with pytest.raises(OSError):
        Login(f"postgresql://r@{place}", 1_000).open_socket(timeout_s=5)


@pytest.mark.parametrize("host", ["db.example", "10.0.0.7", "localhost.example"])
def test_another_machine_is_reached_with_verified_tls(host: str) -> None:
    context = connection_arguments(f"postgresql://r@{host}/d", 1_000)["ssl_context"]

    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


@pytest.mark.parametrize("place", ["localhost/d", "127.0.0.1:6000/d", "[::1]/d", "/d?host=/tmp/sockets"])
def test_this_machine_is_reached_without_tls(place: str) -> None:
    # None would mean: with TLS if the server offers it, and with any certificate.
    assert connection_arguments(f"postgresql://r@{place}", 1_000)["ssl_context"] is False


def test_a_url_can_switch_tls_off_and_on() -> None:
    off = connection_arguments("postgresql://r@db.example/d?sslmode=disable", 1_000)["ssl_context"]
    on = connection_arguments("postgresql://r@localhost/d?sslmode=verify-full", 1_000)["ssl_context"]

    assert (off, on.check_hostname) == (False, True)


def test_a_url_can_name_the_certificates_to_trust(tmp_path: Path) -> None:
    Authority(tmp_path)
    url = f"postgresql://r@db.example/d?sslrootcert={tmp_path / 'ca.pem'}"
    context = connection_arguments(url, 1_000)["ssl_context"]

    assert len(context.get_ca_certs()) == 1


@pytest.mark.parametrize("reason", ["No such file", ""], ids=["absent", "empty"])
def test_certificates_that_cannot_be_read_are_refused_without_showing_the_url(reason: str, tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    if not reason:
        file.touch()
    with pytest.raises(ValueError, match=f"certificates of sslrootcert cannot be read: {reason}") as refused:
        connection_arguments(f"postgresql://r:secret-word@db.example/d?sslrootcert={file}", 1_000)
    assert "secret-word" not in str(refused.value)


@pytest.mark.parametrize("mode", ["require", "verify-ca", "verify-full"])
def test_any_tls_mode_checks_the_certificate(mode: str) -> None:
    context = connection_arguments(f"postgresql://r@h/d?sslmode={mode}", 1_000)["ssl_context"]

    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


@pytest.mark.parametrize("url", ["mysql://r@h/d", "postgresql://h/d", "h", ""])
def test_any_other_url_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(ValueError, match="it is not the URL of a PostgreSQL database with a role"):
        connection_arguments(url, 1_000)


@pytest.mark.parametrize(
    ("state", "code"),
    [
        ("23505", "conflict"),
        ("23503", "conflict"),
        ("40001", "database_unavailable"),
        ("40P01", "database_unavailable"),
        ("57014", "database_unavailable"),
        ("57P01", "database_unavailable"),
        ("08006", "database_unavailable"),
        ("53300", "database_unavailable"),
        ("22021", "invalid_request"),
        ("22P05", "invalid_request"),
        ("22P02", "invalid_request"),
        ("22007", "invalid_request"),
        ("AE001", "quota_exceeded"),
        ("42501", "internal"),
        ("42P01", "internal"),
        ("", "internal"),
    ],
)
def test_a_sqlstate_has_one_of_our_codes(state: str, code: str) -> None:
    error = _translate(pg8000.exceptions.DatabaseError({"C": state, "M": "internal words: table app.secret"}))

    assert error.code == code
    assert code == "quota_exceeded" or "app.secret" not in error.detail


@pytest.mark.parametrize("arguments", [(), ("text",), ({},)])
def test_an_error_without_fields_is_a_fault_of_ours(arguments: tuple[object, ...]) -> None:
    assert _translate(pg8000.exceptions.DatabaseError(*arguments)).code == "internal"
