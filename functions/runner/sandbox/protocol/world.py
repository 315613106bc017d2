"""The WIT world ``runner`` of package ``alga:extension`` as values: what a component may import and must export.

It is a copy of wit/alga-extension.wit. A test compares the two with a guest that imports the whole world. Prepare
checks components against it, and the sandbox child builds its value codec from it.
"""

from typing import Final

from functions.runner.sandbox.protocol.shapes import (
    BOOL,
    BYTES,
    F64,
    STRING,
    U16,
    U32,
    U64,
    WORDS,
    Enum,
    Function,
    ListOf,
    Option,
    Result,
    TupleOf,
    Type,
    Variant,
    record,
)

PACKAGE: Final = "alga:extension/"
TYPES_INTERFACE: Final = "alga:extension/types"
"""The interface that toolchains import for its type names. It has no functions."""

_PAIRS = ListOf(TupleOf((STRING, STRING)))
_OPTIONAL_STRING = Option(STRING)

CONTEXT_DATA: Final = record(
    request_id=_OPTIONAL_STRING,
    tenant_id=STRING,
    extension_id=STRING,
    install_id=_OPTIONAL_STRING,
    version_id=_OPTIONAL_STRING,
)
HTTP_HEADER: Final = record(name=STRING, value=STRING)
HTTP_REQUEST: Final = record(method=STRING, url=STRING, headers=ListOf(HTTP_HEADER), body=Option(BYTES))
HTTP_RESPONSE: Final = record(status=U16, headers=ListOf(HTTP_HEADER), body=Option(BYTES))
EXECUTE_REQUEST: Final = record(context=CONTEXT_DATA, http=HTTP_REQUEST)
EXECUTE_RESPONSE: Final = HTTP_RESPONSE

STORAGE_ENTRY: Final = record(namespace=STRING, key=STRING, value=BYTES, revision=Option(U64))
USER_DATA: Final = record(
    tenant_id=STRING, client_name=STRING, user_id=STRING, user_email=STRING, user_name=STRING, user_type=STRING
)
USER_DATA_V2: Final = record(
    tenant_id=STRING,
    client_name=STRING,
    user_id=STRING,
    user_email=STRING,
    user_name=STRING,
    user_type=STRING,
    client_id=_OPTIONAL_STRING,
    additional_fields=_PAIRS,
)

SECRET_ERROR: Final = Enum(("missing", "denied", "expired", "internal"))
HTTP_ERROR: Final = Enum(("invalid-url", "not-allowed", "transport", "internal"))
STORAGE_ERROR: Final = Enum(("missing", "conflict", "denied", "internal"))
PROXY_ERROR: Final = Enum(("route-not-found", "denied", "bad-request", "internal"))
USER_ERROR: Final = Enum(("not-available", "not-allowed"))
SCHEDULER_ERROR: Final = Enum(("not-found", "validation-failed", "quota-exceeded", "denied", "internal"))
READ_ERROR: Final = Enum(("not-allowed", "invalid-input", "internal"))

SCHEDULE_INFO: Final = record(
    id=STRING,
    endpoint_path=STRING,
    endpoint_method=STRING,
    name=_OPTIONAL_STRING,
    cron=STRING,
    timezone=STRING,
    enabled=BOOL,
    payload=_OPTIONAL_STRING,
    last_run_at=_OPTIONAL_STRING,
    last_run_status=_OPTIONAL_STRING,
    last_error=_OPTIONAL_STRING,
    created_at=_OPTIONAL_STRING,
)
ENDPOINT_INFO: Final = record(id=STRING, method=STRING, path=STRING, handler=STRING, schedulable=BOOL)
CREATE_SCHEDULE_INPUT: Final = record(
    endpoint=STRING,
    cron=STRING,
    timezone=_OPTIONAL_STRING,
    enabled=Option(BOOL),
    name=_OPTIONAL_STRING,
    payload=_OPTIONAL_STRING,
)
CREATE_SCHEDULE_RESULT: Final = record(
    success=BOOL, schedule_id=_OPTIONAL_STRING, error=_OPTIONAL_STRING, field_errors=_OPTIONAL_STRING
)
UPDATE_SCHEDULE_INPUT: Final = record(
    endpoint=_OPTIONAL_STRING,
    cron=_OPTIONAL_STRING,
    timezone=_OPTIONAL_STRING,
    enabled=Option(BOOL),
    name=_OPTIONAL_STRING,
    payload=_OPTIONAL_STRING,
)
UPDATE_SCHEDULE_RESULT: Final = record(success=BOOL, error=_OPTIONAL_STRING, field_errors=_OPTIONAL_STRING)
DELETE_SCHEDULE_RESULT: Final = record(success=BOOL, error=_OPTIONAL_STRING)

