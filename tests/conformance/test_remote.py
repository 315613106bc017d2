"""The suite's other implementation of its port: a runner in processes of its own, by HTTP and by Lambda Invoke."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from alga_ext.calls.envelope import encode
from tests.conformance.deployed import deployed
from tests.conformance.envelopes import code_of, envelope
from tests.conformance.guest import Guest, echoed
from tests.conformance.remote import remote_surroundings
from tests.conformance.surroundings import Surroundings
from tests.conformance.test_http import wanted
from tests.conformance.values import Err, Ok
from tests.conformance.wat_guest import WatGuest
from tests.conftest import Databases
from tests.support.servers import Loop
from tools.local.postgres import drop_database, make_database

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def environments(
    server_loop: Loop,
    tmp_path_factory: pytest.TempPathFactory,
    moto_url: str,
    postgres_server: str,
    template_database: str,
) -> Iterator[dict[str, dict[str, str]]]:
    name = "conformance_deployed"
    databases = Databases(make_database(postgres_server, name, template_database))
    folder: Path = tmp_path_factory.mktemp("deployed")
    with deployed(server_loop, folder, moto_url, databases.owner) as found:
        yield found
    drop_database(postgres_server, name)


@pytest.fixture(scope="module", params=["http", "lambda"])
def remote(request: pytest.FixtureRequest, environments: dict[str, dict[str, str]]) -> Iterator[Surroundings]:
    environment = environments[request.param]
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            if name.startswith("AWS_"):
                patch.setenv(name, value)
        with remote_surroundings(environment) as found:
            yield found


@pytest.fixture(scope="module")
def remote_guest(remote: Surroundings) -> Guest:
    return WatGuest("wat", remote.runner)


def test_it_publishes_and_runs(remote_guest: Guest) -> None:
    seen = remote_guest.receive(below="/ünï", query="a=1", headers={"x-a": ["1", "2"]}, body=b"body")
    assert (seen.url, seen.headers, seen.body) == ("/request/%C3%BCn%C3%AF?a=1", [("x-a", "1"), ("x-a", "2")], b"body")


def test_bodies_of_four_mebibytes_pass(remote_guest: Guest) -> None:
    body = bytes(range(256)) * (4 * MIB // 256)
    assert echoed(remote_guest, body, timeout_ms=20_000) == body


def test_storage_is_the_installs(remote: Surroundings, remote_guest: Guest) -> None:
    assert remote.installs is not None
    given: dict[str, Any] = {"install_id": remote.installs.make().install_id}
    entry = {"namespace": "ns", "key": "k", "value": b"v"}
    assert remote_guest.call("storage.put", entry, times=3, **given).value["revision"] == 3
    assert remote_guest.call("storage.get", "ns", "k", **given).value["value"] == b"v"
    assert remote_guest.call("scheduler.create-schedule", {"endpoint": "POST /sync", "cron": "* * * * *"}, **given)[
        "success"
    ]


def test_secrets_are_opened_and_put_into_headers_over_https(remote: Surroundings, remote_guest: Guest) -> None:
    assert remote.vault is not None
    assert remote.secure is not None
    sealed = [remote.vault.seal("READABLE", "open"), remote.vault.seal("BOUND", "s3cr3t")]
    secrets = {"READABLE": [], "BOUND": [remote.secure.grant]}
    assert remote_guest.call("secrets.get", "READABLE", secrets=secrets, sealed=sealed) == Ok("open")
    request = wanted(f"{remote.secure.url}/echo", headers=[("authorization", "Bearer {{secret:BOUND}}")])
    given: dict[str, Any] = {"egress": [remote.secure.grant], "secrets": secrets, "sealed": sealed}
    assert remote_guest.call("http.fetch", request, **given).value["status"] == 200
    assert remote.secure.last.all("authorization") == ["Bearer s3cr3t"]


def test_servers_outside_are_told_apart(remote: Surroundings, remote_guest: Guest) -> None:
    assert remote.outside is not None
    assert remote.stranger is not None
    assert (
        remote_guest.call("http.fetch", wanted(remote.outside.url), egress=[remote.outside.grant]).value["status"]
        == 200
    )
    assert remote_guest.call("http.fetch", wanted(remote.outside.url)) == Err("not-allowed")
    assert remote_guest.call("http.fetch", wanted(remote.stranger.url), egress=[remote.stranger.grant]) == Err(
        "transport"
    )


def test_the_host_application_is_reached(remote: Surroundings, remote_guest: Guest) -> None:
    assert remote.host is not None
    assert remote_guest.call("ui-proxy.call-route", "/api/echo", b"{}") == Ok(b"{}")
    assert remote.host.last.all("x-ext-install-id")


def test_failures_have_their_codes(remote_guest: Guest) -> None:
    assert code_of(remote_guest.run(method="GET", path="/spin", timeout_ms=300)) == "guest_timeout"
    assert code_of(remote_guest.run(method="GET", path="/throw")) == "guest_trapped"
    assert code_of(remote_guest.run(method="GET", path="/status/600")) == "guest_invalid_response"
    assert remote_guest.count() == 1


def test_what_is_refused_at_the_door_is_a_problem_document(remote: Surroundings, remote_guest: Guest) -> None:
    request = envelope(remote_guest.content_hash)
    body = encode(request)
    answer = remote.runner.post(body, "", request.context.tenant_id)
    assert (answer.status, answer.content_type) == (401, "application/problem+json")
    answer = remote.runner.post(b"\xff", remote.runner.token(request, b"\xff"), request.context.tenant_id)
    assert (answer.status, answer.content_type) == (400, "application/problem+json")


def test_what_was_said_cannot_be_seen_from_here(remote: Surroundings) -> None:
    assert remote.runner.said("any") is None
