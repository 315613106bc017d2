"""A guest as the cases use it, whatever it was written in."""

import base64
import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

from alga_ext.calls.envelope import ExecuteResponse
from functions.runner.sandbox.protocol.shapes import Function
from functions.runner.sandbox.protocol.world import EXECUTE_REQUEST, IMPORTS
from tests.conformance.envelopes import body_of, envelope, json_of
from tests.conformance.port import RunnerPort
from tests.conformance.values import from_json, outcome_from_json, to_json

Header = tuple[str, str]


class Seen(NamedTuple):
    """The request as the guest received it."""

    context: dict[str, str | None]
    method: str
    url: str
    headers: list[Header]
    body: bytes | None


class Guest(ABC):
    """A published guest.

    Args:
        name: of the toolchain.
        runner: runs it.
        component: its bytes.
    """

    def __init__(self, name: str, runner: RunnerPort, component: bytes) -> None:
        self.name = name
        self.runner = runner
        self.content_hash = runner.publish(component)

    def run(self, **given: Any) -> ExecuteResponse:
        """Run an envelope; see ``envelope`` for what can be given."""
        return self.runner.execute(envelope(self.content_hash, **given))

    def call(self, function: str, *arguments: Any, times: int = 1, **given: Any) -> Any:
        """Have the guest call ``interface.function`` and return the outcome: a value, or ``Ok`` or ``Err``.

        Args:
            function: the import.
            arguments: values as ``tests.conformance.values`` has them.
            times: how often, one after the other; the last outcome counts.
            given: see ``envelope``.
        """
        response = self.ask(function, *arguments, times=times, **given)
        assert response.error is None, response.error
        assert response.status == 200
        return self.outcome(function, response)

    @abstractmethod
    def ask(self, function: str, *arguments: Any, times: int = 1, **given: Any) -> ExecuteResponse:
        """As ``call``, but return the runner's answer, which may be a platform error."""

    @abstractmethod
    def outcome(self, function: str, response: ExecuteResponse) -> Any:
        """Read the outcome of ``ask``."""

    @abstractmethod
    def receive(self, *, below: str = "", **given: Any) -> Seen:
        """Send a request and return what the guest received; ``below`` follows ``/request`` in the path."""

    @abstractmethod
    def respond(self, status: int, headers: Sequence[Header] = (), body: bytes | None = None) -> ExecuteResponse:
        """Have the guest answer just that, however wrong."""

    @abstractmethod
    def count(self) -> int:
        """Have the guest count its calls in a global."""


class JsonGuest(Guest):
    """A guest in a language: the sources below ``guests``."""

    def ask(self, function: str, *arguments: Any, times: int = 1, **given: Any) -> ExecuteResponse:
        """See ``Guest.ask``."""
        kinds = function_of(function).params
        document = [to_json(kind, argument) for kind, argument in zip(kinds, arguments, strict=True)]
        route = "/call" if times == 1 else "/repeat"
        path = f"{route}/{function.replace('.', '/')}"
        return self.run(path=path, query=f"times={times}", body=json.dumps(document).encode(), **given)

    def outcome(self, function: str, response: ExecuteResponse) -> Any:
        """See ``Guest.outcome``."""
        return outcome_from_json(function_of(function).result, json_of(response))

    def receive(self, *, below: str = "", **given: Any) -> Seen:
        """See ``Guest.receive``."""
        response = self.run(path=f"/request{below}", **given)
        assert response.error is None, response.error
        return seen_of(from_json(EXECUTE_REQUEST, json_of(response)))

    def respond(self, status: int, headers: Sequence[Header] = (), body: bytes | None = None) -> ExecuteResponse:
        """See ``Guest.respond``."""
        wanted = {
            "status": status,
            "headers": list(headers),
            "body": None if body is None else {"$bytes": base64.b64encode(body).decode()},
        }
        return self.run(path="/respond", body=json.dumps(wanted).encode())

    def count(self) -> int:
        """See ``Guest.count``."""
        return int(json_of(self.run(method="GET", path="/count"))["count"])


def function_of(name: str) -> Function:
    """Return the type of ``interface.function``."""
    interface, _, function = name.partition(".")
    return IMPORTS[interface][function]


def seen_of(request: dict[str, Any]) -> Seen:
    """Return an ``execute-request`` as the cases read it."""
    http = request["http"]
    headers = [(header["name"], header["value"]) for header in http["headers"]]
    return Seen(request["context"], http["method"], http["url"], headers, http["body"])


def echoed(guest: Guest, body: bytes, **given: Any) -> bytes:
    """Send a body and return the one the guest sends back."""
    response = guest.run(path="/echo", body=body, **given)
    assert response.error is None, response.error
    return body_of(response)
