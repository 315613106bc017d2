"""Installs in the runner's database, for the imports that keep something: storage and schedules."""

import json
import uuid
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from alga_ext.stores.database import Database, Row
from tests.conformance.envelopes import TENANT

ENDPOINTS: Final = (
    {"method": "POST", "path": "/sync", "handler": "sync", "schedulable": True},
    {"method": "GET", "path": "/report", "schedulable": True},
    {"method": "GET", "path": "/both", "schedulable": True},
    {"method": "POST", "path": "/both", "schedulable": True},
    {"method": "POST", "path": "/plain"},
    {"method": "DELETE", "path": "/gone", "schedulable": True},
    {"method": "GET", "path": "/items/:id", "schedulable": True},
)

_MAKE: Final = """
insert into app.publisher (publisher, display_name, created_by) values ('acme', 'Acme', 't') on conflict do nothing;
insert into app.extension_registry (extension_id, name, publisher, created_by)
  values ('{install}', 'com.acme.{install}', 'acme', 't');
insert into app.extension_bundle (content_hash, size_bytes, signing_key_id) values ('{hash}', 1, 'k');
insert into app.extension_version (version_id, extension_id, version, content_hash, state, manifest, published_by)
  values ('{install}', '{install}', '1.0.0', '{hash}', 'ready', '{manifest}', 't');
insert into app.tenant_extension_install
  (tenant_id, install_id, extension_id, version_id, content_hash, publisher, publisher_key_id, grant_hash, installed_by)
  values ('{tenant}', '{install}', '{install}', '{install}', '{hash}', 'acme', 'k', 'g', 't');
"""


class Install(NamedTuple):
    """An install: what the envelope names."""

    tenant_id: str
    install_id: str


class Installs:
    """Makes installs.

    Args:
        owner_url: the database as a role that may write every table.
    """

    def __init__(self, owner_url: str) -> None:
        self._database = Database(owner_url, 30_000)

    def make(self, tenant_id: str = TENANT, endpoints: Sequence[dict[str, Any]] = ENDPOINTS) -> Install:
        """Install an extension of its own for a tenant."""
        install_id = str(uuid.uuid4())
        values = {
            "install": install_id,
            "tenant": tenant_id,
            "hash": "sha256:" + (uuid.uuid4().hex * 2),
            "manifest": json.dumps({"publisher": "acme", "api": {"endpoints": list(endpoints)}}),
        }
        with self._database.tenant(tenant_id) as tx:
            tx.script(_MAKE.format(**values))
        return Install(tenant_id, install_id)

    def rows(self, install: Install, sql: str, **params: Any) -> list[Row]:
        """Run a statement on what an install keeps; ``:tenant`` and ``:install`` are given."""
        with self._database.tenant(install.tenant_id) as tx:
            return tx.rows(sql, tenant=install.tenant_id, install=install.install_id, **params)

    def close(self) -> None:
        """Close the connection."""
        self._database.close()
