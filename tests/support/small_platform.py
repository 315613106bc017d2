"""Registry, prepare, gateway, runner and UI host over one database and one bucket, each called through its door.

Everything but HTTP and queues between them is real, with a component that is compiled and run.
"""

import json
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from alga_ext.stores.database import Database
from functions.gateway.gateway import Gateway
from functions.gateway.services import Services as GatewayServices
from functions.registry.publishing import finishing
from functions.runner.imports.call_context import CallContext
from functions.runner.imports.storage.storage import Storage
from functions.uihost.services import Services as UiHostServices
from functions.uihost.uihost import UiHost
from tests.support.answering import Asked, Reply, answering
from tests.support.bodies import body_of_answer
from tests.support.registry import RegistryWorld, manifest_of
from tests.support.runner_fixture import EVERY_CAPABILITY, RunnerFixture, call
from tests.support.wat import guest

NAME = "com.acme.notes"
_ENDPOINTS = {"endpoints": [{"method": "GET", "path": "/hello"}]}


class SmallPlatform:
    """The platform. ``connect`` again after database or bucket were replaced: a new process would have empty caches.

    Attributes:
        world: its registry.
    """

    def __init__(self, world: RegistryWorld, folder: Path, runner_url: str) -> None:
        self.world = world
        self._runner = RunnerFixture(folder, store=world.objects)
        self._folder = folder
        artifact = self._runner.artifact_key
        trust = json.loads(world.environment()["SIGNING_TRUST_BUNDLE"])
        trust["keys"].append({"key_id": artifact.key_id, "public_key": artifact.public_pem, "use": "artifact"})
        self.trust = json.dumps(trust)
        world.rewire(SIGNING_TRUST_BUNDLE=self.trust)
        queue = world.sqs.create_queue(QueueName=f"executions-{uuid.uuid4().hex[:8]}")["QueueUrl"]
        self._gateway_environment = {
            "RUNNER_BASE_URL": runner_url,
            "EXECUTIONS_QUEUE_URL": queue,
            "EXECUTION_TOKEN_PRIVATE_KEY": self._runner.gateway_key.private_pem,
            "INSTALL_CACHE_MS": "0",
        }
        self._open = ExitStack()
        self.connect()

    def connect(self) -> None:
        """Use the registry's database and bucket with new caches."""
        self._open.close()
        environment = {**os.environ, **self.world.environment()}
        gateway = GatewayServices.build(
            {**environment, **self._gateway_environment, "DATABASE_URL": self.world.databases.gateway}
        )
        self._open.callback(gateway.database.close)
        self._gateway = Gateway(gateway)
        self._pages = UiHost(UiHostServices.build({**environment, "FRAME_ANCESTORS": "https://host.test"}))
        self._runner.trust = self.world.services.trust.current()

    def close(self) -> None:
        self._open.close()
        self._runner.close()

    def run(self, asked: Asked) -> Reply:
        """Answer a request of the gateway as the runner does."""
        answer = self._runner.send("POST", asked.path, asked.body, asked.headers)
        return Reply(answer["statusCode"], body_of_answer(answer))

    def publish(self, version: str) -> dict[str, Any]:
        """Publish a version that answers with its number, compile it, and return it as the registry shows it."""
        code = "(call $respond (i32.const 200) (i32.const 0) (i32.const 5))"
        files = {
            "ui/index.html": f"<!doctype html><title>{version}</title>".encode(),
            "dist/main.wasm": guest(code, data=f'(data (i32.const 0) "{version}")'),
        }
        manifest = manifest_of(NAME, version, runtime="wasm-component@1", api=_ENDPOINTS)
        sent = self.world.send(self.world.signed(manifest, files))
        assert sent.status == 202, sent
        self.prepare()
        made: dict[str, Any] = self.world.call("GET", f"/versions/{sent.body['version_id']}", self.world.admin).body
        return made

    def prepare(self) -> None:
        """Do what is in the prepare queue, as prepare and assets do it."""
        for message in self.world.queued():
            finishing.finish_prepared(self._runner.prepare.handle(message), self.world.assets())

    def call(self, tenant_id: str) -> tuple[int, str]:
        """Call the tenant's install through the gateway; return the status, and the body or the error's code."""
        token = self.world.token(tenant_id=tenant_id, roles=["tenant_user"])
        answer = self._gateway.answer(
            {
                "rawPath": f"/api/ext/acme.{NAME}/hello",
                "headers": {"authorization": f"Bearer {token}"},
                "requestContext": {"requestId": "r-1", "http": {"method": "GET"}},
            }
        )
        text = body_of_answer(answer).decode()
        return answer["statusCode"], text if answer["statusCode"] == 200 else str(json.loads(text)["code"])

    def page(self, version: dict[str, Any]) -> int:
        """Ask for a version's page; return the status."""
        path = f"/ext-ui/{version['extension_id']}/{version['content_hash']}/index.html"
        event = {
            "version": "2.0",
            "rawPath": path,
            "rawQueryString": "",
            "headers": {"host": "ui.test"},
            "requestContext": {"http": {"method": "GET", "path": path}, "requestId": "r-1"},
        }
        return int(self._pages.answer(event)["statusCode"])

    @contextmanager
    def storage(self, install: dict[str, Any], tenant_id: str) -> Iterator[Storage]:
        """The storage of an install, as a running extension has it."""
        database = Database(self.world.databases.runner)
        request = call("sha256:" + "0" * 64, tenant_id=tenant_id, install_id=install["install_id"])
        deadline_ns = time.monotonic_ns() + 60 * 10**9
        try:
            yield Storage(database, CallContext(request, frozenset(EVERY_CAPABILITY), deadline_ns, None, time.time))
        finally:
            database.close()


@contextmanager
def small_platform(world: RegistryWorld, folder: Path) -> Iterator[SmallPlatform]:
    """Start a platform over a registry, which must not have published anything yet."""
    made: list[SmallPlatform] = []
    with answering(lambda asked: made[0].run(asked)) as server:
        made.append(SmallPlatform(world, folder, server.url))
        yield made[0]
        made[0].close()
