"""Settings are read once, typed, and say what is wrong without showing values."""

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import msgspec
import pytest

from alga_ext.settings import Check, Form, Range, SecretStr, Settings, SettingsError, read_material
from functions.gateway.settings import GatewaySettings
from functions.runner.settings import RunnerSettings
from tests.support.function_settings import SETTINGS


def refuse_odd(number: int) -> None:
    if number % 2:
        message = "it is odd"
        raise ValueError(message)


class Example(Settings, frozen=True, kw_only=True):
    section = "Example"

    base_url: Annotated[str, Form("a URL")]
    limit_ms: Annotated[int, Range(1, 100)] = 10
    pairs: Annotated[int, Range(2), Check(refuse_odd)] = 2
    enabled: bool = True
    password: SecretStr = SecretStr("")


def test_a_field_is_read_from_the_variable_of_its_name() -> None:
    given = Example.read({"BASE_URL": "x", "LIMIT_MS": "50", "ENABLED": "false", "OTHER": "ignored"})

    assert (given.base_url, given.limit_ms, given.enabled) == ("x", 50, False)


def test_a_variable_in_lower_case_is_another_one() -> None:
    with pytest.raises(SettingsError):
        Example.read({"base_url": "x"})


def test_an_empty_variable_counts_as_absent() -> None:
    assert Example.read({"BASE_URL": "x", "LIMIT_MS": ""}).limit_ms == 10
    with pytest.raises(SettingsError, match="BASE_URL"):
        Example.read({"BASE_URL": ""})


def test_every_fault_is_named_by_its_variable_in_one_message() -> None:
    with pytest.raises(SettingsError) as refused:
        Example.read({"LIMIT_MS": "101"})
    assert str(refused.value).splitlines() == [
        "The settings of Example are not valid; see docs/reference/settings.md#example.",
        "  BASE_URL: it is missing or empty; give a URL",
        "  LIMIT_MS: it must be an integer from 1 to 100",
    ]


@pytest.mark.parametrize("value", ["abc", "1.5", "0x10", "-1"])
def test_a_value_that_does_not_fit_is_not_shown(value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Example.read({"BASE_URL": "x", "LIMIT_MS": f"{value}"})
    assert value not in str(caught.value)


def test_a_secret_is_not_shown() -> None:
    given = Example.read({"BASE_URL": "x", "PASSWORD": "hunter2"})

    assert "hunter2" not in f"{given!r}{given}{given.password}"
    assert given.password.get_secret_value() == "hunter2"


@pytest.mark.parametrize("write", [pickle.dumps, copy.copy, msgspec.json.encode])
def test_a_secret_is_not_written(write: Callable[[object], object]) -> None:
    with pytest.raises(TypeError):
        write(SecretStr("hunter2"))


def test_a_secret_that_is_empty_is_false() -> None:
    assert [bool(SecretStr(text)) for text in ("", "x")] == [False, True]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *((text, True) for text in ("true", "TRUE", "True", "1", "yes", "on", "t", "Y")),
        *((text, False) for text in ("false", "FALSE", "False", "0", "no", "off", "F", "n")),
    ],
)
def test_a_switch_is_on_or_off_in_several_words(text: str, value: bool) -> None:
    assert Example.read({"BASE_URL": "x", "ENABLED": text}).enabled is value


@pytest.mark.parametrize("text", ["2", "tru", "enabled", " true", "disable"])
def test_another_word_for_a_switch_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match=r"ENABLED: it must be true or false$"):
        Example.read({"BASE_URL": "x", "ENABLED": text})


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"LIMIT_MS": "0"}, "LIMIT_MS: it must be an integer from 1 to 100"),
        ({"LIMIT_MS": "ten"}, "LIMIT_MS: it must be an integer from 1 to 100"),
        ({"PAIRS": "1"}, "PAIRS: it must be an integer of at least 2"),
        ({"PAIRS": "3"}, "PAIRS: it is odd"),
    ],
)
def test_a_number_outside_its_range_is_told_the_range(given: dict[str, str], reason: str) -> None:
    with pytest.raises(SettingsError, match=f"  {reason}$"):
        Example.read({"BASE_URL": "x", **given})


