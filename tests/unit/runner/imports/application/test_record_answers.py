"""Answers of a host application, checked member by member."""

import contextlib
import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import fields

from functions.runner.imports.application import record_answers, record_requests
from functions.runner.imports.application.record_answers import (
    CLIENTS,
    SERVICES,
    Kind,
    Unusable,
    invoice_of,
    item_of,
    list_of,
)
from functions.runner.sandbox.protocol import world
from functions.runner.sandbox.protocol.shapes import Record
from tests.support.fake_application import CLIENT, SERVICE

PAGE = {"totalCount": 1, "page": 1, "pageSize": 25}
KINDS = pytest.mark.parametrize(("kind", "record"), [(CLIENTS, CLIENT), (SERVICES, SERVICE)], ids=["client", "service"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*CLIENT, *SERVICE, *PAGE, "items", "item", "success", "invoice", "error", "fieldErrors"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


def read_every_way(body: bytes) -> None:
    for kind in (CLIENTS, SERVICES):
        for read in (list_of, item_of):
            with contextlib.suppress(Unusable):
                read(kind, body)
    with contextlib.suppress(Unusable):
        invoice_of(body)


@given(st.binary(max_size=200))
@settings(derandomize=True, max_examples=300, deadline=None)
def test_any_bytes_are_read_or_unusable(body: bytes) -> None:
    read_every_way(body)


@given(JSON)
@settings(derandomize=True, max_examples=500, deadline=None)
def test_any_json_is_read_or_unusable(document: Any) -> None:
    read_every_way(json.dumps(document).encode())


@given(JSON, st.sampled_from(sorted(SERVICE)))
@settings(derandomize=True, max_examples=500, deadline=None)
def test_a_record_with_any_member_replaced_fits_the_guests_types_or_is_unusable(value: Any, name: str) -> None:
    body = json.dumps({"items": [{**SERVICE, name: value}], **PAGE}).encode()
    try:
        ((record,), _, _, _) = list_of(SERVICES, body)
    except Unusable:
        return
    kinds: list[Any] = [str, str, str, str, (str, type(None)), (str, type(None)), float, str, bool, (str, type(None))]
    assert all(isinstance(member, kind) for member, kind in zip(record, kinds, strict=True))
    assert record[2] in ("service", "product")
    assert record[3] in ("fixed", "hourly", "usage")


@KINDS
@pytest.mark.parametrize("field", ["items", "totalCount", "page", "pageSize"])
def test_a_list_without_one_of_its_members_is_unusable(kind: Kind, record: dict[str, Any], field: str) -> None:
    document = {"items": [record], **PAGE}
    del document[field]
    with pytest.raises(Unusable):
        list_of(kind, json.dumps(document).encode())


@KINDS
@pytest.mark.parametrize("count", [-1, 2**32, 1.5, "1", True, None])
def test_a_count_that_is_not_one_is_unusable(kind: Kind, record: dict[str, Any], count: Any) -> None:
    with pytest.raises(Unusable):
        list_of(kind, json.dumps({"items": [record], **PAGE, "totalCount": count}).encode())


@KINDS
def test_one_wrong_record_makes_the_whole_list_unusable(kind: Kind, record: dict[str, Any]) -> None:
    with pytest.raises(Unusable):
        list_of(kind, json.dumps({"items": [record, 7], **PAGE}).encode())


@KINDS
def test_an_answer_without_item_is_unusable(kind: Kind, record: dict[str, Any]) -> None:
    assert item_of(kind, json.dumps({"item": record, "more": [1]}).encode()) == tuple(record.values())
    assert item_of(kind, b'{"item": null}') is None
    with pytest.raises(Unusable):
        item_of(kind, b"{}")


def test_a_member_that_may_be_absent_has_its_documented_value() -> None:
    client = {"clientId": "c", "clientName": "n"}
    service = {"serviceId": "s", "serviceName": "n", "itemKind": "product", "billingMethod": "usage"}
    assert item_of(CLIENTS, json.dumps({"item": client}).encode()) == ("c", "n", None, False, None, None, None, None)
    expected = ("s", "n", "product", "usage", None, None, 0.0, "", True, None)
    assert item_of(SERVICES, json.dumps({"item": service}).encode()) == expected


@pytest.mark.parametrize(
    ("name", "value"), [("itemKind", "bundle"), ("billingMethod", "daily"), ("itemKind", ""), ("billingMethod", None)]
)
def test_a_case_that_the_contract_does_not_know_is_unusable(name: str, value: Any) -> None:
    with pytest.raises(Unusable):
        item_of(SERVICES, json.dumps({"item": {**SERVICE, name: value}}).encode())


@pytest.mark.parametrize("names", [["client_id", "clientId"], ["clientId", "client_id"]])
def test_of_two_spellings_of_a_name_the_one_in_camel_case_counts(names: list[str]) -> None:
    both = {"client_name": "n", **{name: name for name in names}}
    found = item_of(CLIENTS, json.dumps({"item": both}).encode())
    assert found is not None
    assert found[0] == "clientId"


def snake_case(document: dict[str, Any]) -> dict[str, Any]:
    return {re.sub("[A-Z]", lambda match: f"_{match[0].lower()}", name): value for name, value in document.items()}


@KINDS
def test_every_name_may_be_written_in_snake_case(kind: Kind, record: dict[str, Any]) -> None:
    expected = tuple(record.values())
    page = json.dumps({"items": [snake_case(record)], **snake_case(PAGE)}).encode()

    assert list_of(kind, page) == ([expected], 1, 1, 25)
    assert item_of(kind, json.dumps({"item": snake_case(record)}).encode()) == expected


@pytest.mark.parametrize("count", [0, 1, 4_294_967_295])
def test_a_count_has_32_bits(count: int) -> None:
    document = {"items": [], "totalCount": count, "page": count, "pageSize": count}

    assert list_of(CLIENTS, json.dumps(document).encode()) == ([], count, count, count)


@pytest.mark.parametrize(
    ("item_kind", "billing_method"), [("service", "fixed"), ("service", "hourly"), ("product", "usage")]
)
def test_every_case_of_the_contract_is_read(item_kind: str, billing_method: str) -> None:
    body = json.dumps({"item": {**SERVICE, "itemKind": item_kind, "billingMethod": billing_method}}).encode()
    found = item_of(SERVICES, body)
    assert found is not None
    assert found[2:4] == (item_kind, billing_method)


def test_each_kind_of_record_has_its_own_address() -> None:
    assert (CLIENTS.segment, SERVICES.segment) == ("ext-clients", "ext-services")


def test_an_invoice_may_stand_beside_success_or_below_invoice() -> None:
    invoice = {"invoiceId": "i", "invoice_number": "n", "status": "draft", "subtotal": 1, "tax": 0.5, "total": 1.5}
    expected = (True, "i", "n", "draft", 1.0, 0.5, 1.5, None, None)
    assert invoice_of(json.dumps({"success": True, **invoice}).encode()) == expected
    assert invoice_of(json.dumps({"success": True, "invoice": invoice}).encode()) == expected


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b'{"success": false}', "The host application gave no reason."),
        (b'{"success": false, "error": "No such client."}', "No such client."),
        (b'{"success": false, "error": ""}', ""),
        (b'{"success": true}', None),
        (b'{"success": true, "error": "A warning."}', "A warning."),
    ],
)
def test_a_failure_has_the_applications_reason_or_a_stated_lack_of_one(answer: bytes, error: str | None) -> None:
    assert invoice_of(answer)[7] == error


