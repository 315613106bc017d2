"""Components compiled against AlgaPSA's contract, with its toolchain, run as they are: all twelve interfaces."""

import json
from typing import Any, Final

import pytest

from alga_ext.calls.envelope import ExecuteUser
from functions.runner.sandbox.protocol.world import IMPORTS
from tests.conformance import wat_guest
from tests.conformance.conftest import LANGUAGES
from tests.conformance.envelopes import TENANT, body_of, envelope
from tests.conformance.installs import Install
from tests.conformance.old_components import SOURCES, old_component
from tests.conformance.port import RunnerPort
from tests.conformance.values import Ok
from tests.conformance.vault import Vault
from tests.support.fake_application import FakeApplication

NEW: Final = ("metrics", "config", "storage-v2")
EXPECTED: Final[dict[str, Any]] = {
    "method": "POST",
    "url": "/old?a=1",
    "headers": [["x-a", "1"], ["x-a", "2"]],
    "body": "body",
    "tenant": TENANT,
    "user": "u@example.com",
    "userV2": ["u@example.com", "c-7", [["locale", "de"]]],
    "put": 1,
    "get": "stored",
    "entries": ["k"],
    "delete": None,
    "missing": "error missing",
    "secret": "s3cr3t",
    "keys": ["API_KEY"],
    "fetch": "error not-allowed",
    "route": "error bad-request",
    "create": True,
    "schedules": ["0 3 * * *"],
    "schedule": None,
    "update": False,
    "remove": False,
    "endpoints": 7,
    "invoice": ["i-1", 2],
    "refused": ["no such client", '{"clientId":"unknown"}'],
    "clients": ["c-1"],
    "client": None,
    "services": ["s-2"],
    "service": 99.95,
}


def test_the_old_contract_has_twelve_interfaces_and_lacks_only_what_is_new() -> None:
    text = (SOURCES / "wit" / "alga-extension.wit").read_text()
    old = {name for name in IMPORTS if f"interface {name} {{" in text}
    assert (old, len(old)) == (set(IMPORTS) - set(NEW), 12)


@pytest.mark.parametrize("name", LANGUAGES)
def test_an_old_guest_of_a_language_runs_unmodified(
    runner: RunnerPort, install: Install, vault: Vault, records: FakeApplication, name: str
) -> None:
    component = old_component(name)
    assert [interface for interface in NEW if f"alga:extension/{interface}".encode() in component] == []
    request = envelope(
        runner.publish(component),
        path="/old",
        query="a=1",
        headers={"x-a": ["1", "2"]},
        body=b"body",
        user=ExecuteUser(user_id="u", user_email="u@example.com", client_id="c-7", additional_fields={"locale": "de"}),
        secrets={"API_KEY": []},
        sealed=[vault.seal("API_KEY", "s3cr3t", install_id=install.install_id)],
        install_id=install.install_id,
    )
    response = runner.execute(request)
    assert (response.error, response.status) == (None, 200)
    assert json.loads(body_of(response)) == EXPECTED
    assert {asked.path.split("/")[3] for asked in records.asked} == {"ext-clients", "ext-services", "ext-invoicing"}


def test_an_old_guest_without_a_language_runs_unmodified(runner: RunnerPort) -> None:
    old = [name for name in wat_guest.FUNCTIONS if name.partition(".")[0] not in (*NEW, "user-v2")]
    content_hash = runner.publish(wat_guest.component(old))
    response = runner.execute(
        envelope(
            content_hash, path="/call", body=wat_guest.image_of("user.get-user", (), 1), user=ExecuteUser(user_id="u")
        )
    )
    assert response.error is None
    outcome = wat_guest.outcome_of("user.get-user", body_of(response))
    assert isinstance(outcome, Ok)
    assert outcome.value["user-id"] == "u"


def test_a_guest_that_imports_nothing_of_the_contract_runs(runner: RunnerPort) -> None:
    response = runner.execute(envelope(runner.publish(wat_guest.component([])), path="/echo", body=b"alone"))
    assert (response.error, body_of(response)) == (None, b"alone")
