"""`alga-ext check-restore`: whether database, transparency log and object store of a platform agree after a restore."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from alga_ext.stores.aws import S3ObjectStore
from alga_ext.trust.trust_document import parse_trust_bundle
from tools.cli.options import AsJson, TokenFile, Url, client
from tools.cli.output import CommandError, answer, answer_json, step
from tools.restoring.check import check


def check_restore(
    store: Annotated[str, typer.Option("--store", help="The object store: s3://bucket or s3://bucket/prefix.")],
    trust: Annotated[Path, typer.Option("--trust", help="File with the trust bundle.", exists=True)],
    hash_contents: Annotated[
        bool, typer.Option("--hash/--no-hash", help="Read and hash every object, or only ask if it is there.")
    ] = True,
    url: Url = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Compare the registry with the transparency log and the object store (platform admins).

    It lists what the log records and the database lost, and which objects are missing or changed. The exit code is 1
    when anything is listed. The object store is read with the AWS credentials of the shell; nothing is changed.
    """
    api = client(url, token_file)
    try:
        with step("Comparing database, log and object store"):
            report = check(
                lambda path: api.json("GET", path),
                S3ObjectStore(store),
                parse_trust_bundle(trust.read_text(encoding="utf-8")),
                lambda: datetime.now(UTC),
                hash_contents=hash_contents,
            )
    finally:
        api.close()
    if as_json:
        findings = [finding._asdict() for finding in report.findings]
        answer_json({"versions": report.versions, "objects": report.objects, "findings": findings})
    else:
        for finding in report.findings:
            answer(f"{finding.subject}: {finding.problem} → {finding.remedy}")
        answer(f"{report.versions} versions, {report.objects} objects, {len(report.findings)} findings")
    if report.findings:
        raise CommandError(
            f"database and object store do not agree in {len(report.findings)} places",
            "docs/how-to/back-up-and-restore.md says what to do about each",
        )


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command()(check_restore)
