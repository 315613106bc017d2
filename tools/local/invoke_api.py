"""Lambda's Invoke endpoint, so that product code and tests can call functions with an ordinary boto3 client.

`POST /2015-03-31/functions/{name}/invocations` with the headers X-Amz-Invocation-Type (RequestResponse, Event, DryRun)
and X-Amz-Tenant-Id. Errors have the header `x-amzn-ErrorType`, from which boto3 makes the exception of that name.
"""

import asyncio
import logging
import re
import uuid
from urllib.parse import unquote

import msgspec

from tools.local.function_processes import Functions, TenantRuleError, UnknownFunctionError
from tools.local.http_server import HttpRequest, HttpResponse, HttpServer, serve
from tools.local.lambda_types import ASYNC_PAYLOAD_BYTES_MAX, PAYLOAD_BYTES_MAX

LOG = logging.getLogger(__name__)
ROUTE = re.compile(r"/2015-03-31/functions/(?P<name>[^/?]+)/invocations(\?.*)?")
TENANT_ID = re.compile(r"[a-zA-Z0-9._:/=+\-@ ]{1,256}")
ASYNC_ATTEMPTS = 3  # Lambda repeats a failed asynchronous event twice


class InvokeApi:
    """Serves Invoke for the functions of one platform."""

    def __init__(self, functions: Functions) -> None:
        self._functions = functions
        self._server: HttpServer | None = None
        self._events: set[asyncio.Task[None]] = set()

    async def start(self, port: int = 0) -> str:
        """Listen, and return the base URL for AWS_ENDPOINT_URL_LAMBDA."""
        self._server = await serve(self._answer, port)
        return f"http://127.0.0.1:{self._server.port}"

    async def close(self) -> None:
        """Stop listening and drop events that still wait."""
        for task in self._events:
            task.cancel()
        if self._server is not None:
            await self._server.close()

    async def _answer(self, request: HttpRequest) -> HttpResponse:
        route = ROUTE.fullmatch(request.target)
        if route is None or request.method != "POST":
            return _error(404, "ResourceNotFoundException", "only Invoke is served here")
        # A name may be an ARN and have a version or alias: …:function:NAME[:QUALIFIER].
        name = unquote(route["name"]).rpartition("function:")[2].split(":")[0]
        tenant_id = request.header("x-amz-tenant-id")
        kind = request.header("x-amz-invocation-type") or "RequestResponse"
        refusal = self._refuse(name, tenant_id, kind, len(request.body))
        if refusal is not None:
            return refusal
        payload = request.body or b"{}"
        if kind == "DryRun":
            return HttpResponse(204)
        if kind == "Event":
            task = asyncio.create_task(self._run_event(name, payload, tenant_id))
            self._events.add(task)
            task.add_done_callback(self._events.discard)
            return HttpResponse(202)
        outcome = await self._functions.invoke(name, payload, tenant_id)
        headers = [("x-amzn-RequestId", str(uuid.uuid4())), ("X-Amz-Executed-Version", "$LATEST")]
        if outcome.error is not None:
            headers.append(("X-Amz-Function-Error", outcome.error))
        return HttpResponse(200, tuple(headers), outcome.payload)

    def _refuse(self, name: str, tenant_id: str | None, kind: str, size_bytes: int) -> HttpResponse | None:
        spec = self._functions.specs.get(name)
        if spec is None:
            return _error(404, "ResourceNotFoundException", f"Function not found: {name}")
        if spec.per_tenant and tenant_id is None:
            return _error(400, "InvalidParameterValueException", "TenantId is required: tenant isolation mode is on")
        if not spec.per_tenant and tenant_id is not None:
            return _error(
                400, "InvalidParameterValueException", "TenantId is not allowed: tenant isolation mode is off"
            )
        if tenant_id is not None and not TENANT_ID.fullmatch(tenant_id):
            return _error(400, "InvalidParameterValueException", "TenantId has characters that are not allowed")
        limit = ASYNC_PAYLOAD_BYTES_MAX if kind == "Event" else PAYLOAD_BYTES_MAX
        if size_bytes > limit:
            return _error(413, "RequestTooLargeException", f"Request must be smaller than {limit} bytes")
        return None

    async def _run_event(self, name: str, payload: bytes, tenant_id: str | None) -> None:
        for attempt in range(1, ASYNC_ATTEMPTS + 1):
            try:
                outcome = await self._functions.invoke(name, payload, tenant_id)
            except (UnknownFunctionError, TenantRuleError):
                LOG.exception("an event for %s was dropped", name)
                return
            if outcome.error is None:
                return
            LOG.warning("%s failed on an event, attempt %s of %s", name, attempt, ASYNC_ATTEMPTS)
            await asyncio.sleep(attempt)


def _error(status: int, kind: str, message: str) -> HttpResponse:
    body = msgspec.json.encode({"Type": "User", "Message": message})
    return HttpResponse(status, (("x-amzn-ErrorType", kind), ("x-amzn-RequestId", str(uuid.uuid4()))), body)
