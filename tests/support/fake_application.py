"""A small host application with clients, services and invoices, as docs/reference/host-api.md describes one.

It knows nothing of the runner's code: requests and answers are written out here by hand, so that the two can disagree.
"""

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, NamedTuple

TOKEN: Final = "fake-application-7Hq2mXw9"
INSTALL: Final = "11111111-1111-4111-8111-111111111111"
CLIENT: Final[dict[str, Any]] = {
    "clientId": "c-1",
    "clientName": "Ünï & Söhne",
    "clientType": "company",
    "isInactive": False,
    "defaultCurrencyCode": "EUR",
    "accountManagerId": "u-9",
    "accountManagerName": "Ada",
    "billingEmail": "billing@example.com",
}
FORMER_CLIENT: Final[dict[str, Any]] = {"clientId": "c-2", "clientName": "Gone", "clientType": None, "isInactive": True}
SERVICE: Final[dict[str, Any]] = {
    "serviceId": "s-1",
    "serviceName": "Support",
    "itemKind": "service",
    "billingMethod": "hourly",
    "serviceTypeId": "t-1",
    "serviceTypeName": "Labour",
    "defaultRate": 99.95,
    "unitOfMeasure": "hour",
    "isActive": True,
    "sku": "SUP-1",
}
PRODUCT: Final[dict[str, Any]] = {
    "serviceId": "s-2",
    "serviceName": "Router",
    "itemKind": "product",
    "billingMethod": "fixed",
}
FORBIDDEN_USER: Final = "nobody"
"""A user whom the application lets read nothing."""

_PATH: Final = re.compile(r"/api/internal/(ext-clients|ext-services|ext-invoicing)/install/([^/?]+)\Z")


class Asked(NamedTuple):
    """A request as it arrived. Header names are in lower case; ``body`` is JSON."""

    path: str
    headers: dict[str, str]
    body: Any
    raw: bytes


class BadRequest(Exception):
    """The request does not fit the documented shape."""


class FakeApplication:
    """Serves on loopback until it is closed.

    Args:
        snake_case: write the names of answers in snake_case.
        install: the install that it knows; None means every install.
        address: to listen on.
        port: 0 for any.
        token: the static token that it knows the runner by.
    """

    def __init__(
        self,
        *,
        snake_case: bool = False,
        install: str | None = INSTALL,
        address: str = "127.0.0.1",
        port: int = 0,
        token: str = TOKEN,
    ) -> None:
        self.asked: list[Asked] = []
        self.invoices: list[dict[str, Any]] = []
        self.snake_case = snake_case
        self.token = token
        self.install = install
        self._server = _Server((address, port), _Handler)
        self._server.application = self  # type: ignore[attr-defined]
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        self.url = f"http://{address}:{self._server.server_address[1]}"

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()

    def answer(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, Any]:
        """Return status and document of the answer to a POST."""
        found = _PATH.match(path)
        if headers.get("x-runner-auth") != self.token:
            return 401, {"error": "unauthorized"}
        if found is None:
            return 404, {"error": "no such route"}
        if self.install is not None and found[2] != self.install:
            return 403, {"error": "no such install"}
        try:
            asked = json.loads(body)
            self.asked.append(Asked(path, headers, asked, body))
            _check(asked, {"operation": str}, {"input": dict, "user": dict}, others=True)
            if "user" in asked:
                _check(asked["user"], {"userId": str, "userType": str})
                if asked["user"]["userId"] == FORBIDDEN_USER:
                    return 403, {"error": "forbidden"}
            return 200, _SERVED[found[1]](self, asked)
        except (BadRequest, ValueError, KeyError) as error:
            return 400, {"success": False, "error": f"bad request: {error}"}


def _check(
    given: Any, required: dict[str, Any], optional: dict[str, Any] | None = None, *, others: bool = False
) -> None:
    """Check names and types of an object's members. Null is never a value."""
    kinds = {**required, **(optional or {})}
    if not isinstance(given, dict):
        raise BadRequest("no object")
    if set(required) - set(given) or (set(given) - set(kinds) and not others):
        raise BadRequest(", ".join(sorted(given)))
    for name in set(kinds) & set(given):
        value, kind = given[name], kinds[name]
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise BadRequest(name)


