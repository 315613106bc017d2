"""Requests for records as they are sent: the member names and operations that docs/reference/host-api.md names."""

from typing import Any, get_args

import msgspec
import pytest
from msgspec import Struct

from functions.runner.imports.application import record_requests
from functions.runner.imports.application.record_requests import (
    ClientGetInput,
    ClientGetRequest,
    ClientsListInput,
    ClientsListRequest,
    CreateManualInvoiceRequest,
    InvoiceItem,
    ServiceGetInput,
    ServiceGetRequest,
    ServicesListInput,
    ServicesListRequest,
    User,
)

USER = User("u", "internal")


@pytest.mark.parametrize(
    ("request_", "sent"),
    [
        (ClientsListRequest(ClientsListInput(1, 25)), b'{"operation":"list","input":{"page":1,"pageSize":25}}'),
        (
            ClientsListRequest(ClientsListInput(2, 50, "a", include_inactive=True), USER),
            b'{"operation":"list","input":{"page":2,"pageSize":50,"search":"a","includeInactive":true},'
            b'"user":{"userId":"u","userType":"internal"}}',
        ),
        (ClientGetRequest(ClientGetInput("c")), b'{"operation":"get","input":{"clientId":"c"}}'),
        (ServicesListRequest(ServicesListInput(1, 25)), b'{"operation":"list","input":{"page":1,"pageSize":25}}'),
        (
            ServicesListRequest(ServicesListInput(1, 25, "a", "product", is_active=False, billing_method="usage")),
            b'{"operation":"list","input":{"page":1,"pageSize":25,"search":"a","itemKind":"product",'
            b'"isActive":false,"billingMethod":"usage"}}',
        ),
        (ServiceGetRequest(ServiceGetInput("s")), b'{"operation":"get","input":{"serviceId":"s"}}'),
        (
            CreateManualInvoiceRequest("c", [InvoiceItem("s", 2.0, "d", 9.5)]),
            b'{"operation":"createManualInvoice","clientId":"c",'
            b'"items":[{"serviceId":"s","quantity":2.0,"description":"d","rate":9.5}]}',
        ),
        (
            CreateManualInvoiceRequest(
                "c",
                [InvoiceItem("s", 1.0, "d", 1.0, True, "percentage", "i", "t")],
                "2026-01-01",
                "2026-02-01",
                "P1",
                USER,
            ),
            b'{"operation":"createManualInvoice","clientId":"c","items":[{"serviceId":"s","quantity":1.0,'
            b'"description":"d","rate":1.0,"isDiscount":true,"discountType":"percentage","appliesToItemId":"i",'
            b'"appliesToServiceId":"t"}],"invoiceDate":"2026-01-01","dueDate":"2026-02-01","poNumber":"P1",'
            b'"user":{"userId":"u","userType":"internal"}}',
        ),
    ],
)
def test_a_request_is_sent_as_documented_and_leaves_out_what_is_not_given(request_: Struct, sent: bytes) -> None:
    assert msgspec.json.encode(request_) == sent


@pytest.mark.parametrize(("number", "fits"), [(-1, False), (0, True), (4_294_967_295, True), (4_294_967_296, False)])
def test_a_page_is_a_number_of_32_bits(number: int, fits: bool) -> None:
    for members in ({"page": number, "pageSize": 1}, {"page": 1, "pageSize": number}):
        try:
            msgspec.convert(members, ClientsListInput)
        except msgspec.ValidationError:
            assert not fits
        else:
            assert fits


@pytest.mark.parametrize(
    ("cases", "expected"),
    [
        (record_requests.ItemKind, {"service", "product"}),
        (record_requests.BillingMethod, {"fixed", "hourly", "usage"}),
        (record_requests.DiscountType, {"percentage", "fixed"}),
    ],
)
def test_the_cases_are_those_of_the_contract(cases: Any, expected: set[str]) -> None:
    assert set(get_args(cases)) == expected


def test_a_guest_that_names_no_page_gets_the_first_25() -> None:
    assert (record_requests.DEFAULT_PAGE, record_requests.DEFAULT_PAGE_SIZE) == (1, 25)
