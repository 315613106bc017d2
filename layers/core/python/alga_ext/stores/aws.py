"""The object store, signing keys and CloudFront, with the AWS SDK. Only this module imports boto3.

All clients come from one session, which makes later clients cheap. Timeouts are short, so that a request fails with 503
when a service is unreachable, and does not hang.
"""

import hashlib
import threading
from collections.abc import Mapping, Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import IO, Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from alga_ext.errors import PlatformError
from alga_ext.settings import read_material
from alga_ext.stores import objects
from alga_ext.stores.aws_credentials import NoCredentialsError
from alga_ext.trust.signing import LocalSigner, PublicKey, Signer

_KMS_MESSAGE_LIMIT_BYTES: Final = 4096
_NEW: Final = {"IfNoneMatch": "*"}
"""The condition that there is no such object yet."""
_CLIENT_LOCK: Final = threading.Lock()
"""A boto3 session must not make clients in two threads at the same time."""


@cache
def _session() -> Any:
    return boto3.session.Session()


def _client(service: str, connect_timeout_s: float = 1.0, read_timeout_s: float = 3.0, attempts: int = 2) -> Any:
    config = Config(
        connect_timeout=connect_timeout_s,
        read_timeout=read_timeout_s,
        retries={"total_max_attempts": attempts, "mode": "standard"},
        tcp_keepalive=True,
        # Without s3v4 a presigned URL signs neither the length nor the checksum of the upload.
        signature_version="s3v4" if service == "s3" else None,
        s3={"addressing_style": "path"},
    )
    with _CLIENT_LOCK:
        return _session().client(service, config=config)


def found_credentials() -> tuple[str, str, str]:
    """Return the key id, secret and session token (or the empty string) that the SDK finds.

    Each call returns current credentials; the SDK refreshes them when they expire.

    Raises:
        NoCredentialsError: it finds no credentials.
    """
    try:
        found = _session().get_credentials()
        frozen = found.get_frozen_credentials() if found is not None else None
    except BotoCoreError as error:
        raise NoCredentialsError(str(error)) from error
    if frozen is None:
        message = "no credentials were found"
        raise NoCredentialsError(message)
    return frozen.access_key, frozen.secret_key, frozen.token or ""


class S3ObjectStore:
    """``ObjectStore`` over one bucket and prefix.

    Args:
        base: ``s3://bucket`` or ``s3://bucket/prefix``.
    """

    def __init__(self, base: str) -> None:
        self._bucket, self._prefix = objects.bucket_and_prefix(base)
        self._s3 = _client("s3", read_timeout_s=5.0)

    def get(self, key: str) -> bytes:
        """See ``ObjectStore.get``."""
        data = self.get_optional(key)
        if data is None:
            raise objects.not_found(key)
        return data

    def get_optional(self, key: str) -> bytes | None:
        """See ``ObjectStore.get_optional``."""
        found = self.get_tagged(key)
        return None if found is None else found.data

    def size(self, key: str) -> int | None:
        """See ``ObjectStore.size``."""
        try:
            return int(self._s3.head_object(Bucket=self._bucket, Key=self._prefix + key)["ContentLength"])
        except ClientError as error:
            if _code(error) in ("NoSuchKey", "404"):
                return None
            raise objects.unavailable(key, error) from error
        except BotoCoreError as error:
            raise objects.unavailable(key, error) from error

    def put_new(self, key: str, data: bytes, content_type: str) -> bool:
        """See ``ObjectStore.put_new``."""
        return self._put(key, data, content_type, _NEW) or self._same(key, hashlib.sha256(data).digest())

    def put_new_file(self, key: str, path: Path, content_type: str) -> bool:
        """See ``ObjectStore.put_new_file``."""
        with path.open("rb") as file:
            if self._put(key, file, content_type, _NEW):
                return True
        with path.open("rb") as file:
            return self._same(key, hashlib.file_digest(file, "sha256").digest())

    def get_tagged(self, key: str) -> objects.Tagged | None:
        """See ``ObjectStore.get_tagged``."""
        try:
            answer = self._s3.get_object(Bucket=self._bucket, Key=self._prefix + key)
            return objects.Tagged(answer["Body"].read(), answer["ETag"])
        except ClientError as error:
            if _code(error) in ("NoSuchKey", "404"):
                return None
            raise objects.unavailable(key, error) from error
        except BotoCoreError as error:
            raise objects.unavailable(key, error) from error

    def replace(self, key: str, data: bytes, content_type: str, tag: str | None) -> None:
        """See ``ObjectStore.replace``."""
        if not self._put(key, data, content_type, _NEW if tag is None else {"IfMatch": tag}):
            raise objects.conflict(key)

    def _put(self, key: str, body: bytes | IO[bytes], content_type: str, condition: Mapping[str, str]) -> bool:
        """Write if the condition holds; return whether it did."""
        try:
            self._s3.put_object(
                Bucket=self._bucket, Key=self._prefix + key, Body=body, ContentType=content_type, **condition
            )
        except ClientError as error:
            # An absent object does not match a tag (NoSuchKey). An absent bucket has the code NoSuchBucket.
            if _code(error) in ("PreconditionFailed", "ConditionalRequestConflict", "412", "NoSuchKey"):
                return False
            raise objects.unavailable(key, error) from error
        except BotoCoreError as error:
            raise objects.unavailable(key, error) from error
        return True

    def _same(self, key: str, sha256: bytes) -> bool:
        """Return False (nothing written) if the stored bytes have this hash; raise ``object_conflict`` otherwise."""
        digest = hashlib.sha256()
        try:
            for chunk in self._s3.get_object(Bucket=self._bucket, Key=self._prefix + key)["Body"].iter_chunks(1 << 20):
                digest.update(chunk)
        except (ClientError, BotoCoreError) as error:
            raise objects.unavailable(key, error) from error
        if digest.digest() != sha256:
            raise objects.conflict(key)
        return False

    def download(self, key: str, path: Path) -> objects.Downloaded:
        """See ``ObjectStore.download``."""
        try:
            answer = self._s3.get_object(Bucket=self._bucket, Key=self._prefix + key)
            return objects.write_hashed(answer["Body"].iter_chunks(1 << 20), path)
        except ClientError as error:
            if _code(error) in ("NoSuchKey", "404"):
                raise objects.not_found(key) from error
            raise objects.unavailable(key, error) from error
        except BotoCoreError as error:
            raise objects.unavailable(key, error) from error

    def delete(self, key: str) -> None:
        """See ``ObjectStore.delete``."""
        try:
            self._s3.delete_object(Bucket=self._bucket, Key=self._prefix + key)
        except (ClientError, BotoCoreError) as error:
            raise objects.unavailable(key, error) from error

    def presign_put(
        self, key: str, *, sha256_b64: str, size_bytes: int, expires_in_s: int
    ) -> tuple[str, dict[str, str]]:
        """Return a presigned URL for one upload and the headers that the upload must have.

        S3 itself checks the SHA-256 and the length, because the signature covers both.
        """
        params = {
            "Bucket": self._bucket,
            "Key": self._prefix + key,
            "ContentType": "application/zstd",
            "ContentLength": size_bytes,
            "ChecksumSHA256": sha256_b64,
        }
        url = self._s3.generate_presigned_url("put_object", Params=params, ExpiresIn=expires_in_s)
        headers = {
            "content-type": "application/zstd",
            "content-length": str(size_bytes),
            "x-amz-checksum-sha256": sha256_b64,
        }
        return url, headers

    def presign_get(self, key: str, *, expires_in_s: int) -> str:
        """Return a URL with which a client without credentials can read one object. No request is sent."""
        params = {"Bucket": self._bucket, "Key": self._prefix + key}
        url: str = self._s3.generate_presigned_url("get_object", Params=params, ExpiresIn=expires_in_s)
        return url


