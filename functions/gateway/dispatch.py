"""Send calls to the runner: by Lambda Invoke for one tenant, or over plain HTTP.

Over HTTP, any runner works that implements the contract (docs/reference/execute.md).
"""

import base64
import json
from typing import Final, Protocol
from urllib.parse import urlsplit

from alga_ext.calls.envelope import EXECUTE_PATH
from alga_ext.edge.http import PAYLOAD_LIMIT_BYTES
from alga_ext.errors import PlatformError, Progress
from alga_ext.stores.aws_api import AwsApi
from alga_ext.stores.aws_calls import LambdaFunction, not_reached
from alga_ext.stores.http_requests import Connections, HttpError

_ANSWER_LIMIT_BYTES: Final = 8 * 1024 * 1024
"""More than the largest response of a Lambda function."""


class RunnerClient(Protocol):
    """Runs one encoded execute envelope and returns the runner's encoded answer."""

    def run(self, body: bytes, *, token: str, tenant_id: str, request_id: str, timeout_s: float) -> bytes:
        """Send one envelope once, and return the answer's bytes.

        Args:
            body: the encoded execute envelope.
            token: the execution token, signed for exactly these bytes.
            tenant_id: the tenant of the call.
            request_id: the id of the call, for the runner's logs.
            timeout_s: how many seconds to wait for the answer.

        Raises:
            PlatformError: ``runner_unavailable``; ``runner_throttled`` when Lambda runs too many calls;
                ``gateway_timeout``; ``bad_gateway`` when the runner refused;
                ``payload_too_large`` when the call does not fit into a Lambda payload; ``response_too_large``. The
                ``progress`` in the context (``Progress``) says whether the call may have run.
        """
        ...


class LambdaRunnerClient:
    """The runner as a Lambda function, ``isolated`` if it has tenant isolation mode."""

    def __init__(self, name: str, api: AwsApi, *, isolated: bool = True) -> None:
        self._function = LambdaFunction(name, api)
        self._isolated = isolated

    def run(self, body: bytes, *, token: str, tenant_id: str, request_id: str, timeout_s: float) -> bytes:
        """See ``RunnerClient.run``."""
        event: dict[str, object] = {
            "version": "2.0",
            "rawPath": EXECUTE_PATH,
            "rawQueryString": "",
            "headers": {
                "authorization": f"Bearer {token}",
                "content-type": "application/json",
                "x-request-id": request_id,
            },
            "requestContext": {"http": {"method": "POST", "path": EXECUTE_PATH}, "requestId": request_id},
            "body": body.decode(),
            "isBase64Encoded": False,
        }
        payload = json.dumps(event, ensure_ascii=False).encode()
        if len(payload) > PAYLOAD_LIMIT_BYTES:
            raise PlatformError(
                "payload_too_large",
                f"The call is {len(payload)} bytes with its configuration and secrets; at most {PAYLOAD_LIMIT_BYTES} "
                "are allowed. Send a smaller body.",
                progress=Progress.REFUSED,
            )
        return _checked(*_unwrapped(self._function.invoke(payload, tenant_id if self._isolated else None, timeout_s)))


class HttpRunnerClient:
    """A runner behind plain HTTP."""

    def __init__(self, base_url: str) -> None:
        self._url = base_url.rstrip("/") + EXECUTE_PATH
        self._connections = Connections()

    def run(self, body: bytes, *, token: str, tenant_id: str, request_id: str, timeout_s: float) -> bytes:  # noqa: ARG002 - the token names the tenant
        """See ``RunnerClient.run``."""
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json", "x-request-id": request_id}
        try:
            answer = self._connections.request("POST", self._url, headers=headers, body=body, read_timeout_s=timeout_s)
            data = answer.read(_ANSWER_LIMIT_BYTES + 1)
        except HttpError as error:
            raise not_reached(error) from error
        answer.close()
        if len(data) > _ANSWER_LIMIT_BYTES:
            raise PlatformError(
                "response_too_large", f"The runner's answer is larger than the allowed {_ANSWER_LIMIT_BYTES} bytes."
            )
        return _checked(answer.status, data)


def make_runner_client(base_url: str, api: AwsApi, *, isolated: bool = True) -> RunnerClient:
    """Return a client for the runner that ``RUNNER_BASE_URL`` names.

    Args:
        base_url: of the runner.
        api: for a runner that is a Lambda function.
        isolated: whether that function has tenant isolation mode.

    Raises:
        ValueError: the scheme is not ``lambda``, ``http`` or ``https``, or ``api`` knows no region.
    """
    parts = urlsplit(base_url)
    if parts.scheme == "lambda" and parts.netloc:
        return LambdaRunnerClient(parts.netloc, api, isolated=isolated)
    if parts.scheme in ("http", "https"):
        return HttpRunnerClient(base_url)
    message = "RUNNER_BASE_URL must be lambda://function-name or an http(s) URL"
    raise ValueError(message)


def _unwrapped(payload: bytes) -> tuple[int, bytes]:
    """Return status and body of an API Gateway v2 response."""
    try:
        answer = json.loads(payload)
        text = answer.get("body") or ""
        data = base64.b64decode(text, validate=True) if answer.get("isBase64Encoded") else text.encode()
        return int(answer["statusCode"]), data
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise PlatformError("bad_gateway", "The runner's answer is not an HTTP response.", cause=error) from None


def _checked(status: int, data: bytes) -> bytes:
    """Return the body of a 200 answer.

    A runner answers 200 for every valid and authorised envelope. Any other status is a fault between gateway and
    runner, not a fault of the caller.

    Raises:
        PlatformError: ``runner_unavailable`` for a 503; ``bad_gateway`` for any other status.
    """
    if status == 200:
        return data
    code = "runner_unavailable" if status == 503 else "bad_gateway"
    detail = (
        "Extensions cannot run at the moment; try again later." if status == 503 else "The runner refused the call."
    )
    raise PlatformError(code, detail, runner_status=status, runner_body=data[:500])
