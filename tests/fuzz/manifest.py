"""Fuzz the manifest: any bytes are read or refused, and what is read can be stored and read again."""

import sys

import atheris

with atheris.instrument_imports(include=["alga_ext"]):
    from alga_ext.bundles.manifest import Manifest, parse_manifest
    from alga_ext.calls.capabilities import KNOWN

import msgspec

from tests.fuzz.harness import fuzz, refused_or_read
from tests.support.manifests import encoded, server_document, ui_document


def one_input(data: bytes) -> None:
    refused_or_read(lambda: check(data))


def check(data: bytes) -> None:
    manifest = parse_manifest(data)
    stored = msgspec.json.encode(manifest.model_dump(mode="json"))
    if Manifest.model_validate(msgspec.json.decode(stored)) != manifest:
        message = "a stored manifest reads back as another one"
        raise AssertionError(message)


def seeds() -> list[bytes]:
    rich = server_document(
        capabilities=["http.fetch", {"name": "storage.kv", "purpose": "x"}],
        egress=["*.example.com", "http://a.example:8080"],
        secrets=[{"name": "KEY", "hosts": ["a.example.com"], "required": True}],
        config={"type": "object", "properties": {"a": {"$ref": "#/$defs/b"}}},
        events=[{"topic": "ticket.created", "handler": "/events"}],
        limits={"timeout_ms": 5, "memory_mb": 5},
        precompiled={"x86_64": "p/x"},
        sbom="sbom.json",
        ui=ui_document()["ui"],
    )
    return [encoded(ui_document()), encoded(rich)]


if __name__ == "__main__":
    words = [
        *Manifest.model_fields,
        *KNOWN,
        "\\u0000",
        "\\ud800",
        "1e999",
        "NaN",
        "$ref",
        ":param",
        "../",
        "http://",
        "*.",
    ]
    fuzz("manifest", one_input, seeds(), sys.argv[1:], words)
