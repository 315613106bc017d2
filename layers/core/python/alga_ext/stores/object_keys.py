"""Build the keys of the object store (docs/reference/object-store.md); no other module builds a key.

``sha256`` is the hash of the bundle's archive: 64 hex digits without ``sha256:``. Key ids may have that prefix.
"""


def staged_archive(upload_id: str) -> str:
    """Return the key of an uploaded archive; a lifecycle rule deletes old objects below its prefix."""
    return f"staging/{upload_id}/bundle.tar.zst"


def archive(sha256: str) -> str:
    """Return the key of a bundle's archive."""
    return f"bundles/{sha256}/bundle.tar.zst"


def publisher_signature(sha256: str, key_id: str) -> str:
    """Return the key of the envelope that a publisher signed about a bundle.

    Each signing key has its own object. So an interrupted publication can be repeated with a new signing key after a
    rotation.
    """
    return f"bundles/{sha256}/{_hex(key_id)}.dsse.json"


def component(component_sha256: str) -> str:
    """Return the key of a component."""
    return f"components/{component_sha256}.wasm"


def code(component_sha256: str, engine: tuple[str, str, str], code_sha256: str) -> str:
    """Return the key of a component's machine code.

    Args:
        component_sha256: hash of the component.
        engine: wasmtime version, hash of its settings, target.
        code_sha256: hash of the machine code; each compilation may give different code.
    """
    return f"{_artifacts(component_sha256, engine)}/{code_sha256}.cwasm"


def artifact_record(component_sha256: str, engine: tuple[str, str, str], key_id: str) -> str:
    """Return the key of the artifact record that a platform key signed about a component compiled for an engine.

    There is one record for each signing key, so that another key can sign for an artifact when the first is rotated or
    revoked.
    """
    return f"{_artifacts(component_sha256, engine)}/{_hex(key_id)}.dsse.json"


def ui_file(sha256: str, path: str, suffix: str = "") -> str:
    """Return the key of a UI file; ``suffix`` is ``.br`` or ``.gz`` for a compressed form, empty for the plain file."""
    return f"ui/{sha256}/files/{path}{suffix}"


def ui_index(sha256: str) -> str:
    """Return the key of a UI's index."""
    return f"ui/{sha256}/index.json"


def release(sha256: str) -> str:
    """Return the key of a bundle's release record."""
    return f"releases/{sha256}.dsse.json"


def withdrawn_list() -> str:
    """Return the key of the list of withdrawn bundles, which is replaced when it changes and before it expires."""
    return "withdrawn/list.dsse.json"


def log_head(size: int) -> str:
    """Return the key of the transparency log's signed head for this tree size."""
    return f"log/heads/{size:012}.dsse.json"


def log_batch(first: int) -> str:
    """Return the key of the copy of the transparency log's leaves, beginning with the leaf ``first``."""
    return f"log/entries/{first:012}.dsse.json"


def export_part(export_id: str, number: int, table: str, sha256: str) -> str:
    """Return the key of a part of a tenant's export; a lifecycle rule deletes objects below its prefix."""
    return f"exports/{export_id}/{number:06}-{table}-{sha256}.jsonl.gz"


def export_manifest(export_id: str, sha256: str) -> str:
    """Return the key of the manifest of a tenant's export."""
    return f"exports/{export_id}/manifest-{sha256}.json"


def _artifacts(component_sha256: str, engine: tuple[str, str, str]) -> str:
    return f"cwasm/{component_sha256}/{'/'.join(engine)}"


def _hex(key_id: str) -> str:
    return key_id.removeprefix("sha256:")
