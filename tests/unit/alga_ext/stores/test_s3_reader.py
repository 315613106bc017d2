"""The reader finds its endpoint and credentials where the SDK does."""

from collections.abc import Iterator

import boto3
import pytest

from alga_ext.stores import aws
from alga_ext.stores.aws_api import AwsApi
from alga_ext.stores.s3_reader import S3ObjectReader
from tests.support.answering import AnsweringServer, Asked, Reply, answering
from tests.support.refusals import code_of

KEYS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG"}


@pytest.fixture
def server() -> Iterator[AnsweringServer]:
    with answering(lambda _: Reply(200, b"object")) as found:
        yield found


def test_the_environments_credentials_sign(server: AnsweringServer) -> None:
    given = {**KEYS, "AWS_SESSION_TOKEN": "t", "AWS_REGION": "eu-central-1", "AWS_ENDPOINT_URL": server.url}

    assert S3ObjectReader("s3://bucket/p", AwsApi(given)).get("k") == b"object"

    (asked,) = server.asked
    assert asked.path == "/bucket/p/k"
    assert "Credential=AKIDEXAMPLE/" in asked.headers["authorization"]
    assert "/eu-central-1/s3/aws4_request" in asked.headers["authorization"]
    assert asked.headers["x-amz-security-token"] == "t"
    assert KEYS["AWS_SECRET_ACCESS_KEY"] not in str(asked.headers)


def test_without_the_environments_credentials_the_sdks_sign(
    server: AnsweringServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = boto3.session.Session("of-the-role", "secret", "token")
    monkeypatch.setattr(aws, "_session", lambda: session)
    S3ObjectReader("s3://bucket", AwsApi({"AWS_REGION": "eu-central-1", "AWS_ENDPOINT_URL": server.url})).get("k")

    assert "Credential=of-the-role/" in server.asked[0].headers["authorization"]
    assert server.asked[0].headers["x-amz-security-token"] == "token"


def test_without_any_credentials_the_store_is_unavailable(
    server: AnsweringServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Nobody:
        def get_credentials(self) -> None:
            return None

    monkeypatch.setattr(aws, "_session", Nobody)
    reader = S3ObjectReader("s3://bucket", AwsApi({"AWS_REGION": "eu-central-1", "AWS_ENDPOINT_URL": server.url}))

    assert code_of(lambda: reader.get("k")) == "object_store_unavailable"
    assert server.asked == []


def test_the_endpoint_of_s3_alone_wins(server: AnsweringServer) -> None:
    given = {**KEYS, "AWS_REGION": "x", "AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_ENDPOINT_URL_S3": server.url}

    assert S3ObjectReader("s3://bucket", AwsApi(given)).get("k") == b"object"


def test_without_region_and_endpoint_the_start_fails() -> None:
    with pytest.raises(ValueError, match="AWS_REGION"):
        S3ObjectReader("s3://bucket", AwsApi(KEYS))


def test_a_failure_that_passes_is_tried_again_once() -> None:
    replies = [Reply(503), Reply(200, b"object"), Reply(503), Reply(503)]
    with answering(lambda _: replies.pop(0)) as server:
        reader = S3ObjectReader("s3://bucket", AwsApi({**KEYS, "AWS_REGION": "x", "AWS_ENDPOINT_URL": server.url}))

        assert reader.get("k") == b"object"
        assert code_of(lambda: reader.get("k")) == "object_store_unavailable"
        assert len(server.asked) == 4


def test_a_redirect_is_not_followed() -> None:
    def answer(asked: Asked) -> Reply:
        return Reply(307, b"", {"location": "/elsewhere"}) if asked.path == "/bucket/k" else Reply(200, b"other")

    with answering(answer) as server:
        reader = S3ObjectReader("s3://bucket", AwsApi({**KEYS, "AWS_REGION": "x", "AWS_ENDPOINT_URL": server.url}))

        assert code_of(lambda: reader.get("k")) == "object_store_unavailable"
        assert len(server.asked) == 1
