"""Bodies that are no JSON as it is wanted are the caller's fault."""

import base64
import json

import pytest

from functions.registry.api.registry import Registry
from tests.support.registry import Context, RegistryWorld


@pytest.mark.parametrize(
    ("body", "is_base64"),
    [
        ("[" * 3_000 + "]" * 3_000, False),
        ('{"publisher": ' + "1" * 5_000 + "}", False),
        ('{"publisher": 1e999}', False),
        ('{"publisher": "a", "publisher": "b"}', False),
        ("{", False),
        (base64.b64encode(b"\xff\xfe").decode(), True),
        ("no base64!", True),
        ('"\ud800"', False),
    ],
    ids=["deep", "huge number", "infinite", "twice", "cut off", "not UTF-8", "not base64", "half a pair"],
)
def test_a_body_that_is_not_json_as_it_is_wanted_is_refused(world: RegistryWorld, body: str, is_base64: bool) -> None:
    event = {
        "version": "2.0",
        "rawPath": "/api/registry/v1/publishers",
        "rawQueryString": "",
        "headers": {"content-type": "application/json", "authorization": f"Bearer {world.admin}"},
        "requestContext": {"http": {"method": "POST", "path": "/api/registry/v1/publishers"}, "stage": "$default"},
        "body": body,
        "isBase64Encoded": is_base64,
    }

    answer = Registry(world.services).answer(event, Context())

    assert (answer["statusCode"], json.loads(answer["body"])["code"]) == (400, "invalid_request")


def test_a_bundle_that_is_no_base64_is_refused(world: RegistryWorld) -> None:
    refused = world.call("POST", "/versions", world.publisher, {"bundle_b64": "é", "signature": {}})

    assert (refused.status, refused.code) == (400, "invalid_request")