def test_the_least_and_the_greatest_value_are_allowed() -> None:
    assert [Example.read({"BASE_URL": "x", "LIMIT_MS": text}).limit_ms for text in ("1", "100")] == [1, 100]


def test_a_class_with_a_field_of_another_type_cannot_be_read() -> None:
    class Wrong(Settings, frozen=True, kw_only=True):
        ratio: float = 1.0

    with pytest.raises(TypeError, match="ratio"):
        Wrong.read({})


def test_settings_cannot_be_changed() -> None:
    given = Example.read({"BASE_URL": "x"})
    with pytest.raises(AttributeError):
        setattr(given, "limit_ms", 20)  # noqa: B010 - an assignment, which mypy would refuse as well


@pytest.mark.parametrize("text", ["{}", ' {"a": 1}', "[]", "-----BEGIN PRIVATE KEY-----\nx"])
def test_material_may_be_given_in_place(text: str) -> None:
    assert read_material(text) == text


def test_text_above_a_pem_block_is_content_too() -> None:
    text = "# a comment\nUse: release\n-----BEGIN PUBLIC KEY-----\n"

    assert read_material(text) == text


def test_material_may_be_given_as_a_path(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_text("content")

    assert read_material(str(path)) == "content"


def test_material_that_is_nowhere_fails_at_once() -> None:
    with pytest.raises(FileNotFoundError):
        read_material("/no/such/file")


@pytest.mark.parametrize(
    "url", ["{scheme}://role:hunter2℀@host/x", "{scheme}://host:hunter2/x", "{scheme}://[hunter2/x"]
)
@pytest.mark.parametrize(
    ("name", "scheme"), [("DATABASE_URL", "postgresql"), ("BUNDLE_STORE_BASE", "s3"), ("UI_PROXY_BASE_URL", "https")]
)
def test_a_part_of_a_url_that_cannot_be_parsed_is_not_shown(name: str, scheme: str, url: str) -> None:
    with pytest.raises(SettingsError) as refused:
        RunnerSettings.read({**RUNNER, name: url.format(scheme=scheme)})
    assert f"  {name}: it is not a URL" in str(refused.value)
    assert "hunter2" not in str(refused.value)


RUNNER = {
    "DATABASE_URL": "postgresql://x@y/z",
    "BUNDLE_STORE_BASE": "s3://bucket",
    "SIGNING_TRUST_BUNDLE": "/trust.json",
    "EXECUTION_TOKEN_PUBLIC_KEY": "/key.pem",
}
PROOFS = {"UI_PROXY_AUTH_TOKEN": "8Zk4Wq1tXy7Hq2mX", "UI_PROXY_SIGNING_KEY": "/key.pem"}


@pytest.mark.parametrize(
    "url", ["http://host:port", "http://host:99999", "file:///etc", "http://", "host.test", "https://h?x"]
)
def test_a_host_application_that_cannot_be_reached_shows_when_the_runner_starts(url: str) -> None:
    with pytest.raises(SettingsError, match="UI_PROXY_BASE_URL"):
        RunnerSettings.read({**RUNNER, **PROOFS, "UI_PROXY_BASE_URL": url})


@pytest.mark.parametrize("url", ["", "https://host.test", "http://[::1]:8080/base/"])
def test_a_host_application_is_an_url_or_none(url: str) -> None:
    assert RunnerSettings.read({**RUNNER, **PROOFS, "UI_PROXY_BASE_URL": url}).ui_proxy_base_url == url


@pytest.mark.parametrize(
    ("url", "token"),
    [("UI_PROXY_BASE_URL", "UI_PROXY_AUTH_TOKEN"), ("HOST_API_BASE_URL", "HOST_API_AUTH_TOKEN")],
)
def test_a_host_application_is_never_called_without_both_proofs_of_the_sender(url: str, token: str) -> None:
    with pytest.raises(SettingsError) as refused:
        RunnerSettings.read({**RUNNER, url: "https://host.test"})
    lines = str(refused.value).splitlines()[1:]
    assert lines == [
        f"  {token}: it is missing or empty; {url} needs it",
        f"  UI_PROXY_SIGNING_KEY: it is missing or empty; {url} needs it",
    ]


@pytest.mark.parametrize("name", ["UI_PROXY_AUTH_TOKEN", "HOST_API_AUTH_TOKEN"])
@pytest.mark.parametrize(
    "token",
    [
        "short-9Qz",
        "change-me-change-me",
        "please_change_this_secret_token",
        "dev-runner-secret-token",
        "RUNNER_SERVICE_TOKEN",
        "local-ext-storage-token-123",
        "my-Secret-8Zk4Wq1tXy7Hq2mX",
        "aaaaaaaaaaaaaaaaaaaaaaaa",
        "1234567890123456",
        "with a space 8Zk4Wq1t",
        "ünïcode-8Zk4Wq1tXy",
        "line\nbreak-8Zk4Wq1tXy",
    ],
)
def test_a_service_token_that_can_be_guessed_or_sent_wrongly_is_refused_and_not_shown(name: str, token: str) -> None:
    with pytest.raises(SettingsError) as refused:
        RunnerSettings.read({**RUNNER, name: token})
    assert f"  {name}: " in str(refused.value)
    assert token not in str(refused.value)


@pytest.mark.parametrize(
    "token", ["8Zk4Wq1tXy7Hq2mX", "3f9c2b7e1d4a8c6f0b5e2d7a9c1f4e8b", "correct-horse-battery-staple"]
)
def test_a_service_token_that_cannot_be_guessed_is_accepted(token: str) -> None:
    assert RunnerSettings.read({**RUNNER, "HOST_API_AUTH_TOKEN": token}).host_api_auth_token.get_secret_value() == token


@pytest.mark.parametrize(
    ("function_mb", "sandbox_mb", "guest_mb", "sandboxes"),
    [(2_432, 512, 256, 4), (2_431, 512, 256, 3), (1_408, 512, 256, 2), (896, 256, 128, 2), (10_240, 384, 256, 25)],
)
def test_as_many_sandboxes_run_as_fit_the_function(
    function_mb: int, sandbox_mb: int, guest_mb: int, sandboxes: int
) -> None:
    sizes = {
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function_mb),
        "SANDBOX_MEMORY_MB": str(sandbox_mb),
        "MAX_MEMORY_MB": str(guest_mb),
    }
    assert RunnerSettings.read({**RUNNER, **sizes}).sandboxes == sandboxes


