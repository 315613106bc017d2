"""Requests and URLs are signed as the SDK signs them."""

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as SdkCredentials

from alga_ext.stores.aws_signing import Credentials, presigned_url, signed_headers

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


@pytest.mark.parametrize("token", ["", "FwoGZXIvYXdzE//token=="])
@pytest.mark.parametrize("query", [{"Action": "connect", "DBUser": "fn_gateway"}, {"a": "b c+d/ü~*", "Z": ""}])
def test_a_url_is_signed_as_the_sdk_signs_it(query: dict[str, str], token: str) -> None:
    now = datetime(2026, 11, 29, 12, 30, 1, tzinfo=UTC)
    request = AWSRequest("GET", "https://db.example:6543/", params=dict(query))
    request.context["timestamp"] = now.strftime("%Y%m%dT%H%M%SZ")
    signer = SigV4QueryAuth(SdkCredentials("AKID", "secret", token or None), "rds-db", "eu-central-1", expires=900)
    signer._modify_request_before_signing(request)
    string = signer.string_to_sign(request, signer.canonical_request(request))
    signer._inject_signature_to_request(request, signer.signature(string, request))

    keys = Credentials("AKID", "secret", token)
    ours = presigned_url("https://db.example:6543/", query, "eu-central-1", "rds-db", keys, now, 900)

    assert ours == request.url
