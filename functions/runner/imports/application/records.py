"""Interfaces ``clients``, ``services`` and ``invoicing``: records of the host application.

Capabilities cap:client.read, cap:service.read and cap:invoice.manual.create. Each import is one request to the
application below ``/api/internal/``. Its answer is checked before the guest gets it.
"""

import math
from collections.abc import Callable
from typing import Any, Final, TypeVar
from urllib.parse import quote

import msgspec
from msgspec import UNSET, Struct, UnsetType

from alga_ext.telemetry import logger
from functions.runner.imports.application import record_requests as requests
from functions.runner.imports.application.client import Application, ApplicationClient, NoAnswer
from functions.runner.imports.application.record_answers import (
    CLIENTS,
    SERVICES,
    Kind,
    Unusable,
    invoice_of,
    item_of,
    list_of,
)
from functions.runner.imports.application.record_requests import U32
from functions.runner.imports.broker import Handler, Opened, Provider
from functions.runner.imports.call_context import CallContext

BODY_LIMIT_BYTES: Final = 1024 * 1024
"""Largest body of a request and of an answer."""
INVOICING_SEGMENT: Final = "ext-invoicing"

T = TypeVar("T")
Outcome = tuple[bool, Any]
Text = str | None
Flag = bool | None
_Number = U32 | None

# The guest's records, as they arrive from the sandbox.
ClientsWanted = tuple[Text, Flag, _Number, _Number]
ServicesWanted = tuple[Text, requests.ItemKind | None, Flag, requests.BillingMethod | None, _Number, _Number]
ItemWanted = tuple[str, float, str, float, Flag, requests.DiscountType | None, Text, Text]
InvoiceWanted = tuple[str, list[ItemWanted], Text, Text, Text]

_INTERNAL: Final[Outcome] = (False, "internal")
_REASONS: Final = {
    "not-allowed": "The host application refused the request.",
    "invalid-input": "The host application does not accept these values.",
    "internal": "The host application cannot be reached, or its answer cannot be used. The invoice may exist.",
}


class _Refused(Exception):
    """There is no success to return: the error case for the guest, and what the application said about a 400."""

    def __init__(self, case: str, body: bytes = b"") -> None:
        super().__init__(case)
        self.case = case
        self.body = body


class Records:
    """The imports of one call."""

    def __init__(self, call: CallContext, application: Application) -> None:
        self._call = call
        self._client = ApplicationClient(call, application)

    def handlers(self) -> dict[str, Handler]:
        """Return the handlers by ``interface.function``."""
        return {
            "clients.list-clients": Handler(tuple[ClientsWanted], self.list_clients, _INTERNAL),
            "clients.get-client": Handler(tuple[str], self.get_client, _INTERNAL),
            "services.list-services": Handler(tuple[ServicesWanted], self.list_services, _INTERNAL),
            "services.get-service": Handler(tuple[str], self.get_service, _INTERNAL),
            "invoicing.create-manual-invoice": Handler(
                tuple[InvoiceWanted], self.create_manual_invoice, _not_created("internal")
            ),
        }

    def list_clients(self, wanted: ClientsWanted) -> Outcome:
        """Answer ``clients.list-clients``."""
        search, include_inactive, page, page_size = wanted
        given = requests.ClientsListInput(
            *_page(page, page_size), search=_given(search), include_inactive=_given(include_inactive)
        )
        return self._read(CLIENTS, requests.ClientsListRequest(given, self._user()), list_of)

    def get_client(self, client_id: str) -> Outcome:
        """Answer ``clients.get-client``."""
        request = requests.ClientGetRequest(requests.ClientGetInput(client_id), self._user())
        return self._read(CLIENTS, request, item_of)

    def list_services(self, wanted: ServicesWanted) -> Outcome:
        """Answer ``services.list-services``."""
        search, item_kind, is_active, billing_method, page, page_size = wanted
        given = requests.ServicesListInput(
            *_page(page, page_size),
            search=_given(search),
            item_kind=_given(item_kind),
            is_active=_given(is_active),
            billing_method=_given(billing_method),
        )
        return self._read(SERVICES, requests.ServicesListRequest(given, self._user()), list_of)

    def get_service(self, service_id: str) -> Outcome:
        """Answer ``services.get-service``."""
        request = requests.ServiceGetRequest(requests.ServiceGetInput(service_id), self._user())
        return self._read(SERVICES, request, item_of)

    def create_manual_invoice(self, wanted: InvoiceWanted) -> tuple[Any, ...]:
        """Answer ``invoicing.create-manual-invoice``. A failure is a record too, with the reason as ``error``."""
        client_id, items, invoice_date, due_date, po_number = wanted
        if not all(math.isfinite(number) for item in items for number in (item[1], item[3])):
            self._call.why = "quantity and rate must be finite numbers"
            return _not_created("invalid-input", "quantity and rate must be finite numbers.")
        request = requests.CreateManualInvoiceRequest(
            client_id,
            [_item(item) for item in items],
            _given(invoice_date),
            _given(due_date),
            _given(po_number),
            self._user(),
        )
        try:
            told = invoice_of(self._ask(INVOICING_SEGMENT, request))
            self._call.why = "the host application did not create the invoice"  # if it says so
            return told
        except Unusable:
            self._log(INVOICING_SEGMENT, "the answer is not of the documented shape")
            return _not_created("internal")
        except _Refused as refused:
            return _refused_invoice(refused)

    def close(self) -> None:
        """Close the connection, even while it is in use."""
        self._client.close()

    def _read(self, kind: Kind, request: Struct, read: Callable[[Kind, bytes], Any]) -> Outcome:
        try:
            return (True, read(kind, self._ask(kind.segment, request)))
        except Unusable:
            self._log(kind.segment, "the answer is not of the documented shape")
            return _INTERNAL
        except _Refused as refused:
            return (False, refused.case)

    def _ask(self, segment: str, request: Struct) -> bytes:
        """Send a request and return the body of a success.

        Raises:
            _Refused: anything else.
        """
        body = msgspec.json.encode(request)
        if len(body) > BODY_LIMIT_BYTES:
            self._call.why = f"the request has {len(body)} bytes; at most {BODY_LIMIT_BYTES} are allowed"
            raise _Refused("invalid-input")
        route = f"/api/internal/{segment}/install/{quote(self._call.install_id, safe='')}"
        try:
            answer = self._client.send("POST", route, body, {"content-type": "application/json"}, BODY_LIMIT_BYTES)
        except NoAnswer as none:
            self._log(segment, str(none))
            raise _Refused("internal") from None
        if answer.status in (401, 403):
            self._log(segment, f"the status is {answer.status}")
            raise _Refused("not-allowed")
        if answer.status == 400:
            self._call.why = "the host application does not accept these values"
            raise _Refused("invalid-input", answer.body or b"")
        if not 200 <= answer.status < 300:
            self._log(segment, f"the status is {answer.status}")
            raise _Refused("internal")
        if answer.body is None:
            self._log(segment, f"the answer has more than {BODY_LIMIT_BYTES} bytes, or the time was up")
            raise _Refused("internal")
        return answer.body

    def _user(self) -> requests.User | UnsetType:
        user = self._call.request.user
        return UNSET if user is None else requests.User(user.user_id, user.user_type)

    def _log(self, segment: str, reason: str) -> None:
        """Log why the guest gets an error, for operator and developer. Nothing that the application sent is logged."""
        self._call.why = f"request to the host application failed: {reason}"
        context = self._call.request.context
        extra = {
            "tenant_id": context.tenant_id,
            "install_id": context.install_id,
            "request_id": context.request_id,
            "trace_id": self._call.trace_id,
            "records": segment,
            "reason": reason,
        }
        logger("runner").warning("the host application did not serve a request", extra=extra)


