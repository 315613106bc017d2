"""The port of the suite: all that the cases know of a runner."""

import time
import uuid
from abc import ABC, abstractmethod
from typing import NamedTuple

from alga_ext.calls.envelope import ExecuteRequest, ExecuteResponse, decode_response, encode
from alga_ext.calls.execution_token import sign_execution_token
from alga_ext.trust.signing import LocalSigner


class Answer(NamedTuple):
    """An HTTP answer of the runner."""

    status: int
    content_type: str
    body: bytes


class Line(NamedTuple):
    """A log line of a guest; the level is ``info``, ``warn`` or ``error``, the source ``guest``, ``stdout``, …"""

    level: str
    source: str
    text: str


class Said(NamedTuple):
    """What the runner wrote down about one call: the guest's log lines, and its metrics by name."""

    lines: list[Line]
    metrics: dict[str, float]


class RunnerPort(ABC):
    """A runner of the contract.

    Args:
        gateway_key: signs execution tokens; the runner checks them with its public half.
    """

    def __init__(self, gateway_key: LocalSigner) -> None:
        self.gateway_key = gateway_key

    @abstractmethod
    def publish(self, component: bytes) -> str:
        """Make a component known to the runner and return the content hash it is called by."""

    @abstractmethod
    def post(self, body: bytes, token: str, tenant_id: str) -> Answer:
        """Call ``POST /v1/execute`` with an execution token; an empty token is none."""

    def said(self, request_id: str) -> Said | None:  # noqa: ARG002 - for those that can tell
        """Return what was written down about a call, or None where the suite cannot see it."""
        return None

    def token(self, request: ExecuteRequest, body: bytes, *, now_s: int | None = None) -> str:
        """Return a fresh execution token for exactly this body."""
        now_s = int(time.time()) if now_s is None else now_s
        return sign_execution_token(
            self.gateway_key, request, body, version_state="ready", token_id=str(uuid.uuid4()), now_s=now_s
        )

    def execute(self, request: ExecuteRequest) -> ExecuteResponse:
        """Run an envelope that the runner has to accept."""
        body = encode(request)
        answer = self.post(body, self.token(request, body), request.context.tenant_id)
        assert answer.status == 200, answer.body[:2_000]
        return decode_response(answer.body)
