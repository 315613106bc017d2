"""What each function may touch besides the database; a deployment grants this and nothing more.

What a function may do in the database follows from its login role (``migrations/``).
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Access:
    """The rights of one function.

    Attributes:
        function: name of the function.
        reads: key prefixes of the object store that it gets and heads objects of. Every reader also asks for objects
            that may be absent, and health checks ask for the absent key ``healthz`` below one of them. S3 answers 404
            for them, and not 403, only to a caller that may list the bucket.
        writes: key prefixes that it puts objects under. A writer also reads what it writes: when a key exists, the
            stored bytes are compared.
        deletes: key prefixes that it deletes objects of.
        sends_to: names of the queues that it sends to.
        signs_with: environment names of its signing keys. The value may name an asymmetric KMS key
            (``kms:KEY-ID``); then the function needs ``kms:Sign`` and ``kms:GetPublicKey`` for it.
        makes_data_keys: it seals tenants' secrets: ``kms:GenerateDataKey`` for the key of ``SECRETS_KEY_ID``.
        opens_data_keys: it opens tenants' secrets: ``kms:Decrypt`` for the same key.
        invokes: names of the functions that it invokes.
        secrets: environment names whose values are secret, besides the signing keys.
    """

    function: str
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    deletes: tuple[str, ...] = ()
    sends_to: tuple[str, ...] = ()
    signs_with: tuple[str, ...] = ()
    makes_data_keys: bool = False
    opens_data_keys: bool = False
    invokes: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()


ACCESS: Final = (
    Access(
        "gateway",
        sends_to=("executions",),
        invokes=("runner",),
        secrets=("DATABASE_URL", "EXECUTION_TOKEN_PRIVATE_KEY"),
    ),
    Access(
        "registry",
        reads=("staging/", "bundles/", "components/", "releases/", "withdrawals/", "log/heads/"),
        # staging/ is written by publishers with URLs that the registry signs, and so in its name.
        writes=("staging/", "bundles/", "components/", "withdrawals/", "log/heads/"),
        sends_to=("prepare",),
        signs_with=("RELEASE_SIGNING_KEY", "LOG_SIGNING_KEY"),
        makes_data_keys=True,
        secrets=("DATABASE_URL",),
    ),
    Access("uihost", reads=("ui/", "releases/", "withdrawals/")),
    Access(
        "runner",
        reads=("cwasm/", "releases/", "withdrawals/"),
        opens_data_keys=True,
        secrets=("DATABASE_URL", "UI_PROXY_SIGNING_KEY"),
    ),
    Access(
        "prepare",
        reads=("components/", "cwasm/"),
        writes=("cwasm/",),
        sends_to=("prepared",),
        signs_with=("ARTIFACT_SIGNING_KEY",),
    ),
    Access(
        "assets",
        reads=("bundles/", "ui/", "releases/", "withdrawals/"),
        writes=("ui/", "releases/", "withdrawals/"),
        signs_with=("RELEASE_SIGNING_KEY",),
        secrets=("DATABASE_URL",),
    ),
    Access("recorder", secrets=("DATABASE_URL",)),
    Access(
        "sweeper",
        reads=("log/heads/",),
        writes=("log/heads/",),
        deletes=("staging/",),
        sends_to=("prepare",),
        signs_with=("LOG_SIGNING_KEY",),
        secrets=("DATABASE_URL",),
    ),
    Access(
        "migrate",
        secrets=("DATABASE_URL", "FN_GATEWAY_PASSWORD", "FN_REGISTRY_PASSWORD", "FN_RUNNER_PASSWORD"),
    ),
)
