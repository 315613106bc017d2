"""How new code gets its traffic: migrations first, then a smoke check, then a canary. Alarms undo it."""

import hashlib
from itertools import pairwise
from pathlib import Path
from typing import Final

from aws_cdk import CustomResource, Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_codedeploy as codedeploy
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.functions import Functions
from infra.stages import StageSettings
from topology.functions import FUNCTIONS, MIGRATE, SMOKE, SWEEPER

_MIGRATION_TIMEOUT: Final = Duration.seconds(MIGRATE.timeout_s + 60)
"""A function that dies without an answer would hold the stack for an hour."""
SHIFTED_IN_TURN: Final = ("uihost", "runner", "gateway", "registry")
"""Functions whose new versions are checked before they get traffic, in this order: the registry's settings name the
address that CloudFront has for the UI host, and the gateway's new version calls the runner's. One after another,
because many deployments at once exceed the rate of Lambda's API."""


class Migrations(Construct):
    """Runs the migrate function's newest code before any alias moves. A failure leaves the old code serving.

    A database that was restored from a snapshot is then brought up to what the object store proves (ADR 0035).

    Args:
        scope: the stack.
        name: of the construct.
        functions: of the stack.
        folder: of the migrations.
        database_id: identifies the database; with another one, all of this happens again.
        is_restored: whether the database comes from a snapshot.
    """

    def __init__(
        self, scope: Construct, name: str, functions: Functions, folder: Path, database_id: str, *, is_restored: bool
    ) -> None:
        super().__init__(scope, name)
        files = sorted(folder.glob("[0-9]*.sql"))
        digest = hashlib.sha256()
        for file in files:
            digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
        self.resource = CustomResource(
            self,
            "Schema",
            resource_type="Custom::DatabaseSchema",
            # The function's newest code, and not the alias, which moves after the migrations. Not a version either:
            # CloudFormation never changes the service token of a resource ("Modifying service token is not allowed").
            service_token=functions.functions[MIGRATE.name].function_arn,
            service_timeout=_MIGRATION_TIMEOUT,
            # With the database, because one that was restored may lack migrations of this very template.
            properties={
                "Migrations": [file.name for file in files],
                "Digest": digest.hexdigest(),
                "Database": database_id,
            },
        )
        for alias in functions.aliases.values():
            alias.node.add_dependency(self.resource)
        if is_restored:
            restored = CustomResource(
                self,
                "Restored",
                resource_type="Custom::RestoredDatabase",
                service_token=functions.functions[SWEEPER.name].function_arn,
                service_timeout=Duration.seconds(SWEEPER.timeout_s + 60),
                properties={"Database": database_id},
            )
            restored.node.add_dependency(self.resource)
            # Others read nothing of the database. The UI host could not wait: CloudFront is made with its alias, and
            # the sweeper, which invalidates pages there, after CloudFront.
            for function in FUNCTIONS:
                if "DATABASE_URL" in function.required and function.name in functions.aliases:
                    functions.aliases[function.name].node.add_dependency(restored)


class Rollout(Construct):
    """A deployment group for each function that serves requests.

    Args:
        scope: the stack.
        name: of the construct.
        stage: the operator's settings.
        functions: with the smoke function, which is the hook before traffic moves.
        alarms: the alarm of each function that ends its deployment.
    """

    def __init__(
        self,
        scope: Construct,
        name: str,
        stage: StageSettings,
        functions: Functions,
        alarms: dict[str, cloudwatch.Alarm],
    ) -> None:
        super().__init__(scope, name)
        application = codedeploy.LambdaApplication(self, "Application", application_name=f"alga-ext-{stage.name}")
        canary = codedeploy.LambdaDeploymentConfig(
            self,
            "Canary",
            traffic_routing=codedeploy.TimeBasedCanaryTrafficRouting(
                interval=Duration.minutes(stage.canary_minutes), percentage=stage.canary_percent
            ),
        )
        smoke = functions.functions[SMOKE.name]
        # A name and not the construct: CDK would extend the role, whose permissions are all in infra/permissions.py.
        hook = lambda_.Function.from_function_arn(self, "Hook", smoke.function_arn)
        for function in SHIFTED_IN_TURN:
            alias = functions.aliases[function]
            # The runner switches at once: one tenant's environments would be split between two versions.
            config = codedeploy.LambdaDeploymentConfig.ALL_AT_ONCE if function == "runner" else canary
            codedeploy.LambdaDeploymentGroup(
                self,
                function.capitalize(),
                application=application,
                alias=alias,
                deployment_config=config,
                pre_hook=hook,
                alarms=[alarms[function]],
                auto_rollback=codedeploy.AutoRollbackConfig(
                    failed_deployment=True, stopped_deployment=True, deployment_in_alarm=True
                ),
            )
            alias.node.add_dependency(smoke)
        for earlier, later in pairwise(SHIFTED_IN_TURN):
            functions.aliases[later].node.add_dependency(functions.aliases[earlier])
            # The check before the first alias but one moves concerns all new code, so it waits for all of it.
            functions.aliases[SHIFTED_IN_TURN[1]].node.add_dependency(functions.functions[later])
