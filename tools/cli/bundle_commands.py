"""Commands for files: keygen, build, pack, sign, verify."""

import json
import tempfile
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from alga_ext.bundles.archive import content_hash_of
from alga_ext.trust.log_proof import verify_publication_proof
from alga_ext.trust.signing import LocalSigner, PublicKey
from tools.cli.bundles import (
    BUNDLE_NAME,
    SIGNATURE_NAME,
    make_key,
    public_path,
    sign_bundle,
    verify_bundle,
)
from tools.cli.options import AsJson
from tools.cli.output import CommandError, answer, answer_json, note, step
from tools.cli.publishable import pack_publishable

Key = Annotated[Path, typer.Option("--key", help="Private key file (PEM).")]


def keygen(
    out: Annotated[Path, typer.Argument(help="File for the private key, such as publisher.pem.")],
    as_json: AsJson = False,
) -> None:
    """Make a signing key: the private key, readable only by you, and the public key next to it."""
    if out.exists():
        raise CommandError(f"{out} exists already", "choose another name; an overwritten key could not be restored")
    signer = make_key(out)
    if as_json:
        answer_json({"key_id": signer.key_id, "private_key": str(out), "public_key": str(public_path(out))})
    else:
        answer(f"{signer.key_id}\nprivate key {out} (keep it secret), public key {public_path(out)}")


def build(
    folder: Annotated[Path, typer.Argument(help="An extension's source: manifest.json, server/, ui/.", exists=True)],
    out: Annotated[Path | None, typer.Option("--out", help="Folder for the result; it is replaced.")] = None,
    as_json: AsJson = False,
) -> None:
    """Build an extension from source: component, page, manifest."""
    # Imported here because only this command needs the builders.
    from tools.guests import build_extension
    from tools.guests.places import CACHE

    target = out or CACHE / "extensions" / folder.resolve().name
    with step(f"Building {folder}"):
        manifest = build_extension(folder, target)
        # Packed and thrown away: what the registry would refuse is refused here already.
        with tempfile.TemporaryDirectory(prefix="alga-build-") as work:
            packed = pack_publishable(target, Path(work) / BUNDLE_NAME)
    for text in packed.manifest.notes:
        note(text)
    if as_json:
        answer_json({"folder": str(target), "name": manifest.name, "version": manifest.version})
    else:
        answer(str(target))


def pack(
    folder: Annotated[Path, typer.Argument(help="A built extension (see `alga-ext build`).", exists=True)],
    out: Annotated[Path, typer.Option("--out", help="The archive.")] = Path(BUNDLE_NAME),
    as_json: AsJson = False,
) -> None:
    """Pack a built extension into a bundle and check it. The same files always give the same bytes."""
    packed = pack_publishable(folder, out)
    for text in packed.manifest.notes:
        note(text)
    if as_json:
        answer_json({"bundle": str(out), "content_hash": packed.content_hash, "size_bytes": packed.size_bytes})
    else:
        answer(f"{packed.content_hash}  {out} ({packed.size_bytes} bytes)")


def sign(
    bundle: Annotated[Path, typer.Argument(help="The archive.", exists=True)],
    key: Key,
    out: Annotated[Path | None, typer.Option("--out", help="The signature; by default next to the archive.")] = None,
    as_json: AsJson = False,
) -> None:
    """Sign a bundle: a DSSE envelope that names publisher, extension, version and the archive's hash."""
    signer = LocalSigner.from_pem(key.read_text(encoding="utf-8"))
    target = out or bundle.with_name(SIGNATURE_NAME)
    target.write_bytes(sign_bundle(bundle, signer))
    if as_json:
        answer_json({"signature": str(target), "key_id": signer.key_id})
    else:
        answer(f"{target} by {signer.key_id}")


def verify(
    bundle: Annotated[Path, typer.Argument(help="The archive.", exists=True)],
    key: Annotated[Path, typer.Option("--key", help="The publisher's public key file (PEM).", exists=True)],
    signature: Annotated[Path | None, typer.Option("--signature", help="The DSSE envelope.")] = None,
    log: Annotated[
        Path | None, typer.Option("--log", help="Proof of publication (see `alga-ext proof`).", exists=True)
    ] = None,
    log_key: Annotated[
        Path | None, typer.Option("--log-key", help="The transparency log's public key file (PEM).", exists=True)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check, without a network, that a bundle fits its signature and, with --log, that the transparency log has it."""
    if (log is None) != (log_key is None):
        raise CommandError(
            "--log and --log-key must be given together", "give both: the proof and the public key of the log"
        )
    public_key = PublicKey.from_pem(key.read_text(encoding="utf-8"))
    release = verify_bundle(bundle, (signature or bundle.with_name(SIGNATURE_NAME)).read_bytes(), public_key)
    result = {**msgspec.structs.asdict(release), "key_id": public_key.key_id}
    lines = [f"{release.name} {release.version} by {release.publisher}, signed by {public_key.key_id}"]
    if log is not None and log_key is not None:
        trusted = PublicKey.from_pem(log_key.read_text(encoding="utf-8"))
        proven = verify_publication_proof(log.read_bytes(), trusted, content_hash_of(bundle))
        result["log"] = {"leaf_index": proven.leaf_index, "tree_size": proven.tree_size, "head_at": proven.head_at}
        lines.append(f"in the log as entry {proven.leaf_index} of {proven.tree_size}, head signed at {proven.head_at}")
    answer(json.dumps(result, indent=2) if as_json else "\n".join(lines))


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    for command in (keygen, build, pack, sign, verify):
        app.command()(command)
