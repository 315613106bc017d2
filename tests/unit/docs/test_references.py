"""What is written about the platform is what the platform is: generated files, codes, settings, capabilities."""

import ast
import importlib
import json
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import openapi_spec_validator
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

import functions
from alga_ext.bundles.manifest import parse_manifest
from alga_ext.calls import capabilities
from alga_ext.settings import SecretStr, Settings
from functions.gateway.routing import METHODS
from functions.registry.migrations.migrate import ROLES
from tests.support.manifests import documents, encoded, server_document
from tests.support.places import ROOT
from tests.support.reference_pages import REFERENCE as DOCS
from tests.support.reference_pages import sections
from tests.support.refusals import code_of
from tools import references
from tools.gateway_openapi import answered, gateway_openapi

# Generated files


@pytest.mark.parametrize("path", sorted(references.references()), ids=lambda path: path.name)
def test_a_generated_reference_is_up_to_date(path: Path) -> None:
    assert path.read_text() == references.references()[path], "run 'make schema'"


def test_writing_twice_writes_the_same() -> None:
    assert references.references() == references.references()


def test_the_openapi_document_is_one() -> None:
    openapi_spec_validator.validate(references.openapi())


def test_the_gateways_openapi_document_is_one() -> None:
    openapi_spec_validator.validate(gateway_openapi())


def test_the_gateways_document_has_every_code_that_is_described_for_it() -> None:
    text = (DOCS / "errors.md").read_text().partition("\n## At the gateway\n")[2].partition("\n## ")[0]
    described = set(re.findall(r"^### `(\w+)`$", text, re.MULTILINE))
    found = {code for codes in answered().values() for code in codes}

    assert "not_installed" in described
    assert described <= found
    assert {"unauthenticated", "forbidden", "internal", "extensions_disabled", "payload_too_large"} <= found


def test_every_call_of_the_gateways_document_has_the_same_refusals() -> None:
    calls = gateway_openapi()["paths"]["/api/ext/{extension}/{path}"]
    methods = calls.keys() - {"parameters"}

    assert {method.upper() for method in methods} == METHODS
    assert {frozenset(calls[method]["responses"]) - {"204"} for method in methods} == {
        frozenset([*map(str, answered()), "default"])
    }


def test_every_operation_has_a_name_a_summary_and_its_refusals() -> None:
    paths = references.openapi()["paths"]
    operations = [operation for item in paths.values() for operation in item.values()]

    assert len({operation["operationId"] for operation in operations}) == len(operations)
    assert all(operation["summary"] for operation in operations)
    assert all("application/problem+json" in operation["responses"]["default"]["content"] for operation in operations)
    assert set(references._STATUSES) <= {operation["operationId"] for operation in operations}


def test_nothing_refers_to_a_schema_that_is_not_there() -> None:
    document = references.openapi()
    referred = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document)))

    assert referred <= set(document["components"]["schemas"])


# The manifest's schema and its parser agree

SCHEMA = jsonschema.Draft202012Validator(json.loads((DOCS / "manifest.schema.json").read_text()))


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA.schema)


@hypothesis_settings(max_examples=25)
@given(documents())
def test_what_the_parser_reads_the_schema_allows(document: dict[str, Any]) -> None:
    parse_manifest(encoded(document))

    assert list(SCHEMA.iter_errors(document)) == []


@pytest.mark.parametrize("path", sorted(ROOT.glob("samples/*/manifest.json")), ids=lambda path: path.parent.name)
def test_the_samples_are_allowed_by_both(path: Path) -> None:
    parse_manifest(path.read_bytes())

    assert list(SCHEMA.iter_errors(json.loads(path.read_text()))) == []


_values: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5) | st.just([]) | st.just({}) | st.just([{}])
)


@given(st.sampled_from(sorted(SCHEMA.schema["properties"])), _values)
def test_what_the_schema_refuses_the_parser_refuses(member: str, value: Any) -> None:
    document = server_document(**{member: value})
    if list(SCHEMA.iter_errors(document)):
        assert code_of(lambda: parse_manifest(encoded(document))) == "manifest_invalid"


# Settings


