"""Write the generated references: JSON Schemas of manifest and host applications, OpenAPI of gateway and registry.

``python -m tools.references`` writes them below docs/reference. With ``--check`` it writes nothing, and fails when a
committed file differs from what it would write. All are generated from the definitions that the code uses.
"""

import importlib
import json
import re
import sys
from pathlib import Path
from typing import Any, Final

import msgspec

from alga_ext.bundles.manifest import json_schema
from functions.registry.api.registry import app
from functions.registry.api.shapes import ProblemOut
from functions.runner.imports.application import record_answers, record_requests
from tools.gateway_openapi import gateway_openapi

FOLDER: Final = Path(__file__).parent.parent / "docs" / "reference"

# The status of a route's successful answer; 200 for routes that are not listed.
_STATUSES: Final = {
    "create_publisher": "201",
    "add_key": "201",
    "start_upload": "201",
    "publish_version": "202",
    "create_install": "201",
    "run_schedule": "202",
    "delete_install": "204",
    "delete_secret": "204",
    "end_egress_trial": "204",
    "erase_tenant": "202",
    "delete_topic": "204",
    "publish_events": "202",
}
_METHODS: Final = ("get", "put", "post", "delete")
_ROUTES: Final = (
    "publishers",
    "publishing",
    "catalog",
    "executions",
    "egress",
    "egress_trials",
    "deliveries",
    "installs",
    "menu",
    "limits",
    "usage",
    "secrets",
    "schedules",
    "records",
    "metrics",
    "maintenance",
    "tenant_data",
    "topics",
    "events",
)
_EVENT: Final = {"schema": {"type": "object"}}
_BODIES: Final[dict[str, Any]] = {
    "publish_events": {
        "description": "One event, or up to 100, in the JSON format of CloudEvents; or the data of one event, whose "
        "attributes are headers that begin with ce-.",
        "required": True,
        "content": {
            "application/cloudevents+json": _EVENT,
            "application/cloudevents-batch+json": {"schema": {"type": "array", "items": {"type": "object"}}},
        },
    }
}
"""The bodies of routes that read them themselves."""
_TEXT: Final = {"schema": {"type": "string"}}
_EVERY_HEADER: Final = {"x-request-id": {**_TEXT, "required": True}, "cache-control": _TEXT}
_ANSWER_HEADERS: Final = {**_EVERY_HEADER, "etag": _TEXT, "idempotency-replayed": _TEXT, "location": _TEXT}
_REFUSAL_HEADERS: Final = {**_EVERY_HEADER, "allow": _TEXT, "retry-after": _TEXT, "www-authenticate": _TEXT}
_NOT_OURS: Final = ("HTTPValidationError", "ValidationError", "ResponseValidationError")
"""Schemas of the framework's error answers, which are never sent: every failure is a problem document."""


def references() -> dict[Path, str]:
    """Return every generated file with its text."""
    documents = {
        "manifest.schema.json": json_schema(),
        "host-api.schema.json": host_api_schema(),
        "gateway.openapi.json": gateway_openapi(),
        "registry.openapi.json": openapi(),
    }
    return {
        FOLDER / name: json.dumps(document, indent=2, ensure_ascii=False) + "\n" for name, document in documents.items()
    }


def host_api_schema() -> dict[str, Any]:
    """Return the JSON Schema of the requests to a host application, and of its answers."""
    named = (
        record_requests.ClientsListRequest,
        record_requests.ClientGetRequest,
        record_requests.ServicesListRequest,
        record_requests.ServiceGetRequest,
        record_requests.CreateManualInvoiceRequest,
        record_answers.ClientsListAnswer,
        record_answers.ClientGetAnswer,
        record_answers.ServicesListAnswer,
        record_answers.ServiceGetAnswer,
        record_answers.CreateManualInvoiceAnswer,
    )
    _, definitions = msgspec.json.schema_components(named, ref_template="#/$defs/{name}")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Requests to the host application, and its answers",
        "description": "One definition for each request and answer. In answers, names may also be in snake_case, and "
        "unknown members are ignored.",
        "$defs": dict(definitions),
    }


def openapi() -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of the registry API."""
    made: dict[str, Any] = json.loads(app.get_openapi_json_schema(title="Extension registry", version="1"))
    schemas = {name: schema for name, schema in made["components"]["schemas"].items() if name not in _NOT_OURS}
    schemas["ProblemOut"] = ProblemOut.model_json_schema()
    return {
        "openapi": made["openapi"],
        "info": {
            "title": "Extension registry",
            "version": "1",
            "description": "Publishers, versions, installs, grants and their records. Every failure is a problem "
            "document (RFC 9457); its codes are in errors.md.",
        },
        "security": [{"bearer": []}],
        "paths": {path: _path(made["paths"][path]) for path in sorted(made["paths"])},
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def _path(item: dict[str, Any]) -> dict[str, Any]:
    return {method: _operation(item[method]) for method in _METHODS if method in item}


def _operation(operation: dict[str, Any]) -> dict[str, Any]:
    name = re.split("_api_(?:registry_v1|events)_", operation["operationId"])[0]
    operation = {**operation, **({"requestBody": _BODIES[name]} if name in _BODIES else {})}
    summary, _, description = _documentation(name).partition("\n\n")
    status = _STATUSES.get(name, "200")
    answer = {"description": "It went well.", **operation["responses"]["200"], "headers": _ANSWER_HEADERS}
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemOut"}}}
    texts = {"summary": " ".join(summary.split()), "description": " ".join(description.split())}
    return {
        **{label: text for label, text in texts.items() if text},
        **{key: operation[key] for key in ("parameters", "requestBody") if key in operation},
        "operationId": name,
        "responses": {
            status: {"description": "Done.", "headers": _ANSWER_HEADERS} if status == "204" else answer,
            "default": {"description": "It was refused, or failed.", "headers": _REFUSAL_HEADERS, "content": problem},
        },
    }


def _documentation(name: str) -> str:
    for module_name in _ROUTES:
        module = importlib.import_module(f"functions.registry.api.routes.{module_name}")
        if (route := getattr(module, name, None)) is not None:
            return str(route.__doc__ or "")
    message = f"no module of functions.registry.api.routes has a route {name}"
    raise LookupError(message)


def main(arguments: list[str]) -> int:
    """Write the files, or compare them; return the exit status."""
    stale = [path for path, text in references().items() if not path.exists() or path.read_text() != text]
    if "--check" in arguments:
        for path in stale:
            print(f"{path.relative_to(FOLDER.parent.parent)} is not up to date; run 'make schema'")
        return 1 if stale else 0
    FOLDER.mkdir(parents=True, exist_ok=True)
    for path, text in references().items():
        path.write_text(text)
    for path in stale:
        print(f"wrote {path.relative_to(FOLDER.parent.parent)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
