"""What gateway and registry answer through the whole local platform is what their OpenAPI documents say.

``make contract-fuzz`` makes more requests, and others each time.
"""

import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

import pytest
import requests
from hypothesis import strategies as st
from schemathesis.core.transport import Response

from alga_ext.edge.http import problem
from alga_ext.errors import PlatformError
from alga_ext.trust.signing import LocalSigner
from tests.support.answering import Reply, answering
from tests.support.documented_answers import Case, ask_each, operations
from tests.support.site import PUBLISHER, Site
from tests.support.wat import guest
from tools.gateway_openapi import gateway_openapi
from tools.references import openapi

GATEWAY: Final = gateway_openapi()
REGISTRY: Final = openapi()
METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
ENDPOINTS: Final = [{"method": method, "path": path} for method in METHODS for path in ("/run", "/items/:id")]
OKAY: Final = "(call $respond (i32.const 200) (i32.const 0) (i32.const 5))"
APP: Final = "https://app.example.com"
CALLERS: Final[dict[str, dict[str, Any]]] = {
    "platform admin": {"roles": ["platform_admin"]},
    "tenant admin": {"roles": ["tenant_admin"], "tenant_id": "documented"},
    "event publisher": {"roles": ["event:publish"], "tenant_id": "documented"},
    "publisher": {"roles": ["publisher"], "publishers": ["documented"]},
}
COMPILES_EVERYTHING: Final = frozenset({"prepare_versions"})
"""It queues work that the tests beside this one would wait for."""


class Scene(NamedTuple):
    """A publisher and a tenant of these tests alone, because their requests change what they find."""

    site: Site
    objects: dict[str, str]
    places: dict[str, st.SearchStrategy[str]]


@pytest.fixture(scope="module")
def scene(site: Site) -> Scene:
    operator, key = site.client("operator"), LocalSigner.generate()
    operator.create_publisher("documented", "Documented")
    key_id = operator.add_key("documented", key.public_pem)["key_id"]
    api = {"endpoints": ENDPOINTS, "headers": ["x-hub-signature"]}
    version = site.publish(guest(OKAY, data='(data (i32.const 0) "hello")'), api=api)
    admin = site.client_of(CALLERS["tenant admin"])
    grants: dict[str, Any] = {"capabilities": [], "egress": [], "secrets": {}, "limits": {}}
    install_id = str(admin.install(version["name"], None, grants, {})["install_id"])
    admin.close()
    objects = {
        "tenant_id": "documented-and-erased",
        "publisher": "documented",
        "key_id": key_id,
        "version_id": version["version_id"],
        "reference": version["name"],
        "install_id": install_id,
        "schedule_id": "00000000-0000-0000-0000-000000000000",  # made by guests; see tests/registry/test_schedules.py
        "name": "salt",
        "leaf_index": "0",
        "delivery_id": "00000000-0000-0000-0000-000000000008",
        "topic": "ticket.created",
    }
    places = {
        **{name: st.just(value) for name, value in objects.items()},
        "extension": st.sampled_from([install_id, f"{PUBLISHER}.{version['name']}", version["name"]]),
        "path": st.sampled_from(["run", "items/1", "items/ä b"]),
    }
    return Scene(site, objects, places)


@pytest.fixture
def send(site: Site) -> Iterator[Callable[..., Response]]:
    """Sends a request as a caller, each time with a token of its own: refused ones have a budget."""
    numbers = itertools.count()
    with requests.Session() as session:

        def send(case: Case, claims: dict[str, Any] | None, **headers: str) -> Response:
            case.headers.pop("authorization", None)
            if claims is not None:
                token = site.platform.keys.token({"sub": f"documented-{next(numbers)}", **claims})
                headers["authorization"] = f"Bearer {token}"
            return case.call(base_url=site.api, session=session, headers=headers, allow_redirects=False)

        yield send


@pytest.mark.parametrize("caller", CALLERS)
def test_the_registry_answers_a_caller_as_documented(scene: Scene, send: Callable[..., Response], caller: str) -> None:
    claims = CALLERS[caller]
    sent = ask_each(
        REGISTRY,
        lambda case: send(case, claims),
        examples=2,
        places=scene.places,
        left_out=COMPILES_EVERYTHING if caller == "platform admin" else frozenset(),
    )

    assert sent > len(REGISTRY["paths"])


