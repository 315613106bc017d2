"""Answers about the host application's records, and the guest's records made from them (pure).

docs/reference/host-api.md describes them for the application's developers, and docs/reference/host-api.schema.json is
generated from these classes. The fields of summaries stand in the order of the WIT records: their values are the
guest's record.

Answers come from another product, so they are checked strictly: a missing or wrong member makes the whole answer
unusable. Names may be written in camelCase or snake_case. Unknown members are ignored.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple, TypeVar

import msgspec
from msgspec import Struct

from functions.runner.imports.application.record_requests import U32, BillingMethod, ItemKind

T = TypeVar("T", bound=Struct)


class ClientSummary(Struct, rename="camel"):
    """One client."""

    client_id: str
    client_name: str
    client_type: str | None = None
    is_inactive: bool = False
    default_currency_code: str | None = None
    account_manager_id: str | None = None
    account_manager_name: str | None = None
    billing_email: str | None = None


class ServiceSummary(Struct, rename="camel"):
    """One service or product."""

    service_id: str
    service_name: str
    item_kind: ItemKind
    billing_method: BillingMethod
    service_type_id: str | None = None
    service_type_name: str | None = None
    default_rate: float = 0.0
    unit_of_measure: str = ""
    is_active: bool = True
    sku: str | None = None


class ClientsListAnswer(Struct, rename="camel"):
    """A page of clients."""

    items: list[ClientSummary]
    total_count: U32
    page: U32
    page_size: U32


class ClientGetAnswer(Struct):
    """One client, or null when there is no such client."""

    item: ClientSummary | None


class ServicesListAnswer(Struct, rename="camel"):
    """A page of services and products."""

    items: list[ServiceSummary]
    total_count: U32
    page: U32
    page_size: U32


class ServiceGetAnswer(Struct):
    """One service or product, or null when there is no such record."""

    item: ServiceSummary | None


class Invoice(Struct, rename="camel"):
    """The invoice that was created."""

    invoice_id: str | None = None
    invoice_number: str | None = None
    status: str | None = None
    subtotal: float | None = None
    tax: float | None = None
    total: float | None = None


class CreateManualInvoiceAnswer(Struct, rename="camel"):
    """Whether the invoice was created, and the invoice or the reasons why not.

    Without ``invoice``, its members are read beside ``success``.
    """

    success: bool
    invoice: Invoice | None = None
    error: str | None = None
    field_errors: dict[str, Any] | None = None


class Unusable(Exception):
    """An answer of the host application is not JSON, or not of the documented shape."""


class Kind(NamedTuple):
    """Where the records of one kind are asked for, and how: the path segment, and the shapes of both operations."""

    segment: str
    list_answer: type[ClientsListAnswer | ServicesListAnswer]
    get_answer: type[ClientGetAnswer | ServiceGetAnswer]
    summary: type[ClientSummary | ServiceSummary]


CLIENTS: Final = Kind("ext-clients", ClientsListAnswer, ClientGetAnswer, ClientSummary)
SERVICES: Final = Kind("ext-services", ServicesListAnswer, ServiceGetAnswer, ServiceSummary)


def list_of(kind: Kind, body: bytes) -> tuple[Any, ...]:
    """Return the guest's list-result record of an answer to ``list``, or raise ``Unusable``."""
    document = _renamed(_json(body), kind.list_answer)
    items = document.get("items")
    if isinstance(items, list):
        document["items"] = [_renamed(item, kind.summary) for item in items]
    answer = _converted(document, kind.list_answer)
    records = [msgspec.structs.astuple(item) for item in answer.items]
    return (records, answer.total_count, answer.page, answer.page_size)


def item_of(kind: Kind, body: bytes) -> tuple[Any, ...] | None:
    """Return the guest's summary record of an answer to ``get``, None for no such record, or raise ``Unusable``."""
    document = _renamed(_json(body), kind.get_answer)
    if document.get("item") is not None:
        document["item"] = _renamed(document["item"], kind.summary)
    answer = _converted(document, kind.get_answer)
    return None if answer.item is None else msgspec.structs.astuple(answer.item)


def invoice_of(body: bytes) -> tuple[Any, ...]:
    """Return the guest's create-manual-invoice-result record of an answer, or raise ``Unusable``."""
    given = _json(body)
    document = _renamed(given, CreateManualInvoiceAnswer)
    nested = document.pop("invoice", None)
    answer = _converted(document, CreateManualInvoiceAnswer)
    invoice = _converted(_renamed(given if nested is None else nested, Invoice), Invoice)
    error = answer.error
    if not answer.success and error is None:
        error = "The host application gave no reason."
    errors = None if answer.field_errors is None else msgspec.json.encode(answer.field_errors).decode()
    return (answer.success, *msgspec.structs.astuple(invoice), error, errors)


def _json(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Unusable from None


def _names(kind: type[Struct]) -> Mapping[str, str]:
    """Return every name under which a field of a class may be given, with the name that the class knows."""
    pairs = [(field.name, field.encode_name) for field in msgspec.structs.fields(kind)]
    return {**dict(pairs), **{known: known for _, known in pairs}}


_NAMES: Final[dict[type[Struct], Mapping[str, str]]] = {
    kind: _names(kind)
    for kind in (
        ClientsListAnswer, ClientGetAnswer, ServicesListAnswer, ServiceGetAnswer, CreateManualInvoiceAnswer,
        ClientSummary, ServiceSummary, Invoice,
    )
}  # fmt: skip


def _renamed(given: Any, kind: type[Struct]) -> dict[str, Any]:
    """Return the known members of a JSON object under the names that ``kind`` knows, or raise ``Unusable``.

    When both spellings of a name are there, the one in camelCase counts.
    """
    if not isinstance(given, dict):
        raise Unusable
    names = _NAMES[kind]
    found = {names[name]: value for name, value in given.items() if name in names}
    return {**found, **{name: given[name] for name in found if name in given}}


def _converted(document: dict[str, Any], kind: type[T]) -> T:
    try:
        return msgspec.convert(document, kind, strict=True)
    except (msgspec.ValidationError, OverflowError, RecursionError):
        raise Unusable from None
