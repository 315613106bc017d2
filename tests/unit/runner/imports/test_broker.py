"""Host calls as the parent sees them: a child is not trusted."""

import time
from typing import Any

import msgspec
import pytest

from alga_ext.errors import PlatformError
from functions.runner.imports.broker import CALLS_LIMIT, Broker, Handler, Opened
from functions.runner.imports.call_context import CallContext
from functions.runner.sandbox.protocol.messages import HostCall
from tests.support.runner_fixture import EVERY_CAPABILITY, call


class Shelf:
    """A storage provider that answers from memory and notes how it was used."""

    def __init__(self, answer: Any = None) -> None:
        self.opened = self.closed = 0
        self.asked: list[Any] = []
        self._answer = answer

    def open_for(self, _call: CallContext) -> Opened:
        self.opened += 1
        return Opened({"storage.get": Handler(tuple[str, str], self._get, (False, "internal"))}, self._close)

    def _get(self, namespace: str, key: str) -> Any:
        self.asked.append((namespace, key))
        if isinstance(self._answer, Exception):
            raise self._answer
        return (False, "missing")

    def _close(self) -> None:
        self.closed += 1


def heard(name: str, *arguments: Any) -> HostCall:
    return HostCall(name, msgspec.Raw(msgspec.msgpack.encode(arguments)))


def broker(shelf: Shelf, providers: tuple[str, ...] = EVERY_CAPABILITY, *, left_s: float = 5) -> Broker:
    request = call("sha256:" + "0" * 64)
    deadline_ns = time.monotonic_ns() + int(left_s * 1e9)
    made = CallContext(request, frozenset(providers), deadline_ns, None, time.time)
    return Broker(made, {"storage": shelf.open_for})


def test_a_granted_call_is_served() -> None:
    shelf = Shelf()
    assert broker(shelf).answer(heard("storage.get", "n", "k")).value == (False, "missing")
    assert shelf.asked == [("n", "k")]


def test_a_child_that_asks_without_the_grant_is_refused_here_too() -> None:
    shelf = Shelf()
    answer = broker(shelf, ("cap:log.emit",)).answer(heard("storage.get", "n", "k"))
    assert (answer.value, shelf.asked) == ((False, "denied"), [])


def test_an_import_that_does_not_exist_ends_the_guest() -> None:
    assert broker(Shelf()).answer(heard("storage.drop-all")).trap is not None


def test_arguments_of_another_type_end_the_guest() -> None:
    assert broker(Shelf()).answer(heard("storage.get", 1, 2)).trap is not None


def test_too_few_arguments_end_the_guest() -> None:
    assert broker(Shelf()).answer(heard("storage.get", "n")).trap is not None


def test_a_capability_without_a_provider_refuses_as_if_not_granted() -> None:
    answer = broker(Shelf()).answer(heard("clients.get-client", "c"))
    assert answer.value == (False, "not-allowed")


def test_after_the_deadline_nothing_is_served() -> None:
    shelf = Shelf()
    assert broker(shelf, left_s=-1).answer(heard("storage.get", "n", "k")).value == (False, "internal")
    assert shelf.asked == []


def test_one_call_too_many_ends_the_guest() -> None:
    made = broker(Shelf())
    answers = [made.answer(heard("storage.get", "n", "k")).trap for _ in range(CALLS_LIMIT + 1)]
    assert (answers[CALLS_LIMIT - 1], answers[CALLS_LIMIT]) == (None, f"more than {CALLS_LIMIT} host calls")


def test_calls_are_counted_by_import() -> None:
    made = broker(Shelf())
    for _ in range(3):
        made.answer(heard("storage.get", "n", "k"))
    assert made.counts == {"storage.get": 3}


@pytest.mark.parametrize("fault", [RuntimeError("bug"), PlatformError("database_unavailable", "gone")])
def test_a_fault_of_ours_is_internal_to_the_guest(fault: Exception) -> None:
    assert broker(Shelf(fault)).answer(heard("storage.get", "n", "k")).value == (False, "internal")


def test_a_secret_that_cannot_be_opened_ends_the_call() -> None:
    made = broker(Shelf(PlatformError("secret_unavailable", "The sealed secret cannot be opened.")))
    assert made.answer(heard("storage.get", "n", "k")).trap is not None
    assert made._call.failure is not None
    assert made._call.failure.code == "secret_unavailable"


def test_a_capability_is_opened_at_its_first_call_and_closed_with_the_invocation() -> None:
    shelf = Shelf()
    made = broker(shelf)
    assert shelf.opened == 0
    for _ in range(2):
        made.answer(heard("storage.get", "n", "k"))
    made.close()
    assert (shelf.opened, shelf.closed) == (1, 1)
