"""The secrets import."""

import base64
import threading
import time
from typing import Any

import pytest

from alga_ext.calls.envelope import ExecuteGrants, SealedSecret
from alga_ext.errors import PlatformError
from functions.runner.imports.call_secrets import SecretBox
from functions.runner.imports.secrets import Secrets
from tests.support.runner_fixture import call


class Unsealer:
    """Gives back what was sealed, with the context it was asked for."""

    def __init__(self) -> None:
        self.contexts: list[Any] = []

    def unseal(self, sealed: bytes, context: Any) -> bytes:
        self.contexts.append(dict(context))
        if sealed == b"broken":
            raise PlatformError("secret_unavailable", "The sealed secret cannot be opened.")
        return sealed


def box(granted: dict[str, list[str]], unsealer: Any = None, *, left_s: float = 5.0, **values: str) -> SecretBox:
    request = call("sha256:" + "0" * 64, grants=ExecuteGrants(secrets=granted))
    request.secret_envelope = [
        SealedSecret(
            name=name,
            sealed_b64=base64.b64encode(value.encode()).decode(),
            version=1,
            expires_at_s=1 if name.startswith("old") else None,
        )
        for name, value in values.items()
    ]
    return SecretBox(request, unsealer or Unsealer(), time.time, lambda: left_s)


def reading(box: SecretBox, said: list[str] | None = None) -> Secrets:
    """The import over these secrets. ``said`` gets the reasons of refusals."""
    return Secrets(box, lambda name, reason: None if said is None else said.append(f"{name}: {reason}"))


def test_a_granted_secret_is_read() -> None:
    assert reading(box({"a": []}, a="value")).get("a") == (True, "value")


def test_a_secret_bound_to_hosts_is_never_read() -> None:
    assert reading(box({"a": ["api.test"]}, a="value")).get("a") == (False, "denied")


def test_a_secret_that_was_not_granted_is_denied() -> None:
    assert reading(box({}, a="value")).get("a") == (False, "denied")


@pytest.mark.parametrize("name", ["b", "", "a "])
def test_a_secret_that_is_not_there_is_missing(name: str) -> None:
    assert reading(box({"a": []}, a="value")).get(name) == (False, "missing")


def test_a_secret_past_its_age_is_expired() -> None:
    assert reading(box({"old": []}, old="value")).get("old") == (False, "expired")


def test_the_names_are_those_granted() -> None:
    assert box({"b": ["api.test"], "a": []}, a="1", b="2", c="3").names() == ["a", "b"]


def test_a_secret_is_opened_for_its_own_tenant_install_and_name() -> None:
    unsealer = Unsealer()
    reading(box({"a": []}, unsealer, a="value")).get("a")
    assert unsealer.contexts == [{"tenant": "acme", "install": "11111111-1111-4111-8111-111111111111", "name": "a"}]


def test_a_secret_is_opened_once_in_a_call() -> None:
    unsealer = Unsealer()
    secrets = reading(box({"a": []}, unsealer, a="value"))
    assert [secrets.get("a"), secrets.get("a"), len(unsealer.contexts)] == [(True, "value"), (True, "value"), 1]


def test_nothing_is_opened_before_it_is_used() -> None:
    unsealer = Unsealer()
    made = box({"a": [], "b": []}, unsealer, a="1", b="2")
    made.names()
    assert unsealer.contexts == []


def test_a_secret_that_cannot_be_opened_is_no_answer() -> None:
    with pytest.raises(PlatformError, match="secret_unavailable"):
        reading(box({"a": []}, a="broken")).get("a")


def test_without_an_unsealing_key_nothing_is_opened() -> None:
    request = call("sha256:" + "0" * 64, grants=ExecuteGrants(secrets={"a": []}))
    request.secret_envelope = [SealedSecret(name="a", sealed_b64="eA==", version=1)]
    with pytest.raises(PlatformError, match="secret_unavailable"):
        reading(SecretBox(request, None, time.time, lambda: 5.0)).get("a")


def test_a_key_service_that_hangs_ends_with_the_call() -> None:
    hanging = threading.Event()

    class Hanging:
        def unseal(self, _sealed: bytes, _context: Any) -> bytes:
            hanging.wait(30)
            return b"too late"

    made = reading(box({"a": []}, Hanging(), left_s=0.1, a="value"))
    started = time.monotonic()
    with pytest.raises(TimeoutError):
        made.get("a")
    hanging.set()
    assert time.monotonic() - started < 5


def test_values_are_forgotten_when_the_call_ends() -> None:
    made = box({"a": []}, a="value")
    reading(made).get("a")
    made.clear()
    assert made.scrub("value") == "value"


def test_short_values_are_not_scrubbed_because_they_occur_everywhere() -> None:
    made = box({"a": []}, a="the")
    reading(made).get("a")
    assert made.scrub("the text") == "the text"


@pytest.mark.parametrize("scrub", [SecretBox.scrub, SecretBox.scrub_any_case])
def test_a_secret_that_begins_with_another_is_scrubbed_whole(scrub: Any) -> None:
    made = box({"user": [], "password": []}, user="admin", password="admin-7f3c99d1")
    secrets = reading(made)
    for name in ("user", "password"):
        secrets.get(name)

    assert scrub(made, "login as admin with admin-7f3c99d1") == "login as [secret user] with [secret password]"


@pytest.mark.parametrize("kept", [4, 7, 13])
def test_a_secret_that_the_cut_of_a_line_goes_through_is_scrubbed(kept: int) -> None:
    made = box({"a": []}, a="admin-7f3c99d1")
    reading(made).get("a")

    assert made.scrub_cut("the key is " + "admin-7f3c99d1"[:kept]) == "the key is [secret a]"


def test_the_beginning_of_a_cut_line_is_scrubbed_as_ever() -> None:
    made = box({"a": []}, a="admin-7f3c99d1")
    reading(made).get("a")

    assert made.scrub_cut("admin-7f3c99d1 and adm") == "[secret a] and adm"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("b", "secret b is not granted"),
        ("c", "secret c is not set"),
        ("d" * 200, f"secret {'d' * 128} is not set"),
        ("bound", "secret bound is bound to hosts; http.fetch puts it into its header"),
        ("old", "secret old has expired"),
    ],
    ids=["not granted", "not set", "long", "bound", "expired"],
)
def test_a_secret_without_a_value_is_explained(name: str, reason: str) -> None:
    said: list[str] = []
    made = box({"a": [], "old": [], "bound": ["api.test"]}, a="1", b="2", old="3", bound="4")
    secrets = reading(made, said)
    assert secrets.get("a") == (True, "1")
    assert secrets.get(name)[0] is False
    assert said == [f"secrets.get: {reason}"]