class KmsSigner:
    """``Signer`` with one asymmetric KMS key (ECC_NIST_P256, SIGN_VERIFY); the private key never leaves KMS."""

    def __init__(self, key_id: str) -> None:
        self._key_id = key_id
        self._kms = _client("kms")

    @cached_property
    def _public(self) -> PublicKey:
        """The public key, fetched at first use, so that a function starts even when KMS is unreachable."""
        try:
            der: bytes = self._kms.get_public_key(KeyId=self._key_id)["PublicKey"]
        except (ClientError, BotoCoreError) as error:
            raise PlatformError("signer_unavailable", "The signing key cannot be reached.", cause=error) from error
        return PublicKey.from_der(der)

    @property
    def key_id(self) -> str:
        """See ``Signer.key_id``."""
        return self._public.key_id

    @property
    def public_pem(self) -> str:
        """See ``Signer.public_pem``."""
        return self._public.pem

    def sign(self, message: bytes) -> bytes:
        """See ``Signer.sign``. KMS accepts messages of up to 4096 bytes; of a longer message it signs the digest."""
        raw = len(message) <= _KMS_MESSAGE_LIMIT_BYTES
        try:
            answer = self._kms.sign(
                KeyId=self._key_id,
                Message=message if raw else hashlib.sha256(message).digest(),
                MessageType="RAW" if raw else "DIGEST",
                SigningAlgorithm="ECDSA_SHA_256",
            )
        except (ClientError, BotoCoreError) as error:
            raise PlatformError("signer_unavailable", "The signing key cannot be reached.", cause=error) from error
        signature: bytes = answer["Signature"]
        return signature


class CloudFrontDistribution:
    """One CloudFront distribution, whose caches can be told to forget files."""

    def __init__(self, distribution_id: str) -> None:
        self._id = distribution_id
        self._cloudfront = _client("cloudfront", read_timeout_s=10.0)

    def invalidate(self, paths: Sequence[str], reference: str) -> bool:
        """Have the caches forget files, and return True when CloudFront has taken the order.

        Args:
            paths: each may end with ``*``.
            reference: names the invalidation. CloudFront makes no second one for the same reference and paths.

        Returns:
            False when too many invalidations are in progress: try again later.

        Raises:
            PlatformError: ``cdn_unavailable``.
        """
        batch = {"Paths": {"Quantity": len(paths), "Items": list(paths)}, "CallerReference": reference}
        try:
            self._cloudfront.create_invalidation(DistributionId=self._id, InvalidationBatch=batch)
        except ClientError as error:
            if _code(error) == "TooManyInvalidationsInProgress":
                return False
            raise _cdn_unavailable(error) from error
        except BotoCoreError as error:
            raise _cdn_unavailable(error) from error
        return True


def _cdn_unavailable(cause: Exception) -> PlatformError:
    return PlatformError("cdn_unavailable", "The content delivery network did not take the invalidation.", cause=cause)


def signer_of(setting: str) -> Signer:
    """Return the signer for a setting: ``kms:key-id``, a PEM private key, or the path of its file.

    Raises:
        PlatformError: ``key_invalid`` when the PEM key is not valid.
        OSError: the file cannot be read.
    """
    if setting.startswith("kms:"):
        return KmsSigner(setting.removeprefix("kms:"))
    return LocalSigner.from_pem(read_material(setting))


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
