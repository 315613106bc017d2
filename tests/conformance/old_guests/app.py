"""Calls every import of AlgaPSA's contract and answers with what came of each."""

import json
from collections.abc import Callable
from typing import Any

from componentize_py_types import Err
from wit_world.imports import (
    clients,
    context,
    http,
    invoicing,
    logging,
    scheduler,
    secrets,
    services,
    storage,
    ui_proxy,
    user,
    user_v2,
)
from wit_world.imports.types import (
    BillingMethod,
    ClientsListInput,
    CreateManualInvoiceInput,
    CreateScheduleInput,
    DiscountType,
    ExecuteRequest,
    ExecuteResponse,
    HttpHeader,
    HttpRequest,
    ItemKind,
    ManualInvoiceItemInput,
    ServicesListInput,
    StorageEntry,
    UpdateScheduleInput,
)


def attempt(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except Err as error:
        return f"error {error.value.name.lower().replace('_', '-')}"


def user_of_version_2() -> Any:
    found = user_v2.get_user()
    return [found.user_email, found.client_id, found.additional_fields]


def rate_of(service_id: str) -> float:
    found = services.get_service(service_id)
    assert found is not None
    return found.default_rate


class WitWorld:
    def handler(self, request: ExecuteRequest) -> ExecuteResponse:
        logging.log_info("info")
        logging.log_warn("warn")
        logging.log_error("error")
        item = ManualInvoiceItemInput("s", 1.0, "d", 2.0, None, DiscountType.FIXED, None, None)
        created = invoicing.create_manual_invoice(CreateManualInvoiceInput("c-1", [item], None, None, None))
        refused = invoicing.create_manual_invoice(CreateManualInvoiceInput("none", [item], None, None, None))
        wanted = ServicesListInput(None, ItemKind.PRODUCT, None, BillingMethod.FIXED, None, None)
        everyone = ClientsListInput(None, None, None, None)
        found = {
            "method": request.http.method,
            "url": request.http.url,
            "headers": [[header.name, header.value] for header in request.http.headers],
            "body": (request.http.body or b"").decode(),
            "tenant": context.get_context().tenant_id,
            "user": attempt(lambda: user.get_user().user_email),
            "userV2": attempt(user_of_version_2),
            "put": attempt(lambda: storage.put(StorageEntry("old", "k", b"stored", None)).revision),
            "get": attempt(lambda: storage.get("old", "k").value.decode()),
            "entries": attempt(lambda: [entry.key for entry in storage.list_entries("old", None)]),
            "delete": attempt(lambda: storage.delete("old", "k")),
            "missing": attempt(lambda: storage.get("old", "k")),
            "secret": attempt(lambda: secrets.get("API_KEY")),
            "keys": secrets.list_keys(),
            "fetch": attempt(lambda: http.fetch(HttpRequest("GET", "https://example.com/", [], None))),
            "route": attempt(lambda: ui_proxy.call_route("/..", b"{}")),
            "create": scheduler.create_schedule(
                CreateScheduleInput("POST /sync", "0 3 * * *", None, None, None, None)
            ).success,
            "schedules": attempt(lambda: [schedule.cron for schedule in scheduler.list_schedules()]),
            "schedule": attempt(lambda: scheduler.get_schedule("none")),
            "update": scheduler.update_schedule(
                "none", UpdateScheduleInput(None, None, None, False, None, None)
            ).success,
            "remove": scheduler.delete_schedule("none").success,
            "endpoints": attempt(lambda: len(scheduler.get_endpoints())),
            "invoice": [created.invoice_id, created.total],
            "refused": [refused.error, refused.field_errors],
            "clients": attempt(lambda: [client.client_id for client in clients.list_clients(everyone).items]),
            "client": attempt(lambda: clients.get_client("c")),
            "services": attempt(lambda: [service.service_id for service in services.list_services(wanted).items]),
            "service": attempt(lambda: rate_of("s-1")),
        }
        headers = [HttpHeader("content-type", "application/json")]
        return ExecuteResponse(200, headers, json.dumps(found).encode())
