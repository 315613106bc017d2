"""The password of a role that signs in by IAM is the token that the SDK makes, and is used again for ten minutes."""

from datetime import UTC, datetime, timedelta

import boto3
import botocore.auth
import pytest

from alga_ext.database_url import parse_database_url
from alga_ext.stores.aws_credentials import NoCredentialsError
from alga_ext.stores.aws_signing import Credentials
from alga_ext.stores.database_login import IamToken, Login
from tests.support.answering import Reply, answering

NOW = datetime(2026, 11, 29, 23, 59, 58, tzinfo=UTC)
HOST = "alga-dev.cluster-abc123.eu-central-1.rds.amazonaws.com"
URL = f"postgresql://fn_gateway@{HOST}:5432/alga_ext?auth=iam&region=eu-central-1"
KEYS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG"}


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.mark.parametrize("session", ["", "FwoGZXIvYXdzE//token+with/signs=="], ids=["long-lived", "session"])
@pytest.mark.parametrize(
    "url",
    [
        URL,
        "postgresql://fn_runner@db.example:6432/d?auth=iam&region=us-gov-west-1",
        "postgresql://a%40b+c%20d%2F~@db.example/d?auth=iam&region=eu-central-1",
    ],
)
def test_the_token_is_the_one_that_the_sdk_makes(url: str, session: str, monkeypatch: pytest.MonkeyPatch) -> None:
    address = parse_database_url(url)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: NOW)
    client = boto3.session.Session("AKIDEXAMPLE", "wJalrXUtnFEMI/K7", session or None).client("rds", address.iam_region)
    theirs = client.generate_db_auth_token(address.host, address.port, address.role, address.iam_region)

    ours = IamToken(address, lambda: Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7", session), lambda: NOW).current()

    assert ours == theirs


def test_a_token_is_used_again_for_ten_minutes_whatever_the_credentials_are() -> None:
    clock, keys = Clock(), iter("abcdef")
    token = IamToken(parse_database_url(URL), lambda: Credentials(next(keys), "secret"), clock)
    found = []
    for minutes in (0, 9.99, 10, 19, 20):
        clock.now = NOW + timedelta(minutes=minutes)
        found.append(token.current().partition("Credential=")[2][0])

    assert found == ["a", "a", "b", "b", "c"]


def test_a_clock_that_was_set_back_gets_a_new_token() -> None:
    clock = Clock()
    token = IamToken(parse_database_url(URL), lambda: Credentials("a", "secret"), clock)
    first = token.current()
    clock.now -= timedelta(days=1)

    assert token.current() != first


def test_connections_of_one_login_use_one_token() -> None:
    login = Login(URL, 1_000, environ=KEYS)
    first, second = (login.arguments()["password"] for _ in range(2))

    assert first == second
    assert first.startswith(f"{HOST}:5432/?Action=connect&DBUser=fn_gateway&X-Amz-Algorithm=AWS4-HMAC-SHA256&")


def test_a_login_takes_the_credentials_of_the_container_endpoint() -> None:
    body = b'{"AccessKeyId": "AKIDBOX", "SecretAccessKey": "s", "Token": "t", "Expiration": "2099-01-01T00:00:00Z"}'
    with answering(lambda _: Reply(200, body)) as server:
        login = Login(URL, 1_000, environ={"AWS_CONTAINER_CREDENTIALS_FULL_URI": server.url})

        assert "X-Amz-Credential=AKIDBOX%2F" in login.arguments()["password"]


def test_without_credentials_there_is_no_password() -> None:
    login = Login(URL, 1_000, environ={"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:1/"})
    with pytest.raises(NoCredentialsError):
        login.arguments()


def test_a_token_needs_verified_tls() -> None:
    context = Login(URL, 1_000, environ=KEYS).arguments()["ssl_context"]

    assert context.check_hostname


@pytest.mark.parametrize(
    ("url", "password"),
    [
        ("postgresql://r@localhost/d", "given"),
        ("postgresql://r:own@localhost/d", "own"),
    ],
)
def test_a_given_password_is_used_when_the_url_has_none(url: str, password: str) -> None:
    assert Login(url, 1_000, password="given").arguments()["password"] == password
