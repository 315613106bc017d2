"""Settings of a stage: defaults, what the operator gives, and messages about what does not fit."""

import json
from typing import Any

import pytest

from alga_ext.calls.limits import parse_defaults
from infra.app import project_context
from infra.readiness import missing
from infra.stages import DEFAULTS, StageSettingsError, read_stage
from tests.infra.stacks import DOMAINS, GIVEN
from tests.support.places import ROOT

STAGES = list(DEFAULTS)


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_needs_only_what_its_operator_knows(name: str) -> None:
    required = {key: value for key, value in GIVEN.items() if key.startswith(("auth_", "frame_", "trust_"))}
    assert read_stage(name, required).name == name


@pytest.mark.parametrize("name", STAGES)
def test_the_stages_of_the_repository_can_be_read_but_not_deployed(name: str) -> None:
    stage = read_stage(name, project_context()["stages"][name])
    assert [reason.partition(" ")[0] for reason in missing(stage)] == ["trust_root_keys", "auth_issuer,"]


def test_a_stage_with_the_operators_own_values_can_be_deployed() -> None:
    assert missing(read_stage("prod", {**GIVEN, **DOMAINS})) == []


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"frame_ancestor": "x"}, "frame_ancestor: extra inputs are not permitted"),
        ({"nat_gateways": "two"}, "nat_gateways: input should be a valid integer"),
        ({"runner_isolation": "none"}, "runner_isolation: input should be 'per_tenant' or 'shared'"),
        ({"protect_data": "yes"}, "protect_data: input should be a valid boolean"),
        ({"concurrency": {"uihost": 5}}, "concurrency: it must name assets, fanout, gateway"),
        ({"concurrency": {"runner": 5_000}}, "lower the one or raise the other"),
        ({"settings": {"NO_SUCH_NAME": "1"}}, "settings: NO_SUCH_NAME is not an optional environment name"),
        ({"api_domain": "api.host.test"}, "belong together"),
        ({**DOMAINS, "ui_certificate_arn": "arn:aws:acm:eu-west-1:1:certificate/x"}, "certificate of us-east-1"),
        ({"settings": {"EXTENSIONS_ENABLED": "off"}}, "EXTENSIONS_ENABLED must be true or false, not off"),
        ({"database_snapshot": "my-snapshot"}, "ARN of a snapshot of a cluster"),
        ({"auth_jwks_url": "http://id.host.test/keys"}, "auth_jwks_url: it must be an https URL"),
        ({"auth_jwks_url": ""}, "auth_jwks_url: it must be an https URL"),
        ({"settings": {"AUTH_JWKS_URL": "http://id.host.test/keys"}}, "auth_jwks_url: it must be an https URL"),
        ({"execution_retention_days": 14}, "execution_retention_days: it is 14, but must be from 15 to 3650"),
        ({"execution_retention_days": 3_651}, "it is 3651, but must be from 15 to 3650"),
        ({"auth_issuer": 5}, "auth_issuer: input should be a valid string"),
    ],
)
def test_a_setting_that_does_not_fit_is_named_with_its_page(given: dict[str, Any], message: str) -> None:
    with pytest.raises(StageSettingsError) as refused:
        read_stage("dev", {**GIVEN, **given})
    assert message in str(refused.value)
    page = str(refused.value).partition("see ")[2].partition(".md")[0] + ".md"
    assert (ROOT / page).is_file()


def test_a_missing_setting_is_named() -> None:
    with pytest.raises(StageSettingsError, match="auth_issuer: field required"):
        read_stage("dev", {key: value for key, value in GIVEN.items() if key != "auth_issuer"})


def test_a_stage_that_does_not_exist_is_answered_with_those_that_do() -> None:
    with pytest.raises(StageSettingsError, match="dev, staging, prod"):
        read_stage("production", GIVEN)


def test_one_number_of_a_functions_concurrency_can_be_given() -> None:
    stage = read_stage("dev", {**GIVEN, "concurrency": {"runner": 10}})
    assert stage.concurrency["runner"] == 10
    assert stage.concurrency["gateway"] == DEFAULTS["dev"]["concurrency"]["gateway"]


def test_every_stage_setting_is_on_the_reference_page() -> None:
    page = (ROOT / "docs/reference/stage-settings.md").read_text()
    fields = set(type(read_stage("dev", GIVEN)).model_fields) - {"name"}
    assert {name for name in fields if f"| `{name}` |" not in page} == set()


@pytest.mark.parametrize("name", sorted(DEFAULTS))
def test_a_stages_default_limits_are_what_the_functions_read(name: str) -> None:
    limits = parse_defaults(json.dumps(read_stage(name, GIVEN).default_limits))
    quotas = [*limits.tenant.quotas.each(), *limits.install.quotas.each()]
    assert bool(quotas) == (name != "prod")


def test_default_limits_that_are_too_large_for_an_environment_are_refused() -> None:
    with pytest.raises(StageSettingsError, match=r"default_limits: it has \d+ bytes as JSON, at most 1024"):
        read_stage("dev", {**GIVEN, "default_limits": {"tenant": "x" * 1_024}})


def test_default_limits_that_are_given_replace_those_of_the_stage() -> None:
    assert read_stage("dev", {**GIVEN, "default_limits": {}}).default_limits == {}
