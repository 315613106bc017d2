"""Functions behind the bundle commands; the demo and `dev` use them too."""

from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from alga_ext.bundles.archive import content_hash_of, pack, read_entries
from alga_ext.bundles.manifest import MANIFEST_NAME, Manifest, parse_manifest
from alga_ext.errors import PlatformError
from alga_ext.ids import ContentHash, sha256_hex
from alga_ext.trust.signing import LocalSigner, PublicKey, parse_envelope, sign_envelope, verify_envelope
from alga_ext.trust.statements import Release, read_statement, statement
from functions.registry.evaluation.evaluator import Evaluator
from functions.registry.publishing.bundle_contents import read_contents
from tools.local.keys import write_private

BUNDLE_NAME = "bundle.tar.zst"
SIGNATURE_NAME = "bundle.dsse.json"


class Packed(NamedTuple):
    """A bundle on disk: archive, hash, size, manifest."""

    archive: Path
    content_hash: ContentHash
    size_bytes: int
    manifest: Manifest


def make_key(path: Path) -> LocalSigner:
    """Write a new key pair: the private key to `path` (mode 0600), the public key next to it as `.pub.pem`."""
    signer = LocalSigner.generate()
    path.parent.mkdir(parents=True, exist_ok=True)
    write_private(path, signer.private_pem)
    public_path(path).write_text(signer.public_pem, encoding="utf-8")
    return signer


def public_path(path: Path) -> Path:
    """Return the path of the public key that belongs to a private key file."""
    return path.with_suffix(".pub.pem")


def pack_folder(folder: Path, archive: Path) -> Packed:
    """Pack a built extension and check the bundle as the registry will, without compiling its component.

    Raises PlatformError, and then removes the archive.
    """
    archive.parent.mkdir(parents=True, exist_ok=True)
    content_hash = pack(folder, archive)
    try:
        with archive.open("rb") as file, closing(Evaluator(in_transaction=lambda: False)) as evaluator:
            manifest = read_contents(file, evaluator.check_schema).manifest
    except PlatformError:
        archive.unlink()
        raise
    return Packed(archive, content_hash, archive.stat().st_size, manifest)


def manifest_of(archive: Path) -> Manifest:
    """Return the manifest inside a bundle. Raises PlatformError."""
    with archive.open("rb") as file:
        found = [entry.data for entry in read_entries(file, keep=lambda path: path == MANIFEST_NAME)]
    if not found:
        raise PlatformError("bundle_incomplete", f"The bundle has no {MANIFEST_NAME} in its top folder.")
    return parse_manifest(found[0])


def sign_bundle(archive: Path, signer: LocalSigner) -> bytes:
    """Return a DSSE envelope with the signed statement that these bytes are this version of this extension."""
    manifest = manifest_of(archive)
    release = Release(publisher=manifest.publisher, name=manifest.name, version=manifest.version)
    return sign_envelope(signer, statement(release, BUNDLE_NAME, sha256_hex(content_hash_of(archive))))


def verify_bundle(archive: Path, signature: bytes, key: PublicKey) -> Release:
    """Verify that a signature is by `key` and about this archive; return what it claims.

    Raises PlatformError: `signature_malformed`, `key_unknown`, `signature_invalid`, `bundle_hash_mismatch`,
    `manifest_mismatch`, or an error of the bundle's reader.
    """
    envelope = parse_envelope(signature)
    if key.key_id not in {key_id for key_id, _ in envelope.signatures}:
        raise PlatformError("key_unknown", f"The envelope has no signature by key {key.key_id}.")
    if not verify_envelope(envelope, key):
        raise PlatformError("signature_invalid", f"The signature by key {key.key_id} does not match the signed bytes.")
    release = read_statement(envelope.payload, Release, sha256_hex(content_hash_of(archive)))
    manifest = manifest_of(archive)
    if (manifest.publisher, manifest.name, manifest.version) != (release.publisher, release.name, release.version):
        raise PlatformError(
            "manifest_mismatch", f"The signature is for {release.name} {release.version} by {release.publisher}."
        )
    return release
