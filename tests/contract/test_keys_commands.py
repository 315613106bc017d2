"""`alga-ext keys`: a stage's secrets are created once, and rotated step by step; nothing secret is shown."""

import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import boto3
import pytest

from alga_ext.calls.signed_token import TokenKeys, sign_token, signed_claims
from alga_ext.trust.dated_keys import parse_public_keys, parse_signer
from functions.runner.settings import RunnerSettings
from tools.cli.main import DONE, FAILED, run
from tools.cli.output import CommandError
from tools.cli.platform_secrets import (
    Made,
    StageSecrets,
    create,
    rotate_call_token_key,
    rotate_execution,
    rotate_token,
)

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
REFRESH = timedelta(seconds=300)
ACCEPTED = timedelta(seconds=65)
GATEWAY = {"execution_token_private_key"}
RUNNER = {"execution_token_public_keys", "ui_proxy_signing_key", "ui_proxy_auth_token", "host_api_auth_token"}


class Stage:
    """A stage of its own in moto's Secrets Manager, and a clock."""

    def __init__(self) -> None:
        self.name = f"s{uuid.uuid4().hex[:8]}"
        self.secrets = StageSecrets(self.name)
        self.now = NOW

    def values(self, function: str) -> dict[str, str]:
        text = boto3.client("secretsmanager").get_secret_value(SecretId=f"alga-ext/{self.name}/{function}")
        values: dict[str, str] = json.loads(text["SecretString"])
        return values

    def create(self) -> Made:
        return create(self.secrets, self.now)

    def rotate(self, after: timedelta = timedelta(0)) -> Made:
        """Do the next step of a rotation of the execution key, some time later."""
        self.now += after
        return rotate_execution(self.secrets, self.now, REFRESH)

    def works(self) -> bool:
        """Whether a runner that reads its settings now accepts what a gateway signs that reads its settings now."""
        signer = parse_signer(self.values("gateway")["execution_token_private_key"]).signer
        public = parse_public_keys(self.values("runner")["execution_token_public_keys"])
        return signed_claims(TokenKeys([dated.key for dated in public]), sign_token(signer, b"{}")) == b"{}"

    def ids(self) -> tuple[str, list[str]]:
        """The key that the gateway signs with, and those that the runner accepts."""
        signer = parse_signer(self.values("gateway")["execution_token_private_key"]).signer
        public = parse_public_keys(self.values("runner")["execution_token_public_keys"])
        return signer.key_id, [dated.key.key_id for dated in public]

    def spill(self) -> list[str]:
        """Everything secret that is in the two secrets."""
        values = {**self.values("gateway"), **self.values("runner")}
        keys = [text.splitlines()[2] for text in values.values() if "PRIVATE KEY" in text]
        return keys + [value for name, value in values.items() if name.endswith("token")]


@pytest.fixture
def stage(aws: str) -> Stage:
    made = Stage()
    made.create()
    return made


def refused(call: Callable[[], object]) -> CommandError:
    with pytest.raises(CommandError) as error:
        call()
    return error.value


# create


def test_the_two_secrets_have_exactly_the_fields_that_functions_read(stage: Stage) -> None:
    assert (set(stage.values("gateway")), set(stage.values("runner"))) == (GATEWAY, RUNNER)


def test_gateway_and_runner_fit_each_other(stage: Stage) -> None:
    assert stage.works()


def test_each_key_says_when_it_was_created(stage: Stage) -> None:
    private = (stage.values("gateway")["execution_token_private_key"], stage.values("runner")["ui_proxy_signing_key"])
    (public,) = parse_public_keys(stage.values("runner")["execution_token_public_keys"])

    assert [parse_signer(text).created_at for text in private] == [NOW, NOW]
    assert public.created_at == NOW


def test_the_tokens_are_accepted_as_settings_and_differ(stage: Stage) -> None:
    runner = stage.values("runner")
    settings = RunnerSettings.read(
        {
            "DATABASE_URL": "postgresql://fn_runner@127.0.0.1/x",
            "BUNDLE_STORE_BASE": "s3://bucket",
            "SIGNING_TRUST_BUNDLE": "/trust.json",
            "EXECUTION_TOKEN_PUBLIC_KEY": runner["execution_token_public_keys"],
            "UI_PROXY_AUTH_TOKEN": runner["ui_proxy_auth_token"],
            "HOST_API_AUTH_TOKEN": runner["host_api_auth_token"],
        }
    )

    assert settings.ui_proxy_auth_token.get_secret_value() != settings.host_api_auth_token.get_secret_value()


