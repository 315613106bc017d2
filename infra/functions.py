"""The Lambda functions of the topology with their layers, roles, log groups, versions and aliases."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.network import Network
from infra.permissions import Statement, in_network
from infra.places import ALIAS, Places
from infra.retention import retention_days
from infra.stages import StageSettings
from topology.functions import RUNNER, Function
from topology.layers import LAYERS
from topology.queues import DELIVERIES, EVENT_SOURCES
from topology.runtime import PYTHON_VERSION

_RUNTIME: Final = lambda_.Runtime(f"python{PYTHON_VERSION}", lambda_.RuntimeFamily.PYTHON)


class Functions(Construct):
    """Every function of the topology.

    Attributes:
        functions: by name.
        roles: the role of each function with its permissions.
        aliases: the alias ``live`` of each function, which callers name.

    Args:
        scope: the stack.
        name: of the construct.
        stage: the operator's settings.
        places: addresses of the deployment.
        network: where functions run that need the database.
        assets: the folder that ``make build`` wrote.
    """

    def __init__(
        self, scope: Construct, name: str, stage: StageSettings, places: Places, network: Network, assets: Path
    ) -> None:
        super().__init__(scope, name)
        self._stage = stage
        self._places = places
        self._network = network
        self._assets = assets
        self._layers = {
            layer.name: lambda_.LayerVersion(
                self,
                f"{layer.name.capitalize()}Layer",
                code=lambda_.Code.from_asset(str(assets / "layers" / layer.name)),
                compatible_runtimes=[_RUNTIME],
                compatible_architectures=[lambda_.Architecture.X86_64],
            )
            for layer in LAYERS
        }
        self.functions: dict[str, lambda_.Function] = {}
        self.roles: dict[str, tuple[iam.Role, list[Statement]]] = {}
        self.aliases: dict[str, lambda_.Alias] = {}

    def add(self, function: Function, environment: Mapping[str, str], statements: list[Statement]) -> lambda_.Alias:
        """Add one function with its role, its version and its alias."""
        title = function.name.capitalize()
        role = iam.Role(self, f"{title}Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
        for statement in statements:
            role.add_to_policy(_policy_statement(statement))
        self.roles[function.name] = role, statements
        in_vpc = in_network(function)
        made = lambda_.Function(
            self,
            title,
            function_name=self._places.function_name(function.name),
            runtime=_RUNTIME,
            architecture=lambda_.Architecture.X86_64,
            handler=function.handler,
            code=lambda_.Code.from_asset(str(self._assets / "functions" / function.name)),
            layers=[self._layers[layer.name] for layer in function.layers],
            timeout=Duration.seconds(function.timeout_s),
            memory_size=self._stage.runner_memory_mb if function == RUNNER else function.memory_mb,
            environment=dict(environment),
            role=role.without_policy_updates(),
            reserved_concurrent_executions=self._stage.concurrency.get(function.name),
            tenancy_config=lambda_.TenancyConfig.PER_TENANT
            if function.per_tenant and self._stage.runner_isolation == "per_tenant"
            else None,
            vpc=self._network.vpc if in_vpc else None,
            vpc_subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS) if in_vpc else None,
            security_groups=[self._network.functions] if in_vpc else None,
            logging_format=lambda_.LoggingFormat.JSON,  # with the tenant's id in the platform's own lines
            log_group=self._log_group(function),
        )
        made.node.add_dependency(role)  # with its policy: Lambda needs it to enter the VPC
        self.functions[function.name] = made
        self.aliases[function.name] = lambda_.Alias(
            self, f"{title}Alias", alias_name=ALIAS, version=made.current_version
        )
        return self.aliases[function.name]

    def connect_queues(self, queue_arns: Mapping[str, str]) -> None:
        """Deliver each queue of the topology to its function."""
        for source in EVENT_SOURCES:
            lambda_.EventSourceMapping(
                self,
                f"{source.queue.capitalize()}Source",
                target=self.aliases[source.function],
                event_source_arn=queue_arns[source.queue],
                batch_size=source.batch_size,
                max_batching_window=Duration.seconds(source.batch_window_s),
                max_concurrency=self._stage.deliveries_concurrency
                if source.queue == DELIVERIES.name
                else source.maximum_concurrency,
                report_batch_item_failures=source.report_batch_item_failures,
            )

    def _log_group(self, function: Function) -> logs.LogGroup:
        return logs.LogGroup(
            self,
            f"{function.name.capitalize()}Logs",
            log_group_name=f"/aws/lambda/{self._places.function_name(function.name)}",
            retention=retention_days(self._stage.log_retention_days),
            # Its name is fixed: one that a failed first deployment left behind would end the second attempt.
            removal_policy=RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE
            if self._stage.protect_data
            else RemovalPolicy.DESTROY,
        )


def _policy_statement(statement: Statement) -> iam.PolicyStatement:
    return iam.PolicyStatement(
        sid=statement.sid,
        effect=iam.Effect.DENY if statement.denies else iam.Effect.ALLOW,
        actions=list(statement.actions),
        resources=list(statement.resources),
        conditions=statement.conditions or None,
    )
