"""Findings of cdk-nag that are intended here, each with its reason and at the narrowest construct that has it."""

from typing import Any, Final

from aws_cdk import Stack, Validations
from constructs import Construct

from infra.functions import Functions
from infra.rendering import shown
from infra.stages import StageSettings

_METADATA: Final = Validations.ACKNOWLEDGED_RULES_METADATA_KEY

_WILDCARDS: Final = {
    "WriteLogs": "The streams of the function's own log group; Lambda names them.",
    "EnterNetwork": "Lambda's own actions for the VPC have no resources; the function's code is denied them.",
    "CodeDoesNotUseNetworkActions": "It denies.",
    "ReadObjects": "Objects below a prefix; their names are hashes.",
    "WriteObjects": "Objects below a prefix; their names are hashes.",
    "DeleteObjects": "Uploads below staging/ that were not finished.",
    "ReadOwnSecrets": "Secrets Manager appends six characters to the name of a secret.",
    "ReportResult": "The names of the deployment groups of this stage's application are CDK's.",
}
"""Statements of ``infra.permissions`` whose resources contain a wildcard, each with the reason."""

_EVERYWHERE: Final = (
    ("Api", "AwsSolutions-APIG4", "Gateway and registry verify the host application's tokens themselves (CONTRACT 3)."),
    ("Functions", "AwsSolutions-L1", "The assets hold bytecode and libraries for this runtime; docs/adr/0026."),
    ("Pages", "AwsSolutions-CFR1", "Where tenants' users live is not known to the platform."),
    (
        "Pages",
        "AwsSolutions-CFR2",
        "Static files, cached, without state or cookies: nothing for a firewall to protect.",
    ),
)
_WITHOUT_DOMAIN: Final = (
    "CloudFront's own domain has one TLS policy; a stage with a domain of its own requires TLS 1.2."
)
_DISPOSABLE: Final = "The stage's data may be deleted with the stack (protect_data is false)."
_OF_THE_SNAPSHOT: Final = (
    "The snapshot's encryption, which is inherited; the property must not be given with a snapshot."
)
_CODEDEPLOY: Final = "AWS keeps the list of what CodeDeploy needs to move an alias; the policy cannot touch code."
_HOOK: Final = "CodeDeploy invokes the smoke function; CDK adds its versions."


def acknowledge(stack: Construct, stage: StageSettings, functions: Functions) -> None:
    """Tell cdk-nag which findings are intended. Every other finding ends the synthesis."""
    for path, rule, reason in _EVERYWHERE:
        _add(stack.node.find_child(path), rule, reason)
    if not stage.ui_domain:
        _add(stack.node.find_child("Pages"), "AwsSolutions-CFR4", _WITHOUT_DOMAIN)
    if not stage.protect_data:
        _add(stack.node.find_child("Database"), "AwsSolutions-RDS10", _DISPOSABLE)
    if stage.database_snapshot:
        _add(stack.node.find_child("Database"), "AwsSolutions-RDS2", _OF_THE_SNAPSHOT)
    policy = "Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/AWSCodeDeployRoleForLambdaLimited"
    rollout = stack.node.find_child("Rollout")
    _add(rollout, f"AwsSolutions-IAM4[{policy}]", _CODEDEPLOY)
    smoke = shown(Stack.of(stack).resolve(functions.functions["smoke"].function_arn))
    _add(rollout, f"AwsSolutions-IAM5[Resource::{smoke}:*]", _HOOK)
    for role, statements in functions.roles.values():
        for statement in statements:
            for resource in statement.resources:
                text = shown(Stack.of(stack).resolve(resource))
                if "*" in text and statement.sid in _WILDCARDS:
                    _add(role, f"AwsSolutions-IAM5[Resource::{text}]", _WILDCARDS[statement.sid])


def _add(construct: Any, rule: str, reason: str) -> None:
    # Not Validations.acknowledge, which takes no id with "::" in it.
    construct.node.add_metadata(_METADATA, {rule: reason})
