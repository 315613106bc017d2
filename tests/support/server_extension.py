"""An extension with handlers and a few permissions, and what a tenant does with it."""

from typing import Any

from alga_ext.trust.signing import LocalSigner
from tests.support.registry import RegistryWorld, manifest_of

WASM = {"ui/index.html": b"x", "dist/main.wasm": b"\0asm"}
IMPORTS = ["alga:extension/storage", "alga:extension/secrets", "alga:extension/http"]


def server(version: str = "1.0.0", **members: Any) -> dict[str, Any]:
    """A manifest with handlers and a few permissions."""
    asked = {
        "runtime": "wasm-component@1",
        "capabilities": [{"name": "storage.kv", "purpose": "keeps your notes"}, "http.fetch", "secrets.get"],
        "egress": ["*.example.com"],
        "secrets": [{"name": "api-key", "hosts": ["api.example.com"]}, {"name": "salt"}],
        "config": {"type": "object", "properties": {"colour": {"type": "string"}}, "additionalProperties": False},
    }
    return manifest_of(version=version, **{**asked, **members})


def publish_server(
    world: RegistryWorld, version: str = "1.0.0", key: LocalSigner | None = None, **members: Any
) -> dict[str, Any]:
    """Publish a version with handlers and bring it to ready."""
    sent = world.send(world.signed(server(version, **members), WASM, key), world.admin)
    assert sent.status == 202, sent
    assert world.prepare(imports=IMPORTS) == ["ready"]
    accepted: dict[str, Any] = sent.body
    return accepted


def change(world: RegistryWorld, install: dict[str, Any], what: str, body: Any = None, **headers: str) -> Any:
    return world.call("POST", f"/installs/{install['install_id']}/{what}", world.tenant_admin(), body, headers=headers)


def put_secret(world: RegistryWorld, install: dict[str, Any], name: str, **body: Any) -> Any:
    return world.call("PUT", f"/installs/{install['install_id']}/secrets/{name}", world.tenant_admin(), body)
