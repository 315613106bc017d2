"""Build the OpenAPI 3.1 document of the gateway from the tables and modules that decide its answers.

OpenAPI cannot say that a path parameter has slashes. ``{path}`` stands for one or more segments all the same.
"""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from alga_ext.calls.answer_headers import EXTENSION_PREFIX, TO_CALLER
from alga_ext.edge import rim
from alga_ext.errors import CODES, PlatformError
from alga_ext.stores import aws_calls, database
from functions.gateway import cors, gateway
from functions.gateway.admission import BODY_LIMIT_BYTES
from functions.gateway.headers import TO_GUEST
from functions.gateway.refusals import outward
from functions.gateway.routing import METHODS, READ_METHODS
from functions.registry.api.shapes import ProblemOut

_GATEWAY: Final = Path(gateway.__file__).parent
_MODULES: Final = (
    *sorted(path for path in _GATEWAY.rglob("*.py") if path.parent.name != "smoke"),
    *sorted(Path(rim.__file__).parent.glob("*.py")),
    *(Path(str(module.__file__)) for module in (aws_calls, database)),
)
"""The modules that raise what the gateway answers. The smoke check is a function of its own."""
_OF_OTHERS: Final = frozenset({"secret_unavailable"})
"""Codes that the modules above raise in other functions only."""
_BY_API_GATEWAY: Final = (413, 429, 503)
"""Statuses that API Gateway answers itself, in its own form and without the platform's request id."""
_SAID_ELSEWHERE: Final = frozenset({"accept", "authorization", "content-type"})
"""Header parameters with these names are ignored (OpenAPI 3.1, section 4.8.12)."""
_TEXT: Final[dict[str, Any]] = {"type": "string"}
_ANY_CONTENT: Final[dict[str, Any]] = {"*/*": {}}
_OWN_HEADERS: Final = {
    "x-request-id": ("The id of the request, in every log line.", {"type": "string", "minLength": 1, "maxLength": 128}),
    "cache-control": ("Whether the caller may keep the answer; no other may.", _TEXT),
    "access-control-allow-origin": ("The caller's origin, if it is one of CORS_ORIGINS.", _TEXT),
    "access-control-expose-headers": ("What a page of that origin can read.", _TEXT),
    "idempotency-replayed": ("This is the kept answer of an earlier request.", {"const": "true"}),
    "ratelimit": ("What is left of the limits.", _TEXT),
    "ratelimit-policy": ("The limits.", _TEXT),
    "retry-after": ("After how many seconds to try again; always there on the platform's own 429 and 503.", _TEXT),
    "www-authenticate": ("On the platform's own 401.", _TEXT),
    **dict.fromkeys(gateway.CONFINING, ("Confines an extension's answer that a browser shows.", _TEXT)),
}
_PREFLIGHT_HEADERS: Final = {
    "access-control-allow-headers": ("What a request may have.", _TEXT),
    "access-control-allow-methods": ("The methods of a call.", _TEXT),
    "access-control-max-age": ("For how many seconds this may be remembered.", {"const": str(cors.MAX_AGE_S)}),
}


def gateway_openapi() -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of the gateway."""
    names = [*_OWN_HEADERS, *_PREFLIGHT_HEADERS, *sorted(TO_CALLER - _OWN_HEADERS.keys() - _SAID_ELSEWHERE)]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Extension gateway",
            "version": "1",
            "description": "Calls of extensions. The gateway refuses with a problem document (RFC 9457); its codes are "
            'in errors.md. API Gateway refuses with 413, 429 and 503 and {"message": …}. Every other answer is the '
            "extension's own, whatever its status; a problem document of an extension may have another form than here. "
            f"Headers that begin with {EXTENSION_PREFIX} are the extension's.",
        },
        "security": [{"bearer": []}],
        "paths": {"/api/ext/{extension}/{path}": _calls(), "/healthz": _health()},
        "components": {
            "parameters": {name: _request_header(name) for name in _request_headers()},
            "headers": {name: _header(name) for name in names},
            "responses": _responses(),
            "schemas": {"Message": _MESSAGE, "Problem": _problem()},
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def answered() -> dict[int, list[str]]:
    """Return the statuses of refusals, each with the gateway's codes; API Gateway's own are among them."""
    found: dict[int, set[str]] = {status: set() for status in _BY_API_GATEWAY}
    for code in sorted({code for path in _MODULES for code in _raised(path)} - _OF_OTHERS):
        error = outward(PlatformError(code, ""))
        found.setdefault(error.status, set()).add(error.code)
    return {status: sorted(found[status]) for status in sorted(found)}


def _raised(path: Path) -> Iterator[str]:
    """Yield the codes of the errors that a module makes: the first argument of each ``PlatformError``."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "PlatformError":
            constants = (part.value for part in ast.walk(node.args[0]) if isinstance(part, ast.Constant))
            yield from (code for code in constants if code in CODES)


def _calls() -> dict[str, Any]:
    segment = {"type": "string", "minLength": 1}
    path = "The path within the extension: one or more segments."
    return {
        "parameters": [
            {"name": "extension", "in": "path", "required": True, "description": _REFERENCE, "schema": segment},
            {"name": "path", "in": "path", "required": True, "description": path, "schema": segment},
            *({"$ref": f"#/components/parameters/{name}"} for name in _request_headers()),
        ],
        **{method.lower(): _call(method) for method in sorted(METHODS)},
    }


