"""The settings in Secrets Manager against the functions that read them and the page that lists them."""

import pytest

from alga_ext.stores.secret_references import references_in
from tests.support.places import ROOT
from topology.access import ACCESS, Access
from topology.functions import FUNCTIONS
from topology.secrets import SECRET_SETTINGS, SecretSetting

FUNCTION = {function.name: function for function in FUNCTIONS}
WITHOUT_PASSWORD = {"DATABASE_URL"}
"""A deployment gives it without a password."""
OF_RDS = {"DATABASE_PASSWORD"}
"""A deployment gives a reference to the secret that RDS makes and rotates."""
LOCAL_ONLY = {"FN_GATEWAY_PASSWORD", "FN_REGISTRY_PASSWORD", "FN_RUNNER_PASSWORD"}
"""A deployment does not give them: its login roles have no passwords."""
each_setting = pytest.mark.parametrize(
    "setting", SECRET_SETTINGS, ids=lambda setting: f"{setting.function}-{setting.name}"
)
each_access = pytest.mark.parametrize("access", ACCESS, ids=lambda access: access.function)


@each_setting
def test_a_secret_setting_is_one_of_its_function(setting: SecretSetting) -> None:
    assert setting.name in FUNCTION[setting.function].names


def test_no_setting_is_listed_twice() -> None:
    settings = [(setting.function, setting.name) for setting in SECRET_SETTINGS]

    assert len(set(settings)) == len(settings)


@each_access
def test_every_secret_of_a_function_is_in_secrets_manager(access: Access) -> None:
    listed = {setting.name for setting in SECRET_SETTINGS if setting.function == access.function}

    assert {*access.secrets} - WITHOUT_PASSWORD - OF_RDS - LOCAL_ONLY - listed == set()


def test_a_function_that_can_read_a_secret_needs_all_of_its_fields() -> None:
    def fields(secret: str, function: str = "") -> set[str]:
        return {each.field for each in SECRET_SETTINGS if each.secret == secret and function in ("", each.function)}

    readers = {(setting.function, setting.secret) for setting in SECRET_SETTINGS}
    assert [who for who, secret in sorted(readers) if fields(secret, who) != fields(secret)] == []


@each_setting
def test_a_reference_made_of_the_table_is_one_that_functions_understand(setting: SecretSetting) -> None:
    arn = f"arn:aws:secretsmanager:eu-central-1:123456789012:secret:alga-ext/dev/{setting.secret}-AbCdEf"

    assert references_in({setting.name: f"secretsmanager:{arn}#{setting.field}"}) == {
        setting.name: (arn, setting.field)
    }


def test_the_page_of_settings_lists_the_same() -> None:
    page = (ROOT / "docs/reference/settings.md").read_text()
    table = page.partition("| function | variable | secret | field |\n")[2].partition("\n\n")[0].splitlines()[1:]
    listed = [tuple(cell.strip().strip("`") for cell in line.strip("|").split("|")) for line in table]

    assert listed == [(setting.function, setting.name, setting.secret, setting.field) for setting in SECRET_SETTINGS]
