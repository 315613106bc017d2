"""What each function may do in AWS: the statements of its role, from the topology."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from infra.places import ALIAS, Places
from topology.access import ACCESS, TRUST_OBJECT, Access
from topology.functions import Function
from topology.queues import EVENT_SOURCES
from topology.secrets import SECRET_SETTINGS

_ACCESS: Final = {access.function: access for access in ACCESS}
_NETWORK_ACTIONS: Final = (
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
)
"""Lambda itself uses them to put a function into the VPC; they cannot be limited to resources."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of a policy. It allows, unless ``denies`` is set."""

    sid: str
    actions: Sequence[str]
    resources: Sequence[str]
    denies: bool = False
    conditions: dict[str, Any] = field(default_factory=dict)


def in_network(function: Function) -> bool:
    """Tell whether a function runs in the VPC: it needs the database, or egress of its own address."""
    return "DATABASE_URL" in function.required


def statements(function: Function, places: Places, distribution_arn: str) -> list[Statement]:
    """Return everything that a function may do.

    Args:
        function: of the topology.
        places: addresses of the deployment.
        distribution_arn: of CloudFront.
    """
    access = _ACCESS.get(function.name, Access(function.name))
    return [
        *_runtime(function, places),
        *_objects(access, places),
        *_queues(function, access, places),
        *_keys(access, places),
        *_calls(function, access, places, distribution_arn),
    ]


def _runtime(function: Function, places: Places) -> Iterator[Statement]:
    log_group = places.region.arn("logs", f"log-group:/aws/lambda/{places.function_name(function.name)}")
    yield Statement("WriteLogs", ("logs:CreateLogStream", "logs:PutLogEvents"), (f"{log_group}:*",))
    if in_network(function):
        yield Statement("EnterNetwork", _NETWORK_ACTIONS, ("*",))
        # The permission is for Lambda, which acts before the function runs, and not for the function's code.
        yield Statement(
            "CodeDoesNotUseNetworkActions",
            _NETWORK_ACTIONS,
            ("*",),
            denies=True,
            conditions={"ArnEquals": {"lambda:SourceFunctionArn": [places.function_arn(function.name)]}},
        )
    if function.login_role is not None:
        user = f"dbuser:{places.database_resource_id}/{function.login_role}"
        yield Statement("LogIn", ("rds-db:connect",), (places.region.arn("rds-db", user),))


def _objects(access: Access, places: Places) -> Iterator[Statement]:
    bucket = f"arn:{places.region.partition}:s3:::{places.store_bucket}"
    read = dict.fromkeys((*access.reads, *access.writes))
    if read:
        yield Statement("ReadObjects", ("s3:GetObject",), tuple(f"{bucket}/{prefix}*" for prefix in read))
        yield Statement("KnowThatAnObjectIsAbsent", ("s3:ListBucket",), (bucket,))
    if access.writes:
        yield Statement("WriteObjects", ("s3:PutObject",), tuple(f"{bucket}/{prefix}*" for prefix in access.writes))
    if access.deletes:
        yield Statement(
            "DeleteObjects", ("s3:DeleteObject",), tuple(f"{bucket}/{prefix}*" for prefix in access.deletes)
        )
    if access.reads_trust:
        bundle = f"arn:{places.region.partition}:s3:::{places.trust_bucket}/{TRUST_OBJECT}"
        yield Statement("ReadTrustBundle", ("s3:GetObject",), (bundle,))


def _queues(function: Function, access: Access, places: Places) -> Iterator[Statement]:
    if access.sends_to:
        yield Statement("Send", ("sqs:SendMessage",), tuple(places.queues[name].arn for name in access.sends_to))
    if access.hides:
        yield Statement(
            "Hide", ("sqs:ChangeMessageVisibility",), tuple(places.queues[name].arn for name in access.hides)
        )
    received = tuple(places.queues[source.queue].arn for source in EVENT_SOURCES if source.function == function.name)
    if received:
        yield Statement("Receive", ("sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"), received)


def _keys(access: Access, places: Places) -> Iterator[Statement]:
    if access.signs_with:
        keys = tuple(places.signing_keys[name] for name in access.signs_with)
        yield Statement("Sign", ("kms:GetPublicKey", "kms:Sign"), keys)
    if access.makes_data_keys:
        yield Statement("SealSecrets", ("kms:GenerateDataKey",), places.secrets_key_arns[:1])
        if len(places.secrets_key_arns) > 1:  # while one key replaces another
            yield Statement("ReplaceKey", ("kms:ReEncryptFrom", "kms:ReEncryptTo"), places.secrets_key_arns)
    if access.opens_data_keys:
        yield Statement("OpenSecrets", ("kms:Decrypt",), places.secrets_key_arns)


def _calls(function: Function, access: Access, places: Places, distribution_arn: str) -> Iterator[Statement]:
    if access.invokes:
        invoked = tuple(f"{places.function_arn(name)}:{ALIAS}" for name in access.invokes)
        yield Statement("Invoke", ("lambda:InvokeFunction",), invoked)
    if access.checks:
        newest = tuple(places.function_arn(name) for name in access.checks)
        yield Statement("InvokeNewestCode", ("lambda:InvokeFunction",), newest)
        reports = places.region.arn("codedeploy", f"deploymentgroup:alga-ext-{places.stage}/*")
        yield Statement("ReportResult", ("codedeploy:PutLifecycleEventHookExecutionStatus",), (reports,))
    # Secrets Manager appends six characters to the name of a secret.
    own = {setting.secret for setting in SECRET_SETTINGS if setting.function == function.name}
    secrets = [f"{places.secret_arn(secret)}-??????" for secret in sorted(own)]
    if "DATABASE_PASSWORD" in function.names:
        secrets.append(places.owner_secret_arn)
    if secrets:
        yield Statement("ReadOwnSecrets", ("secretsmanager:GetSecretValue",), tuple(secrets))
    if access.invalidates_ui:
        yield Statement("InvalidatePages", ("cloudfront:CreateInvalidation",), (distribution_arn,))
