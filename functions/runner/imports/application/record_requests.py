"""Requests for the host application's records: clients, services and invoices (pure).

docs/reference/host-api.md describes them for the application's developers, and docs/reference/host-api.schema.json is
generated from these classes. Options that are not given are left out of a request, never null.
"""

from typing import Annotated, Final, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

U32 = Annotated[int, Meta(ge=0, le=2**32 - 1)]
ItemKind = Literal["service", "product"]
BillingMethod = Literal["fixed", "hourly", "usage"]
DiscountType = Literal["percentage", "fixed"]
DEFAULT_PAGE: Final = 1
DEFAULT_PAGE_SIZE: Final = 25


class User(Struct, rename="camel"):
    """The user on whose behalf the extension was called; absent when there is none."""

    user_id: str
    user_type: str


class ClientsListInput(Struct, rename="camel"):
    """Which clients are wanted."""

    page: U32
    page_size: U32
    search: str | UnsetType = UNSET
    include_inactive: bool | UnsetType = UNSET


class ServicesListInput(Struct, rename="camel"):
    """Which services and products are wanted."""

    page: U32
    page_size: U32
    search: str | UnsetType = UNSET
    item_kind: ItemKind | UnsetType = UNSET
    is_active: bool | UnsetType = UNSET
    billing_method: BillingMethod | UnsetType = UNSET


class ClientGetInput(Struct, rename="camel"):
    """Which client is wanted."""

    client_id: str


class ServiceGetInput(Struct, rename="camel"):
    """Which service is wanted."""

    service_id: str


class ClientsListRequest(Struct, tag_field="operation", tag="list"):
    """Request for a page of clients."""

    input: ClientsListInput
    user: User | UnsetType = UNSET


class ClientGetRequest(Struct, tag_field="operation", tag="get"):
    """Request for one client."""

    input: ClientGetInput
    user: User | UnsetType = UNSET


class ServicesListRequest(Struct, tag_field="operation", tag="list"):
    """Request for a page of services and products."""

    input: ServicesListInput
    user: User | UnsetType = UNSET


class ServiceGetRequest(Struct, tag_field="operation", tag="get"):
    """Request for one service or product."""

    input: ServiceGetInput
    user: User | UnsetType = UNSET


class InvoiceItem(Struct, rename="camel"):
    """One item of a manual invoice."""

    service_id: str
    quantity: float
    description: str
    rate: float
    is_discount: bool | UnsetType = UNSET
    discount_type: DiscountType | UnsetType = UNSET
    applies_to_item_id: str | UnsetType = UNSET
    applies_to_service_id: str | UnsetType = UNSET


class CreateManualInvoiceRequest(Struct, rename="camel", tag_field="operation", tag="createManualInvoice"):
    """Request for a manual invoice."""

    client_id: str
    items: list[InvoiceItem]
    invoice_date: str | UnsetType = UNSET
    due_date: str | UnsetType = UNSET
    po_number: str | UnsetType = UNSET
    user: User | UnsetType = UNSET
