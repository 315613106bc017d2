"""Requests are signed as the SDK signs them, repeated only when that can help, and fail as one kind of error."""

import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as SdkCredentials
from urllib3.exceptions import HTTPError

from alga_ext.stores import aws
from alga_ext.stores.aws_api import AwsApi, Credentials, NoCredentialsError, signed_headers
from tests.support.answering import Reply, answering

KEYS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG", "AWS_REGION": "eu-west-1"}
JSON = {"content-type": "application/x-amz-json-1.0", "x-amz-target": "AmazonSQS.SendMessage"}
TENANT = {"x-amz-tenant-id": "acme", "content-type": "application/json"}
ARN_PATH = "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aeu-west-1%3A1%3Afunction%3Arunner%3Alive/invocations"


def their_signature(
    method: str, url: str, service: str, token: str, ours: Mapping[str, str], body: bytes, headers: Mapping[str, str]
) -> str:
    """Return the SDK's signature of the request that ``ours`` signs."""
    request = AWSRequest(method, url, data=body)
    request.context["timestamp"] = ours["x-amz-date"]
    kind = S3SigV4Auth if service == "s3" else SigV4Auth
    signer = kind(SdkCredentials("AKID", "secret", token or None), service, "eu-central-1")
    for name, value in headers.items():
        request.headers[name] = value
    request.headers["X-Amz-Date"] = ours["x-amz-date"]
    request.headers["X-Amz-Content-SHA256"] = signer.payload(request)
    if token:
        request.headers["X-Amz-Security-Token"] = token
    signature: str = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
    return signature


@pytest.mark.parametrize("token", ["", "FwoGZXIvYXdzE//token=="])
@pytest.mark.parametrize("host", ["https://service.eu-central-1.amazonaws.com", "http://127.0.0.1:5001"])
@pytest.mark.parametrize(
    ("service", "method", "path", "headers", "body"),
    [
        ("s3", "GET", "/bucket/a/b.cwasm", {}, b""),
        ("s3", "HEAD", "/bucket/%C3%BC/a%2Bb%20c~d", {}, b""),
        ("sqs", "POST", "/", JSON, b'{"a":"\xc3\xbc"}'),
        ("lambda", "POST", "/2015-03-31/functions/runner/invocations", TENANT, b"{}"),
        ("lambda", "POST", ARN_PATH, TENANT, bytes(range(256))),
    ],
)
def test_a_request_is_signed_as_the_sdk_signs_it(
    host: str, service: str, method: str, path: str, headers: dict[str, str], body: bytes, token: str
) -> None:
    keys = Credentials("AKID", "secret", token)
    ours = signed_headers(method, host + path, "eu-central-1", service, keys, datetime.now(UTC), headers, body)
    signature = their_signature(method, host + path, service, token, ours, body, headers)
    assert ours["authorization"].endswith(f"Signature={signature}")
    assert headers.items() <= ours.items()


def test_a_regions_endpoint_is_the_services_own() -> None:
    assert AwsApi(KEYS).endpoint("sqs") == "https://sqs.eu-west-1.amazonaws.com"
    assert AwsApi({**KEYS, "AWS_REGION": "cn-north-1"}).endpoint("kms") == "https://kms.cn-north-1.amazonaws.com.cn"


def test_an_endpoint_that_is_given_wins_and_a_services_own_over_it() -> None:
    given = {**KEYS, "AWS_ENDPOINT_URL": "http://all/", "AWS_ENDPOINT_URL_SQS": "http://sqs"}
    assert (AwsApi(given).endpoint("sqs"), AwsApi(given).endpoint("kms")) == ("http://sqs", "http://all")


def test_without_region_and_endpoint_the_error_names_both() -> None:
    with pytest.raises(ValueError, match="requests to sqs need AWS_REGION or AWS_ENDPOINT_URL_SQS"):
        AwsApi({}).endpoint("sqs")


@pytest.mark.parametrize(("status", "sent"), [(200, 1), (400, 1), (404, 1), (500, 2), (502, 2), (503, 2), (504, 2)])
def test_a_request_is_sent_again_only_when_the_service_failed(status: int, sent: int) -> None:
    with answering(lambda _: Reply(status, b"{}")) as server:
        answer = AwsApi({**KEYS, "AWS_ENDPOINT_URL": server.url}).request("sqs", "POST", "/", body=b"x")
        assert (answer.status, len(server.asked)) == (status, sent)
        assert {asked.body for asked in server.asked} == {b"x"}


@pytest.mark.parametrize("reply", [Reply(500), Reply(body=None)], ids=["fails", "hangs up"])
def test_a_request_with_one_attempt_is_sent_once(reply: Reply) -> None:
    with answering(lambda _: reply) as server:
        api = AwsApi({**KEYS, "AWS_ENDPOINT_URL": server.url})
        try:
            api.request("lambda", "POST", "/x", body=b"{}", attempts=1)
        except HTTPError:
            assert reply.body is None
        assert len(server.asked) == 1


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
        with pytest.raises(NoCredentialsError):
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


def test_without_an_sdk_the_error_names_the_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "alga_ext.stores.aws", None)
    with pytest.raises(NoCredentialsError, match="AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set"):
        AwsApi({"AWS_REGION": "x"}).request("sqs", "POST", "/")
