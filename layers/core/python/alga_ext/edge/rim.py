"""Answer HTTP events in every function: each response has the request's id, each failure is a problem document."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from alga_ext.edge.http import PAYLOAD_LIMIT_BYTES, Request, oversize, problem, request_from_event
from alga_ext.errors import PlatformError
from alga_ext.telemetry import log_failure


def _unchanged(error: PlatformError) -> PlatformError:
    return error


class Rim(NamedTuple):
    """How one function answers HTTP events.

    Attributes:
        service: the function's name in its logs.
        outward: turns a failure into the one that the caller sees. The original failure is logged.
        headers: sent with every problem document.
        reads_bodies: false for a function whose requests have no body. A body that a caller sends is then not decoded.
    """

    service: str
    outward: Callable[[PlatformError], PlatformError] = _unchanged
    headers: Mapping[str, str] = {}
    reads_bodies: bool = True

    def answer(self, event: Mapping[str, Any], route: Callable[[Request], dict[str, Any]]) -> dict[str, Any]:
        """Answer an API Gateway v2 event with ``route``.

        ``route`` gets the request and returns an API Gateway v2 response. An exception from ``route`` is logged and
        becomes a problem document. So does a response that is too large for a Lambda payload: Lambda would replace it
        by an error without the request's id. ``x-request-id`` is added here.
        """
        bare = request_from_event({**event, "body": None})  # cannot fail, so that every response has the request's id
        try:
            answer = route(request_from_event(event) if self.reads_bodies else bare)
            answer["headers"]["x-request-id"] = bare.request_id
            _check_payload(answer)
        except PlatformError as error:
            log_failure(self.service, error, bare.request_id)
            answer = problem(self.outward(error), bare.request_id, self.headers)
        except Exception as error:  # noqa: BLE001 - any other exception is a fault of the platform, and is logged
            log_failure(self.service, error, bare.request_id)
            detail = "Something went wrong on our side; quote the request id when you ask for help."
            fault = PlatformError("internal", detail)
            answer = problem(fault, bare.request_id, self.headers)
        return answer


def _check_payload(answer: Mapping[str, Any]) -> None:
    size = oversize(answer)
    if size is not None:
        detail = f"The answer is {size} bytes as JSON; at most {PAYLOAD_LIMIT_BYTES} are allowed."
        raise PlatformError("response_too_large", detail)