def _page(page: int | None, page_size: int | None) -> tuple[int, int]:
    return (
        requests.DEFAULT_PAGE if page is None else page,
        requests.DEFAULT_PAGE_SIZE if page_size is None else page_size,
    )


def _given(value: T | None) -> T | UnsetType:
    """Return an option for a request: absent options are left out, never null."""
    return UNSET if value is None else value


def _item(wanted: ItemWanted) -> requests.InvoiceItem:
    service_id, quantity, description, rate, is_discount, discount_type, to_item_id, to_service_id = wanted
    return requests.InvoiceItem(
        service_id,
        quantity,
        description,
        rate,
        _given(is_discount),
        _given(discount_type),
        _given(to_item_id),
        _given(to_service_id),
    )


def _not_created(case: str, reason: str = "") -> tuple[Any, ...]:
    error = f"{case}: {reason or _REASONS[case]}"
    return (False, None, None, None, None, None, None, error, None)


def _refused_invoice(refused: _Refused) -> tuple[Any, ...]:
    """Return the record of a refusal, with what the application says is wrong if it says so in the documented shape."""
    try:
        told = invoice_of(refused.body) if refused.body else None
    except Unusable:
        told = None
    return told if told is not None and not told[0] else _not_created(refused.case)


def provider(application: Application | None) -> Provider:
    """Return the provider. Without a host application, every call fails, and the reason is logged."""
    if application is None:
        return _open_without_application

    def open_for(call: CallContext) -> Opened:
        records = Records(call, application)
        return Opened(records.handlers(), records.close)

    return open_for


def _open_without_application(call: CallContext) -> Opened:
    def missing(name: str, service: str, answer: Any) -> Handler:
        def note(*_arguments: Any) -> Any:
            call.note_missing(name, service)
            return answer

        return Handler(Any, note, answer)

    not_allowed = (False, "not-allowed")
    no_invoice = _not_created("not-allowed", "this platform offers no invoice service.")
    offered = (
        ("clients.list-clients", "client service", not_allowed),
        ("clients.get-client", "client service", not_allowed),
        ("services.list-services", "catalogue of services", not_allowed),
        ("services.get-service", "catalogue of services", not_allowed),
        ("invoicing.create-manual-invoice", "invoice service", no_invoice),
    )
    return Opened({name: missing(name, service, answer) for name, service, answer in offered}, lambda: None)
