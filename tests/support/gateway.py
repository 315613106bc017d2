"""What a call at the gateway is made of, for tests."""

import json
from typing import Any

from alga_ext.calls.limits import PRODUCT, effective
from alga_ext.edge.http import Request
from alga_ext.edge.principal import Principal
from functions.gateway.admission import AdmittedCall
from functions.gateway.install import Install
from functions.gateway.quotas import Usage
from functions.gateway.routing import find_endpoint, parse_path

UNLIMITED = json.dumps(
    {
        "tenant": {name: {"burst": 100_000, "per_second": 10_000} for name in ("user", "tenant")},
        "install": {"rate": {"burst": 100_000, "per_second": 10_000}},
    }
)
"""``DEFAULT_LIMITS`` for tests about something else, which call more often than a person."""


def principal(**members: Any) -> Principal:
    """A caller of tenant acme."""
    given: dict[str, Any] = {
        "subject": "user-1",
        "tenant_id": "acme",
        "roles": frozenset({"tenant_user"}),
        "publishers": frozenset(),
        "user_type": "internal",
        "client_id": None,
        "client_name": "Acme",
        "email": "ann@acme.example",
        "name": "Ann",
    }
    return Principal(**{**given, **members})


def request(method: str = "GET", path: str = "/api/ext/acme.notes/notes", **members: Any) -> Request:
    """A request as the gateway reads it."""
    given: dict[str, Any] = {"raw_query": "", "headers": {}, "body": b"", "request_id": "r-1", "source_ip": "10.0.0.1"}
    return Request(method, path, **{**given, **members})


def admitted(request: Request, **installed: Any) -> AdmittedCall:
    """The call that a request of tenant acme makes when it is admitted."""
    target = parse_path(request.path)
    assert target is not None
    found = install(**installed)
    endpoint = find_endpoint(found.endpoints, request.method, target.path)
    return AdmittedCall(
        request_id=request.request_id,
        tenant_id="acme",
        install=found,
        principal=principal(),
        extension=target.extension,
        method=request.method,
        path=target.path,
        path_template=endpoint["path"] if endpoint else target.path,
        raw_query=request.raw_query,
        headers=request.headers,
        body=request.body,
    )


def install(**members: Any) -> Install:
    """An active install with three endpoints."""
    given: dict[str, Any] = {
        "install_id": "9b2d7a6e-0000-4000-8000-000000000001",
        "extension_id": "9b2d7a6e-0000-4000-8000-000000000002",
        "version_id": "9b2d7a6e-0000-4000-8000-000000000003",
        "content_hash": "sha256:" + "ab" * 32,
        "version_state": "ready",
        "capabilities": ["cap:log.emit", "cap:storage.kv"],
        "egress": ["api.example.com"],
        "secrets": {"KEY": ["api.example.com"]},
        "secret_headers": {},
        "sealed_secrets": [],
        "grant_hash": "cd" * 32,
        "config": {"greeting": "Hello", "limit": 5, "tags": ["a", "ü"]},
        "endpoints": [
            {"method": "GET", "path": "/notes"},
            {"method": "GET", "path": "/notes/:id"},
            {"method": "POST", "path": "/notes"},
        ],
        "api_headers": [],
        "client_portal": False,
        "metrics": [],
        "timeout_ms": None,
        "memory_mb": None,
        "limits": effective(PRODUCT),
        "usage": Usage(),
    }
    return Install(**{**given, **members})