_REFERENCE: Final = "The id of the extension or of its install, publisher.name, or the bare name."
_MESSAGE: Final = {
    "description": "How API Gateway itself refuses.",
    "type": "object",
    "properties": {"message": _TEXT},
    "required": ["message"],
}


def _call(method: str) -> dict[str, Any]:
    body = {"description": f"At most {BODY_LIMIT_BYTES} bytes.", "content": _ANY_CONTENT}
    preflight = {"204": {"$ref": "#/components/responses/preflight"}} if method == "OPTIONS" else {}
    refusals = {str(status): {"$ref": f"#/components/responses/refused-{status}"} for status in answered()}
    return {
        "operationId": f"call_{method.lower()}",
        "summary": f"Call an endpoint of an extension with {method}.",
        **({} if method in READ_METHODS else {"requestBody": body}),
        **({"security": [{"bearer": []}, {}]} if method == "OPTIONS" else {}),
        "responses": {**preflight, **refusals, "default": {"$ref": "#/components/responses/answered"}},
    }


def _responses() -> dict[str, Any]:
    own = {name: name == "x-request-id" for name in sorted({*TO_CALLER, *_OWN_HEADERS} - _SAID_ELSEWHERE)}
    answer = {"description": "What the extension answers.", "headers": _headers(own), "content": _ANY_CONTENT}
    preflight = {
        "description": "A preflight of a listed origin, or what the extension answers. A preflight needs no token.",
        "headers": _headers({**own, **dict.fromkeys(_PREFLIGHT_HEADERS, False)}),
    }
    refusals = {f"refused-{status}": _refusal(status, codes) for status, codes in answered().items()}
    return {"answered": answer, "preflight": preflight, **refusals}


def _health() -> dict[str, Any]:
    state = {"type": "object", "properties": {"status": {"enum": ["ok", "unavailable"]}}, "required": ["status"]}
    content = {"application/json": {"schema": state}}
    codes = answered()
    refused = {str(s): {"$ref": f"#/components/responses/refused-{s}"} for s in codes if s in (401, 405, 429, 500)}
    unavailable = _refusal(503, codes[503])
    operation = {
        "summary": "Tell whether calls can be served; a platform admin's token shows each check.",
        "security": [{}, {"bearer": []}],
        "responses": {
            "200": {"description": "They can.", "headers": unavailable["headers"], "content": content},
            **refused,
            "503": {**unavailable, "content": _joined(unavailable["content"], state)},
        },
    }
    return {
        "get": {"operationId": "health", **operation},
        "head": {"operationId": "health_head", **operation},
    }


def _joined(content: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    return {**content, "application/json": {"schema": {"anyOf": [content["application/json"]["schema"], schema]}}}


_HEADERS_OF_REFUSALS: Final = {
    401: ("www-authenticate",),
    405: ("allow",),
    409: ("retry-after",),
    429: ("retry-after",),
    502: ("idempotency-replayed",),
    503: ("retry-after",),
    504: ("idempotency-replayed",),
}


def _refusal(status: int, codes: list[str]) -> dict[str, Any]:
    by_api_gateway = status in _BY_API_GATEWAY
    required = {"x-request-id": not by_api_gateway}
    own = _HEADERS_OF_REFUSALS.get(status, ())
    limits = ("ratelimit", "ratelimit-policy", "cache-control")
    sharing = ("access-control-allow-origin", "access-control-expose-headers", "vary")
    narrowed = {"type": "object", "properties": {"status": {"const": status}, "code": {"enum": codes}}}
    problem = {"application/problem+json": {"schema": {"allOf": [{"$ref": "#/components/schemas/Problem"}, narrowed]}}}
    message = {"application/json": {"schema": {"$ref": "#/components/schemas/Message"}}} if by_api_gateway else {}
    return {
        "description": "; ".join(f"{code}: {CODES[code].title}" for code in codes) or "API Gateway refuses.",
        "headers": _headers({**required, **dict.fromkeys((*own, *limits, *sharing), False)}),
        "content": {**(problem if codes else {}), **message, **_ANY_CONTENT},
    }


def _problem() -> dict[str, Any]:
    schema = ProblemOut.model_json_schema()
    policies = {"description": "The limits that were hit.", "type": "array", "items": _TEXT}
    first_id = {"description": "The request that the idempotency key belongs to.", "type": "string"}
    first_status = {"description": "How that request was answered.", "type": "integer"}
    further = {"violated-policies": policies, "first_request_id": first_id, "first_status": first_status}
    schema["properties"] |= further
    return {**schema, "title": "Problem"}


def _request_headers() -> list[str]:
    return sorted((TO_GUEST | cors.OWN_REQUEST_HEADERS) - _SAID_ELSEWHERE)


def _request_header(name: str) -> dict[str, Any]:
    whose = "Reaches the extension." if name in TO_GUEST else "Read by the gateway; does not reach the extension."
    return {"name": name, "in": "header", "description": whose, "schema": _TEXT}


def _header(name: str) -> dict[str, Any]:
    description, schema = {**_OWN_HEADERS, **_PREFLIGHT_HEADERS}.get(name, ("Passed from the extension.", _TEXT))
    return {"description": description, "schema": schema}


def _headers(required: dict[str, bool]) -> dict[str, Any]:
    """Return references to headers. A reference cannot say that a header is required, so those stand in full."""
    return {
        name: {**_header(name), "required": True} if must else {"$ref": f"#/components/headers/{name}"}
        for name, must in required.items()
    }
