"""Requests go to the right endpoint, are repeated only when that can help, and fail as one kind of error."""

import os
from pathlib import Path

import pytest

from alga_ext.stores import aws
from alga_ext.stores.aws_api import AwsApi, NotSignedError
from alga_ext.stores.http_requests import HttpError
from tests.support.answering import Reply, answering
from tests.support.tls import Authority

KEYS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG", "AWS_REGION": "eu-west-1"}


def test_a_regions_endpoint_is_the_services_own() -> None:
    assert AwsApi(KEYS).endpoint("sqs") == "https://sqs.eu-west-1.amazonaws.com"
    assert AwsApi({**KEYS, "AWS_REGION": "cn-north-1"}).endpoint("kms") == "https://kms.cn-north-1.amazonaws.com.cn"


def test_an_endpoint_that_is_given_wins_and_a_services_own_over_it() -> None:
    given = {**KEYS, "AWS_ENDPOINT_URL": "http://all/", "AWS_ENDPOINT_URL_SQS": "http://sqs"}
    assert (AwsApi(given).endpoint("sqs"), AwsApi(given).endpoint("kms")) == ("http://sqs", "http://all")


def test_the_endpoint_of_secrets_manager_has_the_variable_of_the_sdk() -> None:
    given = {**KEYS, "AWS_ENDPOINT_URL_SECRETS_MANAGER": "http://secrets"}
    assert AwsApi(given).endpoint("secretsmanager") == "http://secrets"
    assert AwsApi(KEYS).endpoint("secretsmanager") == "https://secretsmanager.eu-west-1.amazonaws.com"


def test_without_region_and_endpoint_the_error_names_both() -> None:
    with pytest.raises(ValueError, match="requests to sqs need AWS_REGION or AWS_ENDPOINT_URL_SQS"):
        AwsApi({}).endpoint("sqs")


@pytest.mark.parametrize(("status", "sent"), [(200, 1), (400, 1), (404, 1), (500, 2), (502, 2), (503, 2), (504, 2)])
def test_a_request_is_sent_again_only_when_the_service_failed(status: int, sent: int) -> None:
    with answering(lambda _: Reply(status, b"{}")) as server:
        answer = AwsApi({**KEYS, "AWS_ENDPOINT_URL": server.url}).request("sqs", "POST", "/", body=b"x")
        assert (answer.status, answer.read(), len(server.asked)) == (status, b"{}", sent)
        assert {asked.body for asked in server.asked} == {b"x"}


@pytest.mark.parametrize("reply", [Reply(500), Reply(body=None)], ids=["fails", "hangs up"])
def test_a_request_with_one_attempt_is_sent_once(reply: Reply) -> None:
    with answering(lambda _: reply) as server:
        api = AwsApi({**KEYS, "AWS_ENDPOINT_URL": server.url})
        try:
            api.request("lambda", "POST", "/x", body=b"{}", attempts=1)
        except HttpError:
            assert reply.body is None
        assert len(server.asked) == 1


def test_an_endpoint_that_a_given_authority_vouches_for_is_asked(tmp_path: Path) -> None:
    tls = Authority(tmp_path).server_context("localhost")
    with answering(lambda _: Reply(200, b"{}"), tls) as server:
        environ = {**KEYS, "AWS_ENDPOINT_URL": server.url, "AWS_CA_BUNDLE": str(tmp_path / "ca.pem")}

        assert AwsApi(environ).request("sqs", "POST", "/").read() == b"{}"


@pytest.mark.parametrize(("host", "bundle"), [("other.example", "ca.pem"), ("localhost", None)])
def test_an_endpoint_that_nobody_vouches_for_is_not_asked(host: str, bundle: str | None, tmp_path: Path) -> None:
    tls = Authority(tmp_path).server_context(host)
    with answering(lambda _: Reply(200, b"{}"), tls) as server:
        environ = {**KEYS, "AWS_ENDPOINT_URL": server.url, "AWS_CA_BUNDLE": str(tmp_path / bundle) if bundle else ""}
        with pytest.raises(HttpError, match="certificate verify failed"):
            AwsApi(environ).request("sqs", "POST", "/", attempts=1)

        assert server.asked == []


def test_a_redirect_is_not_followed() -> None:
    with answering(lambda _: Reply(307, b"", {"location": "/elsewhere"})) as server:
        answer = AwsApi({**KEYS, "AWS_ENDPOINT_URL": server.url}).request("s3", "GET", "/bucket/key")
        assert (answer.status, [asked.path for asked in server.asked]) == (307, ["/bucket/key"])


def test_without_credentials_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    class Nobody:
        def get_credentials(self) -> None:
            return None

    monkeypatch.setattr(aws, "_session", Nobody)
    with answering(lambda _: Reply(200)) as server:
        with pytest.raises(NotSignedError):
            AwsApi({"AWS_REGION": "x", "AWS_ENDPOINT_URL": server.url}).request("sqs", "POST", "/")
        assert server.asked == []


def test_rotated_credentials_sign_the_next_request() -> None:
    with answering(lambda _: Reply(200)) as server:
        environ = {**os.environ, **KEYS, "AWS_ENDPOINT_URL": server.url}
        api = AwsApi(environ)
        api.request("sqs", "POST", "/")
        environ["AWS_ACCESS_KEY_ID"] = "AKIDROTATED"
        api.request("sqs", "POST", "/")
        signed = [asked.headers["authorization"].split("/")[0].rpartition("=")[2] for asked in server.asked]
        assert signed == ["AKIDEXAMPLE", "AKIDROTATED"]
