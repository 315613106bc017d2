"""What the mutants of a module are, and that the lists about them are up to date."""

import tomllib

import pytest

from tests.mutants.forked import Module
from tests.mutants.mutations import mutants
from tests.mutants.targets import MORE_TESTS, stages_of, targets
from tests.support.places import ROOT

EQUIVALENTS = tomllib.loads((ROOT / "tests/mutants/equivalents.toml").read_text(encoding="utf-8"))
KNOWN = {module.name: module for module in targets()}


def changes(source: str) -> set[str]:
    return {mutant.name.partition(": ")[2] for mutant in mutants(source)}


@pytest.mark.parametrize(
    ("source", "change"),
    [
        ("a < b", "a < b → a <= b"),
        ("a < b", "a < b → a >= b"),
        ("a or b", "a or b → b"),
        ("a and b", "a and b → a or b"),
        ("not a", "not a → a"),
        ("if a: b()", "if a → if not a"),
        ("def f(): return a", "return a → return None"),
        ("def f(): return a == b", "return a == b → return True"),
        ("def f():\n    raise E", "raise E → pass"),
        ("check(a)", "check(a) → pass"),
        ("LIMIT = 60", "60 → 61"),
        ("LIMIT = 60", "60 → 59"),
        ("KIND = 'log'", "'log' → 'logx'"),
        ("C(extra='forbid')", "extra='forbid' → **{}"),
        (r"P = r'[a-f]{64}\Z'", r"'[a-f]{64}\\Z' → '[a-f]{64}'"),
        ("p.fullmatch(a)", "p.fullmatch → p.match"),
        ("[a for a in b if a]", "for a in b if a → for a in b"),
        ("class M:\n    a: Annotated[str, Field(max_length=3)]", "max_length=3 → **{}"),
        ("Q = 'delete from b where c = :c'", "SQL c = :c → true"),
    ],
)  # fmt: skip
def test_a_guard_is_changed_in_this_way(source: str, change: str) -> None:
    assert change in changes(source)


@pytest.mark.parametrize(
    "source",
    ['"""A docstring."""', "raise_(E('code with spaces'))", "def f(a: int | None) -> bool: ...", "f'{a} is 1'"],
)
def test_what_decides_nothing_is_left_alone(source: str) -> None:
    assert changes(source) - {f"{source} → pass"} == set()


def test_each_mutant_compiles_and_has_a_name_of_its_own() -> None:
    source = KNOWN["alga_ext.trust.policy"].path.read_text(encoding="utf-8")
    count = len(mutants(source))

    assert count > 50
    assert len({mutant.name for mutant in mutants(source)}) == count
    for index in range(0, count, 10):
        mutants(source)[index].code("policy.py")


@pytest.mark.parametrize("module", KNOWN.values(), ids=lambda module: module.name)
def test_every_module_has_tests(module: Module) -> None:
    files = [file for stage in stages_of(module) for file in stage]

    assert files != []
    assert [file for file in files if not (ROOT / file).exists()] == []


def test_the_table_of_tests_names_modules_that_exist() -> None:
    assert [name for name in MORE_TESTS if not KNOWN[name].path.exists()] == []


@pytest.mark.parametrize("name", EQUIVALENTS)
def test_the_equivalent_mutants_of_a_module_exist_and_have_a_reason(name: str) -> None:
    found = {mutant.name for mutant in mutants(KNOWN[name].path.read_text(encoding="utf-8"))}

    assert [entry["mutant"] for entry in EQUIVALENTS[name] if entry["mutant"] not in found] == []
    assert [entry for entry in EQUIVALENTS[name] if len(entry["reason"].split()) < 3] == []
