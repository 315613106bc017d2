"""Cross-origin requests at the gateway's handler, without a database: none is reached before a call is admitted."""

import json
from pathlib import Path
from typing import Any

import pytest

from alga_ext.settings import SettingsError
from functions.gateway.gateway import Gateway
from functions.gateway.services import Services
from tests.support.function_settings import AWS, good_environment

APP = "https://app.example.com"
ASKING = {"origin": APP, "access-control-request-method": "POST", "access-control-request-headers": "x-hub-signature"}


@pytest.fixture
def gateway(tmp_path: Path) -> Gateway:
    """A gateway whose database, key set, queue and runner cannot be reached."""
    environment = {**good_environment(tmp_path), **AWS, "CORS_ORIGINS": APP, "AUTH_JWKS_URL": "http://127.0.0.1:1/keys"}
    return Gateway(Services.build(environment))


def ask(gateway: Gateway, method: str, path: str = "/api/ext/acme.notes/notes", **headers: str) -> dict[str, Any]:
    http = {"method": method, "path": path}
    event = {"rawPath": path, "headers": headers, "requestContext": {"requestId": "r-1", "http": http}}
    return gateway.answer(event)


def code(answer: dict[str, Any]) -> str:
    return str(json.loads(answer["body"])["code"])


def test_a_preflight_is_answered_without_token_database_and_key_set(gateway: Gateway) -> None:
    answer = ask(gateway, "OPTIONS", **ASKING)

    assert (answer["statusCode"], answer["body"]) == (204, "")
    assert answer["headers"]["access-control-allow-origin"] == APP
    assert "x-hub-signature" in answer["headers"]["access-control-allow-headers"]
    assert (answer["headers"]["vary"], answer["headers"]["x-request-id"]) == ("origin", "r-1")


@pytest.mark.parametrize("path", ["/api/ext/", "/api/ext/../x", "/api/other", "/"])
def test_a_preflight_for_a_path_that_names_no_extension_is_refused(gateway: Gateway, path: str) -> None:
    answer = ask(gateway, "OPTIONS", path, **ASKING)

    assert (answer["statusCode"], code(answer)) == (404, "not_found")
    assert answer["headers"]["access-control-allow-origin"] == APP


def test_a_preflight_of_another_origin_needs_a_token_like_any_call(gateway: Gateway) -> None:
    answer = ask(gateway, "OPTIONS", **{**ASKING, "origin": "https://other.example"})

    assert (answer["statusCode"], code(answer)) == (401, "unauthenticated")
    assert not [name for name in answer["headers"] if name.startswith("access-control-")]


def test_options_without_a_requested_method_needs_a_token_like_any_call(gateway: Gateway) -> None:
    answer = ask(gateway, "OPTIONS", origin=APP)

    assert (answer["statusCode"], code(answer)) == (401, "unauthenticated")


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("GET", {}, 401),
        ("TRACE", {}, 405),
        ("GET", {"x-large": "x" * 9_000}, 413),
        ("GET", {"authorization": "Bearer " + "eyJhbGciOiJFZERTQSIsImtpZCI6ImsifQ.e30.AA"}, 503),
    ],
)
def test_a_page_of_a_listed_origin_can_read_a_refusal(
    gateway: Gateway, method: str, headers: dict[str, str], status: int
) -> None:
    answer = ask(gateway, method, **{**headers, "origin": APP})

    assert answer["statusCode"] == status, answer
    assert answer["headers"]["access-control-allow-origin"] == APP
    assert "x-request-id" in answer["headers"]["access-control-expose-headers"].split(", ")


def test_a_setting_that_is_no_list_of_origins_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as refused:
        Services.build({**good_environment(tmp_path), **AWS, "CORS_ORIGINS": f"{APP},*"})

    assert "CORS_ORIGINS: its origin 2 is '*'" in str(refused.value)
    assert "separated by commas" in str(refused.value)