def test_the_registry_answers_strangers_as_documented(scene: Scene, send: Callable[..., Response]) -> None:
    assert ask_each(REGISTRY, lambda case: send(case, None), examples=1, places=scene.places) > 0


def test_the_gateway_answers_a_tenants_user_as_documented(scene: Scene, send: Callable[..., Response]) -> None:
    claims = {"roles": ["tenant_user"], "tenant_id": "documented"}
    assert ask_each(GATEWAY, lambda case: send(case, claims), examples=7, places=scene.places) > 0


def test_the_gateway_answers_strangers_as_documented(scene: Scene, send: Callable[..., Response]) -> None:
    assert ask_each(GATEWAY, lambda case: send(case, None), examples=2, places=scene.places) > 0


_CALLS: Final = GATEWAY["paths"]["/api/ext/{extension}/{path}"]
_ONE_OPERATION: Final = {
    **GATEWAY,
    "paths": {"/api/ext/{extension}/{path}": {"parameters": _CALLS["parameters"], "get": _CALLS["get"]}},
}
HOSTILE: Final = (
    b"", b"{", b"null", b"[]", b"\xff\xfe", b'{"\xed\xa0\x80": 1}', b'{"publisher": "\\ud800", "extension": "\\u0000"}',
    b'{"size_bytes": 1e999, "reason": NaN}', b"[" * 20_000, b'{"a":' * 20_000, b'{"value": ' + b"9" * 20_000 + b"}",
)  # fmt: skip


@pytest.mark.parametrize("caller", CALLERS)
def test_a_body_that_is_no_document_is_refused_by_every_route(scene: Scene, caller: str) -> None:
    client = scene.site.client_of(CALLERS[caller])
    routes = [
        (operation.method.upper(), operation.path)
        for operation in operations(REGISTRY)
        if "requestBody" in operation.definition.raw
    ]
    for (method, path), body in itertools.product(routes, HOSTILE):
        answer = client.request(method, path.format_map(scene.objects), body, {"content-type": "application/json"})

        assert 400 <= answer.status < 500, (method, path, body[:40], answer)
    client.close()


@pytest.mark.parametrize(
    ("status", "headers", "document"),
    [
        (500, {}, {"code": "internal", "status": 500}),
        (404, {"x-request-id": ""}, {}),
        (404, {"x-new": "1"}, {}),
        (404, {"content-type": "text/html"}, {}),
        (404, {"allow": "GET"}, {}),
        (404, {}, {"code": "no_such_code"}),
        (404, {}, {"code": "bad_gateway"}),
        (404, {}, {"request_id": "r-2"}),
        (404, {}, {"detail": None}),
        (418, {}, {}),
    ],
)
def test_an_answer_that_is_not_documented_is_found(
    status: int, headers: dict[str, str], document: dict[str, Any]
) -> None:
    refusal = problem(PlatformError("not_found", "Nothing is here."), "r-1")
    body = json.dumps({**json.loads(refusal["body"]), **document}).encode()
    reply = Reply(status, body, {**refusal["headers"], **headers})
    with answering(lambda _: reply) as server, pytest.raises(AssertionError, match=str(status)):
        ask_each(_ONE_OPERATION, lambda case: case.call(base_url=server.url), examples=1, places={})


@pytest.mark.parametrize(
    ("document", "methods"),
    [(GATEWAY, {"PROPFIND", "POST"}), (REGISTRY, {"PATCH"})],  # the API has no route to the registry for PROPFIND
    ids=["gateway", "registry"],
)
def test_a_method_that_is_not_documented_is_refused_with_those_that_are(
    site: Site, document: dict[str, Any], methods: set[str]
) -> None:
    operator = site.client("operator")
    for path, item in document["paths"].items():
        documented = {method.upper() for method in item} - {"PARAMETERS"}
        for method in sorted(methods - documented):
            answer = operator.request(method, path.replace("{", "").replace("}", ""))

            assert answer.status == 405, (method, path, answer)
            assert set(answer.headers["allow"].split(", ")) == documented
