"""Every import of the contract, called without its capability."""

from typing import Any, Final

import pytest

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
