"""What a guest is answered without the capability: never success, never data."""

import pytest

from alga_ext.calls.capabilities import INTERFACES
from functions.runner.sandbox.child import codec
from functions.runner.sandbox.child.arena import Arena
from functions.runner.sandbox.protocol.refusals import REFUSALS, Refusal
from functions.runner.sandbox.protocol.world import IMPORTS, PACKAGE

LISTS = {"config.list-keys", "secrets.list-keys"}
WITHOUT_RESULT = {"logging.log-info", "logging.log-warn", "logging.log-error", "metrics.emit", "config.get"}


def test_only_a_guest_that_asks_for_its_context_is_ended() -> None:
    assert [name for name, refusal in REFUSALS.items() if refusal.traps] == ["context.get-context"]


@pytest.mark.parametrize("name", sorted(LISTS))
def test_keys_that_may_not_be_read_are_none(name: str) -> None:
    assert REFUSALS[name].answer == []


@pytest.mark.parametrize("name", sorted(WITHOUT_RESULT))
def test_a_call_that_tells_no_failure_has_no_result(name: str) -> None:
    assert REFUSALS[name] == Refusal(REFUSALS[name].capability)


@pytest.mark.parametrize("name", sorted(REFUSALS.keys() - LISTS - WITHOUT_RESULT - {"context.get-context"}))
def test_every_other_call_fails(name: str) -> None:
    assert REFUSALS[name].answer[0] is False


@pytest.mark.parametrize(
    ("interface", "capability", "case"),
    [
        ("user", "cap:user.read", "not-allowed"),
        ("user-v2", "cap:user.read", "not-allowed"),
        ("http", "cap:http.fetch", "not-allowed"),
        ("clients", "cap:client.read", "not-allowed"),
        ("services", "cap:service.read", "not-allowed"),
        ("storage", "cap:storage.kv", "denied"),
        ("storage-v2", "cap:storage.kv", "denied"),
        ("ui-proxy", "cap:ui.proxy", "denied"),
    ],
)
def test_the_error_case_of_an_interface_says_that_the_call_is_not_allowed(
    interface: str, capability: str, case: str
) -> None:
    found = {refusal for name, refusal in REFUSALS.items() if name.partition(".")[0] == interface}

    assert found == {Refusal(capability, (False, case))}


@pytest.mark.parametrize("name", ["create-schedule", "update-schedule", "delete-schedule"])
def test_a_change_of_schedules_needs_the_scheduler_and_tells_why_it_failed(name: str) -> None:
    refusal = REFUSALS[f"scheduler.{name}"]

    assert refusal.capability == "cap:scheduler.manage"
    assert any("capability" in member for member in refusal.answer if isinstance(member, str))


def test_every_import_has_its_refusal() -> None:
    declared = {f"{interface}.{name}" for interface, functions in IMPORTS.items() for name in functions}
    assert set(REFUSALS) == declared


def test_every_refusal_names_the_capability_that_opens_its_interface() -> None:
    for name, refusal in REFUSALS.items():
        assert PACKAGE + name.partition(".")[0] in INTERFACES[refusal.capability]


@pytest.mark.parametrize("name", sorted(REFUSALS))
def test_every_refusal_is_a_value_of_the_imports_type(name: str) -> None:
    interface, _, function = name.partition(".")
    result = IMPORTS[interface][function].result
    refusal = REFUSALS[name]
    if refusal.traps or result is None:
        assert refusal.answer is None
    else:
        arena = Arena()
        at = arena.take(codec.VALUE_BYTES)
        codec.lowering(result)(refusal.answer, arena, arena.buffer, at)