MANUAL_INVOICE_ITEM_INPUT: Final = record(
    service_id=STRING,
    quantity=F64,
    description=STRING,
    rate=F64,
    is_discount=Option(BOOL),
    discount_type=Option(Enum(("percentage", "fixed"))),
    applies_to_item_id=_OPTIONAL_STRING,
    applies_to_service_id=_OPTIONAL_STRING,
)
CREATE_MANUAL_INVOICE_INPUT: Final = record(
    client_id=STRING,
    items=ListOf(MANUAL_INVOICE_ITEM_INPUT),
    invoice_date=_OPTIONAL_STRING,
    due_date=_OPTIONAL_STRING,
    po_number=_OPTIONAL_STRING,
)
CREATE_MANUAL_INVOICE_RESULT: Final = record(
    success=BOOL,
    invoice_id=_OPTIONAL_STRING,
    invoice_number=_OPTIONAL_STRING,
    status=_OPTIONAL_STRING,
    subtotal=Option(F64),
    tax=Option(F64),
    total=Option(F64),
    error=_OPTIONAL_STRING,
    field_errors=_OPTIONAL_STRING,
)
CLIENT_SUMMARY: Final = record(
    client_id=STRING,
    client_name=STRING,
    client_type=_OPTIONAL_STRING,
    is_inactive=BOOL,
    default_currency_code=_OPTIONAL_STRING,
    account_manager_id=_OPTIONAL_STRING,
    account_manager_name=_OPTIONAL_STRING,
    billing_email=_OPTIONAL_STRING,
)
CLIENTS_LIST_INPUT: Final = record(
    search=_OPTIONAL_STRING, include_inactive=Option(BOOL), page=Option(U32), page_size=Option(U32)
)
CLIENTS_LIST_RESULT: Final = record(items=ListOf(CLIENT_SUMMARY), total_count=U32, page=U32, page_size=U32)
ITEM_KIND: Final = Enum(("service", "product"))
BILLING_METHOD: Final = Enum(("fixed", "hourly", "usage"))
SERVICE_SUMMARY: Final = record(
    service_id=STRING,
    service_name=STRING,
    item_kind=ITEM_KIND,
    billing_method=BILLING_METHOD,
    service_type_id=_OPTIONAL_STRING,
    service_type_name=_OPTIONAL_STRING,
    default_rate=F64,
    unit_of_measure=STRING,
    is_active=BOOL,
    sku=_OPTIONAL_STRING,
)
SERVICES_LIST_INPUT: Final = record(
    search=_OPTIONAL_STRING,
    item_kind=Option(ITEM_KIND),
    is_active=Option(BOOL),
    billing_method=Option(BILLING_METHOD),
    page=Option(U32),
    page_size=Option(U32),
)
SERVICES_LIST_RESULT: Final = record(items=ListOf(SERVICE_SUMMARY), total_count=U32, page=U32, page_size=U32)

STORAGE_PAGE: Final = record(entries=ListOf(STORAGE_ENTRY), next_cursor=_OPTIONAL_STRING)
STORAGE_CONDITION: Final = Variant((("always", None), ("absent", None), ("revision", U64)))
PUT_REQUEST: Final = record(
    namespace=STRING, key=STRING, value=BYTES, ttl_seconds=Option(U32), condition=STORAGE_CONDITION
)

_LOG = Function((STRING,), None)


def _stored(ok: Type | None) -> Result:
    return Result(ok, STORAGE_ERROR)


