"""A running local platform as tests see it: clients by role, and a short way from a component to an install."""

import json
import tempfile
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from alga_ext.stores.database import Database, Row
from alga_ext.trust.signing import LocalSigner
from tests.support.servers import Loop
from tools.cli.bundles import pack_folder, sign_bundle
from tools.cli.client import Client, Reply
from tools.local.platform import Platform

PUBLISHER = "tests"
CLAIMS: Mapping[str, dict[str, Any]] = {
    "operator": {"sub": "operator", "roles": ["platform_admin"]},
    "publisher": {"sub": "publisher", "roles": ["publisher"], "publishers": [PUBLISHER]},
    "acme": {"sub": "ann", "tenant_id": "acme", "roles": ["tenant_admin"]},
    "globex": {"sub": "gus", "tenant_id": "globex", "roles": ["tenant_admin"]},
    "viewer": {"sub": "vic", "tenant_id": "acme", "roles": ["tenant_viewer"]},
}
SERVER = {
    "runtime": "wasm-component@1",
    "api": {"endpoints": [{"method": "GET", "path": "/run"}, {"method": "POST", "path": "/run"}]},
}
PAGE = {"ui/index.html": b"<!doctype html><title>Test</title>", "ui/app.js": b"'use strict';\n"}


class Site:
    """One platform with a publisher registered; made by the fixture ``site``."""

    def __init__(self, platform: Platform, loop: Loop) -> None:
        self.platform = platform
        self.loop = loop
        self.api = platform.addresses.api
        self.ui = platform.addresses.ui
        loop.run(self._warm())
        self._clients: dict[str | None, Client] = {}
        self.signer = LocalSigner.generate()
        operator = self.client("operator")
        operator.create_publisher(PUBLISHER, "Tests")
        operator.add_key(PUBLISHER, self.signer.public_pem)

    async def _warm(self) -> None:
        for function in ("registry", "gateway"):
            self.platform.functions.warm(function)
        self.platform.functions.warm("runner", "acme")

    def client(self, role: str | None) -> Client:
        """A client with the token of a role, or none."""
        if role not in self._clients:
            self._clients[role] = Client(self.api, self.platform.keys.token(CLAIMS[role]) if role else None)
        return self._clients[role]

    def client_of(self, claims: Mapping[str, Any]) -> Client:
        """A client with a token of its own, for the caller to close."""
        return Client(self.api, self.platform.keys.token({"sub": "someone", **claims}))

    def close(self) -> None:
        """Close the clients' connections."""
        for client in self._clients.values():
            client.close()

    def get(self, url: str) -> Reply:
        """GET an absolute URL without a token."""
        base, _, path = url.partition("/ext-ui/")
        client = Client(base, None)
        try:
            return client.request("GET", f"/ext-ui/{path}")
        finally:
            client.close()

    def call(self, extension: str, path: str = "/run", role: str | None = "acme", **request: Any) -> Reply:
        """Call an extension through the gateway."""
        return self.client(role).request(request.pop("method", "GET"), f"/api/ext/{extension}{path}", **request)

    def publish(self, component: bytes | None, *, name: str = "", **manifest: Any) -> dict[str, Any]:
        """Publish a component with a small page and wait for the verdict; the version."""
        with tempfile.TemporaryDirectory() as work:
            archive = self.pack(component, Path(work), name=name, **manifest)
            version = self.client("publisher").publish(archive, sign_bundle(archive, self.signer), PUBLISHER)
        return dict(self.client("publisher").wait_until_decided(version["version_id"], 60))

    def pack(self, component: bytes | None, work: Path, *, name: str = "", **manifest: Any) -> Path:
        """Write and pack the tree of an extension; the archive."""
        document = {
            "name": name or f"com.tests.x{uuid.uuid4().hex[:12]}",
            "publisher": PUBLISHER,
            "version": "1.0.0",
            "ui": {"type": "iframe", "entry": "ui/index.html"},
            **(SERVER if component is not None else {}),
            **manifest,
        }
        files = {"manifest.json": json.dumps(document).encode(), **PAGE}
        if component is not None:
            files["dist/main.wasm"] = component
        tree = work / "tree"
        for path, data in files.items():
            (tree / path).parent.mkdir(parents=True, exist_ok=True)
            (tree / path).write_bytes(data)
        return pack_folder(tree, work / "bundle.tar.zst").archive

    def install(self, component: bytes | None, *, limits: Mapping[str, int] | None = None, **manifest: Any) -> str:
        """Publish a component and install it for acme; what to call it by."""
        version = self.publish(component, **manifest)
        assert version["state"] == "ready", version["state_reasons"]
        grants = {"capabilities": [], "egress": [], "secrets": {}, "limits": dict(limits or {})}
        return str(self.client("acme").install(version["name"], None, grants, {})["install_id"])

    def rows(self, tenant: str, sql: str, /, **params: Any) -> list[Row]:
        """What the registry's role sees of a tenant."""
        database = Database(self.platform.functions.specs["recorder"].environment["DATABASE_URL"])
        try:
            with database.tenant(tenant) as tx:
                return tx.rows(sql, **params)
        finally:
            database.close()

    def record(self, request_id: str) -> Row:
        """The finished record of a call by acme, once the queue has brought it."""
        deadline = time.monotonic() + 15
        sql = "select * from app.extension_execution_log where request_id = :id and state = 'finished'"
        while time.monotonic() < deadline:
            if rows := self.rows("acme", sql, id=request_id):
                return rows[0]
            time.sleep(0.1)
        message = f"the call {request_id} left no finished record"
        raise AssertionError(message)
