"""The HTTP rim of all functions: every request gets an answer with its id, every failure a problem document."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from alga_ext.edge.http import Request, problem, request_from_event
from alga_ext.errors import PlatformError
from alga_ext.telemetry import log_failure


def _unchanged(error: PlatformError) -> PlatformError:
    return error


class Rim(NamedTuple):
    """What one function does at its edge.

    Attributes:
        service: the function's name in its logs.
        outward: how a failure is shown to the caller; the log has the failure itself.
        headers: on every problem document.
        reads_bodies: false where no request has a body: what a caller sends is then not even decoded.
    """

    service: str
    outward: Callable[[PlatformError], PlatformError] = _unchanged
    headers: Mapping[str, str] = {}
    reads_bodies: bool = True

    def answer(self, event: Mapping[str, Any], route: Callable[[Request], dict[str, Any]]) -> dict[str, Any]:
        """Answer an API Gateway v2 event by ``route``. What ``route`` raises is logged and becomes a problem document.

        ``route`` gets the request and returns an API Gateway v2 response; ``x-request-id`` is added here.
        """
        bare = request_from_event({**event, "body": None})  # cannot fail, so that every answer has the request's id
        try:
            answer = route(request_from_event(event) if self.reads_bodies else bare)
        except PlatformError as error:
            log_failure(self.service, error, bare.request_id)
            answer = problem(self.outward(error), bare.request_id, self.headers)
        except Exception as error:  # noqa: BLE001 - whatever else happens is a fault of the platform, and is logged
            log_failure(self.service, error, bare.request_id)
            fault = PlatformError("internal", "Something went wrong on our side; quote the request id when you ask.")
            answer = problem(fault, bare.request_id, self.headers)
        answer["headers"]["x-request-id"] = bare.request_id
        return answer
