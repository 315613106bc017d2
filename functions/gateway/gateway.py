"""Answer calls of tenants' users, ``ANY /api/ext/{extension}/{path…}``: authenticate, admit, run, respond.

The order of the checks is part of the contract (docs/reference/gateway.md). The first failed check ends the request.
"""

from collections.abc import Mapping
from typing import Any, Final

from alga_ext.edge.failure_budget import FailureBudget
from alga_ext.edge.health import Health
from alga_ext.edge.http import Request, bearer_token, response
from alga_ext.edge.key_report import report_overdue
from alga_ext.edge.principal import Principal
from alga_ext.edge.rim import Rim
from alga_ext.errors import PlatformError
from alga_ext.platform_metrics import CALLS_REFUSED
from alga_ext.trust.key_ages import warnings
from functions.gateway import call, cors, quotas
from functions.gateway.admission import AdmittedCall, check_endpoint, check_request, check_role, check_tenant
from functions.gateway.idempotency import once
from functions.gateway.idempotency.keys import idempotency_key
from functions.gateway.rates.fields import rate_fields
from functions.gateway.rates.limiter import Clocks
from functions.gateway.refusals import outward
from functions.gateway.services import Services

HEALTH_PATH: Final = "/healthz"

CONFINING: Final = {"x-content-type-options": "nosniff", "content-security-policy": "default-src 'none'; sandbox"}
"""Headers added to every answer of a guest.

If a browser displays such an answer, the document does not have the origin of the host application.
"""


class Gateway:
    """Answers the requests of tenants' users."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._rim = Rim("gateway", outward, added=self._sharing_headers)
        self._failures = FailureBudget()
        checks = {"database": services.database.check, "key_set": services.tokens.check}
        self._health = Health(checks, services.monotonic_s, lambda: warnings(services.keys, services.now()))
        report_overdue("gateway", services.keys, services.now())

    def answer(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Answer one API Gateway v2 event; failures become problem documents."""
        return self._rim.answer(event, self._route)

    def close(self) -> None:
        """Close the connection to the database."""
        self._services.database.close()

    def _route(self, request: Request) -> dict[str, Any]:
        if request.path == HEALTH_PATH:
            return self._health.answer_request(request, self._services.tokens.verify)
        try:
            return self._call(request)
        except PlatformError as error:
            error.metric = None if error.is_recorded else CALLS_REFUSED
            raise

    def _sharing_headers(self, request: Request, sent: Mapping[str, str]) -> Mapping[str, str]:
        return cors.sharing_headers(request, sent, self._services.cors_origins)

    def _call(self, request: Request) -> dict[str, Any]:
        """Check and run one call.

        1. Extensions are switched on; path, method and sizes are allowed. A CORS preflight ends here.
        2. The bearer token is valid. It identifies the caller.
        3. The tenant is the one that the token names. A user or tenant that is known to have no call left is
           refused here.
        4. The tenant has an active install of the extension, that install declares the endpoint, and the caller belongs
           to the endpoint's audience.
        5. The caller's roles allow the method.
        6. The quotas of the install and of its tenant are not used up.
        7. The rates of the user, the install and the tenant have a call left. A refusal in steps 3 to 5 counts toward
           the rates of the user and the tenant.
        8. Its idempotency key, if it has one, is valid and new. A repeated call gets the answer of the first one.
        9. The call is recorded as accepted, run, and recorded as finished.
        """
        services = self._services
        if not services.settings.extensions_enabled:  # (1)
            raise PlatformError(
                "extensions_disabled", "Extensions are switched off here; the operator can switch them on."
            )
        target = check_request(request)
        if cors.is_preflight(request, services.cors_origins):
            return cors.preflight_response(request)
        principal = self._authenticated(request)  # (2)
        now = services.now()
        try:
            tenant_id = check_tenant(principal, request)  # (3)
            services.rates.check_known(principal, tenant_id, self._clocks())
            found = services.installs.find(tenant_id, target.extension, services.monotonic_s(), now)  # (4)
            if found is not None:
                services.rates.note(tenant_id, found.limits, self._clocks())
            install, path_template = check_endpoint(found, target, request.method, principal)
            check_role(services.roles, principal, request.method)  # (5)
        except PlatformError as error:
            services.rates.count_refusal(principal, error, self._clocks())
            raise
        quotas.check(install.limits, install.usage, now)  # (6)
        # Finding the install may have taken seconds, in which the slots that this process holds may have ended.
        verdict = services.rates.take(install, principal, tenant_id, self._clocks())  # (7)
        admitted = AdmittedCall(
            request_id=request.request_id,
            tenant_id=tenant_id,
            install=install,
            principal=principal,
            extension=target.extension,
            method=request.method,
            path=target.path,
            path_template=path_template,
            raw_query=request.raw_query,
            headers=request.headers,
            body=request.body,
        )
        key = idempotency_key(request.method, request.headers)  # (8)
        status, headers, body = (  # (9)
            call.run(admitted, services) if key is None else once.run(admitted, key, services)
        )
        sent = {**headers, **rate_fields(verdict.levels), **CONFINING}
        return response(status, sent, b"" if request.method == "HEAD" else body)

    def _clocks(self) -> Clocks:
        return Clocks(self._services.monotonic_s(), self._services.now().timestamp())

    def _authenticated(self, request: Request) -> Principal:
        """Return the caller that the bearer token identifies. An address that only fails is refused for some time."""
        authorization = request.headers.get("authorization")
        token, now_s = bearer_token(authorization), self._services.monotonic_s()
        self._failures.check(request.source_ip, token, now_s)
        try:
            principal = self._services.tokens.verify(authorization)
        except PlatformError as error:
            self._failures.failed(request.source_ip, token, now_s, error)
            if self._services.settings.explain_failures and "cause" in error.context:
                error.members = {"token": {"reason": str(error.context["cause"])}}
            raise
        self._failures.verified(token, now_s)
        return principal
