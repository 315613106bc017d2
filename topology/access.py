"""The permissions of each function outside the database; a deployment grants these and no others.

The permissions in the database follow from the function's login role (``migrations/``).
"""

from dataclasses import dataclass
from typing import Final

TRUST_OBJECT: Final = "trust.json"
"""The key of the signed trust bundle in a bucket of its own."""


@dataclass(frozen=True, slots=True)
class Access:
    """The permissions of one function.

    Attributes:
        function: name of the function.
        reads: key prefixes of the object store under which it reads objects (GET and HEAD). Every reader also requests
            objects that may be absent, and health checks request the absent key ``healthz`` below one of the prefixes.
            S3 answers 404 for an absent object, and not 403, only to a caller that may list the bucket.
        reads_trust: it reads the signed trust bundle: GET of the object ``TRUST_OBJECT`` of the bucket ``trust``, and
            nothing else there. No function writes to that bucket; an operator does (``alga-ext trust publish``).
        writes: key prefixes under which it writes objects. A writer also needs to read there: when a key exists, it
            compares the stored bytes.
        deletes: key prefixes under which it deletes objects.
        sends_to: names of the queues that it sends to.
        hides: names of the queues whose received messages it hides for a time of its own choice: it changes their
            visibility.
        signs_with: environment names of its signing keys. The value may name an asymmetric KMS key
            (``kms:KEY-ID``); then the function needs ``kms:Sign`` and ``kms:GetPublicKey`` for it.
        makes_data_keys: it seals tenants' secrets: ``kms:GenerateDataKey`` for the first key of ``SECRETS_KEY_ID``, and
            ``kms:ReEncryptFrom`` and ``kms:ReEncryptTo`` for its keys and no other ones.
        opens_data_keys: it opens tenants' secrets: ``kms:Decrypt`` for the same keys.
        invokes: names of the functions that it invokes.
        checks: names of the functions whose newest code (``$LATEST``) it invokes before a version of it gets traffic.
        invalidates_ui: it removes withdrawn pages from CloudFront: ``cloudfront:CreateInvalidation`` for the
            distribution of ``UI_DISTRIBUTION_ID``.
        secrets: environment names whose values are secret, in addition to the signing keys. ``topology.secrets`` says
            which of them a deployment keeps in Secrets Manager.
    """

    function: str
    reads: tuple[str, ...] = ()
    reads_trust: bool = False
    writes: tuple[str, ...] = ()
    deletes: tuple[str, ...] = ()
    sends_to: tuple[str, ...] = ()
    hides: tuple[str, ...] = ()
    signs_with: tuple[str, ...] = ()
    makes_data_keys: bool = False
    opens_data_keys: bool = False
    invokes: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    invalidates_ui: bool = False
    secrets: tuple[str, ...] = ()


ACCESS: Final = (
    Access(
        "gateway",
        sends_to=("executions",),
        invokes=("runner",),
        secrets=("DATABASE_URL", "EXECUTION_TOKEN_PRIVATE_KEY"),
    ),
    Access(
        "dispatcher",
        sends_to=("executions", "deliveries"),
        hides=("deliveries",),
        invokes=("runner",),
        secrets=("DATABASE_URL", "EXECUTION_TOKEN_PRIVATE_KEY"),
    ),
    Access(
        "registry",
        # A platform admin reads exports/ with URLs that the registry signs, so the registry needs the permission.
        reads=("staging/", "bundles/", "components/", "releases/", "withdrawn/", "log/", "exports/"),
        reads_trust=True,
        # Publishers write staging/ with URLs that the registry signs, so the registry needs the permission.
        writes=("staging/", "bundles/", "components/", "withdrawn/", "log/"),
        sends_to=("prepare", "events", "deliveries"),
        signs_with=("RELEASE_SIGNING_KEY", "LOG_SIGNING_KEY"),
        makes_data_keys=True,
        secrets=("DATABASE_URL",),
    ),
    Access("uihost", reads=("ui/", "releases/", "withdrawn/"), reads_trust=True),
    Access(
        "runner",
        reads=("cwasm/", "releases/"),
        reads_trust=True,
        opens_data_keys=True,
        secrets=("DATABASE_URL", "UI_PROXY_AUTH_TOKEN", "UI_PROXY_SIGNING_KEY", "HOST_API_AUTH_TOKEN"),
    ),
    Access(
        "prepare",
        reads=("components/", "cwasm/"),
        reads_trust=True,
        writes=("cwasm/",),
        sends_to=("prepared",),
        signs_with=("ARTIFACT_SIGNING_KEY",),
    ),
    Access(
        "assets",
        reads=("bundles/", "ui/", "releases/", "withdrawn/"),
        reads_trust=True,
        writes=("ui/", "releases/", "withdrawn/"),
        signs_with=("RELEASE_SIGNING_KEY",),
        secrets=("DATABASE_URL",),
    ),
    Access("recorder", secrets=("DATABASE_URL",)),
    Access("fanout", sends_to=("deliveries",), secrets=("DATABASE_URL",)),
    Access(
        "sweeper",
        reads=("withdrawn/", "log/", "exports/"),
        reads_trust=True,
        writes=("withdrawn/", "log/", "exports/"),
        deletes=("staging/",),
        sends_to=("prepare",),
        signs_with=("RELEASE_SIGNING_KEY", "LOG_SIGNING_KEY"),
        invalidates_ui=True,
        secrets=("DATABASE_URL",),
    ),
    Access("ticker", sends_to=("events", "deliveries"), secrets=("DATABASE_URL",)),
    Access(
        "migrate",
        secrets=(
            "DATABASE_URL",
            "DATABASE_PASSWORD",
            "FN_GATEWAY_PASSWORD",
            "FN_REGISTRY_PASSWORD",
            "FN_RUNNER_PASSWORD",
        ),
    ),
    Access(
        "smoke",
        checks=("gateway", "registry", "uihost", "runner", "sweeper"),
        secrets=("EXECUTION_TOKEN_PRIVATE_KEY",),
    ),
)
