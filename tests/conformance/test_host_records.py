"""Clients, services and invoices of the host application, which is a small one of the suite's own."""

import itertools
from typing import Any

import pytest

from alga_ext.calls.envelope import ExecuteUser
from alga_ext.calls.traceparent import trace_id_of
from tests.conformance.envelopes import INSTALL
from tests.conformance.guest import Guest
from tests.conformance.values import Err, Ok
from tests.support.fake_application import FORBIDDEN_USER, FakeApplication

ITEM: dict[str, Any] = {"service-id": "s-1", "quantity": 1.5, "description": "ünit 🦊", "rate": 100.0}
FULL_ITEM = {
    **ITEM,
    "is-discount": True,
    "discount-type": "percentage",
    "applies-to-item-id": "i",
    "applies-to-service-id": "s",
}
CLIENT = {
    "client-id": "c-1",
    "client-name": "Ünï & Söhne",
    "client-type": "company",
    "is-inactive": False,
    "default-currency-code": "EUR",
    "account-manager-id": "u-9",
    "account-manager-name": "Ada",
    "billing-email": "billing@example.com",
}
NOTHING_OF_A_CLIENT = dict.fromkeys(list(CLIENT)[4:])
FORMER = {"client-id": "c-2", "client-name": "Gone", "client-type": None, "is-inactive": True, **NOTHING_OF_A_CLIENT}
SERVICE = {
    "service-id": "s-1",
    "service-name": "Support",
    "item-kind": "service",
    "billing-method": "hourly",
    "service-type-id": "t-1",
    "service-type-name": "Labour",
    "default-rate": 99.95,
    "unit-of-measure": "hour",
    "is-active": True,
    "sku": "SUP-1",
}
PRODUCT = {
    "service-id": "s-2",
    "service-name": "Router",
    "item-kind": "product",
    "billing-method": "fixed",
    "service-type-id": None,
    "service-type-name": None,
    "default-rate": 0.0,
    "unit-of-measure": "",
    "is-active": True,
    "sku": None,
}
READS = [
    ("clients.list-clients", ({},)),
    ("clients.get-client", ("c-1",)),
    ("services.list-services", ({},)),
    ("services.get-service", ("s-1",)),
]


def page(items: list[Any], number: int = 1, size: int = 25) -> Ok:
    return Ok({"items": items, "total-count": len(items), "page": number, "page-size": size})


def invoice(items: list[dict[str, Any]], **given: Any) -> dict[str, Any]:
    return {"client-id": "c-1", "items": items, **given}


def test_clients_are_listed(guest: Guest, records: FakeApplication) -> None:
    assert guest.call("clients.list-clients", {}) == page([CLIENT])
    assert guest.call("clients.list-clients", {"include-inactive": True}) == page([CLIENT, FORMER])
    assert guest.call("clients.list-clients", {"search": "söhne", "page": 1, "page-size": 5}) == page([CLIENT], 1, 5)
    assert guest.call("clients.list-clients", {"search": "🦊"}) == page([])


def test_a_client_is_read_or_is_not_there(guest: Guest, records: FakeApplication) -> None:
    assert guest.call("clients.get-client", "c-1") == Ok(CLIENT)
    assert guest.call("clients.get-client", "none") == Ok(None)


@pytest.mark.parametrize(
    ("kind", "method"),
    [*itertools.product(["service", "product", None], ["fixed", "hourly", "usage", None])],
)
def test_services_are_listed_by_kind_and_method(
    guest: Guest, records: FakeApplication, kind: str | None, method: str | None
) -> None:
    wanted = {"search": "", "item-kind": kind, "is-active": True, "billing-method": method, "page": 1, "page-size": 50}
    expected = [
        service
        for service in (SERVICE, PRODUCT)
        if kind in (None, service["item-kind"]) and method in (None, service["billing-method"])
    ]
    assert guest.call("services.list-services", wanted) == page(expected, 1, 50)


def test_a_service_is_read_or_is_not_there(guest: Guest, records: FakeApplication) -> None:
    assert guest.call("services.get-service", "s-2") == Ok(PRODUCT)
    assert guest.call("services.get-service", "none") == Ok(None)