IMPORTS: Final[dict[str, dict[str, Function]]] = {
    "context": {"get-context": Function((), CONTEXT_DATA)},
    "logging": {"log-info": _LOG, "log-warn": _LOG, "log-error": _LOG},
    "user": {"get-user": Function((), Result(USER_DATA, USER_ERROR))},
    "user-v2": {"get-user": Function((), Result(USER_DATA_V2, USER_ERROR))},
    "secrets": {
        "get": Function((STRING,), Result(STRING, SECRET_ERROR)),
        "list-keys": Function((), ListOf(STRING)),
    },
    "http": {"fetch": Function((HTTP_REQUEST,), Result(HTTP_RESPONSE, HTTP_ERROR))},
    "storage": {
        "get": Function((STRING, STRING), _stored(STORAGE_ENTRY)),
        "put": Function((STORAGE_ENTRY,), _stored(STORAGE_ENTRY)),
        "delete": Function((STRING, STRING), _stored(None)),
        "list-entries": Function((STRING, _OPTIONAL_STRING), _stored(ListOf(STORAGE_ENTRY))),
    },
    "ui-proxy": {"call-route": Function((STRING, Option(BYTES)), Result(BYTES, PROXY_ERROR))},
    "scheduler": {
        "list-schedules": Function((), Result(ListOf(SCHEDULE_INFO), SCHEDULER_ERROR)),
        "get-schedule": Function((STRING,), Result(Option(SCHEDULE_INFO), SCHEDULER_ERROR)),
        "create-schedule": Function((CREATE_SCHEDULE_INPUT,), CREATE_SCHEDULE_RESULT),
        "update-schedule": Function((STRING, UPDATE_SCHEDULE_INPUT), UPDATE_SCHEDULE_RESULT),
        "delete-schedule": Function((STRING,), DELETE_SCHEDULE_RESULT),
        "get-endpoints": Function((), Result(ListOf(ENDPOINT_INFO), SCHEDULER_ERROR)),
    },
    "invoicing": {"create-manual-invoice": Function((CREATE_MANUAL_INVOICE_INPUT,), CREATE_MANUAL_INVOICE_RESULT)},
    "clients": {
        "list-clients": Function((CLIENTS_LIST_INPUT,), Result(CLIENTS_LIST_RESULT, READ_ERROR)),
        "get-client": Function((STRING,), Result(Option(CLIENT_SUMMARY), READ_ERROR)),
    },
    "services": {
        "list-services": Function((SERVICES_LIST_INPUT,), Result(SERVICES_LIST_RESULT, READ_ERROR)),
        "get-service": Function((STRING,), Result(Option(SERVICE_SUMMARY), READ_ERROR)),
    },
    "metrics": {"emit": Function((STRING, F64, STRING, _PAIRS), None)},
    "config": {
        "get": Function((STRING,), Option(STRING)),
        "list-keys": Function((), ListOf(STRING)),
    },
    "storage-v2": {
        "list-page": Function((STRING, _OPTIONAL_STRING, _OPTIONAL_STRING, U32), _stored(STORAGE_PAGE)),
        "put-with": Function((PUT_REQUEST,), _stored(STORAGE_ENTRY)),
        "put-many": Function((ListOf(PUT_REQUEST),), _stored(ListOf(STORAGE_ENTRY))),
        "delete-if": Function((STRING, STRING, U64), _stored(None)),
    },
}
"""Interface name below ``alga:extension/`` → function name → type."""

EXPORT_NAME: Final = "handler"
EXPORT: Final = Function((EXECUTE_REQUEST,), EXECUTE_RESPONSE)

# The same function with bodies as lists of u64: the export of prepare's adapter (see ``compiler/packing.py``).
_PACKED_HEADERS = ListOf(TupleOf((STRING, STRING)))
_PACKED_CONTEXT = TupleOf((_OPTIONAL_STRING, STRING, STRING, _OPTIONAL_STRING, _OPTIONAL_STRING))

PACKED_EXPORT_NAME: Final = "handler-packed"
PACKED_EXPORT: Final = Function(
    (TupleOf((_PACKED_CONTEXT, STRING, STRING, _PACKED_HEADERS, BOOL, WORDS, U32)),),
    TupleOf((U16, _PACKED_HEADERS, BOOL, WORDS, U32)),
)
"""(context, method, url, headers, has body, body, its length) → (status, headers, has body, body, its length)."""
