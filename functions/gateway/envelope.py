"""Build the execute envelope of an admitted call (docs/reference/execute.md). Pure."""

import base64
from urllib.parse import parse_qs

from alga_ext.bundles.endpoint_paths import encoded_path
from alga_ext.calls.envelope import (
    DeclaredMetric,
    ExecuteContext,
    ExecuteGrants,
    ExecuteHttp,
    ExecuteLimits,
    ExecuteRequest,
    ExecuteUser,
    SealedSecret,
)
from alga_ext.calls.install_config import as_texts
from alga_ext.edge.principal import Principal
from functions.gateway import headers
from functions.gateway.admission import AdmittedCall
from functions.gateway.install import Install
from functions.gateway.routing import READ_METHODS


def time_limit_ms(install: Install, gateway_ms: int) -> int:
    """Return the time limit of a call in milliseconds: the gateway's, or the install's own when it is lower."""
    return min(gateway_ms, install.timeout_ms or gateway_ms)


def build_envelope(call: AdmittedCall, traceparent: str, timeout_ms: int) -> ExecuteRequest:
    """Return the execute envelope of a call.

    Args:
        call: the admitted call.
        traceparent: the ``traceparent`` header that the guest gets (W3C Trace Context).
        timeout_ms: what is left of the call's time limit, in milliseconds.
    """
    install = call.install
    query = {name: values if len(values) > 1 else values[0] for name, values in parse_qs(call.raw_query, True).items()}
    passed = headers.to_guest(
        call.headers,
        declared=install.api_headers,
        tenant_id=call.tenant_id,
        extension_id=install.extension_id,
        request_id=call.request_id,
        traceparent=traceparent,
    )
    return ExecuteRequest(
        context=ExecuteContext(
            request_id=call.request_id,
            tenant_id=call.tenant_id,
            extension_id=install.extension_id,
            install_id=install.install_id,
            version_id=install.version_id,
            content_hash=install.content_hash,
            config=as_texts(install.config),
            trigger=call.trigger,
        ),
        http=ExecuteHttp(
            method=call.method,
            path=encoded_path(call.path),
            raw_query=call.raw_query,
            query=dict(query),
            headers=dict(passed),
            body_b64=None if call.method in READ_METHODS and not call.body else base64.b64encode(call.body).decode(),
        ),
        limits=ExecuteLimits(timeout_ms=timeout_ms, memory_mb=install.memory_mb),
        providers=install.capabilities,
        grants=ExecuteGrants(
            egress=install.egress,
            secrets=install.secrets,
            secret_headers=install.secret_headers,
            hash=install.grant_hash,
        ),
        secret_envelope=[SealedSecret(**secret) for secret in install.sealed_secrets] or None,
        metrics=[DeclaredMetric(**metric) for metric in install.metrics],
        user=None if call.trigger is not None else _user(call.principal),
    )


def _user(principal: Principal) -> ExecuteUser:
    return ExecuteUser(
        user_id=principal.subject,
        user_email=principal.email,
        user_name=principal.name,
        user_type=principal.user_type,
        client_name=principal.client_name,
        client_id=principal.client_id,
    )
