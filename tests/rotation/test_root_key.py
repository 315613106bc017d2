"""The root key is replaced while trust bundles are read: no read fails, and then the old key is refused."""

import uuid
from datetime import UTC, datetime, timedelta

import boto3

from alga_ext.stores.aws_api import AwsApi
from alga_ext.stores.s3_reader import S3ObjectReader
from alga_ext.stores.signed_trust_source import REFRESH_S, SignedTrustSource
from alga_ext.trust.signed_trust import sign_trust
from alga_ext.trust.signing import LocalSigner, PublicKey
from alga_ext.trust.trust_document import VersionedTrust
from tests.contract.conftest import AWS_ENVIRONMENT
from tests.support.clock import Clock
from tests.support.keys import ACME, trust_in, trusted
from tests.support.load import Fleet, Load, deploy
from tests.support.refusals import code_of

TRUST = trust_in(trusted(ACME, "release"))


class Bucket:
    """The bucket of the trust bundle, and functions that read it at every call."""

    def __init__(self, url: str) -> None:
        self._api = AwsApi({**AWS_ENVIRONMENT, "AWS_ENDPOINT_URL": url})
        self._bucket = f"trust-{uuid.uuid4().hex[:12]}"
        self._version = 0
        self.clock = Clock()
        boto3.client("s3").create_bucket(Bucket=self._bucket)

    def publish(self, *roots: LocalSigner) -> None:
        """Sign the next version with these keys and publish it."""
        self._version += 1
        expires_at = datetime.now(UTC) + timedelta(days=1)
        data = sign_trust(VersionedTrust(self._version, expires_at, TRUST), roots)
        boto3.client("s3").put_object(Bucket=self._bucket, Key="trust.json", Body=data)

    def function(self, *pinned: LocalSigner) -> SignedTrustSource:
        """Deploy a function that pins these keys."""
        keys = [PublicKey.from_pem(root.public_pem) for root in pinned]
        reader = S3ObjectReader(f"s3://{self._bucket}", self._api)
        return SignedTrustSource(reader, "trust.json", keys, "uihost", lambda: datetime.now(UTC), self.clock)


def test_the_root_key(aws: str) -> None:
    old, new = LocalSigner.generate(), LocalSigner.generate()
    bucket = Bucket(aws)
    bucket.publish(old)
    functions = Fleet(bucket.function(old))

    def read(turn: int) -> None:
        bucket.clock.now_s += REFRESH_S  # every call reads the bucket
        assert functions.of(turn).current().keys == TRUST.keys

    with Load(read) as load:
        deploy(load, (functions, bucket.function(old, new)))
        bucket.publish(new)
        load.settle()
        deploy(load, (functions, bucket.function(new)))

    bucket.publish(old)
    assert code_of(bucket.function(new).current) == "policy_unavailable"


def test_a_bundle_signed_by_both_keys_suits_functions_that_pin_either(aws: str) -> None:
    old, new = LocalSigner.generate(), LocalSigner.generate()
    bucket = Bucket(aws)
    bucket.publish(old, new)

    assert [bucket.function(root).current().keys for root in (old, new)] == [TRUST.keys] * 2