def test_what_exists_is_never_overwritten(stage: Stage) -> None:
    before = (stage.values("gateway"), stage.values("runner"))
    error = refused(stage.create)

    assert "exists already" in error.problem
    assert (stage.values("gateway"), stage.values("runner")) == before


def test_an_interrupted_creation_is_completed(aws: str) -> None:
    stage = Stage()
    whole = Stage()
    whole.create()
    stage.secrets.create("gateway", whole.values("gateway"))
    stage.create()

    assert (stage.works(), stage.values("gateway")) == (True, whole.values("gateway"))


def test_a_runner_without_its_gateway_is_not_completed(aws: str) -> None:
    stage = Stage()
    stage.secrets.create("runner", {"execution_token_public_keys": "x"})

    assert "delete it, and create both again" in refused(stage.create).remedy


# rotate execution


def test_three_steps_replace_the_key_and_at_each_both_sides_fit(stage: Stage) -> None:
    old, _ = stage.ids()
    seen = []
    for after in (timedelta(0), REFRESH, REFRESH + ACCEPTED):
        step = stage.rotate(after).document["step"]
        signs, accepts = stage.ids()
        seen.append((step, signs == old, accepts[0] == old, len(accepts), stage.works()))

    assert seen == [(1, True, True, 2, True), (2, False, True, 2, True), (3, False, False, 1, True)]


def test_after_the_last_step_only_the_documented_fields_and_the_instants_are_left(stage: Stage) -> None:
    for after in (timedelta(0), REFRESH, REFRESH + ACCEPTED):
        stage.rotate(after)

    assert set(stage.values("gateway")) - GATEWAY == {"execution_token_private_key_changed_at"}
    assert set(stage.values("runner")) - RUNNER == {"execution_token_public_keys_changed_at"}


@pytest.mark.parametrize(("step", "needed"), [(2, REFRESH), (3, REFRESH + ACCEPTED)], ids=["second", "third"])
def test_a_step_waits_until_the_previous_one_is_in_effect(stage: Stage, step: int, needed: timedelta) -> None:
    for after in (timedelta(0), REFRESH)[: step - 1]:
        stage.rotate(after)
    before = (stage.values("gateway"), stage.values("runner"))
    error = refused(lambda: stage.rotate(needed - timedelta(seconds=1)))

    assert error.remedy == "run the command again in 1 s"
    assert (stage.values("gateway"), stage.values("runner")) == before
    assert stage.rotate(timedelta(seconds=1)).document["step"] == step


def test_a_key_can_be_replaced_again_and_again(stage: Stage) -> None:
    keys = {stage.ids()[0]}
    for _ in range(3):
        for after in (REFRESH, REFRESH, REFRESH + ACCEPTED):
            stage.rotate(after)
        keys.add(stage.ids()[0])

    assert (len(keys), stage.works()) == (4, True)


