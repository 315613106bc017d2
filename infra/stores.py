"""Buckets and keys: the object store, the trust bundle, access logs, signing keys and the key of tenants' secrets."""

from typing import Final

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.stages import StageSettings

_ABANDONED_UPLOAD: Final = Duration.days(2)  # UPLOAD_EXPIRES_S is at most a day
_EXPIRED_EXPORT: Final = Duration.days(8)  # a day longer than the registry shows it (tenant_data.export.LIFETIME)
_OLD_VERSION: Final = Duration.days(35)  # as long as the longest database backup, so that both can be restored together
_IMMUTABLE_PREFIXES: Final = ("bundles/", "components/", "cwasm/", "ui/", "log/", "exports/")
"""Objects below them are named by their content, by what made them or by their place in the log, and never replaced."""
SIGNING_KEYS: Final = ("RELEASE_SIGNING_KEY", "LOG_SIGNING_KEY", "ARTIFACT_SIGNING_KEY")
"""The environment names of keys that KMS keeps. The key of execution tokens signs every call, and is a secret."""


class Stores(Construct):
    """The buckets and keys of one stage."""

    def __init__(self, scope: Construct, name: str, stage: StageSettings) -> None:
        super().__init__(scope, name)
        self._removal = RemovalPolicy.RETAIN if stage.protect_data else RemovalPolicy.DESTROY
        self.logs = self._bucket(
            "Logs",
            versioned=False,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_PREFERRED,  # CloudFront writes its logs with an ACL
            lifecycle_rules=[s3.LifecycleRule(expiration=Duration.days(stage.log_retention_days))],
        )
        old_versions = s3.LifecycleRule(
            noncurrent_version_expiration=_OLD_VERSION,
            abort_incomplete_multipart_upload_after=_ABANDONED_UPLOAD,
            expired_object_delete_marker=True,
        )
        self.store = self._bucket(
            "Store",
            server_access_logs_bucket=self.logs,
            server_access_logs_prefix="s3/store/",
            lifecycle_rules=[
                old_versions,
                s3.LifecycleRule(
                    prefix="staging/",
                    expiration=_ABANDONED_UPLOAD,
                    noncurrent_version_expiration=Duration.days(1),
                ),
                s3.LifecycleRule(
                    prefix="exports/",
                    expiration=_EXPIRED_EXPORT,
                    noncurrent_version_expiration=Duration.days(1),
                ),
            ],
        )
        self.store.add_to_resource_policy(_only_new_objects(self.store))
        # A bucket of its own: who may write bundles must not be able to write the keys that bundles are verified with.
        self.trust = self._bucket(
            "Trust",
            server_access_logs_bucket=self.logs,
            server_access_logs_prefix="s3/trust/",
            lifecycle_rules=[old_versions],
        )
        self.signing_keys = {
            name: kms.Key(
                self,
                _resource_name(name),
                description=f"Extension platform {stage.name}: {name}",
                key_spec=kms.KeySpec.ECC_NIST_P256,
                key_usage=kms.KeyUsage.SIGN_VERIFY,
                removal_policy=self._removal,
            )
            for name in SIGNING_KEYS
        }
        self.secrets_key = kms.Key(
            self,
            "SecretsKey",
            description=f"Extension platform {stage.name}: data keys of tenants' secrets",
            enable_key_rotation=True,
            removal_policy=self._removal,
        )

    def _bucket(self, name: str, *, versioned: bool = True, **properties: object) -> s3.Bucket:
        return s3.Bucket(
            self,
            name,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            encryption=s3.BucketEncryption.S3_MANAGED,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            versioned=versioned,
            removal_policy=self._removal,
            **properties,
        )


def _resource_name(environment_name: str) -> str:
    return "".join(part.capitalize() for part in environment_name.split("_"))


def _only_new_objects(bucket: s3.Bucket) -> iam.PolicyStatement:
    """Refuse to replace an object whose name promises its content, whoever asks."""
    return iam.PolicyStatement(
        sid="OnlyNewObjects",
        effect=iam.Effect.DENY,
        principals=[iam.AnyPrincipal()],
        actions=["s3:PutObject"],
        resources=[bucket.arn_for_objects(f"{prefix}*") for prefix in _IMMUTABLE_PREFIXES],
        conditions={"Null": {"s3:if-none-match": "true"}},
    )
