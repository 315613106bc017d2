"""What a manifest declares against what the component imports."""

from typing import Any

import pytest

from alga_ext.calls.messages import PreparedMessage, Reason
from functions.registry.publishing.declared_capabilities import compare_capabilities
from tests.support.manifests import manifest

STORAGE, FETCH = "alga:extension/storage", "alga:extension/http"
BOUND = {"name": "KEY", "description": "a key", "hosts": ["api.example.com"]}
UNBOUND = {"name": "SALT", "description": "a salt"}
UI_ALONE: dict[str, Any] = {"runtime": None, "api": {}, "ui": {"type": "iframe", "entry": "ui/index.html"}}


def compared(
    declared: list[str], imports: list[str], *, ok: bool = True, reasons: tuple[Reason, ...] = (), **members: Any
) -> tuple[list[Reason], list[str]]:
    """Return the reasons to reject a version, and its undeclared capabilities."""
    message = PreparedMessage(
        version_id="v", content_hash="h", component_sha256="c", ok=ok, imports=imports, reasons=list(reasons)
    )
    egress = ["api.example.com"] if "cap:http.fetch" in declared else []
    return compare_capabilities(message, manifest(capabilities=declared, egress=egress, **members))


def codes(declared: list[str], imports: list[str], **members: Any) -> list[str]:
    """Return the codes of the reasons to reject a version."""
    return [reason.code for reason in compared(declared, imports, **members)[0]]


def test_a_declared_capability_that_is_imported_passes() -> None:
    assert compared(["cap:storage.kv"], [STORAGE]) == ([], [])


def test_declared_capabilities_that_are_not_imported_are_refused_by_name() -> None:
    (reason,), undeclared = compared(["cap:storage.kv", "cap:http.fetch"], [])

    assert (reason.code, undeclared) == ("capability_not_imported", [])
    assert "declares cap:http.fetch, cap:storage.kv, but" in reason.detail


def test_an_imported_capability_that_is_not_declared_is_only_reported() -> None:
    assert compared([], [STORAGE, FETCH]) == ([], ["cap:http.fetch", "cap:storage.kv"])


def test_what_every_extension_is_granted_need_be_neither_declared_nor_imported() -> None:
    assert compared(["cap:log.emit"], []) == ([], [])
    assert compared([], ["alga:extension/log"]) == ([], [])


def test_a_version_of_an_interface_does_not_matter() -> None:
    assert compared(["cap:storage.kv"], [f"{STORAGE}@0.1.0"]) == ([], [])


@pytest.mark.parametrize(("secrets", "fits"), [([BOUND], True), ([UNBOUND, BOUND], True), ([UNBOUND], False)])
def test_a_secret_with_hosts_needs_no_import_of_secrets(secrets: list[dict[str, Any]], fits: bool) -> None:
    found = codes(["cap:http.fetch", "cap:secrets.get"], [FETCH], secrets=secrets)

    assert found == ([] if fits else ["capability_not_imported"])


def test_a_component_that_does_not_fetch_uses_no_secret() -> None:
    (reason,), _ = compared(["cap:http.fetch", "cap:secrets.get"], [], secrets=[BOUND])

    assert "cap:http.fetch, cap:secrets.get" in reason.detail


def test_a_component_that_could_not_be_prepared_has_a_reason() -> None:
    assert codes([], [], ok=False) == ["component_invalid"]


@pytest.mark.parametrize("declared", [[], ["cap:storage.kv"]])
def test_a_component_that_could_not_be_prepared_is_refused_for_that_alone(declared: list[str]) -> None:
    reasons = (Reason(code="component_invalid", detail="no type section"), Reason(code="key_revoked", detail="d"))

    assert compared(declared, [], ok=False, reasons=reasons) == (list(reasons), [])


def test_without_a_component_nothing_is_compared() -> None:
    assert compared(["cap:storage.kv"], [STORAGE, FETCH], **UI_ALONE) == ([], [])
    assert codes([], [], ok=False, **UI_ALONE) == ["component_invalid"]
