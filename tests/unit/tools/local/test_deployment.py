"""The local platform gives each function of the topology exactly the environment names that are listed for it."""

from dataclasses import replace
from pathlib import Path

import pytest

from alga_ext.trust.signing import LocalSigner
from tests.support.function_settings import SETTINGS
from tools.local.cloud import Cloud, aws_client
from tools.local.deployment import (
    API_ROUTES,
    IN_FLIGHT,
    LOCAL_ONLY,
    PASSED_THROUGH,
    PRIVATE_FOLDERS,
    UI_ROUTES,
    Addresses,
    EnvironmentNamesError,
    Secrets,
    environment_values,
    function_spec,
    function_specs,
)
from tools.local.keys import LocalKeys
from tools.local.lambda_types import FunctionSpec
from tools.local.state import ROOT
from topology.functions import FUNCTIONS, LOGIN_ROLES, RECORDER, RUNNER, Function
from topology.queues import EVENT_SOURCES, QUEUES
from topology.routes import ROUTES

OWNER_URL = "postgresql://owner:its-own@127.0.0.1:5432/app"
ADDRESSES = Addresses("http://127.0.0.1:1", "http://127.0.0.1:2", "http://127.0.0.1:3", "http://127.0.0.1:4", OWNER_URL)
CLOUD = Cloud("http://127.0.0.1:5", "s3://bucket", {queue.name: f"url of {queue.name}" for queue in QUEUES}, "key")
SECRETS = Secrets(
    LocalKeys(*(LocalSigner.generate() for _ in range(7))),
    {role: f"password-of-{role}" for role in LOGIN_ROLES},
    Path("/trust.json"),
)
GIVEN = {**{name: f"given {name}" for name in PASSED_THROUGH}, "HOME": "/elsewhere", "BUNDLE_STORE_BASE": "s3://other"}

each_function = pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.name)


@pytest.fixture(scope="module")
def specs() -> dict[str, FunctionSpec]:
    return {spec.name: spec for spec in function_specs(Path("/root"), ADDRESSES, CLOUD, SECRETS, GIVEN)}


@each_function
def test_a_process_is_what_the_topology_says(specs: dict[str, FunctionSpec], function: Function) -> None:
    spec = specs[function.name]

    assert (spec.handler, spec.timeout_s) == (function.handler, function.timeout_s)
    assert (spec.memory_mb, spec.per_tenant) == (function.memory_mb, function.per_tenant)


@each_function
def test_a_process_has_the_required_names_and_none_that_is_not_listed(
    specs: dict[str, FunctionSpec], function: Function
) -> None:
    names = {*specs[function.name].environment, *specs[function.name].private_folders}

    assert set(function.required) <= names
    assert names - LOCAL_ONLY <= set(function.names)


@each_function
def test_the_database_is_reached_as_the_login_role(specs: dict[str, FunctionSpec], function: Function) -> None:
    url = specs[function.name].environment.get("DATABASE_URL")

    if "DATABASE_URL" not in function.required:
        assert url is None
    elif function.login_role is None:
        assert url == OWNER_URL
    else:
        assert url is not None
        assert f"{function.login_role}:password-of-{function.login_role}@" in url


@each_function
def test_of_the_shell_only_what_the_function_may_be_given_passes(
    specs: dict[str, FunctionSpec], function: Function
) -> None:
    passed = {name: value for name, value in specs[function.name].environment.items() if name in PASSED_THROUGH}

    assert passed == {name: GIVEN[name] for name in PASSED_THROUGH if name in function.names}
    assert "s3://other" not in specs[function.name].environment.values()
    assert "HOME" not in specs[function.name].environment


def test_what_a_host_developer_sets_passes_and_is_documented() -> None:
    page = (ROOT / "docs" / "how-to" / "run-locally.md").read_text("utf-8")
    groups = ("AUTH_", "EGRESS_", "HOST_API_", "UI_PROXY_", "FRAME_ANCESTORS")
    settings = {name.upper() for kind in SETTINGS.values() for name in kind.fields()}

    assert {name for name in settings if name.startswith(groups)} <= set(PASSED_THROUGH)
    assert set(PASSED_THROUGH) - {"LOG_LEVEL"} <= settings  # the log level is read where the logger is made
    assert [name for name in PASSED_THROUGH if f"`{name}`" not in page] == []


