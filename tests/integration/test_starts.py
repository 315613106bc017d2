"""A function with a wrong environment does not start: one message names each variable, its form and its page."""

import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from alga_ext.settings import SettingsError
from alga_ext.trust.signing import LocalSigner
from functions.gateway.services import Services as GatewayServices
from functions.runner.services import Services as RunnerServices
from tests.support.function_settings import AWS, GOOD, SETTINGS, good_environment
from tests.support.places import ROOT
from topology.functions import FUNCTIONS, MIGRATE, SMOKE, Function

each_function = pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.name)
each_that_reads_settings_at_its_start = pytest.mark.parametrize(
    "function",
    # The other two read them when they are called, because CloudFormation or CodeDeploy waits for their answer.
    [function for function in FUNCTIONS if function not in (MIGRATE, SMOKE)],
    ids=lambda function: function.name,
)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment that every function starts with."""
    return good_environment(tmp_path_factory.mktemp("artifacts"))


def start(function: Function, environment: dict[str, str]) -> tuple[int, str]:
    """Load a function's module as Lambda does; return the exit status and what it printed."""
    module = function.handler.rpartition(".")[0]
    ended = subprocess.run(
        [sys.executable, "-c", f"import {module}"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT}:{ROOT / 'layers/core/python'}", **AWS, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return ended.returncode, ended.stdout + ended.stderr


@each_function
def test_a_function_with_every_setting_starts(function: Function, good: dict[str, str]) -> None:
    assert start(function, good) == (0, "")


@each_that_reads_settings_at_its_start
def test_a_function_without_settings_ends_with_one_message_that_names_each(function: Function) -> None:
    status, printed = start(function, {})
    settings = SETTINGS[function.name]
    required = {name.upper() for name, field in settings.fields().items() if field.is_required}

    assert status == 1
    (message,) = re.findall(r"SettingsError: (.*)", printed, re.DOTALL)
    assert {name for name in required if f"{name}: it is missing or empty; give " not in message} == set()
    assert f"docs/reference/settings.md#{settings.section.lower().replace(' ', '-')}" in message
    if "auth_jwks" in settings.fields():
        assert "AUTH_JWKS, AUTH_JWKS_URL: both are missing or empty" in message


@each_function
def test_a_value_that_does_not_fit_is_named_and_not_shown(function: Function) -> None:
    names = ("DATABASE_URL", "BUNDLE_STORE_BASE", "SMOKE_FUNCTIONS")
    typed = [name for name in names if name.lower() in SETTINGS[function.name].fields()]
    with pytest.raises(SettingsError) as refused:
        SETTINGS[function.name].read({**GOOD, typed[0]: "secret-nonsense"})

    assert f"  {typed[0]}: " in str(refused.value)
    assert "secret-nonsense" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "mysql://role@host/x"),
        ("DATABASE_URL", "postgresql://role@host/x?auth=iam"),
        ("DATABASE_URL", "postgresql://role@host/x?sslrootcert=/no/such/file.pem"),
        ("BUNDLE_STORE_BASE", "bucket"),
        ("SIGNING_TRUST_BUNDLE", "/no/such/file"),
        ("SIGNING_TRUST_BUNDLE", "{"),
        ("SIGNING_TRUST_BUNDLE", "s3://trust"),
        ("EXECUTION_TOKEN_PUBLIC_KEY", "-----BEGIN PUBLIC KEY-----\nnone\n"),
        ("UI_PROXY_BASE_URL", "ftp://host"),
        ("UI_PROXY_SIGNING_KEY", "/no/such/key.pem"),
        ("UI_PROXY_AUTH_TOKEN", "change-me-please"),
        ("HOST_API_BASE_URL", "ftp://host"),
        ("HOST_API_AUTH_TOKEN", "change-me-please"),
        ("EGRESS_PRIVATE_NETWORKS", "10.0.0.0/33"),
        ("EGRESS_CA_BUNDLE", "/no/such/bundle.pem"),
        ("MAX_TIMEOUT_MS", "9999999"),
        ("EXTENSIONS_ENABLED", "perhaps"),
    ],
)
def test_the_runner_names_the_setting_that_does_not_fit(good: dict[str, str], name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"\n  {name}: "):
        RunnerServices.build({**AWS, **good, name: value})


@pytest.mark.parametrize("roots", ["-----BEGIN PUBLIC KEY-----\nnone\n", "/no/such/file"])
def test_the_runner_refuses_root_keys_that_are_none(good: dict[str, str], roots: str) -> None:
    signed = {"SIGNING_TRUST_BUNDLE": "s3://trust/trust.json", "TRUST_ROOT_KEYS": roots}
    with pytest.raises(SettingsError, match="\n  TRUST_ROOT_KEYS: "):
        RunnerServices.build({**AWS, **good, **signed})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AUTH_JWKS", "{}"),
        ("AUTH_JWKS", '{"keys": []}'),
        ("AUTH_JWKS_URL", "host.test"),
        ("AUTH_CLAIM_NAMES", "[]"),
        ("AUTH_CLAIM_NAMES", '{"tenant": "org"}'),
        ("RUNNER_BASE_URL", "runner"),
        ("EXECUTION_TOKEN_PRIVATE_KEY", "-----BEGIN PRIVATE KEY-----\nnone\n"),
        ("EXECUTIONS_QUEUE_URL", "executions"),
        ("EXT_GATEWAY_TIMEOUT_MS", "29001"),
        ("RUNNER_ISOLATION", "none"),
    ],
)
def test_the_gateway_names_the_setting_that_does_not_fit(good: dict[str, str], name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"\n  {name}: "):
        GatewayServices.build({**AWS, **good, name: value})


def test_the_age_of_a_signing_key_is_that_above_its_pem(good: dict[str, str], tmp_path: Path) -> None:
    created = "Created: 2026-01-31T12:00:00Z\n"
    key = LocalSigner.generate()
    gateway = GatewayServices.build({**AWS, **good, "EXECUTION_TOKEN_PRIVATE_KEY": created + key.private_pem})
    runner = RunnerServices.build(
        {
            **AWS,
            **good,
            "ARTIFACT_FOLDER": str(tmp_path),
            "UI_PROXY_SIGNING_KEY": created + key.private_pem,
            "CALL_TOKEN_KEY_MAX_AGE_DAYS": "30",
        }
    )
    runner.pool.close()

    told = [(k.use, k.key_id, k.created_at, k.max_age_days) for k in (*gateway.keys, *runner.keys)]
    at = datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert told == [("execution", key.key_id, at, 90), ("call_token", key.key_id, at, 30)]
