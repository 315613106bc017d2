"""The parts of the database module that need no database: URLs and the meaning of SQLSTATEs."""

import ssl
from pathlib import Path

import pg8000.exceptions
import pytest

from alga_ext.stores.database import _translate, connection_arguments
from tests.support.tls import Authority


def test_a_url_names_role_host_and_database() -> None:
    given = connection_arguments("postgresql://fn_gateway:p%40ss@db.internal:6432/app", 3_000)

    assert {name: given[name] for name in ("user", "password", "host", "port", "database")} == {
        "user": "fn_gateway",
        "password": "p@ss",
        "host": "db.internal",
        "port": 6432,
        "database": "app",
    }
    assert given["startup_params"]["statement_timeout"] == "3000"


def test_a_socket_folder_replaces_the_host() -> None:
    given = connection_arguments("postgresql://fn_gateway@/app?host=/tmp/sockets", 1_000)

    assert given["unix_sock"] == "/tmp/sockets/.s.PGSQL.5432"
    assert "host" not in given


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
