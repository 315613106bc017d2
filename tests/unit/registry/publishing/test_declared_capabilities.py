"""What a manifest declares against what the component imports."""

from typing import Any

import pytest

from alga_ext.bundles.manifest import Manifest
from alga_ext.calls.messages import PreparedMessage, Reason
from functions.registry.publishing.declared_capabilities import compare_capabilities

STORAGE, FETCH = "alga:extension/storage", "alga:extension/http"


def compared(declared: list[str], imports: list[str], **members: Any) -> tuple[list[str], list[str]]:
    """Return the codes of the reasons, and the undeclared capabilities."""
    document: dict[str, Any] = {
        "name": "com.acme.notes",
        "publisher": "acme",
        "version": "1.0.0",
        "runtime": "wasm-component@1",
        "capabilities": declared,
        **members,
    }
    if "cap:http.fetch" in declared:
        document["egress"] = ["api.example.com"]
    message = PreparedMessage(
        version_id="v", content_hash="h", component_sha256="c", ok=True, imports=imports, exports=[]
    )
    reasons, undeclared = compare_capabilities(message, Manifest.model_validate(document))
    return [reason.code for reason in reasons], undeclared


def test_a_declared_capability_that_is_imported_passes() -> None:
    assert compared(["cap:storage.kv"], [STORAGE]) == ([], [])


def test_a_declared_capability_that_is_not_imported_is_refused() -> None:
    assert compared(["cap:storage.kv"], []) == (["capability_not_imported"], [])


def test_an_imported_capability_that_is_not_declared_is_only_reported() -> None:
    assert compared([], [STORAGE, FETCH]) == ([], ["cap:http.fetch", "cap:storage.kv"])


def test_a_version_of_an_interface_does_not_matter() -> None:
    assert compared(["cap:storage.kv"], [f"{STORAGE}@0.1.0"]) == ([], [])


@pytest.mark.parametrize(("hosts", "codes"), [(["api.example.com"], []), ([], ["capability_not_imported"])])
def test_a_secret_with_hosts_needs_no_import_of_secrets(hosts: list[str], codes: list[str]) -> None:
    secrets = [{"name": "KEY", "description": "a key", "hosts": hosts}]
    assert compared(["cap:http.fetch", "cap:secrets.get"], [FETCH], secrets=secrets)[0] == codes


def test_a_component_that_could_not_be_prepared_has_a_reason() -> None:
    message = PreparedMessage(version_id="v", content_hash="h", component_sha256="c", ok=False, imports=[], exports=[])
    manifest = Manifest.model_validate(
        {"name": "com.acme.x", "publisher": "acme", "version": "1.0.0", "runtime": "wasm-component@1"}
    )
    assert compare_capabilities(message, manifest)[0] == [
        Reason(code="component_invalid", detail="The component could not be prepared.")
    ]
