"""Calls every import of the old contract and answers with what came of each."""

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


class WitWorld:
    def handler(self, request: ExecuteRequest) -> ExecuteResponse:
        logging.log_info("info")
        logging.log_warn("warn")
        logging.log_error("error")
        item = ManualInvoiceItemInput("s", 1.0, "d", 2.0, None, DiscountType.FIXED, None, None)
        wanted = ServicesListInput(None, ItemKind.PRODUCT, None, BillingMethod.USAGE, None, None)
        found = {
            "method": request.http.method,
            "url": request.http.url,
            "headers": [[header.name, header.value] for header in request.http.headers],
            "body": (request.http.body or b"").decode(),
            "tenant": context.get_context().tenant_id,
            "user": attempt(lambda: user.get_user().user_email),
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
            "invoice": invoicing.create_manual_invoice(CreateManualInvoiceInput("c", [item], None, None, None)).success,
            "clients": attempt(lambda: clients.list_clients(ClientsListInput(None, None, None, None))),
            "client": attempt(lambda: clients.get_client("c")),
            "services": attempt(lambda: services.list_services(wanted)),
            "service": attempt(lambda: services.get_service("s")),
        }
        headers = [HttpHeader("content-type", "application/json")]
        return ExecuteResponse(200, headers, json.dumps(found).encode())