def test_an_interrupted_first_step_is_done_again_with_the_same_key(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = StageSecrets.put

    def interrupted(secrets: StageSecrets, function: str, values: dict[str, str]) -> None:
        if function == "runner":
            raise KeyboardInterrupt
        put(secrets, function, values)

    with monkeypatch.context() as patch:
        patch.setattr(StageSecrets, "put", interrupted)
        with pytest.raises(KeyboardInterrupt):
            stage.rotate()
    waiting = stage.values("gateway")["next_execution_token_private_key"]

    assert stage.rotate(timedelta(days=1)).document["step"] == 1
    assert stage.values("gateway")["next_execution_token_private_key"] == waiting
    assert "run the command again in" in refused(stage.rotate).remedy, "the step counts from its completion"


def test_other_fields_of_the_secrets_stay(stage: Stage) -> None:
    stage.secrets.put("gateway", {**stage.values("gateway"), "mine": "1"})
    stage.secrets.put("runner", {**stage.values("runner"), "mine": "2"})
    for after in (timedelta(0), REFRESH, REFRESH + ACCEPTED):
        stage.rotate(after)

    assert (stage.values("gateway")["mine"], stage.values("runner")["mine"]) == ("1", "2")


def test_secrets_that_do_not_fit_each_other_are_not_made_worse(stage: Stage) -> None:
    other = Stage()
    other.create()
    stage.secrets.put("gateway", other.values("gateway"))

    assert "does not accept the key" in refused(stage.rotate).problem


def test_without_secrets_there_is_nothing_to_rotate(aws: str) -> None:
    assert "does not exist" in refused(Stage().rotate).problem


@pytest.mark.parametrize("text", ["x", "[]", '{"a": 1}'])
def test_a_secret_of_another_form_is_refused(stage: Stage, text: str) -> None:
    boto3.client("secretsmanager").put_secret_value(SecretId=f"alga-ext/{stage.name}/runner", SecretString=text)

    assert "is not a JSON object of texts" in refused(stage.rotate).problem


# rotate what the host application verifies


def test_the_key_of_call_tokens_is_announced_before_it_signs(stage: Stage) -> None:
    before = stage.values("runner")["ui_proxy_signing_key"]
    first = rotate_call_token_key(stage.secrets, stage.now, REFRESH)
    unchanged = stage.values("runner")["ui_proxy_signing_key"]
    early = refused(lambda: rotate_call_token_key(stage.secrets, stage.now + timedelta(seconds=299), REFRESH))
    second = rotate_call_token_key(stage.secrets, stage.now + REFRESH, REFRESH)
    signer, created_at = parse_signer(stage.values("runner")["ui_proxy_signing_key"])

    assert (unchanged, early.remedy) == (before, "run the command again in 1 s")
    assert (first.document["step"], second.document["step"]) == (1, 2)
    assert first.document["key_id"] == second.document["key_id"] == signer.key_id
    assert [(dated.key.key_id, dated.created_at) for dated in parse_public_keys(first.document["public_key"])] == [
        (signer.key_id, created_at)
    ]
    assert created_at == NOW
    assert set(stage.values("runner")) == RUNNER


@pytest.mark.parametrize("name", ["ui_proxy_auth_token", "host_api_auth_token"])
def test_a_token_of_the_host_application_waits_beside_the_present_one(stage: Stage, name: str) -> None:
    before = stage.values("runner")
    rotate_token(stage.secrets, name, stage.now, REFRESH)
    between = stage.values("runner")
    rotate_token(stage.secrets, name, stage.now + REFRESH, REFRESH)
    after = stage.values("runner")

    assert between[name] == before[name]
    assert after[name] == between[f"next_{name}"] != before[name]
    assert {field: value for field, value in after.items() if field != name} == {
        field: value for field, value in before.items() if field != name
    }


# The commands


@pytest.mark.parametrize("form", [(), ("--json",)], ids=["text", "json"])
@pytest.mark.parametrize("what", ["execution", "ui-proxy", "ui-proxy-token", "host-api-token"])
def test_no_command_shows_a_private_key_or_a_token(
    aws: str, capsys: pytest.CaptureFixture[str], what: str, form: tuple[str, ...]
) -> None:
    stage = Stage()
    assert run(["keys", "create", "--stage", stage.name, *form]) == DONE
    assert run(["keys", "rotate", what, "--stage", stage.name, *form]) == DONE
    assert run(["keys", "rotate", what, "--stage", stage.name, *form]) == FAILED
    shown = "".join("".join(capsys.readouterr()).split())

    secret = stage.spill()
    assert len(secret) >= 4
    assert [value for value in secret if value in shown] == []
    assert "runthecommandagainin" in shown


@pytest.mark.parametrize("name", ["", "Prod", "../x", "a/b", "-a", "a" * 33])
def test_a_stage_has_a_plain_name(aws: str, name: str) -> None:
    assert "is not the name of a stage" in refused(lambda: StageSecrets(name)).problem


def test_a_refusal_of_aws_is_told_by_its_code(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    boto3.client("secretsmanager").delete_secret(SecretId=f"alga-ext/{stage.name}/runner")

    assert run(["keys", "rotate", "execution", "--stage", stage.name]) == FAILED
    assert "Secrets Manager cannot be used: InvalidRequestException" in " ".join(capsys.readouterr().err.split())


def test_an_aws_that_cannot_be_reached_is_told(
    aws: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")

    assert run(["keys", "create", "--stage", "x"]) == FAILED
    assert "EndpointConnectionError" in capsys.readouterr().err
