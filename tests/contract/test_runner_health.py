"""``GET /healthz`` of the runner, through its door: 200 when everything works, 503 for each part that does not."""

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import boto3
import pytest

from alga_ext.stores.aws import S3ObjectStore
from alga_ext.stores.database import Database
from alga_ext.trust.key_ages import PlatformKey
from alga_ext.trust.trust_source import TrustSource
from functions.runner.sandbox.protocol.messages import Configure
from functions.runner.sandboxes.child_process import Child
from functions.runner.sandboxes.pool import Pool
from tests.conftest import Databases
from tests.support.runner_fixture import MIB, NO_DATABASE, RunnerFixture, call
from tests.support.wat import guest

GREETING = guest("(call $respond (i32.const 204) (i32.const 0) (i32.const 0))")
BUCKET = "health"


@pytest.fixture
def house(aws: str, databases: Databases, tmp_path: Path) -> Iterator[RunnerFixture]:
    """A runner whose store and database are there."""
    boto3.client("s3", endpoint_url=aws).create_bucket(Bucket=BUCKET)
    made = RunnerFixture(tmp_path / "house", database=Database(databases.runner), artifact_budget_bytes=64 * MIB)
    yield made
    made.close()
    made.database.close()


def failing(house: RunnerFixture) -> tuple[int, str, list[str]]:
    """Return status, word, and the checks that failed."""
    status, document = house.health()
    return status, document["status"], [name for name, check in document["checks"].items() if not check["ok"]]


def test_all_is_well_with_everything_there(house: RunnerFixture) -> None:
    house.replace(store=S3ObjectStore(f"s3://{BUCKET}"))
    assert failing(house) == (200, "ok", [])


def test_the_checks_are_those_that_are_documented(house: RunnerFixture) -> None:
    checks = ["sandbox", "artifact_cache", "trust_bundle", "object_store", "database"]
    assert list(house.health()[1]["checks"]) == checks


def test_the_cache_reports_its_size_and_budget(house: RunnerFixture) -> None:
    house.execute(call(house.publish(GREETING)))
    check = house.health()[1]["checks"]["artifact_cache"]
    size = sum(file.stat().st_size for file in house.folder.glob("*.cwasm"))
    assert check == {"ok": True, "size_bytes": size, "budget_bytes": 64 * MIB}


def test_the_check_of_the_cache_leaves_no_file(house: RunnerFixture) -> None:
    house.health()
    assert list(house.folder.iterdir()) == []


def test_a_cache_that_cannot_be_written_is_unhealthy(house: RunnerFixture) -> None:
    shutil.rmtree(house.folder)
    house.folder.write_bytes(b"in the way")
    assert failing(house) == (503, "unavailable", ["artifact_cache"])


def test_a_trust_bundle_that_cannot_be_read_is_unhealthy(house: RunnerFixture, tmp_path: Path) -> None:
    file = tmp_path / "trust.json"
    file.write_text('{"version": 1, "keys": []}')
    source = TrustSource(str(file))
    file.unlink()

    house.replace(store=S3ObjectStore(f"s3://{BUCKET}"), trust=source)
    assert failing(house) == (503, "unavailable", ["trust_bundle"])


def test_a_sandbox_that_cannot_be_started_is_unhealthy(house: RunnerFixture) -> None:
    def no_process() -> Child:
        raise OSError("no more processes")

    house.replace(pool=Pool(Configure(512 * MIB, []), 4, start=no_process))
    assert failing(house) == (503, "unavailable", ["sandbox"])


def test_a_store_that_cannot_be_reached_is_unhealthy(house: RunnerFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    house.replace(store=S3ObjectStore(f"s3://{BUCKET}"))
    assert failing(house) == (503, "unavailable", ["object_store"])


def test_a_database_whose_connection_broke_is_unhealthy(house: RunnerFixture, databases: Databases) -> None:
    with house.database.system() as tx:
        process_id = tx.one("select pg_backend_pid() as id")["id"]
    owner = Database(databases.owner)
    with owner.system() as tx:
        tx.one("select pg_terminate_backend(:id)", id=process_id)
    owner.close()
    assert failing(house) == (503, "unavailable", ["database"])


def test_a_health_check_opens_no_connection_to_a_database(house: RunnerFixture) -> None:
    house.database = Database(NO_DATABASE)
    status, document = house.health()
    assert (status, document["checks"]["database"]) == (200, {"ok": True, "connected": False})


def test_without_a_token_health_names_no_part(house: RunnerFixture) -> None:
    shutil.rmtree(house.folder)
    house.folder.write_bytes(b"in the way")
    answer = house.send("GET", "/healthz")
    assert (answer["statusCode"], json.loads(answer["body"])) == (503, {"status": "unavailable"})


def test_an_execution_token_does_not_show_the_parts(house: RunnerFixture) -> None:
    request = call("sha256:" + "0" * 64)
    token = house.token(request, b"")
    answer = house.send("GET", "/healthz", headers={"authorization": f"Bearer {token}"})
    assert answer["statusCode"] == 401


def test_checks_run_once_in_ten_seconds_whoever_asks(house: RunnerFixture) -> None:
    assert house.send("GET", "/healthz")["statusCode"] == 200
    shutil.rmtree(house.folder)
    house.folder.write_bytes(b"in the way")
    assert house.send("GET", "/healthz")["statusCode"] == 200


def test_what_failed_is_said_without_details_of_the_machine(house: RunnerFixture) -> None:
    shutil.rmtree(house.folder)
    house.folder.write_bytes(b"in the way")
    detail = house.health()[1]["checks"]["artifact_cache"]["detail"]
    assert detail == "Programs cannot be written to the artifact folder."


def test_an_overdue_key_is_a_warning_and_a_metric_and_the_runner_stays_healthy(
    house: RunnerFixture, caplog: pytest.LogCaptureFixture
) -> None:
    created_at = datetime.now(UTC) - timedelta(days=91)
    key = PlatformKey("call_token", "sha256:ab", "active", signs=True, created_at=created_at, max_age_days=90)
    house.replace(store=S3ObjectStore(f"s3://{BUCKET}"), keys=(key,))
    status, document = house.health()

    assert (status, document["status"]) == (200, "ok")
    assert document["warnings"] == ["The call_token key sha256:ab is 91 days old; rotate it before 90 days."]
    lines = [vars(record) for record in caplog.records if hasattr(record, "KeyOverdue")]
    assert lines
    assert (lines[0]["KeyOverdue"], lines[0]["use"], lines[0]["age_days"]) == (1, "call_token", 91)
