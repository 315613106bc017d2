"""Functions whose secrets are in Secrets Manager start with them, and use a changed one without a restart."""

import importlib
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from alga_ext.calls.operator_token import sign_operator_token
from alga_ext.errors import PlatformError
from alga_ext.trust.signing import LocalSigner
from functions.gateway.gateway import Gateway
from functions.registry.job_services import SweeperServices
from functions.runner.runner import Runner
from tests.conftest import Databases
from tests.integration.test_starts import start
from tests.support.function_settings import GOOD
from tests.support.secrets_manager import SecretsManager, reference, secrets_manager
from topology.functions import FUNCTIONS, GATEWAY, Function

FIRST, SECOND = LocalSigner.generate(), LocalSigner.generate()
LATER_S = 301
each_function = pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.name)


@pytest.fixture
def secrets() -> Iterator[SecretsManager]:
    """Secrets Manager with the values of every function in one secret."""
    with secrets_manager(all="{}") as server:
        put(server, FIRST)
        yield server


def put(server: SecretsManager, key: LocalSigner) -> None:
    values = {**GOOD, "EXECUTION_TOKEN_PRIVATE_KEY": key.private_pem, "EXECUTION_TOKEN_PUBLIC_KEY": key.public_pem}
    server.secrets["all"] = json.dumps(values)


def references(function: Function) -> dict[str, str]:
    """Return an environment that has a reference for every setting of a function that it needs."""
    return {name: reference("all", name) for name in (*function.required, "AUTH_JWKS_URL") if name in function.names}


@each_function
def test_a_function_starts_with_references_only(function: Function, secrets: SecretsManager, tmp_path: Path) -> None:
    given = json.loads(secrets.secrets["all"] or "") | {"SECRETS_KEY_ID": "key", "FN_GATEWAY_PASSWORD": "x"}
    given |= dict.fromkeys(("FN_REGISTRY_PASSWORD", "FN_RUNNER_PASSWORD"), "x")
    secrets.secrets["all"] = json.dumps(given)
    folder = {"ARTIFACT_FOLDER": str(tmp_path)}

    assert start(function, {**secrets.environment, **references(function), **folder}) == (0, "")
    # These two read their settings at an invocation, so that whoever waits for an answer is told of a fault.
    assert secrets.read == ([] if function.name in ("migrate", "smoke") else ["all"])


def test_a_function_whose_secret_is_gone_does_not_start(secrets: SecretsManager) -> None:
    names = references(GATEWAY)
    status, printed = start(GATEWAY, {**secrets.environment, **dict.fromkeys(names, reference("gone", "x"))})

    assert status == 1
    assert [name for name in names if f"  {name}: Secrets Manager does not give its secret: " not in printed] == []


def load(name: str, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Load an entry module as Lambda does, in this process."""
    for variable, value in environment.items():
        monkeypatch.setitem(os.environ, variable, value)
    monkeypatch.delitem(sys.modules, name, raising=False)
    return importlib.import_module(name)


def event(path: str, **headers: str) -> dict[str, Any]:
    return {"rawPath": path, "headers": headers, "requestContext": {"http": {"method": "GET", "path": path}}}


def test_the_gateway_signs_with_a_changed_key_and_closes_its_connection(
    secrets: SecretsManager, databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = {**secrets.environment, **GOOD, "DATABASE_URL": databases.gateway}
    environment["EXECUTION_TOKEN_PRIVATE_KEY"] = reference("all", "EXECUTION_TOKEN_PRIVATE_KEY")
    module = load("functions.gateway.handler", environment, monkeypatch)
    old: Gateway = module._GATEWAY.current()
    with old._services.database.system() as tx:
        tx.rows("select 1")

    put(secrets, SECOND)
    monkeypatch.setattr(module._GATEWAY, "_now_s", lambda: time.time() + LATER_S)
    answer = module.handler(event("/api/ext/a/b"), None)

    new: Gateway = module._GATEWAY.current()
    assert answer["statusCode"] == 401
    assert [gateway._services.execution_signer.key_id for gateway in (old, new)] == [FIRST.key_id, SECOND.key_id]
    assert old._services.database.check() == {"connected": False}


def test_a_sweeper_whose_database_moved_uses_the_new_one(
    secrets: SecretsManager, databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = {**secrets.environment, **GOOD, "DATABASE_URL": reference("all", "DATABASE_URL")}
    module = load("functions.registry.sweeper", environment, monkeypatch)
    old: SweeperServices = module._SERVICES.current()
    with pytest.raises(PlatformError), old.database.system():
        pass

    values = json.loads(secrets.secrets["all"] or "")
    secrets.secrets["all"] = json.dumps({**values, "DATABASE_URL": databases.registry})
    monkeypatch.setattr(module._SERVICES, "_now_s", lambda: time.time() + LATER_S)
    new: SweeperServices = module._SERVICES.current()
    with new.database.system() as tx:
        found = tx.one("select current_user as me")
    new.close()

    assert found == {"me": "fn_registry"}


class RunnerModule:
    """The runner's entry module in this process, with its key in Secrets Manager."""

    def __init__(self, secrets: SecretsManager, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._secrets = secrets
        self._monkeypatch = monkeypatch
        environment = {**secrets.environment, **GOOD, "ARTIFACT_FOLDER": str(folder), "SECRETS_KEY_ID": "key"}
        environment["EXECUTION_TOKEN_PUBLIC_KEY"] = reference("all", "EXECUTION_TOKEN_PUBLIC_KEY")
        self._module = load("functions.runner.handler", environment, monkeypatch)

    @property
    def current(self) -> Runner:
        runner: Runner = self._module._RUNNER.current()
        return runner

    def change(self) -> None:
        """Exchange the key, and let the time of the old one pass."""
        put(self._secrets, SECOND)
        self._monkeypatch.setattr(self._module._RUNNER, "_now_s", lambda: time.time() + LATER_S)

    def sandbox(self, key: LocalSigner) -> bool:
        """Ask for the health as an operator with this key; tell whether a sandbox is ready."""
        token = sign_operator_token(key, now_s=int(time.time()))
        answer = self._module.handler(event("/healthz", authorization=f"Bearer {token}"), None)
        document = json.loads(answer["body"])
        if answer["statusCode"] == 401:
            raise PlatformError("unauthorized", document["detail"])
        return bool(document["checks"]["sandbox"]["ok"])


@pytest.fixture
def runner(secrets: SecretsManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunnerModule]:
    made = RunnerModule(secrets, tmp_path / "artifacts", monkeypatch)
    yield made
    made.current.close()


def test_the_runner_verifies_with_a_changed_key_in_new_sandboxes(runner: RunnerModule) -> None:
    assert runner.sandbox(FIRST)
    old = runner.current
    (process_id,) = old._services.pool.process_ids()

    runner.change()

    assert runner.sandbox(SECOND)
    assert process_id not in runner.current._services.pool.process_ids()
    assert old._services.pool.process_ids() == []
    with pytest.raises(ProcessLookupError):
        os.kill(process_id, 0)
    with pytest.raises(PlatformError, match="unauthorized"):
        runner.sandbox(FIRST)


def test_a_token_that_was_used_before_the_change_is_still_refused(runner: RunnerModule) -> None:
    now_s = int(time.time())
    runner.current.used_tokens.use("token-id", now_s)

    runner.change()

    with pytest.raises(PlatformError, match="used already"):
        runner.current.used_tokens.use("token-id", now_s)
