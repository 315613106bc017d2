"""Every import of the contract, called without its capability."""

from typing import Any, Final

import pytest

from alga_ext.calls.envelope import ExecuteResponse
from alga_ext.calls.log_lines import CallLog, unpack
from functions.runner.sandbox.protocol.world import IMPORTS
from tests.conformance.envelopes import EVERY_CAPABILITY, code_of
from tests.conformance.guest import Guest
from tests.conformance.values import Err

PLACE = ("namespace", "key")
PUT = {"namespace": "namespace", "key": "key", "value": b"v", "condition": {"tag": "always"}}
INVOICE = {"client-id": "c", "items": []}
FETCH = {"method": "GET", "url": "https://example.com/", "headers": []}

TRAP: Final = object()
FAILS: Final = object()
"""A result record whose ``success`` is false, with a reason and nothing else."""

WITHOUT: Final[dict[str, tuple[str, tuple[Any, ...], Any]]] = {
    "context.get-context": ("cap:context.read", (), TRAP),
    "logging.log-info": ("cap:log.emit", ("text",), None),
    "logging.log-warn": ("cap:log.emit", ("text",), None),
    "logging.log-error": ("cap:log.emit", ("text",), None),
    "user.get-user": ("cap:user.read", (), Err("not-allowed")),
    "user-v2.get-user": ("cap:user.read", (), Err("not-allowed")),
    "secrets.get": ("cap:secrets.get", ("NAME",), Err("denied")),
    "secrets.list-keys": ("cap:secrets.get", (), []),
    "http.fetch": ("cap:http.fetch", (FETCH,), Err("not-allowed")),
    "storage.get": ("cap:storage.kv", PLACE, Err("denied")),
    "storage.put": ("cap:storage.kv", ({"namespace": "n", "key": "k", "value": b"v"},), Err("denied")),
    "storage.delete": ("cap:storage.kv", PLACE, Err("denied")),
    "storage.list-entries": ("cap:storage.kv", ("namespace", None), Err("denied")),
    "ui-proxy.call-route": ("cap:ui.proxy", ("/route", None), Err("denied")),
    "scheduler.list-schedules": ("cap:scheduler.manage", (), Err("denied")),
    "scheduler.get-schedule": ("cap:scheduler.manage", ("id",), Err("denied")),
    "scheduler.create-schedule": ("cap:scheduler.manage", ({"endpoint": "POST /a", "cron": "* * * * *"},), FAILS),
    "scheduler.update-schedule": ("cap:scheduler.manage", ("id", {"enabled": False}), FAILS),
    "scheduler.delete-schedule": ("cap:scheduler.manage", ("id",), FAILS),
    "scheduler.get-endpoints": ("cap:scheduler.manage", (), Err("denied")),
    "invoicing.create-manual-invoice": ("cap:invoice.manual.create", (INVOICE,), FAILS),
    "clients.list-clients": ("cap:client.read", ({},), Err("not-allowed")),
    "clients.get-client": ("cap:client.read", ("id",), Err("not-allowed")),
    "services.list-services": ("cap:service.read", ({},), Err("not-allowed")),
    "services.get-service": ("cap:service.read", ("id",), Err("not-allowed")),
    "metrics.emit": ("cap:metrics.emit", ("name", 1.0, "Count", []), None),
    "config.get": ("cap:context.read", ("key",), None),
    "config.list-keys": ("cap:context.read", (), []),
    "storage-v2.list-page": ("cap:storage.kv", ("namespace", None, None, 10), Err("denied")),
    "storage-v2.put-with": ("cap:storage.kv", (PUT,), Err("denied")),
    "storage-v2.put-many": ("cap:storage.kv", ([PUT],), Err("denied")),
    "storage-v2.delete-if": ("cap:storage.kv", (*PLACE, 1), Err("denied")),
}
"""Import → its capability, arguments, and the answer without it."""

CONFIG = {"key": "value"}


def test_the_table_has_every_import() -> None:
    assert set(WITHOUT) == {f"{interface}.{name}" for interface, names in IMPORTS.items() for name in names}


def check(guest: Guest, function: str, **given: Any) -> None:
    _, arguments, expected = WITHOUT[function]
    if expected is TRAP:
        response = guest.ask(function, *arguments, **given)
        assert (code_of(response), response.status) == ("guest_trapped", 502)
        return
    outcome = guest.call(function, *arguments, **given)
    if expected is FAILS:
        assert outcome.pop("success") is False
        assert outcome.pop("error")
        assert set(outcome.values()) <= {None}
    else:
        assert outcome == expected


