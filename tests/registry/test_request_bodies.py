"""Bodies that are no JSON as it is wanted are the caller's fault."""

import base64
import json

import pytest
from pydantic import ValidationError

from functions.registry.api.install_shapes import InstallIn
from functions.registry.api.registry import Registry
from tests.support.documented import documented
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


def test_a_documented_event_is_answered(world: RegistryWorld) -> None:
    answer = Registry(world.services).answer(documented("http_api_registry", world.admin), Context())

    assert (answer["statusCode"], json.loads(answer["body"])["publisher"]) == (201, "globex")


def test_a_form_is_refused(world: RegistryWorld) -> None:
    event = {**documented("http_api_form", world.admin), "rawPath": "/api/registry/v1/publishers"}
    answer = Registry(world.services).answer(event, Context())

    assert (answer["statusCode"], json.loads(answer["body"])["code"]) == (400, "invalid_request")


def test_a_bundle_that_is_no_base64_is_refused(world: RegistryWorld) -> None:
    refused = world.call("POST", "/versions", world.publisher, {"bundle_b64": "é", "signature": {}})

    assert (refused.status, refused.code) == (400, "invalid_request")


def send(world: RegistryWorld, body: str, path: str = "/publishers", **headers: str | None) -> tuple[int, str]:
    """Send a body with the headers given; ``None`` leaves one out. Return the status and the code."""
    event = world.event("POST", path, world.admin)
    given = {**event["headers"], **{name.replace("_", "-"): value for name, value in headers.items()}}
    event["headers"] = {name: value for name, value in given.items() if value is not None}
    answer = Registry(world.services).answer({**event, "body": body}, Context())
    return answer["statusCode"], json.loads(answer["body"])["code"]


HUGE = '{"m": 1' + "".join(f', "m{number}": 1' for number in range(100_000)) + "}"


@pytest.mark.parametrize("body", [HUGE, "[" * 3_000, "{", "x" * 6_000_000], ids=["members", "deep", "cut off", "large"])
@pytest.mark.parametrize("authorization", [None, "Bearer nonsense", "Basic eA=="], ids=["none", "nonsense", "basic"])
def test_what_a_stranger_sends_is_not_parsed(
    world: RegistryWorld, monkeypatch: pytest.MonkeyPatch, body: str, authorization: str | None
) -> None:
    assert world.services is not None, "building them parses settings"
    monkeypatch.setattr("functions.registry.api.registry.strict_json.parse", pytest.fail)

    assert send(world, body, authorization=authorization) == (401, "unauthenticated")


def test_another_type_of_body_is_refused_by_name(world: RegistryWorld) -> None:
    assert send(world, "hello", content_type="text/plain") == (400, "invalid_request")


def test_another_type_of_body_without_a_token_is_unauthenticated(world: RegistryWorld) -> None:
    assert send(world, "hello", content_type="text/plain", authorization=None) == (401, "unauthenticated")


@pytest.mark.parametrize(("path", "limit"), [("/publishers", 512 * 1024), ("/versions", 7 * 1024 * 1024)])
def test_a_body_over_the_limit_of_its_route_is_refused(world: RegistryWorld, path: str, limit: int) -> None:
    filled = '{"publisher": "' + "x" * (limit - 17) + '"}'
    assert len(filled) == limit

    assert send(world, filled, path)[0] == 400
    assert send(world, filled + " ", path) == (413, "payload_too_large")


def test_very_many_members_are_refused_before_they_are_validated(world: RegistryWorld) -> None:
    def detail(count: int) -> str:
        refused = world.call("POST", "/publishers", world.admin, {f"m{number}": 1 for number in range(count)})
        assert (refused.status, refused.code) == (400, "invalid_request")
        return str(refused.body["detail"])

    assert "no request has more than 50" in detail(51)
    assert "no request has more than" not in detail(50)


def test_at_most_five_faults_are_told(world: RegistryWorld) -> None:
    refused = world.call("POST", "/publishers", world.admin, {f"m{number}": 1 for number in range(50)})

    assert (refused.status, refused.body["detail"].count("m")) <= (400, 10)
    assert refused.body["detail"].count(";") == 4


MANY = {f"m{number}": 1 for number in range(30_000)}


@pytest.mark.parametrize(
    "grants",
    [
        {"capabilities": [1] * 150_000},
        {"egress": [1] * 150_000},
        {"secrets": {"A": [1] * 150_000}},
        {"secrets": MANY},
        {"secret_headers": MANY},
        {"limits": dict.fromkeys(MANY, 0)},
        {"capabilities": MANY},
        MANY,
        [1] * 150_000,
    ],
    ids=range(9),
)
def test_however_many_faults_a_body_has_only_a_few_are_found(world: RegistryWorld, grants: object) -> None:
    """The validation library makes an object of each fault, and a body has room for 250,000."""
    body = {"extension": "com.acme.notes", "grants": grants}

    with pytest.raises(ValidationError) as found:
        InstallIn.model_validate(body)
    assert found.value.error_count() <= 5
    assert world.call("POST", "/installs", world.tenant_admin(), body).code == "invalid_request"


def test_a_caller_that_only_fails_is_told_to_wait(world: RegistryWorld) -> None:
    registry = Registry(world.services)
    event = world.event("GET", "/publishers", "not a token")
    answers = [registry.answer(event, Context()) for _ in range(101)]

    assert [answer["statusCode"] for answer in answers] == [401] * 100 + [429]
    assert int(answers[-1]["headers"]["retry-after"]) >= 1
    assert json.loads(answers[-1]["body"])["code"] == "rate_limited"


def test_a_health_check_with_a_bad_token_is_limited_and_one_without_a_token_is_not(world: RegistryWorld) -> None:
    registry = Registry(world.services)

    def status(headers: dict[str, str]) -> int:
        event = {**world.event("GET", "/healthz", ""), "headers": headers}
        return int(registry.answer(event, Context())["statusCode"])

    bad = {"authorization": "Bearer not-a-token"}
    assert [status(bad) for _ in range(101)] == [401] * 100 + [429]
    assert status({}) == 200


def test_refused_requests_of_a_verified_token_are_limited_too(world: RegistryWorld) -> None:
    registry = Registry(world.services)
    event = {**world.event("POST", "/publishers", world.admin), "body": "{"}
    statuses = [registry.answer(event, Context())["statusCode"] for _ in range(101)]

    assert statuses == [400] * 100 + [429]
    assert registry.answer(world.event("GET", "/publishers", world.publisher), Context())["statusCode"] == 200


def test_a_token_has_one_budget_however_its_header_is_written(world: RegistryWorld) -> None:
    registry = Registry(world.services)

    def status(spaces: int) -> int:
        event = {**world.event("POST", "/publishers", world.admin), "body": "{"}
        headers = {**event["headers"], "authorization": f"Bearer{' ' * spaces}{world.admin}"}
        return int(registry.answer({**event, "headers": headers}, Context())["statusCode"])

    assert [status(spaces) for spaces in range(1, 102)] == [400] * 100 + [429]
