"""The runner's door: API Gateway v2 events in, responses out. Every request gets an answer."""

from collections.abc import Callable, Mapping
from typing import Any

from alga_ext.calls.envelope import EXECUTE_PATH, encode
from alga_ext.edge.http import Request, json_response, problem, request_from_event, response
from alga_ext.errors import PlatformError
from alga_ext.ids import parse_content_hash, sha256_hex
from alga_ext.telemetry import log_failure
from functions.runner.execute import Runner

SERVICE = "runner"
WARMUP_PATH = "/warmup"
HEALTH_PATH = "/healthz"


class Door:
    """Routes requests to the runner.

    Args:
        runner: serves calls.
        health: returns the status and document of ``/healthz``.
        switched_on: false answers calls with ``extensions_disabled``.
    """

    def __init__(self, runner: Runner, health: Callable[[], tuple[int, dict[str, Any]]], *, switched_on: bool) -> None:
        self.runner = runner
        self._health = health
        self._switched_on = switched_on

    def answer(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Answer one event; failures become problem documents."""
        request_id = request_from_event({**event, "body": None}).request_id
        try:
            answer = self._route(request_from_event(event))
        except PlatformError as error:
            log_failure(SERVICE, error, request_id)
            answer = problem(error, request_id)
        except Exception as error:  # noqa: BLE001 - the rim: whatever else happens is ours, and is logged
            log_failure(SERVICE, error, request_id)
            answer = problem(PlatformError("internal", "Something went wrong on our side."), request_id)
        answer["headers"]["x-request-id"] = request_id
        return answer

    def _route(self, request: Request) -> dict[str, Any]:
        match (request.method, request.path):
            case ("POST", path) if path == EXECUTE_PATH:
                self._check_switched_on()
                body = encode(self.runner.execute(request))
                return response(200, {"content-type": "application/json", "cache-control": "no-store"}, body)
            case ("GET", path) if path == HEALTH_PATH:
                return json_response(*self._health())
            case ("POST", path) if path == WARMUP_PATH:
                self._check_switched_on()
                return json_response(200, self.runner.warm(_content_hash(request)))
            case (_, path) if path in (EXECUTE_PATH, HEALTH_PATH, WARMUP_PATH):
                raise PlatformError("method_not_allowed", "This path does not answer that method.")
            case _:
                raise PlatformError("not_found", "There is no such path here.")

    def _check_switched_on(self) -> None:
        if not self._switched_on:
            raise PlatformError(
                "extensions_disabled", "Extensions are switched off here; the operator can switch them on."
            )


def _content_hash(request: Request) -> str:
    document = request.json()
    given = document.get("content_hash") if isinstance(document, dict) else None
    parsed = parse_content_hash(given) if isinstance(given, str) else None
    if parsed is None:
        raise PlatformError("invalid_request", "content_hash must be sha256: and 64 hex digits.")
    return sha256_hex(parsed)
