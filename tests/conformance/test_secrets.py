"""Secrets: which can be read, which only injected, and what is heard of the others."""

import base64
import time
from typing import Any

import pytest

from alga_ext.calls.envelope import SealedSecret
from tests.conformance.envelopes import code_of
from tests.conformance.guest import Guest
from tests.conformance.values import Err, Ok
from tests.conformance.vault import Vault

KIB = 1024


@pytest.mark.parametrize("value", ["s3cr3t", "", "ünï 🦊\n\t\0", "v" * 64 * KIB])
def test_a_secret_without_hosts_is_read(guest: Guest, vault: Vault, value: str) -> None:
    sealed = [vault.seal("API_KEY", value)]
    assert guest.call("secrets.get", "API_KEY", secrets={"API_KEY": []}, sealed=sealed) == Ok(value)


def test_each_of_several_secrets_is_read_by_its_name(guest: Guest, vault: Vault) -> None:
    sealed = [vault.seal(f"KEY_{number}", f"value {number}") for number in range(10)]
    secrets: dict[str, list[str]] = {secret.name: [] for secret in sealed}
    for number in range(10):
        assert guest.call("secrets.get", f"KEY_{number}", secrets=secrets, sealed=sealed) == Ok(f"value {number}")


def test_a_secret_is_the_same_at_every_read(guest: Guest, vault: Vault) -> None:
    sealed = [vault.seal("API_KEY", "s3cr3t")]
    assert guest.call("secrets.get", "API_KEY", times=5, secrets={"API_KEY": []}, sealed=sealed) == Ok("s3cr3t")


def test_a_secret_before_its_expiry_is_read(guest: Guest, vault: Vault) -> None:
    sealed = [vault.seal("API_KEY", "s3cr3t", expires_at_s=int(time.time()) + 60)]
    assert guest.call("secrets.get", "API_KEY", secrets={"API_KEY": []}, sealed=sealed) == Ok("s3cr3t")


def test_a_secret_past_its_expiry_is_expired(guest: Guest, vault: Vault) -> None:
    sealed = [vault.seal("API_KEY", "s3cr3t", expires_at_s=int(time.time()) - 1)]
    assert guest.call("secrets.get", "API_KEY", secrets={"API_KEY": []}, sealed=sealed) == Err("expired")


@pytest.mark.parametrize("name", ["ABSENT", "", "api_key", "API_KEY ", "ünï"])
def test_a_secret_that_is_not_there_is_missing(guest: Guest, vault: Vault, name: str) -> None:
    sealed = [vault.seal("API_KEY", "s3cr3t")]
    assert guest.call("secrets.get", name, secrets={"API_KEY": []}, sealed=sealed) == Err("missing")


@pytest.mark.parametrize("empty", [None, []])
def test_a_granted_secret_without_a_value_is_missing(guest: Guest, empty: list[SealedSecret] | None) -> None:
    assert guest.call("secrets.get", "API_KEY", secrets={"API_KEY": []}, sealed=empty) == Err("missing")


def test_a_secret_bound_to_hosts_is_not_read(guest: Guest, vault: Vault) -> None:
    sealed = [vault.seal("API_KEY", "s3cr3t")]
    secrets = {"API_KEY": ["api.example.com"]}
    assert guest.call("secrets.get", "API_KEY", secrets=secrets, sealed=sealed) == Err("denied")


def test_a_secret_that_was_not_granted_is_denied(guest: Guest, vault: Vault) -> None:
    sealed = [vault.seal("API_KEY", "s3cr3t"), vault.seal("OTHER", "0th3r")]
    assert guest.call("secrets.get", "OTHER", secrets={"API_KEY": []}, sealed=sealed) == Err("denied")


def test_without_the_capability_nothing_is_read_or_listed(guest: Guest, vault: Vault) -> None:
    given: dict[str, Any] = {
        "secrets": {"API_KEY": []}, "sealed": [vault.seal("API_KEY", "s3cr3t")], "without": "cap:secrets.get",
    }  # fmt: skip
    assert guest.call("secrets.get", "API_KEY", **given) == Err("denied")
    assert guest.call("secrets.list-keys", **given) == []


def test_the_granted_secrets_are_listed_by_name(guest: Guest, vault: Vault) -> None:
    sealed = [vault.seal(name, "v") for name in ("B", "A", "OTHER")]
    assert sorted(guest.call("secrets.list-keys", secrets={"A": [], "B": []}, sealed=sealed)) == ["A", "B"]


def test_without_secrets_none_are_listed(guest: Guest) -> None:
    assert guest.call("secrets.list-keys") == []


def test_a_list_of_keys_opens_none_of_them(guest: Guest) -> None:
    sealed = [SealedSecret(name="API_KEY", sealed_b64=base64.b64encode(b"nonsense").decode(), version=1)]
    assert guest.call("secrets.list-keys", secrets={"API_KEY": []}, sealed=sealed) == ["API_KEY"]


@pytest.mark.parametrize("data", [b"", b"nonsense", b"\x01\x00\x10" + b"x" * 100])
def test_a_secret_that_cannot_be_opened_ends_the_call(guest: Guest, data: bytes) -> None:
    sealed = [SealedSecret(name="API_KEY", sealed_b64=base64.b64encode(data).decode(), version=1)]
    response = guest.ask("secrets.get", "API_KEY", secrets={"API_KEY": []}, sealed=sealed)
    assert (code_of(response), response.status) == ("secret_unavailable", 502)


@pytest.mark.parametrize(
    "place",
    [
        {"tenant_id": "another"},
        {"install_id": "99999999-9999-4999-8999-999999999999"},
        {"sealed_as": "ANOTHER"},
    ],
)
def test_a_secret_sealed_for_another_place_ends_the_call(guest: Guest, vault: Vault, place: dict[str, Any]) -> None:
    sealed = [vault.seal("API_KEY", "s3cr3t", **place)]
    response = guest.ask("secrets.get", "API_KEY", secrets={"API_KEY": []}, sealed=sealed)
    assert (code_of(response), response.status) == ("secret_unavailable", 502)
    assert "s3cr3t" not in str(response)


def test_a_secret_that_is_not_text_ends_the_call(guest: Guest, vault: Vault) -> None:
    sealed = [vault.seal("API_KEY", b"\xff\xfe")]
    response = guest.ask("secrets.get", "API_KEY", secrets={"API_KEY": []}, sealed=sealed)
    assert code_of(response) == "secret_unavailable"


def test_one_calls_secrets_are_not_anothers(guest: Guest, vault: Vault) -> None:
    sealed = [vault.seal("API_KEY", "s3cr3t")]
    assert guest.call("secrets.get", "API_KEY", secrets={"API_KEY": []}, sealed=sealed) == Ok("s3cr3t")
    assert guest.call("secrets.get", "API_KEY") == Err("missing")
    assert guest.call("secrets.list-keys") == []


def test_a_secret_that_was_read_is_not_in_the_log(any_guest: Guest, vault: Vault) -> None:
    sealed = [vault.seal("API_KEY", "s3cr3t-value")]
    request_id = "conformance-secret-in-log"
    outcome = any_guest.ask("secrets.get", "API_KEY", request_id=request_id, secrets={"API_KEY": []}, sealed=sealed)
    said = any_guest.runner.said(request_id)
    assert outcome.error is None
    assert said is None or "s3cr3t-value" not in str(said)
