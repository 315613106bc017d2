"""A whole runner with every host import served: real PostgreSQL, real servers on loopback, two tenants with data."""

import base64
import os
import secrets
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from alga_ext.calls.envelope import SealedSecret
from alga_ext.errors import PlatformError
from alga_ext.stores.database import Database
from alga_ext.stores.sealing import DataKey, Sealer, secret_context
from alga_ext.trust.signing import LocalSigner
from functions.runner.imports import secrets as secrets_import
from functions.runner.imports.application import ui_proxy
from functions.runner.imports.application.address import Address
from functions.runner.imports.application.client import Application
from functions.runner.imports.broker import Provider
from functions.runner.imports.http import egress, fetch
from functions.runner.imports.scheduler import scheduler
from functions.runner.imports.storage import storage
from tests.security.servers import ACCOMPLICE_ADDRESS, STRANGER_ADDRESS, Server
from tests.support.runner_fixture import INSTALL, TENANT, RunnerFixture
from tests.support.tls import Authority

NEIGHBOUR: Final = "44444444-4444-4444-8444-444444444444"
"""Another install of the same tenant."""
OTHER_TENANT: Final = "globex"
OTHER_INSTALL: Final = "55555555-5555-4555-8555-555555555555"

_PUBLISHER: Final = """
insert into app.publisher (publisher, display_name, created_by) values ('acme', 'Acme', 't')
"""
_EXTENSION: Final = """
insert into app.extension_registry (extension_id, name, publisher, created_by)
  values (cast(:extension as uuid), :name, 'acme', 't')
"""
_BUNDLE: Final = """
insert into app.extension_bundle (content_hash, size_bytes, signing_key_id) values (:hash, 1, 'k')
"""
_VERSION: Final = """
insert into app.extension_version (version_id, extension_id, version, content_hash, state, manifest, published_by)
  values (cast(:extension as uuid), cast(:extension as uuid), '1.0.0', :hash, 'ready', '{"publisher": "acme"}', 't')
"""
_INSTALL: Final = """
insert into app.tenant_extension_install
  (tenant_id, install_id, extension_id, version_id, content_hash, publisher, publisher_key_id, grant_hash, installed_by)
  values (:tenant, cast(:install as uuid), cast(:extension as uuid), cast(:extension as uuid), :hash, 'acme', 'k', 'g',
          't')
"""
_ENTRY: Final = """
insert into app.extension_storage_entry (tenant_id, install_id, namespace, key, value)
  values (:tenant, cast(:install as uuid), 'notes', :key, cast(:value as bytea))
"""
_HANGING_S: Final = 1.0
"""How long a name server or key service takes that never answers in time."""
SLOW_SECRET: Final = "slow"
"""The name of a secret whose data key the key service takes that long to unwrap."""


class LocalDataKeys:
    """A key service in this process: data keys wrapped by a key of its own, for their context only."""

    def __init__(self) -> None:
        self._key = AESGCM(AESGCM.generate_key(256))
        self.released = threading.Event()

    def generate(self, context: Mapping[str, str]) -> DataKey:
        plain, nonce = os.urandom(32), os.urandom(12)
        return DataKey(plain, nonce + self._key.encrypt(nonce, plain, repr(sorted(context.items())).encode()))

    def unwrap(self, wrapped: bytes, context: Mapping[str, str]) -> bytes:
        if context["name"] == SLOW_SECRET:
            self.released.wait(_HANGING_S)
        try:
            return self._key.decrypt(wrapped[:12], wrapped[12:], repr(sorted(context.items())).encode())
        except InvalidTag:
            raise PlatformError("secret_unavailable", "The sealed secret cannot be opened.") from None


class Resolver:
    """Names as an attacker's own name server would answer them."""

    def __init__(self) -> None:
        self.lookups = 0
        self.released = threading.Event()

    def __call__(self, host: str, _port: int) -> list[str]:
        self.lookups += 1
        match host:
            case "rebinding.example.com":  # public first, private ever after
                return [ACCOMPLICE_ADDRESS] if self.lookups % 2 else [STRANGER_ADDRESS]
            case "mixed.example.com":
                return [ACCOMPLICE_ADDRESS, "169.254.169.254"]
            case "private.example.com":
                return ["10.0.0.1"]
            case "loopback.example.com" | "localhost":
                return [STRANGER_ADDRESS]
            case "metadata.example.com":
                return ["169.254.169.254"]
            case "mapped.example.com":
                return [f"::ffff:{ACCOMPLICE_ADDRESS}"]
            case "nat64.example.com":
                return ["64:ff9b::7f00:1"]
            case "unspecified.example.com":
                return ["0.0.0.0"]
            case "nonsense.example.com":
                return ["not an address"]
            case "nowhere.example.com":
                raise OSError("no such name")
            case "nothing.example.com":
                return []
            case "slow.example.com":
                self.released.wait(_HANGING_S)
                raise OSError("too late")
            case _ if host.endswith(("example.com", "xn--exmple-cua.com")):
                return [ACCOMPLICE_ADDRESS]
            case _:  # an address is its own; any other name is a stranger's
                return [host if _is_address(host) else STRANGER_ADDRESS]


