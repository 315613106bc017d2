"""The keys of the object store, letter by letter: what is stored once is found under the same key for years."""

import re

import pytest

from alga_ext.stores import object_keys
from tests.support.reference_pages import REFERENCE

ENGINE = ("50.0.1", "settings", "x86_64")
KEYS = {
    "staging/u-1/bundle.tar.zst": object_keys.staged_archive("u-1"),
    "bundles/ab12/bundle.tar.zst": object_keys.archive("ab12"),
    "bundles/ab12/cd34.dsse.json": object_keys.publisher_signature("ab12", "sha256:cd34"),
    "components/ef56.wasm": object_keys.component("ef56"),
    "cwasm/ef56/50.0.1/settings/x86_64/0a0b.cwasm": object_keys.code("ef56", ENGINE, "0a0b"),
    "cwasm/ef56/50.0.1/settings/x86_64/cd34.dsse.json": object_keys.artifact_record("ef56", ENGINE, "sha256:cd34"),
    "ui/ab12/files/ui/a.js": object_keys.ui_file("ab12", "ui/a.js"),
    "ui/ab12/files/ui/a.js.br": object_keys.ui_file("ab12", "ui/a.js", ".br"),
    "ui/ab12/index.json": object_keys.ui_index("ab12"),
    "releases/ab12.dsse.json": object_keys.release("ab12"),
    "withdrawn/list.dsse.json": object_keys.withdrawn_list(),
    "exports/e-1/000007-audit_event-ab12.jsonl.gz": object_keys.export_part("e-1", 7, "audit_event", "ab12"),
    "exports/e-1/manifest-ab12.json": object_keys.export_manifest("e-1", "ab12"),
    "log/heads/000000000042.dsse.json": object_keys.log_head(42),
}


@pytest.mark.parametrize(("key", "built"), KEYS.items())
def test_an_object_has_exactly_this_key(key: str, built: str) -> None:
    assert built == key


def test_a_key_id_is_written_without_its_prefix() -> None:
    assert object_keys.publisher_signature("ab12", "cd34") == object_keys.publisher_signature("ab12", "sha256:cd34")


def test_every_place_in_the_store_is_described() -> None:
    described = re.findall(r"^\| `([a-z]+)/", (REFERENCE / "object-store.md").read_text(), re.MULTILINE)

    assert {key.partition("/")[0] for key in KEYS} == set(described)
