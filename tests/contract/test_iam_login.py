"""Signing in to a real PostgreSQL through verified TLS, with a token as the password that the server asks for in clear.

RDS checks the token itself. Here it is the role's password, in a cluster that asks for it as RDS does.
"""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from alga_ext.errors import PlatformError
from alga_ext.stores.database import Database
from tests.support.servers import Loop
from tests.support.tls import Authority
from tests.support.tls_front import TlsFront, tls_front
from tools.local.postgres import Postgres

KEYS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "session" * 100}
ROLE = "fn_gateway"


@pytest.fixture(scope="module")
def cluster(server_loop: Loop, server_folder: Path) -> Iterator[Postgres]:
    """A cluster of its own, whose login role is asked for its password in clear."""
    server = Postgres(server_folder / "iam-data", server_folder / "iam.log")
    server_loop.run(server.create())
    rules = server_folder / "iam-data" / "pg_hba.conf"
    rules.write_text(f"host all {ROLE} 127.0.0.1/32 password\n{rules.read_text()}")
    server_loop.run(server.start())
    owner = Database(server.url)
    with owner.system() as tx:
        tx.script(f"create role {ROLE} login")
    owner.close()
    yield server
    server_loop.run(server.stop())


class Door(NamedTuple):
    """The cluster behind a front with a certificate for ``localhost``, and the file of its authority."""

    front: TlsFront
    certificates: Path

    def database(self, password_for: Postgres | None = None, host: str = "localhost", **query: str) -> Database:
        """Return the database as a role that signs in by IAM; ``password_for`` accepts its token from now on."""
        asked = {"auth": "iam", "region": "eu-central-1", "sslmode": "verify-full", "sslrootcert": self.certificates}
        text = "&".join(f"{name}={value}" for name, value in {**asked, **query}.items())
        database = Database(f"postgresql://{ROLE}@{host}:{self.front.port}/postgres?{text}", 2_000)
        if password_for is not None:
            owner = Database(password_for.url)
            with owner.system() as tx:
                tx.set_role_password(ROLE, database._login.arguments()["password"])
            owner.close()
        return database


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in KEYS.items():
        monkeypatch.setitem(os.environ, name, value)


@pytest.fixture
def door(cluster: Postgres, credentials: None, tmp_path: Path) -> Iterator[Door]:
    with tls_front(cluster.port, Authority(tmp_path).server_context("localhost")) as front:
        yield Door(front, tmp_path / "ca.pem")


def refusal(database: Database) -> PlatformError:
    """Return the error with which a database refuses to connect."""
    with pytest.raises(PlatformError) as refused, database.system():
        pass
    return refused.value


def test_a_role_signs_in_with_its_token(door: Door, cluster: Postgres) -> None:
    database = door.database(password_for=cluster)
    with database.system() as tx:
        found = tx.one("select current_user as me")
    database.close()

    assert found == {"me": ROLE}
    assert b"Action=connect&DBUser=fn_gateway" in door.front.passed


def test_a_second_connection_uses_the_token_again(door: Door, cluster: Postgres) -> None:
    database = door.database(password_for=cluster)
    for _ in range(2):
        with database.system() as tx:
            tx.rows("select 1")
        database.close()

    assert door.front.passed.count(b"Action=connect") == 2


def test_a_connection_with_tls_that_was_idle_for_too_long_is_not_broken(door: Door, cluster: Postgres) -> None:
    database, owner = door.database(password_for=cluster), Database(cluster.url)
    with database.system() as tx:
        tx.rows("select set_config('idle_session_timeout', '20ms', false)")
    for _ in range(500):
        with owner.system() as tx:
            if not tx.rows("select 1 from pg_stat_activity where usename = :role", role=ROLE):
                break
        time.sleep(0.02)
    owner.close()

    assert database.check() == {"connected": False}


def test_a_token_that_the_server_does_not_accept_is_unavailable(door: Door, cluster: Postgres) -> None:
    other = door.database(password_for=cluster, region="us-east-1")
    refused = refusal(door.database())
    other.close()

    assert refused.code == "database_unavailable"
    assert "28P01" in str(refused.context)
    assert "X-Amz-Signature" not in f"{refused} {refused.context}"


@pytest.mark.parametrize("host", ["other.example", "sub.localhost"])
def test_a_server_with_the_certificate_of_another_name_gets_no_token(
    cluster: Postgres, credentials: None, tmp_path: Path, host: str
) -> None:
    with tls_front(cluster.port, Authority(tmp_path).server_context(host)) as front:
        refused = refusal(Door(front, tmp_path / "ca.pem").database())

        assert "certificate is not valid for 'localhost'" in str(refused.context["cause"])
        assert (refused.code, bytes(front.passed)) == ("database_unavailable", b"")


def test_a_server_that_another_authority_vouches_for_gets_no_token(door: Door, tmp_path: Path) -> None:
    Authority(tmp_path / "other")
    refused = refusal(door.database(sslrootcert=str(tmp_path / "other" / "ca.pem")))

    assert "certificate verify failed" in str(refused.context["cause"])
    assert (refused.code, bytes(door.front.passed)) == ("database_unavailable", b"")


def test_a_server_without_tls_gets_no_token(cluster: Postgres, door: Door) -> None:
    with tls_front(cluster.port, None) as front:
        refused = refusal(Door(front, door.certificates).database())

        assert (refused.code, bytes(front.passed)) == ("database_unavailable", b"")


def test_a_server_that_hangs_up_is_unavailable(tmp_path: Path, credentials: None) -> None:
    with tls_front(1, Authority(tmp_path).server_context("localhost")) as front:
        assert refusal(Door(front, tmp_path / "ca.pem").database()).code == "database_unavailable"


def test_without_credentials_the_database_is_unavailable(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "AWS_ACCESS_KEY_ID", "")
    monkeypatch.setitem(os.environ, "AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:1/")
    refused = refusal(door.database())

    assert (refused.code, type(refused.context["cause"]).__name__) == ("database_unavailable", "NoCredentialsError")


@pytest.mark.parametrize("tls", [True, False], ids=["tls", "plain"])
def test_a_server_that_does_not_answer_is_unavailable_soon(tls: bool, tmp_path: Path, credentials: None) -> None:
    Authority(tmp_path)
    with tls_front(None, None) as front:
        url = f"postgresql://r@127.0.0.1:{front.port}/d" + f"?sslmode=verify-full&sslrootcert={tmp_path}/ca.pem" * tls
        refused = refusal(Database(url, 200))

        assert isinstance(refused.context["cause"], TimeoutError), refused.context
