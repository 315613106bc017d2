"""`alga-ext trust`: sign a bundle, show it, and publish it so that an older one never replaces a newer one."""

import json
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest

from alga_ext.trust.dated_keys import parse_public_keys
from alga_ext.trust.signed_trust import sign_trust, verify_trust
from alga_ext.trust.signing import LocalSigner, Signer
from alga_ext.trust.trust_document import VersionedTrust
from tests.support.keys import ACME, revoked, trust_in, trusted
from tools.cli.main import DONE, FAILED, run

ROOT, OTHER = LocalSigner.generate(), LocalSigner.generate()
MISSPELT = 2


class Place:
    """A folder with root keys and trust bundles, and the address of an object."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys
        self.bucket = f"trust-{uuid.uuid4().hex[:12]}"
        self.address = f"s3://{self.bucket}/trust.json"
        (folder / "root.pem").write_text(ROOT.private_pem)
        (folder / "root.pub.pem").write_text(ROOT.public_pem)
        (folder / "other.pem").write_text(OTHER.private_pem)
        document = {"version": 1, "keys": [{"key_id": ACME.key_id, "public_key": ACME.public_pem, "use": "release"}]}
        (folder / "bundle.json").write_text(json.dumps(document))

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """Run `alga-ext trust …`; give the exit code and what was written to both outputs, without line breaks."""
        self._capsys.readouterr()
        code = run(["trust", *(str(self.folder / a) if "." in a and "/" not in a else a for a in arguments)])
        out, err = self._capsys.readouterr()
        return code, out, " ".join(err.split())

    def json(self, *arguments: str) -> Any:
        code, out, err = self.run(*arguments, "--json")
        assert code == DONE, err
        return json.loads(out)

    def sign(self, version: int, out: str = "trust.json", key: str = "root.pem", *more: str) -> None:
        code, _, err = self.run("sign", "bundle.json", "--key", key, "--version", str(version), "--out", out, *more)
        assert code == DONE, err

    def publish(self, bundle: str = "trust.json") -> tuple[int, str]:
        code, _, err = self.run("publish", bundle, self.address, "--root", "root.pub.pem")
        return code, err

    @property
    def stored(self) -> int:
        """The version in the object store."""
        data = boto3.client("s3").get_object(Bucket=self.bucket, Key="trust.json")["Body"].read()
        return verify_trust(data, [dated.key for dated in parse_public_keys(ROOT.public_pem)]).version

    def put(self, data: bytes) -> None:
        boto3.client("s3").put_object(Bucket=self.bucket, Key="trust.json", Body=data)


@pytest.fixture
def place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Place:
    return Place(tmp_path, capsys)


@pytest.fixture
def stocked(aws: str, place: Place) -> Place:
    """A place whose bucket exists and has version 5."""
    boto3.client("s3").create_bucket(Bucket=place.bucket)
    place.sign(5)
    assert place.publish() == (DONE, "")
    return place


# sign


def test_a_bundle_is_signed_with_a_version_and_an_expiry(place: Place) -> None:
    before = datetime.now(UTC)
    place.sign(3, "trust.json", "root.pem", "--days", "10")
    found = verify_trust(
        (place.folder / "trust.json").read_bytes(), [k.key for k in parse_public_keys(ROOT.public_pem)]
    )

    assert found.version == 3
    assert timedelta(days=10, seconds=-1) <= found.expires_at - before < timedelta(days=10, minutes=5)
    assert [key.key_id for key in found.trust.keys] == [ACME.key_id]


def test_two_root_keys_sign_the_same_bundle(place: Place) -> None:
    place.sign(1, "trust.json", "root.pem", "--key", str(place.folder / "other.pem"))

    assert [s["key_id"] for s in place.json("show", "trust.json")["signatures"]] == [ROOT.key_id, OTHER.key_id]


def test_a_key_in_kms_signs(aws: str, place: Place) -> None:
    key = boto3.client("kms").create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["KeyId"]
    place.sign(1, "trust.json", f"kms:{key}")

    assert len(place.json("show", "trust.json")["signatures"]) == 1


def test_a_private_key_is_never_an_argument(place: Place) -> None:
    code, _, err = place.run("sign", "bundle.json", "--key", ROOT.private_pem.replace("/", "_"), "--version", "1")

    assert code == FAILED
    assert ROOT.private_pem.splitlines()[1][:20] not in err.replace(" ", "")


def test_a_bundle_that_is_not_valid_is_not_signed(place: Place) -> None:
    (place.folder / "bundle.json").write_text('{"version": 1}')
    code, _, err = place.run("sign", "bundle.json", "--key", "root.pem", "--version", "1", "--out", "trust.json")

    assert (code, (place.folder / "trust.json").exists()) == (FAILED, False)
    assert "trust_bundle_invalid" in err


@pytest.mark.parametrize("wrong", [("--version", "0"), ("--version", "1", "--days", "0"), ("--days", "3")])
def test_a_version_and_a_lifetime_are_positive(place: Place, wrong: tuple[str, ...]) -> None:
    assert place.run("sign", "bundle.json", "--key", "root.pem", *wrong)[0] == MISSPELT


# show


def described(place: Place, expires_in: timedelta, *signers: Signer) -> Any:
    now = datetime.now(UTC)
    trust = trust_in(
        trusted(LocalSigner.generate(), "release"),
        trusted(LocalSigner.generate(), "log", valid_from=now + timedelta(days=1)),
        trusted(LocalSigner.generate(), "artifact", valid_until=now - timedelta(days=1)),
        trusted(ACME, "publisher"),
        revocations=[revoked(ACME, now - timedelta(days=1))],
    )
    envelope = sign_trust(VersionedTrust(4, now + expires_in, trust), signers or [ROOT])
    (place.folder / "trust.json").write_bytes(envelope)
    return place.json("show", "trust.json")


def test_show_tells_the_state_of_each_key(place: Place) -> None:
    shown = described(place, timedelta(days=30))

    assert [(key["use"], key["state"]) for key in shown["keys"]] == [
        ("release", "active"),
        ("log", "pending"),
        ("artifact", "retired"),
        ("publisher", "revoked"),
    ]
    assert (shown["version"], shown["warnings"]) == (4, [])


@pytest.mark.parametrize(
    ("days", "warning"), [(6.9, "it expires in"), (0, "it has expired"), (-1, "it has expired")], ids=str
)
def test_show_warns_of_the_expiry(place: Place, days: float, warning: str) -> None:
    (told,) = described(place, timedelta(days=days))["warnings"]

    assert told.startswith(warning)
    assert f"warning: {warning}" in place.run("show", "trust.json")[2]


def test_show_says_which_signatures_were_verified(place: Place) -> None:
    described(place, timedelta(days=30), ROOT, OTHER)
    unverified = place.json("show", "trust.json")["signatures"]
    verified = place.json("show", "trust.json", "--root", "root.pub.pem")["signatures"]

    assert [s["verified"] for s in unverified] == [False, False]
    assert [s["verified"] for s in verified] == [True, False]
    assert "not verified: name the root keys with --root" in place.run("show", "trust.json")[1]


def test_show_refuses_a_bundle_that_no_given_root_key_signed(place: Place) -> None:
    described(place, timedelta(days=30), OTHER)
    code, _, err = place.run("show", "trust.json", "--root", "root.pub.pem")

    assert (code, "key_unknown" in err) == (FAILED, True)


def test_show_reads_the_object_store(stocked: Place) -> None:
    assert stocked.json("show", stocked.address)["version"] == 5


# publish


@pytest.mark.parametrize("version", [4, 5])
def test_a_version_that_is_not_higher_replaces_nothing(stocked: Place, version: int) -> None:
    stocked.sign(version, "trust.json", "root.pem", "--days", "29")
    code, err = stocked.publish()

    assert (code, stocked.stored) == (FAILED, 5)
    assert f"version 5 is stored, and version {version} does not replace it" in err
    assert "--version 6" in err


def test_a_higher_version_replaces_the_stored_one(stocked: Place) -> None:
    stocked.sign(6)

    assert (stocked.publish()[0], stocked.stored) == (DONE, 6)


def test_publishing_the_stored_bundle_again_changes_nothing(stocked: Place) -> None:
    assert stocked.json("publish", "trust.json", stocked.address, "--root", "root.pub.pem")["written"] is False


def test_a_bundle_by_another_key_is_not_published(stocked: Place) -> None:
    stocked.sign(6, "trust.json", "other.pem")
    code, err = stocked.publish()

    assert (code, stocked.stored, "key_unknown" in err) == (FAILED, 5, True)


def test_an_expired_bundle_is_not_published(stocked: Place) -> None:
    expired = VersionedTrust(6, datetime.now(UTC) - timedelta(seconds=1), trust_in())
    (stocked.folder / "trust.json").write_bytes(sign_trust(expired, [ROOT]))
    code, err = stocked.publish()

    assert (code, stocked.stored, "the bundle expired at" in err) == (FAILED, 5, True)


def test_the_version_of_a_bundle_by_an_unknown_key_still_counts(stocked: Place) -> None:
    stocked.put(sign_trust(VersionedTrust(9, datetime.now(UTC) + timedelta(days=1), trust_in()), [OTHER]))
    stocked.sign(8)

    assert "version 9 is stored" in stocked.publish()[1]


def test_an_object_that_is_no_bundle_is_not_overwritten(stocked: Place) -> None:
    stocked.put(b"something else")
    stocked.sign(6)
    code, err = stocked.publish()

    assert code == FAILED
    assert "the stored object is not a signed trust bundle" in err


def test_of_two_bundles_published_at_the_same_time_the_higher_version_is_not_lost(
    stocked: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the comparison and the write, another operator stores version 7."""
    from alga_ext.stores.aws import S3ObjectStore

    write = S3ObjectStore.replace

    def late(store: S3ObjectStore, *arguments: Any) -> None:
        stocked.put(sign_trust(VersionedTrust(7, datetime.now(UTC) + timedelta(days=1), trust_in()), [ROOT]))
        write(store, *arguments)

    stocked.sign(6)
    monkeypatch.setattr(S3ObjectStore, "replace", late)
    code, err = stocked.publish()

    assert (code, stocked.stored) == (FAILED, 7)
    assert "another bundle was stored at the same time" in err


@pytest.mark.parametrize("address", ["trust.json", "s3://", "s3://bucket", "s3://bucket/", "https://bucket/key"])
def test_a_bundle_is_published_to_an_object_only(stocked: Place, address: str) -> None:
    code, _, err = stocked.run("publish", "trust.json", address, "--root", "root.pub.pem")

    assert code == FAILED
    assert "give s3://bucket/key" in err
