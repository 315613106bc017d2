"""An install's OpenAPI document: valid for every manifest, and true to what the gateway answers."""

import re
from typing import Any

import openapi_spec_validator
import pytest
from hypothesis import given, settings

from alga_ext.bundles.manifest import parse_manifest
from functions.gateway.routing import find_endpoint
from functions.registry.api.install_openapi import install_openapi
from functions.registry.api.shapes import ProblemOut
from tests.support.manifests import documents, encoded, server_document

INSTALL_ID = "9b2d7a6e-0000-4000-8000-000000000001"
PROBLEM = ProblemOut.model_json_schema()
METHODS = {"get", "head", "post", "put", "patch", "delete", "options"}
_PARAMETER = re.compile(r"\{([^}]*)\}")


def described(document: dict[str, Any]) -> dict[str, Any]:
    return install_openapi(parse_manifest(encoded(document)), INSTALL_ID, PROBLEM)


def with_endpoints(*endpoints: dict[str, Any], **members: Any) -> dict[str, Any]:
    """The document of an extension with these endpoints; ``headers`` are its ``api.headers``."""
    api = {"endpoints": list(endpoints), "headers": members.pop("headers", [])}
    return described(server_document(api=api, **members))


def path_parameters(item: dict[str, Any]) -> list[str]:
    return [parameter["name"] for parameter in item.get("parameters", ()) if parameter["in"] == "path"]


@settings(max_examples=50, deadline=None)
@given(documents())
def test_the_document_of_every_valid_manifest_is_valid(document: dict[str, Any]) -> None:
    openapi_spec_validator.validate(described(document))


@settings(max_examples=50, deadline=None)
@given(documents())
def test_each_path_has_a_shape_of_its_own_and_names_its_parameters(document: dict[str, Any]) -> None:
    paths = described(document)["paths"]

    assert len({_PARAMETER.sub("{}", path) for path in paths}) == len(paths)
    for path, item in paths.items():
        assert _PARAMETER.findall(path) == path_parameters(item)


@settings(max_examples=50, deadline=None)
@given(documents())
def test_the_operations_are_those_that_the_gateway_finds(document: dict[str, Any]) -> None:
    endpoints = [endpoint.model_dump() for endpoint in parse_manifest(encoded(document)).api.endpoints]
    operations = [
        (path, method) for path, item in described(document)["paths"].items() for method in METHODS & item.keys()
    ]
    found = [find_endpoint(endpoints, method.upper(), _PARAMETER.sub("x", path)) for path, method in operations]

    assert None not in found
    assert len(operations) == sum({"GET": 2, "HEAD": 0}.get(endpoint["method"], 1) for endpoint in endpoints)


def test_it_says_what_the_extension_is_and_where_it_answers() -> None:
    document = with_endpoints({"method": "GET", "path": "/notes"}, title="Notes", description="Keeps notes.")

    assert document["info"] == {"title": "Notes", "version": "1.0.0", "description": "Keeps notes."}
    assert document["servers"] == [{"url": f"/api/ext/{INSTALL_ID}"}]
    assert document["security"] == [{"bearer": []}]


def test_an_extension_without_title_is_called_by_its_name() -> None:
    assert with_endpoints()["info"] == {"title": "com.acme.notes", "version": "1.0.0"}


def test_a_get_endpoint_has_head_too() -> None:
    assert list(with_endpoints({"method": "GET", "path": "/notes"})["paths"]["/notes"]) == ["get", "head"]


def test_a_head_endpoint_of_its_own_is_left_out_because_the_gateway_never_calls_it() -> None:
    assert with_endpoints({"method": "HEAD", "path": "/notes"})["paths"] == {}


def test_paths_that_differ_in_names_of_parameters_only_are_one_path() -> None:
    paths = with_endpoints({"method": "GET", "path": "/a/:x"}, {"method": "POST", "path": "/a/:y"})["paths"]

    assert list(paths) == ["/a/{x}"]
    assert path_parameters(paths["/a/{x}"]) == ["x"]
    assert {"get", "head", "post"} <= paths["/a/{x}"].keys()


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("/:id/:id", "/{id}/{id_2}"),
        ("/:id/:id/:id", "/{id}/{id_2}/{id_3}"),
        ("/:id/:id/:id_2", "/{id}/{id_3}/{id_2}"),
        ("/:id_2/:id/:id", "/{id_2}/{id}/{id_3}"),
        ("/notes/:id/a%20b", "/notes/{id}/a%20b"),
        ("/", "/"),
    ],
)
def test_each_parameter_of_a_path_has_a_name_of_its_own(path: str, template: str) -> None:
    paths = with_endpoints({"method": "GET", "path": path})["paths"]

    assert list(paths) == [template]
    assert path_parameters(paths[template]) == _PARAMETER.findall(template)


def test_declared_headers_are_parameters() -> None:
    document = with_endpoints(
        {"method": "GET", "path": "/notes"}, headers=["X-Hub-Signature", "Accept", "Content-Type"]
    )

    assert document["paths"]["/notes"]["parameters"] == [
        {"name": "x-hub-signature", "in": "header", "schema": {"type": "string"}}
    ]


@pytest.mark.parametrize(
    ("audiences", "hook", "shown"),
    [
        ((None, None), None, ["internal", "internal"]),
        ((None, None), "clientPortalMenu", ["any", "any"]),
        (("client", None), "clientPortalMenu", ["client", "internal"]),
        (("any", "client"), "appMenu", ["any", "client"]),
    ],
    ids=["default", "client portal", "one is named", "named"],
)
def test_each_operation_says_whom_it_is_for(
    audiences: tuple[str | None, ...], hook: str | None, shown: list[str]
) -> None:
    endpoints = [
        {"method": "POST", "path": f"/{number}", **({"audience": audience} if audience else {})}
        for number, audience in enumerate(audiences)
    ]
    hooks = {hook: {"label": "Notes"}} if hook else {}
    document = with_endpoints(*endpoints, ui={"type": "iframe", "entry": "ui/index.html", "hooks": hooks})

    assert [item["post"]["x-alga-audience"] for item in document["paths"].values()] == shown


def test_a_refusal_of_the_platform_is_described() -> None:
    document = with_endpoints({"method": "GET", "path": "/notes"})
    refusal = document["paths"]["/notes"]["get"]["responses"]["default"]["content"]["application/problem+json"]

    assert refusal["schema"] == {"$ref": "#/components/schemas/Problem"}
    assert "code" in document["components"]["schemas"]["Problem"]["required"]
