"""Keys of the registry are replaced while it is used: no request fails, and then the old key is refused."""

import json
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from alga_ext.stores.aws_api import AwsApi
from alga_ext.stores.aws_calls import KmsDataKeys
from alga_ext.stores.sealing import Sealer, secret_context
from alga_ext.trust.policy import TrustBundle
from alga_ext.trust.signing import LOG_HEAD_PAYLOAD_TYPE, LocalSigner, Signer, sign_envelope
from alga_ext.trust.trust_document import parse_trust_bundle
from functions.registry.api.registry import Registry
from functions.registry.services import Services
from tests.support.load import Fleet, Load, deploy
from tests.support.refusals import code_of
from tests.support.registry import Context, RegistryWorld
from tests.support.server_extension import publish_server

Process = tuple[Registry, Services]


class Registries:
    """Processes of the registry, each with the environment that was set when it started."""

    def __init__(self, world: RegistryWorld) -> None:
        self.world = world
        self._open: list[Services] = []
        self._lock = threading.Lock()
        self.fleet = Fleet(self.started())

    def started(self, **settings: str) -> Process:
        """Start a process with settings changed from now on."""
        self.world.rewire(**settings)
        services = Services.build(self.world.environment())
        self._open.append(services)
        return Registry(services), services

    def close(self) -> None:
        for services in self._open:
            services.database.close()
            services.evaluator.close()

    def ask(self, turn: int, method: str, path: str, token: str, body: Any = None) -> Any:
        """Send a request to the process whose turn it is; it must succeed.

        One at a time: a process in Lambda serves one request at a time, and these here share one resolver.
        """
        registry, _ = self.fleet.of(turn)
        with self._lock:
            answer = registry.answer(self.world.event(method, path, token, body), Context())
        assert answer["statusCode"] in (200, 201), answer["body"]
        return json.loads(answer["body"])


@contextmanager
def registries(world: RegistryWorld) -> Iterator[Registries]:
    made = Registries(world)
    try:
        yield made
    finally:
        made.close()


# The log key


def document(*keys: tuple[Signer, str, datetime | None]) -> str:
    entries = [
        {
            "key_id": key.key_id,
            "public_key": key.public_pem,
            "use": use,
            "valid_until": until.isoformat() if until else None,
        }
        for key, use, until in keys
    ]
    return json.dumps({"version": 1, "keys": entries})


class Reader:
    """Somebody who fetches heads of the log, and verifies them with the trust bundle as it is then."""

    def __init__(self, running: Registries) -> None:
        self._running = running
        self.trust = parse_trust_bundle(running.world.environment()["SIGNING_TRUST_BUNDLE"])

    def fetch(self, turn: int) -> None:
        trust = self.trust
        head = self._running.ask(turn, "GET", "/log/head", self._running.world.admin)
        verify(trust, json.dumps(head, separators=(",", ":")).encode())


def verify(trust: TrustBundle, head: bytes) -> None:
    trust.verify(head, use="log", publisher="", at=datetime.now(UTC))


def test_the_log_key(world: RegistryWorld) -> None:
    world.register()
    old, new = world.log, LocalSigner.generate()
    with registries(world) as running:
        reader = Reader(running)
        with Load(reader.fetch) as load:
            both = document((world.release, "release", None), (old, "log", None), (new, "log", None))
            reader.trust = parse_trust_bundle(both)
            deploy(load, (running.fleet, running.started(SIGNING_TRUST_BUNDLE=both)))
            world.log = new
            deploy(load, (running.fleet, running.started()))
            entry = {"publisher": "globex", "display_name": "Globex"}
            running.ask(0, "POST", "/publishers", world.admin, entry)  # the log grows, so its head is signed anew
            load.settle()
            ended = document((world.release, "release", None), (old, "log", datetime.now(UTC)), (new, "log", None))
            reader.trust = parse_trust_bundle(ended)
            deploy(load, (running.fleet, running.started(SIGNING_TRUST_BUNDLE=ended)))

    forged = sign_envelope(old, b"{}", LOG_HEAD_PAYLOAD_TYPE)
    assert code_of(lambda: verify(reader.trust, forged)) == "key_expired"


# The KMS key of tenants' secrets


class Secrets:
    """A tenant that sets a secret, and runners that open what is stored."""

    def __init__(self, running: Registries, install_id: str) -> None:
        self._running = running
        self._install_id = install_id
        self.openers: Fleet[Sealer] = Fleet(self.opener(running.world.secrets_key_id))

    def opener(self, *key_ids: str) -> Sealer:
        """Return what a runner with this ``SECRETS_KEY_ID`` opens secrets with."""
        return Sealer(KmsDataKeys(",".join(key_ids), AwsApi(self._running.world.environment())))

    def call(self, turn: int) -> None:
        """Set a secret, and open it and one that was set long ago."""
        value = uuid.uuid4().hex
        path = f"/installs/{self._install_id}/secrets/pepper"
        self._running.ask(turn, "PUT", path, self._running.world.tenant_admin(), {"value": value})
        opener = self.openers.of(turn // 2)
        assert self.opened(opener, "pepper") == value
        assert self.opened(opener, "salt") == "set before"

    def opened(self, opener: Sealer, name: str) -> str:
        rows = self._running.world.rows(
            "select sealed from app.extension_install_secret where name = :name order by secret_version desc limit 1",
            name=name,
        )
        context = secret_context("tenant-a", self._install_id, name)
        return opener.unseal(bytes(rows[0]["sealed"]), context).decode()


def test_the_kms_key_of_secrets(world: RegistryWorld) -> None:
    world.register()
    names = ["salt", "pepper"]
    publish_server(world, secrets=[{"name": name} for name in names])
    granted = {"capabilities": ["secrets.get"], "secrets": {name: [] for name in names}}
    install_id = str(world.install(grants=granted)["install_id"])
    put = world.call("PUT", f"/installs/{install_id}/secrets/salt", world.tenant_admin(), {"value": "set before"})
    assert put.status == 200, put
    old, new = world.secrets_key_id, str(world.client("kms").create_key()["KeyMetadata"]["KeyId"])
    with registries(world) as running:
        secrets = Secrets(running, install_id)
        with Load(secrets.call) as load:
            deploy(load, (secrets.openers, secrets.opener(old, new)))
            deploy(load, (running.fleet, running.started(SECRETS_KEY_ID=f"{new},{old}")))
            page = running.ask(0, "POST", "/maintenance/secrets", world.admin)
            assert (page["rewrapped"] > 0, page["next_cursor"]) == (True, None)
            load.settle()
            deploy(load, (secrets.openers, secrets.opener(new)), (running.fleet, running.started(SECRETS_KEY_ID=new)))

        assert code_of(lambda: secrets.opened(secrets.opener(old), "salt")) == "secret_unavailable"
