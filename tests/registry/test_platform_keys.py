"""The registry lists the platform's keys, and reports those that are older than they should be."""

import dataclasses
import json
import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from alga_ext.trust.signed_trust import sign_trust
from alga_ext.trust.signing import LocalSigner, Signer
from alga_ext.trust.trust_document import VersionedTrust, parse_trust_bundle
from functions.registry import sweeping
from functions.registry.api.registry import Registry
from functions.registry.job_services import SweeperServices
from tests.support.registry import Context, RegistryWorld

TODAY = datetime.now(UTC).replace(microsecond=0)
ARTIFACT, EARLIER, ROOT, SPARE = (LocalSigner.generate() for _ in range(4))


def entry(signer: Signer, use: str, age_days: float | None = None, **members: Any) -> dict[str, Any]:
    if age_days is not None:
        members["valid_from"] = (TODAY - timedelta(days=age_days)).isoformat()
    return {"key_id": signer.key_id, "public_key": signer.public_pem, "use": use, **members}


def trust(world: RegistryWorld, *keys: dict[str, Any]) -> None:
    world.rewire(SIGNING_TRUST_BUNDLE=json.dumps({"version": 1, "keys": keys}))


def listed(world: RegistryWorld) -> dict[str, Any]:
    answer = world.call("GET", "/maintenance/keys", world.admin)
    assert answer.status == 200, answer
    body: dict[str, Any] = answer.body
    return body


def shown(world: RegistryWorld, name: str) -> dict[str, Any]:
    return {key["key_id"]: key[name] for key in listed(world)["keys"]}


def health(world: RegistryWorld) -> tuple[int, dict[str, Any]]:
    answer = Registry(world.services).answer(world.event("GET", "/healthz", world.admin), Context())
    return answer["statusCode"], json.loads(answer["body"])


def test_each_key_of_the_platform_is_listed_with_its_age_and_limit(world: RegistryWorld) -> None:
    trust(world, entry(world.release, "release", 10), entry(world.log, "log"), entry(ARTIFACT, "artifact", 364))

    assert listed(world) == {
        "trust_bundle_version": None,
        "trust_bundle_expires_at": None,
        "keys": [
            {
                "use": use,
                "key_id": signer.key_id,
                "state": "active",
                "signs": True,
                "created_at": created_at and created_at.isoformat().replace("+00:00", "Z"),
                "age_days": age_days,
                "max_age_days": 365,
                "overdue": False,
            }
            for use, signer, created_at, age_days in (
                ("release", world.release, TODAY - timedelta(days=10), 10),
                ("log", world.log, None, None),
                ("artifact", ARTIFACT, TODAY - timedelta(days=364), 364),
            )
        ],
        "warnings": [],
    }


def test_publishers_keys_are_not_listed(world: RegistryWorld) -> None:
    trust(world, entry(world.release, "release"), entry(world.publisher_key, "publisher", 1_000))

    assert world.publisher_key.key_id not in shown(world, "use")


def test_a_key_that_signs_beyond_its_age_is_overdue_and_still_works(world: RegistryWorld) -> None:
    trust(world, entry(world.release, "release", 365), entry(world.log, "log", 1))
    text = f"The release key {world.release.key_id} is 365 days old; rotate it before 365 days."

    assert shown(world, "overdue") == {world.release.key_id: True, world.log.key_id: False}
    assert listed(world)["warnings"] == [text]
    status, document = health(world)
    assert (status, document["status"], document["warnings"]) == (200, "ok", [text])


def test_the_limit_is_a_setting(world: RegistryWorld) -> None:
    trust(world, entry(world.release, "release", 30), entry(world.log, "log", 30))
    world.rewire(RELEASE_KEY_MAX_AGE_DAYS="30", LOG_KEY_MAX_AGE_DAYS="31")

    assert shown(world, "overdue") == {world.release.key_id: True, world.log.key_id: False}


def test_a_key_that_only_verifies_is_not_overdue_however_old_it_is(world: RegistryWorld) -> None:
    trust(world, entry(EARLIER, "release", 3_000), entry(world.release, "release", 1))

    assert shown(world, "signs") == {EARLIER.key_id: False, world.release.key_id: True}
    assert listed(world)["warnings"] == []


def test_a_new_key_in_the_bundle_does_not_hide_that_the_old_one_still_signs(world: RegistryWorld) -> None:
    trust(world, entry(world.release, "release", 400), entry(EARLIER, "release", 1))

    assert shown(world, "overdue") == {world.release.key_id: True, EARLIER.key_id: False}


def test_of_the_artifact_keys_the_active_one_that_is_newest_signs(world: RegistryWorld) -> None:
    ended = entry(EARLIER, "artifact", 2, valid_until=(TODAY - timedelta(days=1)).isoformat())
    trust(world, entry(world.release, "release"), entry(ARTIFACT, "artifact", 400), ended)

    assert (shown(world, "signs")[ARTIFACT.key_id], shown(world, "state")[EARLIER.key_id]) == (True, "retired")
    assert shown(world, "overdue")[ARTIFACT.key_id] is True


