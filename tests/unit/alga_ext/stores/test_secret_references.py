"""A setting may be a reference to a secret. What cannot be read is named, and never shown."""

import json
import subprocess
import sys

import pytest

from alga_ext.settings import SettingsError
from alga_ext.stores.secret_references import read_values, references_in
from tests.support.answering import Reply
from tests.support.places import ROOT
from tests.support.secrets_manager import AWS, SecretsManager, arn_of, reference, secrets_manager

WORD = "secret-word"


def values(server: SecretsManager, **environ: str) -> dict[str, str]:
    given = {**server.environment, **environ}
    return read_values(given, references_in(given), attempts=1)


def refusal(server: SecretsManager, **environ: str) -> str:
    """Return the message with which references are refused."""
    with pytest.raises(SettingsError) as refused:
        values(server, **environ)
    assert WORD not in str(refused.value)
    assert "arn:aws" not in str(refused.value)
    return str(refused.value)


def test_a_field_is_the_value() -> None:
    with secrets_manager(a=json.dumps({"x": "the value", "y": "another"})) as server:
        assert values(server, KEY=reference("a", "x")) == {"KEY": "the value"}


def test_without_a_field_the_whole_secret_is_the_value() -> None:
    with secrets_manager(a='{"x": "y"}', b="no JSON") as server:
        assert values(server, A=reference("a"), B=reference("b")) == {"A": '{"x": "y"}', "B": "no JSON"}


def test_each_secret_is_read_once() -> None:
    with secrets_manager(a='{"x": "1", "y": "2"}', b='{"x": "3"}') as server:
        found = values(server, A=reference("a", "x"), B=reference("b", "x"), C=reference("a", "y"), D=reference("a"))

        assert (found["A"], found["B"], found["C"]) == ("1", "3", "2")
        assert sorted(server.read) == ["a", "b"]


def test_a_field_may_be_empty_and_is_not_a_reference_itself() -> None:
    with secrets_manager(a=json.dumps({"x": "", "y": reference("a", "x"), "a#b": "1"})) as server:
        found = values(server, X=reference("a", "x"), Y=reference("a", "y"), Z=reference("a", "a#b"))

        assert found == {"X": "", "Y": reference("a", "x"), "Z": "1"}


@pytest.mark.parametrize("value", ["", "plain", "s3://bucket", "Secretsmanager:x", " secretsmanager:x", "kms:key"])
def test_any_other_value_is_no_reference(value: str) -> None:
    assert references_in({"KEY": value}) == {}


@pytest.mark.parametrize(
    "value",
    [
        "secretsmanager:",
        "secretsmanager:secret-word",
        "secretsmanager:arn:aws:ssm:eu-central-1:123456789012:parameter/secret-word",
        "secretsmanager:arn:aws:secretsmanager:eu-central-1:123456789012:secret:",
        "secretsmanager:arn:aws:secretsmanager:eu-central-1:1234:secret:a",
        f"{reference('a')}#",
        f"{reference('a')} ",
        f"{reference('a')}\n",
    ],
)
def test_a_malformed_reference_is_named_and_not_shown(value: str) -> None:
    with pytest.raises(SettingsError) as refused:
        references_in({"KEY": value, "OTHER": "x"})

    assert "\n  KEY: it is not a reference to a secret; give secretsmanager:ARN" in str(refused.value)
    assert WORD not in str(refused.value)


@pytest.mark.parametrize(
    ("secret", "field", "reason"),
    [
        ('{"x": "secret-word"}', "y", "its secret has no such field"),
        ('{"x": 7}', "x", "the field of its secret is not a text"),
        ('{"x": null}', "x", "the field of its secret is not a text"),
        ('{"x": {"y": "secret-word"}}', "x", "the field of its secret is not a text"),
        ('["secret-word"]', "x", "its secret has no fields, because it is not a JSON object"),
        ("secret-word", "x", "its secret has no fields, because it is not a JSON object"),
        ("[" * 100_000, "x", "its secret has no fields, because it is not a JSON object"),
        (None, "x", "its secret is binary; only a text can be used"),
        (None, "", "its secret is binary; only a text can be used"),
    ],
)
def test_a_secret_of_another_form_is_refused(secret: str | None, field: str, reason: str) -> None:
    with secrets_manager(a=secret) as server:
        assert f"\n  KEY: {reason}" in refusal(server, KEY=reference("a", field))


