"""Describe the endpoints of an install as OpenAPI 3.1, from its manifest (pure)."""

import re
from collections.abc import Iterator
from itertools import count
from typing import Any, Final

from alga_ext.bundles.endpoint_audience import audience_of
from alga_ext.bundles.manifest import Endpoint, Manifest

_CLIENT_HOOK: Final = "clientPortalMenu"
_PARAMETER: Final = re.compile(r"(?<=/):([^/]+)")
_IGNORED_HEADERS: Final = frozenset({"accept", "content-type"})
"""Header parameters with these names are ignored (OpenAPI 3.1, section 4.8.12): they are said elsewhere."""
_WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_ANY_CONTENT: Final[dict[str, Any]] = {"*/*": {}}


def install_openapi(manifest: Manifest, install_id: str, problem_schema: dict[str, Any]) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of an install.

    Paths are relative to ``/api/ext/{install_id}``, at the address that the document itself comes from: registry and
    gateway are behind one API.

    Args:
        manifest: of the version that is installed.
        install_id: of the install.
        problem_schema: JSON Schema of the platform's problem documents.
    """
    return {
        "openapi": "3.1.0",
        "info": {
            "title": manifest.title or manifest.name,
            "version": manifest.version,
            **({"description": manifest.description} if manifest.description else {}),
        },
        "servers": [{"url": f"/api/ext/{install_id}"}],
        "security": [{"bearer": []}],
        "paths": _paths(manifest),
        "components": {
            "schemas": {"Problem": problem_schema},
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def _paths(manifest: Manifest) -> dict[str, Any]:
    """Return the path items, in the order in which the manifest declares the paths.

    Paths that differ only in the names of parameters are one path (OpenAPI 3.1, section 4.8.8): the names of the
    endpoint that is declared first are used.
    """
    client_portal = manifest.ui is not None and _CLIENT_HOOK in manifest.ui.hooks
    declared = [endpoint.model_dump() for endpoint in manifest.api.endpoints]
    items: dict[str, tuple[str, dict[str, Any]]] = {}
    for endpoint, members in zip(manifest.api.endpoints, declared, strict=True):
        audience = audience_of(members, declared, client_portal=client_portal)
        for method in _methods(endpoint):
            shape = _PARAMETER.sub(":", endpoint.path)
            if shape not in items:
                names = list(_unique(_PARAMETER.findall(endpoint.path)))
                items[shape] = (_template(endpoint.path, names), _item(names, manifest.api.headers))
            items[shape][1][method.lower()] = _operation(method, audience)
    return dict(items.values())


def _methods(endpoint: Endpoint) -> tuple[str, ...]:
    """Return the methods that the gateway gives to an endpoint: HEAD belongs to GET, and is never its own."""
    return {"GET": ("GET", "HEAD"), "HEAD": ()}.get(endpoint.method, (endpoint.method,))


def _unique(names: list[str]) -> Iterator[str]:
    """Yield the names of a path's parameters. A repeated one gets a number, because OpenAPI allows each name once."""
    taken: set[str] = set()
    for name in names:
        free = (f"{name}_{number}" for number in count(2))
        unique = name if name not in taken else next(other for other in free if other not in {*names, *taken})
        taken.add(unique)
        yield unique


def _template(path: str, names: list[str]) -> str:
    given = iter(names)
    return _PARAMETER.sub(lambda _: f"{{{next(given)}}}", path)


def _item(names: list[str], headers: tuple[str, ...]) -> dict[str, Any]:
    of_path = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}} for name in names
    ]
    of_headers = [
        {"name": name, "in": "header", "schema": {"type": "string"}} for name in headers if name not in _IGNORED_HEADERS
    ]
    parameters = of_path + of_headers
    return {"parameters": parameters} if parameters else {}


def _operation(method: str, audience: str) -> dict[str, Any]:
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        "x-alga-audience": audience,
        **({"requestBody": {"content": _ANY_CONTENT}} if method in _WITH_BODY else {}),
        "responses": {
            "2XX": {"description": "What the extension answers.", "content": _ANY_CONTENT},
            "default": {
                "description": "A refusal by the platform, as a problem document, or another answer of the extension.",
                "content": {**problem, **_ANY_CONTENT},
            },
        },
    }
