"""The call in hand: context, user, configuration."""

import uuid

import pytest

from alga_ext.calls.envelope import ExecuteUser
from tests.conformance.envelopes import EXTENSION, INSTALL, TENANT, VERSION, code_of
from tests.conformance.guest import Guest
from tests.conformance.values import Err, Ok

KIB = 1024
FULL = ExecuteUser(
    user_id="u-1",
    user_email="ünï@example.com",
    user_name="Ünï Cödé 🦊",
    user_type="client",
    client_name="Kund & Söhne",
    client_id="c-1",
    additional_fields={"locale": "de-DE", "ünï": "🦊", "empty": ""},
)
BARE = ExecuteUser(user_id="u-2")


def test_the_context_is_the_envelopes(guest: Guest) -> None:
    request_id = str(uuid.uuid4())
    expected = {
        "request-id": request_id,
        "tenant-id": TENANT,
        "extension-id": EXTENSION,
        "install-id": INSTALL,
        "version-id": VERSION,
    }
    assert guest.call("context.get-context", request_id=request_id) == expected


def test_the_request_carries_the_same_context(guest: Guest) -> None:
    request_id = str(uuid.uuid4())
    assert guest.receive(request_id=request_id).context == {
        "request-id": request_id,
        "tenant-id": TENANT,
        "extension-id": EXTENSION,
        "install-id": INSTALL,
        "version-id": VERSION,
    }


def test_the_request_carries_the_context_without_the_capability_too(guest: Guest) -> None:
    assert guest.receive(providers=[]).context["tenant-id"] == TENANT


def test_the_context_is_the_same_at_every_call(guest: Guest) -> None:
    assert guest.call("context.get-context", times=3)["install-id"] == INSTALL


def test_the_user_is_the_envelopes(guest: Guest) -> None:
    expected = {
        "tenant-id": TENANT,
        "client-name": "Kund & Söhne",
        "user-id": "u-1",
        "user-email": "ünï@example.com",
        "user-name": "Ünï Cödé 🦊",
        "user-type": "client",
    }
    assert guest.call("user.get-user", user=FULL) == Ok(expected)


def test_the_newer_user_has_the_client_and_further_fields(guest: Guest) -> None:
    user = guest.call("user-v2.get-user", user=FULL).value
    assert sorted(user.pop("additional-fields")) == sorted(FULL.additional_fields.items())
    assert user == {
        "tenant-id": TENANT,
        "client-name": "Kund & Söhne",
        "user-id": "u-1",
        "user-email": "ünï@example.com",
        "user-name": "Ünï Cödé 🦊",
        "user-type": "client",
        "client-id": "c-1",
    }


def test_what_the_envelope_leaves_out_of_a_user_is_absent_or_empty(guest: Guest) -> None:
    user = guest.call("user-v2.get-user", user=BARE).value
    assert (user["user-id"], user["user-type"]) == ("u-2", "internal")
    assert (user["client-id"], user["additional-fields"]) == (None, [])
    assert (user["client-name"], user["user-email"], user["user-name"]) == ("", "", "")
    assert guest.call("user.get-user", user=BARE).value["user-id"] == "u-2"


def test_an_empty_client_id_is_not_an_absent_one(guest: Guest) -> None:
    user = ExecuteUser(user_id="u-3", client_id="")
    assert guest.call("user-v2.get-user", user=user).value["client-id"] == ""


def test_a_hundred_further_fields_arrive(guest: Guest) -> None:
    fields = {f"field-{number:03}": "v" * number for number in range(100)}
    user = ExecuteUser(user_id="u-4", additional_fields=fields)
    assert dict(guest.call("user-v2.get-user", user=user).value["additional-fields"]) == fields


@pytest.mark.parametrize("function", ["user.get-user", "user-v2.get-user"])
def test_a_call_nobody_made_has_no_user_available(guest: Guest, function: str) -> None:
    assert guest.call(function) == Err("not-available")


@pytest.mark.parametrize("function", ["user.get-user", "user-v2.get-user"])
def test_without_the_capability_the_user_is_not_allowed_whether_there_is_one_or_not(
    guest: Guest, function: str
) -> None:
    assert guest.call(function, user=FULL, without="cap:user.read") == Err("not-allowed")
    assert guest.call(function, without="cap:user.read") == Err("not-allowed")


def test_a_configured_value_is_read_as_it_is(guest: Guest) -> None:
    config = {"text": 'ünï 🦊\n\t"quoted" {json: no}', "empty": "", "ключ": "🔑", "number": "42"}
    for key, value in config.items():
        assert guest.call("config.get", key, config=config) == value


@pytest.mark.parametrize("key", ["absent", "", "TEXT", "text ", "__proto__", "constructor", "te\0xt"])
def test_a_key_that_is_not_configured_is_absent(guest: Guest, key: str) -> None:
    assert guest.call("config.get", key, config={"text": "value"}) is None


def test_the_configured_keys_are_listed(guest: Guest) -> None:
    config = {"b": "2", "a": "1", "ü": "3"}
    assert sorted(guest.call("config.list-keys", config=config)) == sorted(config)
    assert guest.call("config.list-keys") == []


def test_a_configuration_of_nearly_64_kib_arrives(guest: Guest) -> None:
    value = "v" * (64 * KIB - 20)
    assert guest.call("config.get", "large", config={"large": value}) == value


def test_a_thousand_keys_arrive(guest: Guest) -> None:
    config = {f"key-{number}": str(number) for number in range(1_000)}
    assert sorted(guest.call("config.list-keys", config=config)) == sorted(config)
    assert guest.call("config.get", "key-999", config=config) == "999"


def test_one_calls_configuration_is_not_anothers(guest: Guest) -> None:
    assert guest.call("config.get", "key", config={"key": "first"}) == "first"
    assert guest.call("config.get", "key", config={}) is None
    response = guest.ask("context.get-context", without="cap:context.read", config={"key": "first"})
    assert code_of(response) == "guest_trapped"
    assert guest.call("config.list-keys") == []
