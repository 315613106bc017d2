"""Commands for the trust bundle: trust sign, show, publish."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from tools.cli.options import AsJson
from tools.cli.output import CommandError, answer, answer_json, note
from tools.cli.trust_bundles import (
    LIFETIME_LIMIT_DAYS,
    describe,
    new_bundle,
    publish,
    read_stored,
    root_keys,
    root_signers,
    sign_bundle_file,
)

trust_app = typer.Typer(no_args_is_help=True, help="Sign, show and publish the trust bundle of a deployment.")

Bundle = Annotated[str, typer.Argument(help="The signed bundle: a file, or s3://bucket/key.")]


@trust_app.command("new")
def trust_new(
    release: Annotated[list[str], typer.Option("--release", help="Public key (PEM file) or kms:KEY-ID; repeat.")],
    artifact: Annotated[list[str], typer.Option("--artifact", help="The same.")],
    log: Annotated[list[str], typer.Option("--log", help="The same.")],
    out: Annotated[Path, typer.Option("--out", help="The trust bundle, not yet signed.")] = Path("bundle.json"),
) -> None:
    """Write a trust bundle with the platform's own keys, to be signed. An existing file is not overwritten."""
    if out.exists():
        raise CommandError(f"{out} exists", "add the key to it by hand, or name another file with --out")
    keys = {"release": release, "artifact": artifact, "log": log}
    out.write_text(new_bundle(keys, datetime.now(UTC)), encoding="utf-8")
    answer(f"{out}: {sum(map(len, keys.values()))} keys; keep it, and sign it with `alga-ext trust sign`")


@trust_app.command("sign")
def trust_sign(
    document: Annotated[Path, typer.Argument(help="The trust bundle (JSON or PEM).", exists=True)],
    key: Annotated[list[str], typer.Option("--key", help="Root key: a PEM file or kms:KEY-ID; repeat.")],
    version: Annotated[int, typer.Option("--version", help="Higher than that of the published bundle.", min=1)],
    days: Annotated[int, typer.Option("--days", help="How long it may be used.", min=1, max=LIFETIME_LIMIT_DAYS)] = 30,
    out: Annotated[Path, typer.Option("--out", help="The signed bundle.")] = Path("trust.json"),
    as_json: AsJson = False,
) -> None:
    """Sign a trust bundle with one or more root keys."""
    now = datetime.now(UTC)
    signers = root_signers(key)
    envelope = sign_bundle_file(document.read_text(encoding="utf-8"), version, days, signers, now)
    out.write_bytes(envelope)
    if as_json:
        answer_json({"bundle": str(out), "version": version, "signed_by": [signer.key_id for signer in signers]})
    else:
        answer(f"{out}: version {version}, signed by {', '.join(signer.key_id for signer in signers)}")


@trust_app.command("show")
def trust_show(
    bundle: Bundle,
    root: Annotated[
        list[Path] | None, typer.Option("--root", help="File of public root keys (PEM) to verify with; repeat.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show version, expiry, signatures and keys of a signed trust bundle, and warn before it expires."""
    described = describe(read_stored(bundle), root_keys(root or []), datetime.now(UTC))
    answer_json(described.document) if as_json else answer("\n".join(described.lines))
    for warning in described.document["warnings"]:
        note(f"warning: {warning}")


@trust_app.command("publish")
def trust_publish(
    bundle: Annotated[Path, typer.Argument(help="The signed bundle.", exists=True)],
    to: Annotated[str, typer.Argument(help="s3://bucket/key, as in SIGNING_TRUST_BUNDLE.")],
    root: Annotated[
        list[Path], typer.Option("--root", help="File of the public root keys (PEM) that functions pin; repeat.")
    ],
    as_json: AsJson = False,
) -> None:
    """Put a signed trust bundle into the object store. It never replaces one of the same or a higher version."""
    written = publish(bundle.read_bytes(), to, root_keys(root), datetime.now(UTC))
    if as_json:
        answer_json({"published": to, "written": written})
    else:
        answer(f"{to}: {'published; functions read it within 30 seconds' if written else 'it is there already'}")


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(trust_app, name="trust")
