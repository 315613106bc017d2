"""Functions of the topology against their handlers, their settings and Lambda's limits."""

import ast
import re
from pathlib import Path

import pytest

from functions.runner.settings import PrepareSettings, RunnerSettings
from tests.support.function_settings import SETTINGS
from tests.support.places import ROOT
from topology import functions
from topology.functions import COMMON_OPTIONAL, DEVELOPMENT_ONLY, FUNCTIONS, SET_BY_LAMBDA, Function

each_function = pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.name)


def top_level_functions(module: Path) -> set[str]:
    """Names of a module's own functions; the module is not imported, because that reads its environment."""
    return {node.name for node in ast.parse(module.read_text()).body if isinstance(node, ast.FunctionDef)}


def module_and_name(handler: str) -> tuple[Path, str]:
    module, _, name = handler.rpartition(".")
    return ROOT / f"{module.replace('.', '/')}.py", name


# Handlers


@each_function
def test_a_handler_names_a_function_of_a_module_file(function: Function) -> None:
    module, name = module_and_name(function.handler)

    assert module.is_file()
    assert name in top_level_functions(module)


def test_every_handler_of_the_code_is_in_the_topology() -> None:
    modules = (ROOT / "functions").rglob("*.py")
    defined = {module for module in modules if "handler" in top_level_functions(module)}

    assert defined == {module_and_name(function.handler)[0] for function in FUNCTIONS}


def test_no_two_functions_have_one_name() -> None:
    names = [function.name for function in FUNCTIONS]

    assert len(set(names)) == len(names)


def test_every_function_that_is_defined_is_listed() -> None:
    defined = [value for value in vars(functions).values() if isinstance(value, Function)]

    assert defined == list(FUNCTIONS)


# Environment names


@each_function
def test_every_setting_without_a_default_is_given(function: Function) -> None:
    fields = SETTINGS[function.name].fields()
    needed = {name.upper() for name, field in fields.items() if field.is_required}

    assert needed <= set(function.required)


@each_function
def test_the_names_given_are_the_settings_of_the_function(function: Function) -> None:
    fields = {name.upper() for name in SETTINGS[function.name].fields()}

    assert {*function.required, *function.optional} == fields - {*SET_BY_LAMBDA, *DEVELOPMENT_ONLY}


@each_function
def test_no_name_is_given_twice(function: Function) -> None:
    assert len(set(function.names)) == len(function.names)


def test_a_name_that_every_function_may_be_given_is_documented() -> None:
    page = (ROOT / "docs" / "reference" / "settings.md").read_text()

    assert [name for name in (*COMMON_OPTIONAL, *DEVELOPMENT_ONLY, *SET_BY_LAMBDA) if f"`{name}`" not in page] == []


# Database roles


def test_the_login_roles_are_those_that_the_first_migration_creates() -> None:
    migration = (ROOT / "migrations" / "0001_create_roles.sql").read_text()
    created = re.search(r"foreach role_name in array array\[([^]]+)\]", migration)

    assert created is not None
    assert set(functions.LOGIN_ROLES) == set(re.findall(r"'(\w+)'", created[1]))


def test_every_login_role_is_used_and_can_get_a_password_from_migrate() -> None:
    used = {function.login_role for function in FUNCTIONS if function.login_role is not None}

    assert used == set(functions.LOGIN_ROLES)
    assert {f"{role.upper()}_PASSWORD" for role in used} <= set(functions.MIGRATE.optional)


@each_function
def test_only_a_function_that_is_told_of_the_database_has_a_login_role(function: Function) -> None:
    if function is functions.MIGRATE:
        assert function.login_role is None  # it connects as the role that owns the schema
    else:
        assert (function.login_role is not None) == ("DATABASE_URL" in function.required)


# Lambda's limits


@each_function
def test_time_and_memory_are_within_the_limits_of_lambda(function: Function) -> None:
    assert 1 <= function.timeout_s <= 900
    assert 128 <= function.memory_mb <= 10_240


def test_the_runner_ends_a_call_before_lambda_does() -> None:
    longest_s = RunnerSettings.fields()["max_timeout_ms"].default / 1000

    assert functions.RUNNER.timeout_s > longest_s


def test_the_runner_and_four_sandboxes_fit_its_memory() -> None:
    fields = RunnerSettings.fields()
    sandbox_mb = fields["sandbox_memory_mb"].default

    assert 384 + 4 * sandbox_mb <= functions.RUNNER.memory_mb < 384 + 5 * sandbox_mb
    assert fields["aws_lambda_function_memory_size"].default == functions.RUNNER.memory_mb


def test_prepare_ends_a_compilation_before_lambda_does_and_has_memory_beside_it() -> None:
    fields = PrepareSettings.fields()

    assert functions.PREPARE.timeout_s > fields["compile_timeout_s"].default
    assert functions.PREPARE.memory_mb > fields["compile_memory_mb"].default


# Layers


@each_function
def test_a_function_has_the_layers_that_its_layers_need(function: Function) -> None:
    assert {name for layer in function.layers for name in layer.needs} <= {layer.name for layer in function.layers}