@pytest.mark.parametrize(
    ("sizes", "text"),
    [
        ({"SANDBOX_MEMORY_MB": "383"}, "SANDBOX_MEMORY_MB: 383 MiB is too little .* at least 384"),
        ({"MAX_MEMORY_MB": "385"}, "SANDBOX_MEMORY_MB: 512 MiB is too little .* at least 513"),
        ({"SANDBOX_MEMORY_MB": "1025"}, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE: 2432 MiB is too little .* at least 2434"),
        ({"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1407"}, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE: 1407 MiB .* at least 1408"),
        ({"SANDBOX_MEMORY_MB": "much"}, "SANDBOX_MEMORY_MB: .*integer"),
    ],
)
def test_memory_that_does_not_fit_shows_when_the_runner_starts(sizes: dict[str, str], text: str) -> None:
    with pytest.raises(SettingsError, match=text):
        RunnerSettings.read({**RUNNER, **sizes})


@pytest.mark.parametrize("value", ["true", "false"])
def test_a_gateway_in_lambda_does_not_start_when_told_to_explain_failures(value: str) -> None:
    with pytest.raises(SettingsError, match="EXPLAIN_FAILURES: it is for local platforms only"):
        GatewaySettings.read({"EXPLAIN_FAILURES": value, "LAMBDA_TASK_ROOT": "/var/task"})


GATEWAY = {
    "DATABASE_URL": "postgresql://x@y/z",
    "EXECUTIONS_QUEUE_URL": "https://sqs.example.com/1/executions",
    "EXECUTION_TOKEN_PRIVATE_KEY": "/key.pem",
    "AUTH_JWKS_URL": "https://host.example.com/keys",
    "AUTH_ISSUER": "i",
    "AUTH_AUDIENCE": "a",
}


def test_failures_are_explained_only_when_the_setting_says_so() -> None:
    assert GatewaySettings.read(GATEWAY).explain_failures is False
    assert GatewaySettings.read({**GATEWAY, "LAMBDA_TASK_ROOT": "/var/task"}).explain_failures is False
    local = {**GATEWAY, "EXPLAIN_FAILURES": "true"}
    assert GatewaySettings.read(local).explain_failures is True
    assert GatewaySettings.read({**local, "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13"}).explain_failures is True


ROOT_KEYS = {"TRUST_ROOT_KEYS": "/roots.pem"}
TRUSTING = sorted(name for name, settings in SETTINGS.items() if "trust_root_keys" in settings.fields())


@pytest.mark.parametrize("function", TRUSTING)
def test_a_trust_bundle_in_the_object_store_without_root_keys_fails_the_start(function: str) -> None:
    with pytest.raises(
        SettingsError, match=r"\n  TRUST_ROOT_KEYS: it is missing or empty; a SIGNING_TRUST_BUNDLE in s3"
    ):
        SETTINGS[function].read({"SIGNING_TRUST_BUNDLE": "s3://trust/trust.json"})


@pytest.mark.parametrize("function", TRUSTING)
def test_root_keys_that_would_check_nothing_fail_the_start(function: str) -> None:
    with pytest.raises(SettingsError, match=r"\n  TRUST_ROOT_KEYS: only a SIGNING_TRUST_BUNDLE in s3:// is checked"):
        SETTINGS[function].read({"SIGNING_TRUST_BUNDLE": "/trust.json", **ROOT_KEYS})


@pytest.mark.parametrize("bundle", ["s3://", "s3://trust", "s3://trust/", "s3:///trust.json"])
def test_a_trust_bundle_in_the_object_store_has_a_bucket_and_a_key(bundle: str) -> None:
    with pytest.raises(SettingsError, match=r"\n  SIGNING_TRUST_BUNDLE: it names no object"):
        RunnerSettings.read({**RUNNER, **ROOT_KEYS, "SIGNING_TRUST_BUNDLE": bundle})


def test_a_trust_bundle_in_the_object_store_with_root_keys_is_accepted() -> None:
    read = RunnerSettings.read({**RUNNER, **ROOT_KEYS, "SIGNING_TRUST_BUNDLE": "s3://trust/folder/trust.json"})

    assert (read.signing_trust_bundle, read.trust_root_keys) == ("s3://trust/folder/trust.json", "/roots.pem")


@pytest.mark.parametrize("ids", [",", "a,", ",a", "a,,b", "a, b", "a b", "a,b,c,d,e"])
def test_what_is_no_list_of_kms_keys_fails_the_start(ids: str) -> None:
    with pytest.raises(SettingsError, match=r"\n  SECRETS_KEY_ID: it is not a list of 1 to 4 key ids"):
        RunnerSettings.read({**RUNNER, "SECRETS_KEY_ID": ids})


@pytest.mark.parametrize("ids", ["a", "alias/a,arn:aws:kms:eu-central-1:1:key/b", "a,b,c,d"])
def test_up_to_four_kms_keys_may_open_secrets(ids: str) -> None:
    assert RunnerSettings.read({**RUNNER, "SECRETS_KEY_ID": ids}).secrets_key_id == ids
