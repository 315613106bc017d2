"""What functions are told about the rest of the deployment, and what permissions name: addresses, names and ARNs.

Most values are CDK tokens, texts that CloudFormation replaces by the real value.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

DATABASE_NAME: Final = "alga_ext"
ALIAS: Final = "live"
"""The alias of every function. Callers name it, so that a new version gets calls only when the alias moves."""


@dataclass(frozen=True, slots=True)
class Region:
    """Where the stack is deployed: tokens of partition, region and account."""

    partition: str
    name: str
    account: str

    def arn(self, service: str, resource: str) -> str:
        """Return the ARN of a resource in this region and account."""
        return f"arn:{self.partition}:{service}:{self.name}:{self.account}:{resource}"


@dataclass(frozen=True, slots=True)
class Queue:
    """URL and ARN of a queue."""

    url: str
    arn: str


@dataclass(frozen=True, slots=True)
class Places:
    """The parts of one deployment.

    Attributes:
        stage: name of the stage.
        region: where it is deployed.
        store_bucket, trust_bucket: names of the buckets of bundles and of the trust bundle.
        database_host, database_port: of the writer.
        database_resource_id: of the cluster; IAM permissions to log in name it.
        owner_secret_arn: secret with the password of the role that owns the schema.
        queues: by their name in the topology.
        signing_keys: environment name of a signing key → ARN of its KMS key.
        secrets_key_arns: KMS keys of tenants' secrets; the first one seals, all of them open.
    """

    stage: str
    region: Region
    store_bucket: str
    trust_bucket: str
    database_host: str
    database_port: str
    database_resource_id: str
    owner_secret_arn: str
    queues: Mapping[str, Queue]
    signing_keys: Mapping[str, str]
    secrets_key_arns: tuple[str, ...]

    def function_name(self, function: str) -> str:
        """Return the deployed name of a function of the topology."""
        return f"alga-ext-{self.stage}-{function}"

    def function_arn(self, function: str) -> str:
        """Return the ARN of a function, without version or alias."""
        return self.region.arn("lambda", f"function:{self.function_name(function)}")

    def secret_arn(self, secret: str) -> str:
        """Return the ARN of one of the stage's secrets, without the six characters that Secrets Manager appends."""
        return self.region.arn("secretsmanager", f"secret:{self.secret_name(secret)}")

    def secret_name(self, secret: str) -> str:
        """Return the name of a secret, as `alga-ext keys create --stage STAGE` makes it."""
        return f"alga-ext/{self.stage}/{secret}"
