"""Artifacts kept over restarts: whole ones only, of the present key and the wanted components only."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.support.servers import Loop
from tools.local.artifact_cache import cache_folder, keep_artifacts, restore_artifacts
from tools.local.cloud import BUCKET, Cloud, aws_client, make_cloud
from tools.local.moto_server import MotoServer
from tools.local.state import ROOT

CODE, RECORD = "cwasm/aa/50/e/t/c0de.cwasm", "cwasm/aa/50/e/t/4e7.dsse.json"


@pytest.fixture(scope="module")
def cloud(server_loop: Loop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    moto = MotoServer(ROOT, tmp_path_factory.mktemp("cache") / "moto.log")
    server_loop.run(moto.start())
    yield make_cloud(moto.url)
    server_loop.run(moto.stop())


@pytest.fixture
def s3(cloud: Cloud) -> Iterator[Any]:
    with closing(aws_client("s3", cloud.endpoint_url)) as client:
        yield client
        for key in keys(client):
            client.delete_object(Bucket=BUCKET, Key=key)


def keys(s3: Any) -> list[str]:
    return [entry["Key"] for entry in s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])]


def test_what_is_kept_comes_back(cloud: Cloud, s3: Any, tmp_path: Path) -> None:
    for key in (CODE, RECORD, "cwasm/bb/50/e/t/c0de.cwasm"):
        s3.put_object(Bucket=BUCKET, Key=key, Body=key.encode())
    folder = cache_folder(tmp_path, "sha256:" + "1" * 64)
    stale = cache_folder(tmp_path, "sha256:" + "2" * 64)
    stale.mkdir(parents=True)
    keep_artifacts(cloud, folder, ["aa"])
    for key in keys(s3):
        s3.delete_object(Bucket=BUCKET, Key=key)

    assert restore_artifacts(cloud, folder) == 1

    assert sorted(keys(s3)) == sorted([CODE, RECORD])
    assert s3.get_object(Bucket=BUCKET, Key=CODE)["Body"].read() == CODE.encode()
    assert not stale.exists()


def test_a_record_without_its_code_is_left_out(cloud: Cloud, s3: Any, tmp_path: Path) -> None:
    for name in (RECORD, CODE + ".part"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")

    assert restore_artifacts(cloud, tmp_path) == 0
    assert keys(s3) == []


def test_an_empty_cache_is_nothing(cloud: Cloud, s3: Any, tmp_path: Path) -> None:
    assert restore_artifacts(cloud, tmp_path / "none") == 0
