"""Answer HTTP events in every function: each response has the request's id, each failure is a problem document."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from alga_ext.calls.traceparent import HEADER, trace_id_of
from alga_ext.edge.http import PAYLOAD_LIMIT_BYTES, Request, oversize, problem, request_from_event
from alga_ext.errors import PlatformError
from alga_ext.telemetry import log_failure


def _unchanged(error: PlatformError) -> PlatformError:
    return error


def _nothing(request: Request, sent: Mapping[str, str]) -> Mapping[str, str]:  # noqa: ARG001 - the default of ``added``
    return {}


class Rim(NamedTuple):
    """How one function answers HTTP events.

    Attributes:
        service: the function's name in its logs.
        outward: turns a failure into the one that the caller sees. The original failure is logged.
        headers: sent with every problem document.
        added: returns what is added to the headers of every answer, from the request and the answer's headers so far.
        reads_bodies: false for a function whose requests have no body. A body that a caller sends is then not decoded.
    """

    service: str
    outward: Callable[[PlatformError], PlatformError] = _unchanged
    headers: Mapping[str, str] = {}
    added: Callable[[Request, Mapping[str, str]], Mapping[str, str]] = _nothing
    reads_bodies: bool = True

    def answer(self, event: Mapping[str, Any], route: Callable[[Request], dict[str, Any]]) -> dict[str, Any]:
        """Answer an API Gateway v2 event with ``route``.

        ``route`` gets the request and returns an API Gateway v2 response. An exception from ``route`` is logged and
        becomes a problem document. So does a response that is too large for a Lambda payload: Lambda would replace it
        by an error without the request's id. ``x-request-id`` is added here.
        """
        bare = request_from_event({**event, "body": None})  # cannot fail, so that every response has the request's id
        trace_id = trace_id_of(bare.headers.get(HEADER, ""))
        try:
            answer = route(request_from_event(event) if self.reads_bodies else bare)
            answer["headers"]["x-request-id"] = bare.request_id
            answer["headers"].update(self.added(bare, answer["headers"]))
            _check_payload(answer)
        except PlatformError as error:
            log_failure(self.service, error, bare.request_id, trace_id)
            answer = self._problem(self.outward(error), bare)
        except Exception as error:  # noqa: BLE001 - any other exception is a fault of the platform, and is logged
            log_failure(self.service, error, bare.request_id, trace_id)
            detail = "Something went wrong on our side; quote the request id when you ask for help."
            answer = self._problem(PlatformError("internal", detail), bare)
        return answer

    def _problem(self, error: PlatformError, request: Request) -> dict[str, Any]:
        answer = problem(error, request.request_id, self.headers)
        answer["headers"].update(self.added(request, answer["headers"]))
        return answer


def _check_payload(answer: Mapping[str, Any]) -> None:
    size = oversize(answer)
    if size is not None:
        detail = f"The answer is {size} bytes as JSON; at most {PAYLOAD_LIMIT_BYTES} are allowed."
        raise PlatformError("response_too_large", detail)
