"""Every key of the object store (docs/reference/object-store.md): built here and nowhere else.

``sha256`` is of the bundle's archive, 64 hex digits without ``sha256:``. Key ids may have that prefix.
"""


def staged_archive(upload_id: str) -> str:
    """Return where the archive of an upload is staged; a lifecycle rule expires the prefix."""
    return f"staging/{upload_id}/bundle.tar.zst"


def archive(sha256: str) -> str:
    """Return where an archive lies."""
    return f"bundles/{sha256}/bundle.tar.zst"


def publisher_signature(sha256: str, key_id: str) -> str:
    """Return where a publisher's envelope about a bundle lies.

    Each key has its own place: a publication that was cut off can be made again after a rotation, with the new key.
    """
    return f"bundles/{sha256}/{_hex(key_id)}.dsse.json"


def component(component_sha256: str) -> str:
    """Return where a component lies."""
    return f"components/{component_sha256}.wasm"


def code(component_sha256: str, engine: tuple[str, str, str], code_sha256: str) -> str:
    """Return where the machine code of a component lies; another compilation may give other code.

    Args:
        component_sha256: of the component.
        engine: wasmtime version, hash of its settings, target.
        code_sha256: of the machine code.
    """
    return f"{_artifacts(component_sha256, engine)}/{code_sha256}.cwasm"


def artifact_record(component_sha256: str, engine: tuple[str, str, str], key_id: str) -> str:
    """Return where the record lies that a platform key signed about a component compiled for an engine.

    One for each key, so that another key can vouch for an artifact when the first is rotated or revoked.
    """
    return f"{_artifacts(component_sha256, engine)}/{_hex(key_id)}.dsse.json"


def ui_file(sha256: str, path: str, suffix: str = "") -> str:
    """Return where a file of a UI lies; ``suffix`` is of its compressed form: ``.br``, ``.gz`` or none."""
    return f"ui/{sha256}/files/{path}{suffix}"


def ui_index(sha256: str) -> str:
    """Return where the index of a UI lies."""
    return f"ui/{sha256}/index.json"


def release(sha256: str) -> str:
    """Return where a bundle's release record lies."""
    return f"releases/{sha256}.dsse.json"


def withdrawal(sha256: str) -> str:
    """Return where a bundle's withdrawal marker lies."""
    return f"withdrawals/{sha256}.dsse.json"


def log_head(size: int) -> str:
    """Return where the signed head of a transparency log of this size lies."""
    return f"log/heads/{size:012}.dsse.json"


def _artifacts(component_sha256: str, engine: tuple[str, str, str]) -> str:
    return f"cwasm/{component_sha256}/{'/'.join(engine)}"


def _hex(key_id: str) -> str:
    return key_id.removeprefix("sha256:")