def settings_classes() -> Iterator[type[Settings]]:
    """Every class of settings of the functions."""
    for module in pkgutil.walk_packages(functions.__path__, "functions."):
        if module.name.endswith(".settings"):
            loaded = importlib.import_module(module.name)
            yield from (
                value
                for value in vars(loaded).values()
                if isinstance(value, type) and issubclass(value, Settings) and value.__module__ == module.name
            )


def documented(title: str) -> dict[str, str]:
    """Variables and defaults of one table of settings.md."""
    text = (DOCS / "settings.md").read_text()
    section = re.split(rf"^##+ {title}\n", text, flags=re.MULTILINE)[1].partition("\n##")[0]
    return {
        name: default.strip("`")
        for name, default in re.findall(r"^\| `([A-Z_]+)` \| ([^|]+) \|", section, re.MULTILINE)
    }


def declared(settings: type[Settings]) -> dict[str, str]:
    """Variables and defaults as settings.md writes them."""

    def default(value: Any) -> str:
        plain = value.get_secret_value() if isinstance(value, SecretStr) else value
        if plain == "":
            return "empty"
        return str(plain).lower() if isinstance(plain, bool) else str(plain)

    return {
        name.upper(): "required" if field.is_required else default(field.default)
        for name, field in settings.fields().items()
    }


def test_every_class_of_settings_has_a_table() -> None:
    assert all(settings.section for settings in settings_classes())
    titles = re.findall(r"^##+ (.+)$", (DOCS / "settings.md").read_text(), re.MULTILINE)
    assert sorted(titles) == sorted(["Values in Secrets Manager", *(found.section for found in settings_classes())])


@pytest.mark.parametrize("settings", list(settings_classes()), ids=lambda settings: settings.__name__)
def test_a_table_of_settings_is_what_the_function_reads(settings: type[Settings]) -> None:
    assert documented(settings.section) == declared(settings)


def read_attributes() -> frozenset[str]:
    """Every attribute that the code of the functions, or their settings' checks, read or name in a text."""
    found = set()
    for path in (*(ROOT / "functions").rglob("*.py"), ROOT / "layers/core/python/alga_ext/settings.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute):
                found.add(node.attr)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value)
    for path in (ROOT / "layers").rglob("tokens.py"):
        found |= {node.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}
    return frozenset(found)


@pytest.mark.parametrize("settings", list(settings_classes()), ids=lambda settings: settings.__name__)
def test_every_setting_is_read_by_product_code(settings: type[Settings]) -> None:
    # The migrate function reads the passwords by the names of its login roles.
    by_role = {f"{role}_password" for role in ROLES}
    assert settings.fields().keys() - read_attributes() - by_role == set()


def test_only_the_settings_module_reads_the_environment() -> None:
    readers = {
        path.relative_to(ROOT).as_posix()
        for folder in ("functions", "layers")
        for path in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if (isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv", "environb"))
        or (
            isinstance(node, ast.ImportFrom)
            and node.module == "os"
            and {a.name for a in node.names} & {"environ", "getenv"}
        )
    }
    # The sandbox child and the compile worker empty theirs, whoever started them. The loader's variable is read before
    # the runner imports the settings.
    allowed = {
        "functions/runner/sandbox/child/main.py",
        "functions/runner/sandbox/compiler/main.py",
        "layers/core/python/alga_ext/loader.py",
    }
    assert readers - allowed == {"layers/core/python/alga_ext/settings.py"}


# Capabilities

CAPABILITIES = sections("capabilities.md", "##")


def test_every_capability_has_a_heading_and_every_heading_a_capability() -> None:
    assert set(CAPABILITIES) == capabilities.KNOWN


@pytest.mark.parametrize("name", sorted(capabilities.KNOWN))
def test_a_capability_is_described_with_its_interfaces(name: str) -> None:
    text = CAPABILITIES[name]

    assert set(re.findall(r"`(alga:extension/[a-z0-9-]+)`", text)) == capabilities.INTERFACES[name]
    assert ("Always granted." in text) == (name in capabilities.ALWAYS_GRANTED)


# Links


@pytest.mark.parametrize("name", ["errors.md", "settings.md", "capabilities.md"])
def test_a_link_leads_to_a_file_that_is_there(name: str) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", (DOCS / name).read_text()):
        assert (DOCS / target).exists(), target