@pytest.mark.parametrize("function", WITHOUT)
def test_a_call_without_its_capability_is_refused(guest: Guest, function: str) -> None:
    check(guest, function, without=WITHOUT[function][0], config=CONFIG)


@pytest.mark.parametrize("function", WITHOUT)
def test_a_call_without_any_capability_is_refused(guest: Guest, function: str) -> None:
    check(guest, function, providers=[], config=CONFIG)


def test_the_trap_names_the_capability_that_is_missing(guest: Guest) -> None:
    response = guest.ask("context.get-context", without="cap:context.read")
    assert response.error is not None
    assert "cap:context.read" in response.error.message


def test_a_refused_call_is_counted_all_the_same(guest: Guest) -> None:
    response = guest.ask("storage.get", *PLACE, without="cap:storage.kv", times=3)
    assert response.usage.host_calls == {"storage.get": 3}


def test_capabilities_may_be_named_without_their_prefix(guest: Guest) -> None:
    bare = [name.removeprefix("cap:") for name in EVERY_CAPABILITY]
    assert guest.call("context.get-context", providers=bare)["tenant-id"]
    assert guest.call("config.get", "key", providers=["context.read"], config=CONFIG) == "value"


def platform_lines(response: ExecuteResponse) -> list[str]:
    """What the platform says in the log of a call."""
    log = unpack(response.logs_b64z) if response.logs_b64z else CallLog()
    return [line.text for line in (*log.first, *log.last) if line.source == "platform"]


@pytest.mark.parametrize("function", WITHOUT)
def test_a_refused_call_leaves_one_line_that_names_import_and_capability(guest: Guest, function: str) -> None:
    capability, arguments, _ = WITHOUT[function]
    response = guest.ask(function, *arguments, without=capability, config=CONFIG)
    line = f"{function} refused: {capability} is not granted"
    # A log line that is dropped for want of the capability writes no line about itself.
    assert platform_lines(response) == ([] if capability == "cap:log.emit" else [line])


def test_a_call_without_its_capability_leaves_one_line_however_often_it_is_made(guest: Guest) -> None:
    response = guest.ask("storage.get", *PLACE, without="cap:storage.kv", times=50)
    assert platform_lines(response) == ["storage.get refused: cap:storage.kv is not granted"]


def test_a_granted_call_that_is_refused_again_and_again_leaves_two_lines(guest: Guest) -> None:
    reason = "storage.get refused: the namespace or the key is not valid"
    response = guest.ask("storage.get", LONG, "key", times=50)
    assert platform_lines(response) == [reason, f"{reason} (50 times in this call)"]


LONG = "n" * 300
BEYOND: Final[dict[str, tuple[Any, ...]]] = {
    "secrets.get": ("NAME",),
    "http.fetch": (FETCH,),
    "storage.get": (LONG, "key"),
    "storage.put": ({"namespace": LONG, "key": "k", "value": b"v"},),
    "storage.delete": (LONG, "key"),
    "storage.list-entries": (LONG, None),
    "storage-v2.list-page": ("namespace", None, None, 1_000),
    "storage-v2.put-with": ({**PUT, "namespace": LONG},),
    "storage-v2.put-many": ([PUT] * 21,),
    "storage-v2.delete-if": (LONG, "key", 1),
    "ui-proxy.call-route": ("/../route", None),
    "scheduler.create-schedule": ({"endpoint": "POST /none", "cron": "* * * * *"},),
    "scheduler.update-schedule": ("no id", {"enabled": False}),
    "scheduler.delete-schedule": ("no id",),
    "invoicing.create-manual-invoice": ({"client-id": "c", "items": []},),
    "clients.list-clients": ({"page": 0},),
    "services.list-services": ({"page": 0},),
}
"""Granted calls whose arguments are refused all the same."""


@pytest.mark.parametrize("function", BEYOND)
def test_a_granted_call_that_is_refused_leaves_one_line_with_its_reason(guest: Guest, function: str) -> None:
    lines = platform_lines(guest.ask(function, *BEYOND[function], config=CONFIG))
    assert len(lines) == 1, lines
    assert lines[0].startswith((f"{function} refused: ", f"{function} failed: ", "this platform offers no ")), lines
    assert "the answer is" not in lines[0]


@pytest.mark.parametrize("arguments", [PLACE, ("namespace", "other key")])
def test_a_call_that_finds_nothing_leaves_no_line(guest: Guest, arguments: tuple[str, str]) -> None:
    assert platform_lines(guest.ask("storage.get", *arguments)) == []