def _page_of(records: list[dict[str, Any]], given: dict[str, Any], name: str) -> dict[str, Any]:
    page, size = given["page"], given["pageSize"]
    if page < 1 or not 1 <= size <= 100:
        raise BadRequest("page")
    found = [record for record in records if given.get("search", "").lower() in record[name].lower()]
    return {"items": found[(page - 1) * size : page * size], "totalCount": len(found), "page": page, "pageSize": size}


def _clients(_: FakeApplication, asked: dict[str, Any]) -> dict[str, Any]:
    _check(asked, {"operation": str, "input": dict}, {"user": dict})
    given = asked["input"]
    match asked["operation"]:
        case "list":
            _check(given, {"page": int, "pageSize": int}, {"search": str, "includeInactive": bool})
            shown = [CLIENT, FORMER_CLIENT] if given.get("includeInactive") else [CLIENT]
            return _page_of(shown, given, "clientName")
        case "get":
            _check(given, {"clientId": str})
            found = {record["clientId"]: record for record in (CLIENT, FORMER_CLIENT)}
            return {"item": found.get(given["clientId"])}
        case other:
            raise BadRequest(other)


def _services(_: FakeApplication, asked: dict[str, Any]) -> dict[str, Any]:
    _check(asked, {"operation": str, "input": dict}, {"user": dict})
    given = asked["input"]
    match asked["operation"]:
        case "list":
            wanted = {"search": str, "itemKind": str, "isActive": bool, "billingMethod": str}
            _check(given, {"page": int, "pageSize": int}, wanted)
            shown: list[dict[str, Any]] = [
                record
                for record in (SERVICE, PRODUCT)
                if given.get("itemKind", record["itemKind"]) == record["itemKind"]
                and given.get("billingMethod", record["billingMethod"]) == record["billingMethod"]
                and given.get("isActive", True)
            ]
            return _page_of(shown, given, "serviceName")
        case "get":
            _check(given, {"serviceId": str})
            found = {record["serviceId"]: record for record in (SERVICE, PRODUCT)}
            return {"item": found.get(given["serviceId"])}
        case other:
            raise BadRequest(other)


def _invoicing(application: FakeApplication, asked: dict[str, Any]) -> dict[str, Any]:
    if asked["operation"] != "createManualInvoice":
        raise BadRequest(asked["operation"])
    number = (int, float)
    dates = {"invoiceDate": str, "dueDate": str, "poNumber": str}
    _check(asked, {"operation": str, "clientId": str, "items": list}, {**dates, "user": dict})
    for item in asked["items"]:
        _check(
            item,
            {"serviceId": str, "quantity": number, "description": str, "rate": number},
            {"isDiscount": bool, "discountType": str, "appliesToItemId": str, "appliesToServiceId": str},
        )
    if asked["clientId"] != CLIENT["clientId"]:
        return {"success": False, "error": "no such client", "fieldErrors": {"clientId": "unknown"}}
    if not asked["items"]:
        raise BadRequest("items")
    subtotal = sum(item["quantity"] * item["rate"] for item in asked["items"])
    application.invoices.append(asked)
    invoice = {
        "invoiceId": f"i-{len(application.invoices)}",
        "invoiceNumber": "2026-0001",
        "status": "draft",
        "subtotal": subtotal,
        "tax": 0,
        "total": subtotal,
    }
    return {"success": True, "invoice": invoice}


_SERVED: Final = {"ext-clients": _clients, "ext-services": _services, "ext-invoicing": _invoicing}


def snake_case(document: Any) -> Any:
    """Return a document with every name in snake_case."""
    if isinstance(document, list):
        return [snake_case(item) for item in document]
    if not isinstance(document, dict):
        return document
    return {
        re.sub("[A-Z]", lambda found: f"_{found[0].lower()}", name): snake_case(value)
        for name, value in document.items()
    }


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print nothing: the runner closes connections when its calls end."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        application: FakeApplication = self.server.application  # type: ignore[attr-defined]
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        status, document = application.answer(self.path, headers, body)
        sent = json.dumps(snake_case(document) if application.snake_case else document).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent)

    def log_message(self, *_: Any) -> None:
        return
