"""Invoices, clients and services of the host application: nothing serves them yet, so a call fails as if not granted.

What is checked besides: every shape of their arguments, each enum value among them, reaches the runner.
"""

import itertools
from typing import Any

import pytest

from tests.conformance.guest import Guest
from tests.conformance.values import Err

ITEM: dict[str, Any] = {"service-id": "s", "quantity": 1.5, "description": "ünit 🦊", "rate": 99.95}
FULL_ITEM = {
    **ITEM,
    "is-discount": True,
    "discount-type": "percentage",
    "applies-to-item-id": "i",
    "applies-to-service-id": "s",
}


def refused(outcome: dict[str, Any]) -> bool:
    return outcome["success"] is False and bool(outcome["error"]) and outcome["invoice-id"] is None


@pytest.mark.parametrize("discount", ["percentage", "fixed", None])
@pytest.mark.parametrize("is_discount", [True, False, None])
def test_an_invoice_is_refused_whatever_its_discounts(
    guest: Guest, discount: str | None, is_discount: bool | None
) -> None:
    item = {**ITEM, "discount-type": discount, "is-discount": is_discount}
    assert refused(guest.call("invoicing.create-manual-invoice", {"client-id": "c", "items": [item, FULL_ITEM]}))


def test_an_invoice_with_every_field_is_refused(guest: Guest) -> None:
    invoice = {
        "client-id": "c",
        "items": [FULL_ITEM] * 50,
        "invoice-date": "2026-01-31",
        "due-date": "2026-02-28",
        "po-number": "PO 1",
    }
    assert refused(guest.call("invoicing.create-manual-invoice", invoice))


@pytest.mark.parametrize("quantity", [0.0, -0.0, -1.5, 1e308, 5e-324, 0.1])
def test_an_invoice_is_refused_whatever_its_numbers(guest: Guest, quantity: float) -> None:
    item = {**ITEM, "quantity": quantity, "rate": -quantity}
    assert refused(guest.call("invoicing.create-manual-invoice", {"client-id": "c", "items": [item]}))


@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"search": "ünit"},
        {"include-inactive": True},
        {"search": "", "include-inactive": False, "page": 0, "page-size": 2**32 - 1},
    ],
)
def test_listing_clients_is_not_allowed(guest: Guest, wanted: dict[str, Any]) -> None:
    assert guest.call("clients.list-clients", wanted) == Err("not-allowed")


def test_reading_a_client_is_not_allowed(guest: Guest) -> None:
    assert guest.call("clients.get-client", "c") == Err("not-allowed")


@pytest.mark.parametrize(
    ("kind", "method"),
    [*itertools.product(["service", "product", None], ["fixed", "hourly", "usage", None])],
)
def test_listing_services_is_not_allowed_whatever_is_wanted(guest: Guest, kind: str | None, method: str | None) -> None:
    wanted = {"search": "s", "item-kind": kind, "is-active": True, "billing-method": method, "page": 1, "page-size": 50}
    assert guest.call("services.list-services", wanted) == Err("not-allowed")


def test_reading_a_service_is_not_allowed(guest: Guest) -> None:
    assert guest.call("services.get-service", "s") == Err("not-allowed")