def test_a_url_of_the_key_set_takes_the_place_of_the_local_key_set() -> None:
    values = environment_values(ADDRESSES, CLOUD, SECRETS, {"AUTH_JWKS_URL": "https://host.example/jwks"})

    assert "AUTH_JWKS" not in values
    assert values["AUTH_JWKS_URL"] == "https://host.example/jwks"


def test_pages_of_further_host_origins_may_show_and_call_extensions() -> None:
    origins = ("http://localhost:3000", "https://app.example.com")
    values = environment_values(ADDRESSES, CLOUD, SECRETS, {}, origins)
    besides = environment_values(ADDRESSES, CLOUD, SECRETS, {"CORS_ORIGINS": "https://other.example"}, origins)

    assert (
        values["FRAME_ANCESTORS"]
        == "http://127.0.0.1:3 http://localhost:3 http://localhost:3000 https://app.example.com"
    )
    assert values["CORS_ORIGINS"] == "http://localhost:3000,https://app.example.com"
    assert besides["CORS_ORIGINS"] == "https://other.example,http://localhost:3000,https://app.example.com"
    assert "CORS_ORIGINS" not in environment_values(ADDRESSES, CLOUD, SECRETS, {})


def test_the_local_cloud_is_never_asked_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://192.0.2.1:3128")
    client = aws_client("sqs", "http://127.0.0.1:5")

    assert client._endpoint.http_session._proxy_config.proxy_url_for("http://127.0.0.1:5/") is None


def test_only_functions_that_invoke_others_are_told_where(specs: dict[str, FunctionSpec]) -> None:
    told = [name for name, spec in specs.items() if "AWS_ENDPOINT_URL_LAMBDA" in spec.environment]
    assert told == ["gateway", "dispatcher", "smoke"]


def test_every_value_is_given_to_a_function() -> None:
    listed = {name for function in FUNCTIONS for name in function.names}

    assert set(environment_values(ADDRESSES, CLOUD, SECRETS, {})) <= listed
    assert set(PASSED_THROUGH) <= listed
    assert set(PRIVATE_FOLDERS) <= listed


def test_a_name_of_the_topology_is_never_local_only() -> None:
    assert {name for function in FUNCTIONS for name in function.names} & LOCAL_ONLY == set()


@pytest.mark.parametrize("name", ["BUNDLE_STORE_BASE", "TYPO"])
def test_a_name_that_is_not_listed_for_the_function_is_an_error(name: str) -> None:
    with pytest.raises(EnvironmentNamesError, match=f"does not list {name} for the function recorder"):
        function_spec(RECORDER, {"DATABASE_URL": "url", name: "value"})


def test_a_private_folder_that_is_not_listed_for_the_function_is_an_error() -> None:
    with pytest.raises(EnvironmentNamesError, match="does not list ARTIFACT_FOLDER for the function recorder"):
        function_spec(RECORDER, {"DATABASE_URL": "url"}, {"ARTIFACT_FOLDER": "artifacts"})


@pytest.mark.parametrize("missing", RUNNER.required)
def test_a_required_name_that_is_missing_is_an_error(missing: str) -> None:
    environment = {name: "value" for name in RUNNER.required if name != missing}

    with pytest.raises(EnvironmentNamesError, match=f"The function runner needs {missing}, "):
        function_spec(RUNNER, environment)


def test_a_message_names_variables_and_shows_no_value() -> None:
    with pytest.raises(EnvironmentNamesError) as refusal:
        function_spec(replace(RECORDER, required=("DATABASE_URL",)), {"DATABASE_URL": "secret-1", "TYPO": "secret-2"})

    assert "secret" not in str(refusal.value)


def test_each_front_has_the_routes_of_the_topology_in_their_order() -> None:
    assert (*API_ROUTES, *UI_ROUTES) == ROUTES


def test_a_queue_has_no_more_pollers_than_invocations_at_once() -> None:
    most = {source.queue: source.maximum_concurrency for source in EVENT_SOURCES}

    assert {queue for queue, batches in IN_FLIGHT.items() if not 1 <= batches <= most[queue]} == set()