class World:
    """Everything the hostile guests meet. Close it.

    Args:
        owner_url: superuser's URL of a migrated database of its own.
        runner_url: the same database as ``fn_runner``.
        folder: for artifacts and certificates.
    """

    def __init__(self, owner_url: str, runner_url: str, folder: Path, sandboxes: int = 2) -> None:
        self.folder = folder
        self.owner_url = owner_url
        self.private = {
            "a tenant's secret": f"kept-{secrets.token_hex(12)}",
            "another tenant's secret": f"kept-{secrets.token_hex(12)}",
            "another tenant's entry": f"kept-{secrets.token_hex(12)}",
            "another install's entry": f"kept-{secrets.token_hex(12)}",
        }
        _fill(owner_url, self.private)
        self.accomplice, self.stranger = _servers()
        self.application = Server(ACCOMPLICE_ADDRESS)
        self.resolver = Resolver()
        self.database = Database(runner_url)
        self._published: dict[bytes, str] = {}
        self.keys = LocalDataKeys()
        self.sealer = Sealer(self.keys)
        self.authority = Authority(folder / "authority")
        with self.database.system() as tx:  # its connection is there from the beginning, and no attack's doing
            tx.row("select 1 as one")
        self.house = RunnerFixture(
            folder / "artifacts",
            self._providers(),
            unsealer=self.sealer,
            database=self.database,
            sandboxes=sandboxes,
        )

    def close(self) -> None:
        self.resolver.released.set()
        self.keys.released.set()
        self.house.close()
        self.database.close()
        for server in (self.accomplice, self.stranger, self.application):
            server.close()

    def published(self, component: bytes) -> str:
        """Return the content hash of a component, published when it was not yet."""
        if component not in self._published:
            self._published[component] = self.house.publish(component)
        return self._published[component]

    def granted(self, host: str = "api.example.com") -> str:
        """Return the grant of a host at the accomplice's port."""
        return f"http://{host}:{self.accomplice.port}"

    def secret(self, name: str, value: str, *, tenant: str = TENANT, install: str = INSTALL) -> SealedSecret:
        """Return a secret sealed for an install."""
        sealed = self.sealer.seal(value.encode(), secret_context(tenant, install, name))
        return SealedSecret(name=name, sealed_b64=base64.b64encode(sealed).decode(), version=1)

    def _providers(self) -> dict[str, Provider]:
        stored = storage.provider(self.database)
        opened = egress.parse_networks(f"{ACCOMPLICE_ADDRESS}/32")
        host_application = f"http://{ACCOMPLICE_ADDRESS}:{self.application.port}"
        return {
            "storage": stored,
            "storage-v2": stored,
            "secrets": secrets_import.open_for,
            "http": fetch.provider(self.resolver, opened, self.authority.client_context),
            "ui-proxy": ui_proxy.provider(
                Application(Address.of(host_application), "token-of-a-test", LocalSigner.generate(), time.time)
            ),
            "scheduler": scheduler.provider(self.database, lambda: datetime.now(UTC)),
        }


def _servers() -> tuple[Server, Server]:
    """Return accomplice and stranger at the same port of two addresses, so that only the address tells them apart."""
    for _ in range(20):
        accomplice = Server(ACCOMPLICE_ADDRESS)
        try:
            return accomplice, Server(STRANGER_ADDRESS, accomplice.port)
        except OSError:
            accomplice.close()
    message = "no port is free at both addresses"
    raise RuntimeError(message)


def _fill(owner_url: str, private: Mapping[str, str]) -> None:
    database = Database(owner_url)
    try:
        with database.system() as tx:
            tx.execute(_PUBLISHER)
        for tenant, install in ((TENANT, INSTALL), (TENANT, NEIGHBOUR), (OTHER_TENANT, OTHER_INSTALL)):
            # Each install is of an extension of its own, which carries the install's id.
            ids = {"extension": install, "hash": "sha256:" + install.replace("-", "") * 2}
            with database.tenant(tenant) as tx:
                tx.execute(_EXTENSION, extension=install, name=f"com.acme.x{install[0]}")
                tx.execute(_BUNDLE, hash=ids["hash"])
                tx.execute(_VERSION, **ids)
                tx.execute(_INSTALL, tenant=tenant, install=install, **ids)
        _store(database, TENANT, INSTALL, "own", "mine")
        _store(database, TENANT, INSTALL, "locked", "mine")
        _store(database, TENANT, NEIGHBOUR, "theirs", private["another install's entry"])
        _store(database, OTHER_TENANT, OTHER_INSTALL, "theirs", private["another tenant's entry"])
    finally:
        database.close()


def _store(database: Database, tenant: str, install: str, key: str, value: str) -> None:
    with database.tenant(tenant) as tx:
        tx.execute(_ENTRY, tenant=tenant, install=install, key=key, value=value.encode())


@contextmanager
def kept_entry(world: World, key: str, value: str) -> Iterator[None]:
    """Have the install keep an entry as long as the block lasts."""
    database = Database(world.owner_url)
    try:
        _store(database, TENANT, INSTALL, key, value)
        yield
        with database.tenant(TENANT) as tx:
            tx.execute("delete from app.extension_storage_entry where tenant_id = :t and key = :k", t=TENANT, k=key)
    finally:
        database.close()


def _is_address(host: str) -> bool:
    return ":" in host or host.replace(".", "").isdigit()


def new_name(stem: str) -> str:
    """Return a database name that nobody has."""
    return f"{stem}_{uuid.uuid4().hex[:12]}"


def own_entries(world: World) -> Any:
    """Return what the database holds of the tenants' storage, as its owner sees it."""
    database = Database(world.owner_url)
    try:
        with database.system() as tx:
            return tx.rows("select tenant_id, install_id, namespace, key from app.extension_storage_entry")
    finally:
        database.close()
