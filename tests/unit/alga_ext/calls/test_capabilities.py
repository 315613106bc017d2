"""Capability names, against the world they open."""

import re

from hypothesis import given
from hypothesis import strategies as st

from alga_ext.calls import capabilities
from tests.support.places import ROOT

WIT = ROOT / "wit" / "alga-extension.wit"
LIBRARY = {"alga:extension/types"}
"""Interfaces of types only, which need no leave."""


def test_every_interface_of_the_world_belongs_to_a_capability() -> None:
    world = re.search(r"world runner \{(.*?)\n\}", WIT.read_text(), re.DOTALL)
    assert world is not None
    imported = {f"alga:extension/{name}" for name in re.findall(r"import ([a-z0-9-]+);", world[1])}

    assert imported - LIBRARY == set().union(*capabilities.INTERFACES.values())


def test_an_interface_belongs_to_one_capability_only() -> None:
    names = [interface for opened in capabilities.INTERFACES.values() for interface in opened]

    assert len(names) == len(set(names))


def test_four_capabilities_are_always_granted() -> None:
    assert {"cap:context.read", "cap:log.emit", "cap:user.read", "cap:metrics.emit"} == capabilities.ALWAYS_GRANTED
    assert capabilities.ALWAYS_GRANTED <= capabilities.KNOWN


@given(st.text(max_size=20))
def test_the_canonical_name_is_its_own(name: str) -> None:
    assert capabilities.canonical(capabilities.canonical(name)) == capabilities.canonical(name)


def test_unknown_names_are_found_in_either_spelling() -> None:
    assert capabilities.unknown(["storage.kv", "cap:http.fetch", "x", "cap:y", ""]) == ["", "cap:y", "x"]


def test_what_a_component_imports_says_which_capabilities_it_uses() -> None:
    assert capabilities.imported(["alga:extension/storage-v2", "wasi:io/streams", "alga:extension/types"]) == {
        "cap:storage.kv"
    }
    assert capabilities.imported([]) == frozenset()