@pytest.mark.parametrize("discount", ["percentage", "fixed", None])
@pytest.mark.parametrize("is_discount", [True, False, None])
def test_an_invoice_is_created_whatever_its_discounts(
    guest: Guest, records: FakeApplication, discount: str | None, is_discount: bool | None
) -> None:
    item = {**ITEM, "discount-type": discount, "is-discount": is_discount}
    assert guest.call("invoicing.create-manual-invoice", invoice([item, FULL_ITEM])) == {
        "success": True,
        "invoice-id": "i-1",
        "invoice-number": "2026-0001",
        "status": "draft",
        "subtotal": 300.0,
        "tax": 0.0,
        "total": 300.0,
        "error": None,
        "field-errors": None,
    }
    sent = records.invoices[0]["items"][0]
    assert (sent.get("discountType"), sent.get("isDiscount")) == (discount, is_discount)


def test_an_invoice_with_every_field_arrives(guest: Guest, records: FakeApplication) -> None:
    given = invoice([FULL_ITEM] * 50, **{"invoice-date": "2026-01-31", "due-date": "2026-02-28", "po-number": "PO 1"})
    assert guest.call("invoicing.create-manual-invoice", given)["success"] is True
    assert (records.invoices[0]["dueDate"], len(records.invoices[0]["items"])) == ("2026-02-28", 50)


@pytest.mark.parametrize("quantity", [0.0, -0.0, -1.5, 1e150, 5e-324, 0.1])
def test_the_numbers_of_an_invoice_arrive_exactly(guest: Guest, records: FakeApplication, quantity: float) -> None:
    item = {**ITEM, "quantity": quantity, "rate": -quantity}
    guest.call("invoicing.create-manual-invoice", invoice([item]))
    sent = records.invoices[0]["items"][0]
    assert (sent["quantity"], sent["rate"]) == (quantity, -quantity)


def test_an_invoice_that_is_refused_says_why(guest: Guest, records: FakeApplication) -> None:
    refused = guest.call("invoicing.create-manual-invoice", {"client-id": "none", "items": [ITEM]})
    assert (refused["success"], refused["error"]) == (False, "no such client")
    assert refused["field-errors"] == '{"clientId":"unknown"}'


@pytest.mark.parametrize(("function", "arguments"), READS)
def test_what_a_user_may_not_read_is_not_allowed(
    guest: Guest, records: FakeApplication, function: str, arguments: tuple[Any, ...]
) -> None:
    assert guest.call(function, *arguments, user=ExecuteUser(user_id=FORBIDDEN_USER)) == Err("not-allowed")


def test_a_page_that_does_not_exist_is_invalid_input(guest: Guest, records: FakeApplication) -> None:
    wanted = {"search": "", "include-inactive": False, "page": 0, "page-size": 2**32 - 1}
    assert guest.call("clients.list-clients", wanted) == Err("invalid-input")


@pytest.mark.parametrize(("function", "arguments"), READS)
def test_the_application_hears_whose_call_it_is(
    guest: Guest, records: FakeApplication, function: str, arguments: tuple[Any, ...]
) -> None:
    guest.call(function, *arguments, request_id="r-1", user=ExecuteUser(user_id="u-1", user_type="client"))
    asked = records.asked[-1]
    assert asked.path.endswith(f"/install/{INSTALL}")
    assert asked.body["user"] == {"userId": "u-1", "userType": "client"}
    assert asked.headers["x-request-id"] == "r-1"
    assert trace_id_of(asked.headers["traceparent"]) is not None
    assert asked.headers["x-alga-call-token"].count(".") == 2


@pytest.mark.parametrize(("function", "arguments"), READS)
def test_the_application_hears_nothing_of_a_call_without_its_capability(
    guest: Guest, records: FakeApplication, function: str, arguments: tuple[Any, ...]
) -> None:
    capability = f"cap:{function.partition('.')[0].removesuffix('s')}.read"
    assert guest.call(function, *arguments, without=capability) == Err("not-allowed")
    assert records.asked == []
