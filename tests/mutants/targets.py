"""Which modules are mutated, and which tests are to notice.

The modules are those that decide: the import contract "Modules that decide do no I/O", and a few that decide inside a
transaction. A module's tests are the unit tests that import it, and the files named here. Without any, they are the
unit tests of its package.
"""

import re
import tomllib
from pathlib import Path
from typing import Final

from tests.mutants.forked import Module
from tests.support.places import ROOT

_CONTRACT: Final = "Modules that decide do no I/O"
# Modules that are not in the contract, or that unit tests reach through others: what else tests them, fastest first.
MORE_TESTS: Final[dict[str, tuple[str, ...]]] = {
    "alga_ext.bundles.manifest": ("tests/unit/docs/test_references.py",),
    "alga_ext.bundles.paths": ("tests/unit/alga_ext/bundles/test_archive.py",),
    "functions.gateway.envelope": ("tests/contract/test_gateway_calls.py",),
    "functions.gateway.execution_messages": ("tests/contract/test_gateway_calls.py",),
    "functions.gateway.install": ("tests/contract/test_gateway_calls.py",),
    "functions.gateway.routing": ("tests/contract/test_gateway_calls.py",),
    "functions.registry.api.idempotency": ("tests/registry/test_idempotency.py",),
    "functions.registry.installing.updates": (
        "tests/registry/test_every_change.py",
        "tests/registry/test_moves_of_installs.py",
        "tests/registry/test_updates.py",
        "tests/registry/test_configured_hosts.py",
    ),
    "functions.registry.migrations.plan": ("tests/registry/test_migrations.py",),
    "functions.registry.publishing.publishers": (
        "tests/registry/test_two_publishers.py",
        "tests/registry/test_foreign_objects.py",
        "tests/registry/test_every_change.py",
        "tests/registry/test_publishers_and_keys.py",
    ),
    "functions.registry.publishing.ui_index": ("tests/unit/uihost/test_bundles.py",),
    "functions.registry.records.recording": ("tests/registry/test_recorder.py",),
    "functions.registry.schemas.linear_patterns": ("tests/unit/registry/schemas/test_config_schema.py",),
    "functions.registry.tenant_data.tables": (
        "tests/registry/test_tenant_erasure.py",
        "tests/registry/test_tenant_export.py",
    ),
    "functions.runner.sandbox.compiler.typecheck": (),
    "functions.runner.sandbox.protocol.shapes": ("tests/unit/runner/sandbox/protocol/test_world.py",),
}
# The first read what files say about a module. The other takes long, and imports many modules only to set a scene.
_SKIPPED: Final = ("tests/unit/docs/", "tests/unit/runner/preparing/test_preparation.py")


def targets() -> list[Module]:
    """Return every module to mutate, by name."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (contract,) = (found for found in contracts if found["name"] == _CONTRACT)
    return [Module(name, _path(name)) for name in sorted({*contract["source_modules"], *MORE_TESTS})]


def stages_of(module: Module) -> list[list[str]]:
    """Return the test files of a module, in the order in which they are run: each stage only if the one before passes.

    The files that bear the module's name are first, then the unit tests that import it, then the files named above, one
    after the other.
    """
    package, _, last = module.name.rpartition(".")
    imports = re.compile(
        rf"^ *(from {re.escape(module.name)} import|import {re.escape(module.name)}\b"
        rf"|from {re.escape(package)} import .*\b{last}\b)",
        re.MULTILINE,
    )
    importing = [
        str(path.relative_to(ROOT))
        for path in sorted((ROOT / "tests/unit").rglob("test_*.py"))
        if imports.search(path.read_text(encoding="utf-8"))
    ]
    more = list(MORE_TESTS.get(module.name, ()))
    if not importing and not more:
        importing = _tests_of_package(package)
    own = [name for name in importing if name.endswith(f"/test_{last}.py")]
    others = [name for name in importing if name not in own and not name.startswith(_SKIPPED)]
    return [stage for stage in (own, others, *([file] for file in more)) if stage]


def _tests_of_package(package: str) -> list[str]:
    folder = ROOT / "tests/unit" / package.removeprefix("functions.").replace(".", "/")
    return [str(path.relative_to(ROOT)) for path in sorted(folder.glob("test_*.py"))]


def _path(name: str) -> Path:
    base = ROOT / "layers/core/python" if name.startswith("alga_ext.") else ROOT
    return base / (name.replace(".", "/") + ".py")
