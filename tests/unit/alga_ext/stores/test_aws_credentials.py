"""Credentials come from the environment, else from the container endpoint, else from the SDK."""

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from alga_ext.stores.aws_credentials import CredentialSource, NoCredentialsError
from alga_ext.stores.aws_signing import Credentials
from tests.support.answering import AnsweringServer, Reply, answering

START = datetime(2026, 11, 29, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
URI, TOKEN = "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN"


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


class Endpoint:
    """Answers with new credentials each time, which are valid for an hour."""

    def __init__(self, clock: Clock, **changes: Any) -> None:
        self._clock = clock
        self._changes = changes
        self.issued = 0

    def __call__(self, _: object) -> Reply:
        self.issued += 1
        expires_at = (self._clock.now + HOUR).strftime("%Y-%m-%dT%H:%M:%SZ")
        document = {"AccessKeyId": f"AKID{self.issued}", "SecretAccessKey": "s3cret", "Token": "t0ken"}
        return Reply(200, json.dumps({**document, "Expiration": expires_at, **self._changes}).encode())


def at(server: AnsweringServer, **more: str) -> dict[str, str]:
    return {URI: f"{server.url}/2021-08-03/credentials", TOKEN: "the-token", **more}


def test_keys_of_the_environment_win() -> None:
    given = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_SESSION_TOKEN": "c", URI: "http://10.0.0.1/"}

    assert CredentialSource(given).current() == Credentials("a", "b", "c")


def test_the_container_endpoint_is_asked_with_its_token() -> None:
    clock = Clock()
    with answering(Endpoint(clock)) as server:
        assert CredentialSource(at(server), clock).current() == Credentials("AKID1", "s3cret", "t0ken")

        (asked,) = server.asked
        assert (asked.method, asked.path) == ("GET", "/2021-08-03/credentials")
        assert asked.headers["authorization"] == "the-token"


def test_a_file_of_the_token_wins_over_the_variable_and_is_read_each_time(tmp_path: Path) -> None:
    clock, file = Clock(), tmp_path / "token"
    file.write_text("first")
    with answering(Endpoint(clock)) as server:
        source = CredentialSource(at(server, **{f"{TOKEN}_FILE": str(file)}), clock)
        source.current()
        file.write_text("second")
        clock.now += HOUR
        source.current()

        assert [asked.headers["authorization"] for asked in server.asked] == ["first", "second"]


def test_an_endpoint_that_needs_no_token_is_asked_without() -> None:
    clock = Clock()
    with answering(Endpoint(clock)) as server:
        CredentialSource({URI: server.url}, clock).current()

        assert "authorization" not in server.asked[0].headers


def test_fetched_credentials_are_kept_until_ten_minutes_before_they_expire() -> None:
    clock = Clock()
    with answering(Endpoint(clock)) as server:
        source = CredentialSource(at(server), clock)
        found = []
        for minutes in (0, 49, 50, 51):
            clock.now = START + timedelta(minutes=minutes)
            found.append(source.current().key_id)

        assert found == ["AKID1", "AKID1", "AKID2", "AKID2"]


def test_credentials_that_cannot_be_refreshed_are_used_until_they_expire() -> None:
    clock = Clock()
    with answering(Endpoint(clock)) as server:
        source = CredentialSource(at(server), clock)
        source.current()
        server.answer = lambda _: Reply(500)
        clock.now += timedelta(minutes=59)
        assert source.current().key_id == "AKID1"

        clock.now += timedelta(minutes=1)
        with pytest.raises(NoCredentialsError, match="answers with status 500"):
            source.current()


def test_a_snapshot_that_is_restored_after_days_gets_new_credentials() -> None:
    clock = Clock()
    with answering(Endpoint(clock)) as server:
        source = CredentialSource(at(server), clock)
        source.current()
        clock.now += timedelta(days=3)

        assert source.current().key_id == "AKID2"


@pytest.mark.parametrize(
    "uri",
    [
        "http://10.0.0.7/credentials",
        "https://credentials.example/",
        "http://169.254.169.254/latest",
        "http://127.0.0.1.example/",
        "http://localhost.example/",
        "http://[fe80::1]/",
        "ftp://localhost/",
        "file:///etc/passwd",
        "localhost",
    ],
)
def test_another_machine_is_not_asked_for_credentials(uri: str) -> None:
    with pytest.raises(NoCredentialsError, match=f"{URI} must be an http or https URL of this machine"):
        CredentialSource({URI: uri, TOKEN: "the-token"}).current()


@pytest.mark.parametrize("reply", [Reply(500), Reply(403, b"no"), Reply(302, b"", {"location": "http://x/"})])
def test_an_endpoint_that_refuses_is_an_error_with_its_status(reply: Reply) -> None:
    with answering(lambda _: reply) as server, pytest.raises(NoCredentialsError, match=f"status {reply.status}"):
        CredentialSource(at(server)).current()


def test_an_endpoint_that_is_not_there_is_an_error() -> None:
    with pytest.raises(NoCredentialsError, match="does not answer"):
        CredentialSource({URI: "http://127.0.0.1:1/"}).current()


@pytest.mark.parametrize(
    "changes",
    [{"Token": None}, {"AccessKeyId": ""}, {"SecretAccessKey": 7}, {"Expiration": "soon"}, {"Expiration": None}],
    ids=str,
)
def test_an_answer_without_credentials_is_an_error_that_shows_none(changes: dict[str, Any]) -> None:
    clock = Clock()
    with answering(Endpoint(clock, **changes)) as server:
        with pytest.raises(NoCredentialsError, match="does not contain credentials") as refused:
            CredentialSource(at(server), clock).current()
        assert "s3cret" not in str(refused.value)
        assert refused.value.__cause__ is None


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'"text"', b"\xff"])
def test_an_answer_of_another_form_is_an_error(body: bytes) -> None:
    with (
        answering(lambda _: Reply(200, body)) as server,
        pytest.raises(NoCredentialsError, match="does not contain credentials"),
    ):
        CredentialSource(at(server)).current()


def test_a_token_with_a_line_break_is_refused_and_not_shown() -> None:
    with answering(lambda _: Reply(200)) as server:
        with pytest.raises(NoCredentialsError, match="must not contain line breaks") as refused:
            CredentialSource({**at(server), TOKEN: "the\r\nx-token: 1"}).current()
        assert (server.asked, "x-token" in str(refused.value)) == ([], False)


def test_a_token_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with answering(lambda _: Reply(200)) as server, pytest.raises(NoCredentialsError, match=f"{TOKEN}_FILE cannot"):
        CredentialSource(at(server, **{f"{TOKEN}_FILE": str(tmp_path / "absent")})).current()


def test_without_an_sdk_the_error_names_the_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "alga_ext.stores.aws", None)
    with pytest.raises(NoCredentialsError, match="AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set"):
        CredentialSource({"AWS_REGION": "x"}).current()
