"""Envelopes of the cases, and reading their answers."""

import base64
import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from alga_ext.calls.envelope import (
    DeclaredMetric,
    ExecuteContext,
    ExecuteGrants,
    ExecuteHttp,
    ExecuteLimits,
    ExecuteRequest,
    ExecuteResponse,
    ExecuteUser,
    SealedSecret,
)

EVERY_CAPABILITY: Final = (
    "cap:context.read", "cap:log.emit", "cap:user.read", "cap:metrics.emit", "cap:secrets.get", "cap:http.fetch",
    "cap:storage.kv", "cap:ui.proxy", "cap:scheduler.manage", "cap:invoice.manual.create", "cap:client.read",
    "cap:service.read",
)  # fmt: skip
TENANT: Final = "conformance"
INSTALL: Final = "11111111-1111-4111-8111-111111111111"
EXTENSION: Final = "22222222-2222-4222-8222-222222222222"
VERSION: Final = "33333333-3333-4333-8333-333333333333"

HeaderValue = str | list[str]


def envelope(
    content_hash: str,
    *,
    method: str = "POST",
    path: str = "/",
    query: str = "",
    query_map: Mapping[str, HeaderValue] | None = None,
    headers: Mapping[str, HeaderValue] | None = None,
    body: bytes | None = None,
    without: str | None = None,
    providers: Iterable[str] = EVERY_CAPABILITY,
    timeout_ms: int | None = None,
    memory_mb: int | None = None,
    fuel: int | None = None,
    config: Mapping[str, str] | None = None,
    user: ExecuteUser | None = None,
    egress: Sequence[str] = (),
    secrets: Mapping[str, Sequence[str]] | None = None,
    secret_headers: Mapping[str, str] | None = None,
    sealed: Sequence[SealedSecret] | None = None,
    tenant_id: str = TENANT,
    install_id: str = INSTALL,
    request_id: str | None = None,
) -> ExecuteRequest:
    """Return the envelope of one call.

    Args:
        content_hash: of the published component.
        without: one capability of ``providers`` that is not granted.
        query: the raw query; ``query_map`` is the envelope's ``query``.
        egress, secrets, secret_headers: the grants; secrets by name with the hosts they are bound to.
        sealed: the secret envelope.
    """
    return ExecuteRequest(
        context=ExecuteContext(
            request_id=request_id or str(uuid.uuid4()),
            tenant_id=tenant_id,
            extension_id=EXTENSION,
            install_id=install_id,
            version_id=VERSION,
            content_hash=content_hash,
            config=dict(config or {}),
        ),
        http=ExecuteHttp(
            method=method,
            path=path,
            raw_query=query,
            query=dict(query_map or {}),
            headers=dict(headers or {}),
            body_b64=None if body is None else base64.b64encode(body).decode(),
        ),
        limits=ExecuteLimits(timeout_ms=timeout_ms, memory_mb=memory_mb, fuel=fuel),
        providers=[name for name in providers if name != without],
        grants=ExecuteGrants(
            egress=list(egress),
            secrets={name: list(hosts) for name, hosts in (secrets or {}).items()},
            secret_headers=dict(secret_headers or {}),
        ),
        secret_envelope=None if sealed is None else list(sealed),
        metrics=[DeclaredMetric(name="orders", unit="Count")],
        user=user,
    )


def body_of(response: ExecuteResponse) -> bytes:
    """Return a response's body; a response without one has none to return."""
    assert response.body_b64 is not None
    return base64.b64decode(response.body_b64, validate=True)


def json_of(response: ExecuteResponse) -> Any:
    """Return a response's body as JSON."""
    return json.loads(body_of(response))


def code_of(response: ExecuteResponse) -> str | None:
    """Return the platform's error code, or None when the guest answered."""
    return None if response.error is None else response.error.code


def header_of(response: ExecuteResponse, name: str) -> list[str]:
    """Return a response header's values; names have no case."""
    found = [value for key, value in response.headers.items() if key.lower() == name.lower()]
    return [one for value in found for one in ([value] if isinstance(value, str) else value)]