def test_the_message_names_every_variable_with_its_reason() -> None:
    with secrets_manager(a='{"x": "secret-word"}') as server:
        message = refusal(
            server, A=reference("a", "x"), B=reference("a", "y"), C=reference("gone", "x"), D=reference("gone")
        )

    gone = "Secrets Manager does not give its secret: status 400 ResourceNotFoundException"
    assert message.splitlines() == [
        "The settings in Secrets Manager cannot be used; "
        "see docs/reference/settings.md#values-in-secrets-manager.",
        "  B: its secret has no such field",
        f"  C: {gone}",
        f"  D: {gone}",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (Reply(400, b'{"__type": "AccessDeniedException"}'), "does not give its secret: status 400 AccessDenied"),
        (Reply(500, b"secret-word"), "does not give its secret: status 500"),
        (Reply(200, b"secret-word"), "does not give its secret: the answer is not JSON"),
        (Reply(200, b"[]"), "its secret is binary"),
        (Reply(body=None), "Secrets Manager does not answer"),
    ],
)
def test_a_failure_of_the_service_is_the_reason(failure: Reply, reason: str) -> None:
    with secrets_manager(a="{}") as server:
        server.failure = failure

        assert reason in refusal(server, KEY=reference("a", "x"))


@pytest.mark.parametrize("attempts", [1, 2])
def test_a_failed_reading_is_repeated_as_often_as_allowed(attempts: int) -> None:
    with secrets_manager(a="{}") as server:
        server.failure = Reply(503)
        environ = {**server.environment, "KEY": reference("a", "x")}
        with pytest.raises(SettingsError):
            read_values(environ, references_in(environ), attempts=attempts)
        assert len(server.read) == attempts


def test_without_credentials_the_reason_names_their_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "alga_ext.stores.aws", None)
    with secrets_manager(a="{}") as server:
        server.environment |= {"AWS_ACCESS_KEY_ID": ""}

        assert "its secret cannot be read: AWS_ACCESS_KEY_ID and" in refusal(server, KEY=reference("a", "x"))


def test_without_a_region_the_reason_names_its_variable() -> None:
    given = {**AWS, "AWS_REGION": "", "AWS_DEFAULT_REGION": "", "KEY": reference("a")}
    with pytest.raises(
        SettingsError, match="KEY: its secret cannot be read: requests to secretsmanager need AWS_REGION"
    ):
        read_values(given, references_in(given), attempts=1)


def test_an_arn_of_another_partition_is_a_reference() -> None:
    arn = arn_of("a").replace("arn:aws:", "arn:aws-us-gov:")

    assert references_in({"KEY": f"secretsmanager:{arn}#x"}) == {"KEY": (arn, "x")}


def test_a_function_without_references_loads_nothing_of_aws() -> None:
    script = (
        "import sys, alga_ext.settings, alga_ext.telemetry\n"
        "before = set(sys.modules)\n"
        "from alga_ext.stores.refreshed import Refreshed\n"
        "Refreshed('x', {'KEY': 'plain'}, lambda environ, _: environ).current()\n"
        "print(sorted(name for name in set(sys.modules) - before if name.startswith(('alga_ext', 'urllib3', 'aws_'))))"
    )
    environment = {"PYTHONPATH": str(ROOT / "layers/core/python")}
    ran = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)

    assert ran.stdout.splitlines()[-1] == str(
        ["alga_ext.stores", "alga_ext.stores.refreshed", "alga_ext.stores.secret_references"]
    )
