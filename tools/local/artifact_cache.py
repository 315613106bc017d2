"""Cache of compiled samples across restarts, because compiling them takes longer than the rest of a start.

The cache contains exactly the objects of the object store: native code with the platform's signed record. They are put
back before anything is published, and prepare verifies them as in AWS; the cache folder is untrusted. The folder is
named after the artifact key, so artifacts of an earlier key are never used.
"""

import shutil
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

from tools.local.cloud import BUCKET, Cloud, aws_client

PREFIX = "cwasm/"
CODE_SUFFIX, RECORD_SUFFIX = ".cwasm", ".dsse.json"


def cache_folder(state: Path, artifact_key_id: str) -> Path:
    """Return the folder of artifacts that are signed by a key."""
    return state / "cache" / artifact_key_id.removeprefix("sha256:")[:16]


def restore_artifacts(cloud: Cloud, folder: Path) -> int:
    """Put cached artifacts into the object store, each with its record; return how many."""
    records = {path: list(path.parent.glob(f"*{CODE_SUFFIX}")) for path in folder.rglob(f"*{RECORD_SUFFIX}")}
    records = {record: codes for record, codes in records.items() if codes}
    with closing(aws_client("s3", cloud.endpoint_url)) as s3:
        for record, codes in records.items():
            for path in (*codes, record):  # the record last: if it exists, the code exists
                s3.put_object(Bucket=BUCKET, Key=path.relative_to(folder).as_posix(), Body=path.read_bytes())
    return len(records)


def keep_artifacts(cloud: Cloud, folder: Path, component_sha256s: Iterable[str]) -> None:
    """Cache the artifacts of these components; delete all others, also those of other artifact keys."""
    if folder.parent.is_dir():
        for other in folder.parent.iterdir():
            if other != folder:
                shutil.rmtree(other)
    with closing(aws_client("s3", cloud.endpoint_url)) as s3:
        wanted = {key for sha256 in component_sha256s for key in _keys(s3, f"{PREFIX}{sha256}/")}
        for path in [path for path in folder.rglob("*") if path.is_file()]:
            if path.relative_to(folder).as_posix() not in wanted:
                path.unlink()
        for key in sorted(wanted, key=lambda key: key.endswith(RECORD_SUFFIX)):  # code before its record
            if not (folder / key).exists():
                _fetch(s3, key, folder / key)


def _fetch(s3: Any, key: str, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_bytes(s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())
    part.replace(path)


def _keys(s3: Any, prefix: str) -> list[str]:
    return [entry["Key"] for entry in s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])]
