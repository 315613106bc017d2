"""An unknown member is refused at every level of every document whose content is trusted.

A misspelt member that is ignored is a limit that does not hold: a key with ``valid_untl`` would never end.
"""

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from alga_ext.bundles.manifest import parse_manifest
from alga_ext.ids import ContentHash
from alga_ext.trust import merkle
from alga_ext.trust.log_proof import ORIGIN, verify_publication_proof
from alga_ext.trust.signing import LOG_HEAD_PAYLOAD_TYPE, PublicKey, parse_envelope, sign_envelope
from alga_ext.trust.statements import ArtifactRecord, Release, ReleaseRecord, read_statement, statement
from alga_ext.trust.trust_document import parse_trust_bundle, parse_versioned
from tests.support.keys import ACME, SHA
from tests.support.manifests import UI, server_document
from tests.support.refusals import code_of

HASH = ContentHash(f"sha256:{SHA}")
ENTRY = json.dumps({"content_hash": HASH, "kind": "version.published"})
HEAD = {
    "origin": ORIGIN,
    "tree_size": 1,
    "root_hash": merkle.leaf_hash(ENTRY.encode()).hex(),
    "timestamp": "2026-06-01T12:00:00Z",
}
PREDICATES = (
    Release(publisher="acme", name="com.acme.notes", version="1.0.0"),
    ReleaseRecord(publisher="acme", name="com.acme.notes", version="1.0.0", key_id=ACME.key_id, published_at="x"),
    ArtifactRecord(component_sha256=SHA, wasmtime_version="50.0.1", engine_config_hash="cd", target="x86_64"),
)


def signed_head(head: dict[str, Any]) -> dict[str, Any]:
    envelope: dict[str, Any] = json.loads(sign_envelope(ACME, json.dumps(head).encode(), LOG_HEAD_PAYLOAD_TYPE))
    return envelope


def read_proof(document: dict[str, Any]) -> None:
    verify_publication_proof(json.dumps(document).encode(), PublicKey.from_pem(ACME.public_pem), HASH)


def proof(head: dict[str, Any]) -> dict[str, Any]:
    return {"leaf_index": 0, "entry": ENTRY, "tree_size": 1, "proof": [], "head": signed_head(head)}


def reader_of(kind: type[Any]) -> Callable[[dict[str, Any]], object]:
    return lambda document: read_statement(json.dumps(document).encode(), kind, SHA)


DOCUMENTS: dict[str, tuple[dict[str, Any], Callable[[dict[str, Any]], object]]] = {
    "trust bundle": (
        {
            "version": 1,
            "keys": [{"key_id": ACME.key_id, "public_key": ACME.public_pem, "publishers": ["acme"]}],
            "revocations": [{"key_id": ACME.key_id, "from": "2026-06-01T00:00:00Z"}],
        },
        lambda document: parse_trust_bundle(json.dumps(document)),
    ),
    "signed trust bundle": (
        {
            "version": 7,
            "expires": "2026-07-01T00:00:00Z",
            "keys": [{"key_id": ACME.key_id, "public_key": ACME.public_pem}],
            "revocations": [{"key_id": ACME.key_id, "from": "2026-06-01T00:00:00Z"}],
        },
        lambda document: parse_versioned(json.dumps(document).encode()),
    ),
    "envelope": (
        json.loads(sign_envelope(ACME, b"{}")),
        lambda document: parse_envelope(json.dumps(document, separators=(",", ":")).encode()),
    ),
    "proof": (proof(HEAD), read_proof),
    "head of the log": (HEAD, lambda head: read_proof(proof(head))),
    **{
        f"statement of {type(predicate).__name__}": (
            json.loads(statement(predicate, "bundle.tar.zst", SHA)),
            reader_of(type(predicate)),
        )
        for predicate in PREDICATES
    },
    "manifest": (
        server_document(
            ui={**UI, "hooks": {"appMenu": {"label": "Notes"}}},
            api={"endpoints": [{"method": "GET", "path": "/notes"}]},
            events=[{"topic": "notes.added", "handler": "/notes"}],
            capabilities=[{"name": "cap:log.emit", "purpose": "To log."}],
            limits={"timeout_ms": 1000},
            secrets=[{"name": "salt"}],
        ),
        lambda document: parse_manifest(json.dumps(document).encode()),
    ),
}


def places(node: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Return the path of every object in a document. Dictionaries with free names are no objects."""
    if isinstance(node, list):
        for index, item in enumerate(node):
            yield from places(item, (*path, index))
    elif isinstance(node, dict):
        if path[-1:] != ("hooks",):
            yield path
        for name, item in node.items():
            yield from places(item, (*path, name))


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_document_without_an_unknown_member_is_read(name: str) -> None:
    document, read = DOCUMENTS[name]

    assert code_of(lambda: read(document)) is None


@pytest.mark.parametrize(
    ("name", "path"),
    [(name, path) for name, (document, _) in DOCUMENTS.items() for path in places(document)],
    ids=lambda part: part if isinstance(part, str) else ".".join(map(str, part)) or "top",
)
def test_an_unknown_member_is_refused(name: str, path: tuple[str | int, ...]) -> None:
    document, read = DOCUMENTS[name]
    changed = copy.deepcopy(document)
    target = changed
    for step in path:
        target = target[step]  # type: ignore[index]
    target["valid_untl"] = "2026-06-01T00:00:00Z"

    assert code_of(lambda: read(changed)) is not None