@pytest.mark.parametrize(
    "answer",
    [
        b"{}",
        b'{"success": 1}',
        b'{"success": "true"}',
        b'{"success": true, "invoice": []}',
        b'{"success": true, "invoice": {"total": "1"}}',
        b'{"success": true, "total": "1"}',
        b'{"success": false, "error": 7}',
        b'{"success": false, "fieldErrors": ["x"]}',
    ],
)
def test_an_invoice_with_a_wrong_member_is_unusable(answer: bytes) -> None:
    with pytest.raises(Unusable):
        invoice_of(answer)


def test_field_errors_are_told_as_json() -> None:
    body = b'{"success": false, "error": "e", "field_errors": {"items.0.rate": "too \\u00fc", "n": [1]}}'
    assert json.loads(invoice_of(body)[8]) == {"items.0.rate": "too ü", "n": [1]}


def names_of(record: Record) -> list[str]:
    return [name.replace("-", "_") for name, _ in record.fields]


@pytest.mark.parametrize(
    ("struct", "record"),
    [
        (record_answers.ClientSummary, world.CLIENT_SUMMARY),
        (record_answers.ServiceSummary, world.SERVICE_SUMMARY),
        (record_answers.ClientsListAnswer, world.CLIENTS_LIST_RESULT),
        (record_answers.ServicesListAnswer, world.SERVICES_LIST_RESULT),
        (record_requests.InvoiceItem, world.MANUAL_INVOICE_ITEM_INPUT),
    ],
)
def test_the_fields_stand_in_the_order_of_the_guests_record(struct: type[Struct], record: Record) -> None:
    assert [field.name for field in fields(struct)] == names_of(record)