def test_a_signer_that_cannot_be_reached_leaves_the_newest_key(world: RegistryWorld) -> None:
    trust(world, entry(world.release, "release", 400), entry(world.log, "log"))
    world.rewire(RELEASE_SIGNING_KEY="kms:00000000-0000-0000-0000-000000000000")

    assert shown(world, "signs")[world.release.key_id] is True


def test_while_the_trust_bundle_cannot_be_read_there_is_no_list(world: RegistryWorld, tmp_path: Any) -> None:
    file = tmp_path / "trust.json"
    file.write_text('{"version": 1, "keys": []}')
    world.rewire(SIGNING_TRUST_BUNDLE=str(file))
    assert world.services.trust.current().keys == ()
    file.unlink()

    refused = world.call("GET", "/maintenance/keys", world.admin)
    assert (refused.status, refused.code) == (503, "policy_unavailable")
    assert health(world)[0] == 503


# A signed trust bundle


def put_signed(world: RegistryWorld, expires_in: timedelta) -> None:
    """Sign the present trust bundle with one of two root keys, both of which are pinned."""
    bucket = "trust-" + world.secrets_key_id
    document = parse_trust_bundle(world.environment()["SIGNING_TRUST_BUNDLE"])
    world.client("s3").create_bucket(Bucket=bucket)
    envelope = sign_trust(VersionedTrust(7, TODAY + expires_in, document), [ROOT])
    world.client("s3").put_object(Bucket=bucket, Key="trust.json", Body=envelope)
    created = (TODAY - timedelta(days=1_095)).isoformat()
    roots = f"Created: {created}\n{ROOT.public_pem}Created: {created}\n{SPARE.public_pem}"
    world.rewire(SIGNING_TRUST_BUNDLE=f"s3://{bucket}/trust.json", TRUST_ROOT_KEYS=roots)


def test_version_and_expiry_of_a_signed_bundle_are_shown(world: RegistryWorld) -> None:
    put_signed(world, timedelta(days=30))
    shown = listed(world)

    expires_at = (TODAY + timedelta(days=30)).isoformat().replace("+00:00", "Z")
    assert (shown["trust_bundle_version"], shown["trust_bundle_expires_at"]) == (7, expires_at)


def test_of_the_root_keys_only_the_one_that_signed_can_be_overdue(world: RegistryWorld) -> None:
    put_signed(world, timedelta(days=30))

    roots = {key["key_id"]: key["overdue"] for key in listed(world)["keys"] if key["use"] == "root"}
    assert roots == {ROOT.key_id: True, SPARE.key_id: False}


def test_a_bundle_that_expires_within_seven_days_is_warned_of(world: RegistryWorld) -> None:
    put_signed(world, timedelta(days=7, minutes=-1))
    world.rewire(ROOT_KEY_MAX_AGE_DAYS="2000")

    (warning,) = health(world)[1]["warnings"]
    assert warning.startswith("The trust bundle expires at ")


# Metrics


def sweeper(world: RegistryWorld, minute: int, base: SweeperServices | None = None) -> SweeperServices:
    at = TODAY.replace(minute=0) + timedelta(minutes=minute)
    return dataclasses.replace(base or world.sweeper(), now=lambda: at)


def metrics(caplog: pytest.LogCaptureFixture, name: str) -> list[dict[str, Any]]:
    return [vars(record) for record in caplog.records if hasattr(record, name)]


def test_the_sweeper_reports_overdue_keys_once_an_hour(world: RegistryWorld, caplog: pytest.LogCaptureFixture) -> None:
    trust(world, entry(world.release, "release", 400), entry(world.log, "log", 400))
    caplog.set_level(logging.ERROR)
    one = world.sweeper()
    counts = [sweeping.sweep(sweeper(world, minute, one))["keys_reported"] for minute in (7, 8, 66, 67)]

    assert counts == [2, 0, 2, 0]
    first = metrics(caplog, "KeyOverdue")[0]
    assert (first["KeyOverdue"], first["use"], first["key_id"]) == (1, "release", world.release.key_id)
    assert first["_aws"]["CloudWatchMetrics"][0]["Metrics"] == [{"Name": "KeyOverdue", "Unit": "Count"}]


def test_the_sweeper_reports_a_bundle_that_expires_soon(world: RegistryWorld, caplog: pytest.LogCaptureFixture) -> None:
    put_signed(world, timedelta(days=6))
    world.rewire(ROOT_KEY_MAX_AGE_DAYS="2000")
    caplog.set_level(logging.ERROR)

    assert sweeping.sweep(sweeper(world, 37))["keys_reported"] == 1
    assert [line["version"] for line in metrics(caplog, "TrustBundleExpiring")] == [7]
