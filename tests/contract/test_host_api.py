"""What the platform expects of a host application (docs/reference/host-api.md), asked without the runner.

It runs against the fake application of this suite. To check another one, set HOST_API_BASE_URL, HOST_API_AUTH_TOKEN,
HOST_API_INSTALL_ID and, of an existing record each, HOST_API_CLIENT_ID and HOST_API_SERVICE_ID. Invoices are created
for the fake only.
"""

import json
import os
from collections.abc import Iterator
from typing import Any, NamedTuple

import jsonschema
import pytest
import urllib3

from tests.support.fake_application import INSTALL, FakeApplication
from tests.support.places import ROOT

SCHEMA = json.loads((ROOT / "docs/reference/host-api.schema.json").read_text(encoding="utf-8"))
PAGE = {"page": 1, "pageSize": 25}
UNKNOWN = "00000000-0000-4000-8000-000000000000"


class Host(NamedTuple):
    """An application to check."""

    url: str
    token: str
    install: str
    client_id: str
    service_id: str
    is_fake: bool

    def ask(self, records: str, document: Any, *, token: str | None = None) -> tuple[int, Any]:
        """Send a request; return status and the answer's JSON."""
        answer = urllib3.request(
            "POST",
            f"{self.url}/api/internal/{records}/install/{self.install}",
            headers={"x-runner-auth": self.token if token is None else token, "content-type": "application/json"},
            body=json.dumps(document).encode(),
            redirect=False,
            retries=False,
        )
        return answer.status, json.loads(answer.data) if answer.data else None


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    given = os.environ
    if url := given.get("HOST_API_BASE_URL"):
        token, install, client_id, service_id = (
            given[f"HOST_API_{name}"] for name in ("AUTH_TOKEN", "INSTALL_ID", "CLIENT_ID", "SERVICE_ID")
        )
        yield Host(url.rstrip("/"), token, install, client_id, service_id, is_fake=False)
        return
    fake = FakeApplication()
    yield Host(fake.url, fake.token, INSTALL, "c-1", "s-1", is_fake=True)
    fake.close()


def assert_fits(document: Any, name: str) -> None:
    jsonschema.validate(document, {**SCHEMA, "$ref": f"#/$defs/{name}"})


@pytest.mark.parametrize("records", ["ext-clients", "ext-services", "ext-invoicing"])
@pytest.mark.parametrize("token", ["", "another-token-of-another-runner"])
def test_a_caller_without_the_token_is_refused(host: Host, records: str, token: str) -> None:
    status, _ = host.ask(records, {"operation": "list", "input": PAGE}, token=token)
    assert status in (401, 403)


@pytest.mark.parametrize("records", ["ext-clients", "ext-services"])
def test_an_unknown_operation_is_a_bad_request(host: Host, records: str) -> None:
    status, _ = host.ask(records, {"operation": "drop", "input": {}})
    assert status == 400


@pytest.mark.parametrize(("records", "name"), [("ext-clients", "ClientsList"), ("ext-services", "ServicesList")])
def test_a_list_is_one_page_of_the_documented_shape(host: Host, records: str, name: str) -> None:
    asked = {"operation": "list", "input": PAGE}
    assert_fits(asked, f"{name}Request")
    status, document = host.ask(records, asked)
    assert (status, document["page"], document["pageSize"]) == (200, 1, 25)
    assert_fits(document, f"{name}Answer")
    assert len(document["items"]) <= 25


def test_a_client_is_read_by_its_id(host: Host) -> None:
    status, document = host.ask("ext-clients", {"operation": "get", "input": {"clientId": host.client_id}})
    assert (status, document["item"]["clientId"]) == (200, host.client_id)
    assert_fits(document, "ClientGetAnswer")


def test_a_service_is_read_by_its_id(host: Host) -> None:
    status, document = host.ask("ext-services", {"operation": "get", "input": {"serviceId": host.service_id}})
    assert (status, document["item"]["serviceId"]) == (200, host.service_id)
    assert_fits(document, "ServiceGetAnswer")


@pytest.mark.parametrize(("records", "name"), [("ext-clients", "clientId"), ("ext-services", "serviceId")])
def test_a_record_that_is_not_there_is_null(host: Host, records: str, name: str) -> None:
    assert host.ask(records, {"operation": "get", "input": {name: UNKNOWN}}) == (200, {"item": None})


def test_an_invoice_is_created_and_told(host: Host) -> None:
    if not host.is_fake:
        pytest.skip("it would create an invoice")
    item = {"serviceId": "s-1", "quantity": 2, "description": "d", "rate": 1.5}
    asked = {"operation": "createManualInvoice", "clientId": host.client_id, "items": [item]}
    assert_fits(asked, "CreateManualInvoiceRequest")
    status, document = host.ask("ext-invoicing", asked)
    assert (status, document["invoice"]["total"]) == (200, 3.0)
    assert_fits(document, "CreateManualInvoiceAnswer")


def test_an_invoice_for_an_unknown_client_says_what_is_wrong(host: Host) -> None:
    asked = {"operation": "createManualInvoice", "clientId": UNKNOWN, "items": []}
    status, document = host.ask("ext-invoicing", asked)
    assert status in (200, 400)
    assert document["success"] is False
    assert document["error"]
