"""Alarms on AWS's metrics, and on our own (``own_alarms``).

Each has a heading in docs/how-to/respond-to-alarms.md with what to do.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from aws_cdk import Duration, RemovalPolicy, Stack
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_rds as rds
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.own_alarms import NAMESPACE, OwnAlarm, own_alarms
from infra.stages import StageSettings
from topology.functions import FUNCTIONS
from topology.queues import EVENT_SOURCES

RUNBOOK: Final = "docs/how-to/respond-to-alarms.md"
_PERIOD: Final = Duration.minutes(5)
_MINUTE: Final = Duration.minutes(1)
_ROLLBACK_FUNCTIONS: Final = ("gateway", "registry", "uihost", "runner")
"""Functions that serve requests. Their error alarms roll a deployment back."""


@dataclass(frozen=True, slots=True)
class Watched:
    """What alarms watch."""

    functions: Mapping[str, lambda_.Alias]
    queues: Mapping[str, sqs.Queue]
    dead_letters: Mapping[str, sqs.Queue]
    cluster: rds.DatabaseCluster
    api: apigateway.HttpApi


class Alarms(Construct):
    """All alarms, and the topic that they notify.

    Attributes:
        topic: for subscriptions.
        rollback: the alarms that end a deployment, by function.
    """

    def __init__(self, scope: Construct, name: str, stage: StageSettings, watched: Watched) -> None:
        super().__init__(scope, name)
        self._stage = stage
        # CloudWatch cannot use the key that AWS manages for SNS.
        key = kms.Key(
            self,
            "TopicKey",
            description=f"Extension platform {stage.name}: alarms",
            enable_key_rotation=True,
            removal_policy=RemovalPolicy.DESTROY,  # messages are not kept
        )
        key.add_to_resource_policy(
            iam.PolicyStatement(
                actions=["kms:Decrypt", "kms:GenerateDataKey"],
                principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
                resources=["*"],  # in a key's policy, this key
                conditions={"StringEquals": {"aws:SourceAccount": Stack.of(self).account}},
            )
        )
        self.topic = sns.Topic(
            self, "Topic", topic_name=f"alga-ext-{stage.name}-alarms", master_key=key, enforce_ssl=True
        )
        self.topic.add_to_resource_policy(
            iam.PolicyStatement(
                actions=["sns:Publish"],
                principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
                resources=[self.topic.topic_arn],
            )
        )
        if stage.alarm_email:
            self.topic.add_subscription(subscriptions.EmailSubscription(stage.alarm_email))
        self.rollback: dict[str, cloudwatch.Alarm] = {}
        for function_name, function in watched.functions.items():
            self._watch_function(function_name, function)
        for queue_name, queue in watched.queues.items():
            self._watch_queue(queue_name, queue, watched.dead_letters[queue_name])
        self._watch_database(watched.cluster)
        self._watch_api(watched.api)
        for own in own_alarms(stage):
            self._alarm(own.name, own.name, metric_of(own), above=own.above, why=own.why, periods=own.periods)

    def _watch_function(self, name: str, function: lambda_.Alias) -> None:
        timeout_ms = next(one.timeout_s for one in FUNCTIONS if one.name == name) * 1_000
        errors = self._alarm(
            f"{name}-errors",
            "function-errors",
            function.metric_errors(period=_MINUTE, statistic="Sum"),
            above=5 if name in _ROLLBACK_FUNCTIONS else 0,
            why="Invocations failed: an exception, a time-out or a crash, and not an answer with an error status.",
        )
        if name in _ROLLBACK_FUNCTIONS:
            self.rollback[name] = errors
        self._alarm(
            f"{name}-duration",
            "function-duration",
            function.metric_duration(period=_PERIOD, statistic="p95"),
            above=timeout_ms * 0.8,
            why="One invocation of twenty takes more than 80 % of the function's time limit.",
        )
        self._alarm(
            f"{name}-timeouts",
            "function-timeouts",
            function.metric_duration(period=_PERIOD, statistic="Maximum"),
            above=timeout_ms * 0.99,
            why="An invocation reached the function's time limit and was ended.",
        )
        self._alarm(
            f"{name}-throttles",
            "function-throttles",
            function.metric_throttles(period=_PERIOD, statistic="Sum"),
            above=0,
            why="Lambda refused invocations: the reserved or the account's concurrency is used up.",
        )
        if name == "runner":
            self._watch_runner(function)

    def _watch_runner(self, runner: lambda_.Alias) -> None:
        reserved = self._stage.concurrency["runner"]
        ceiling = self._stage.tenant_ceiling
        tenants = f" At most {ceiling} tenants can have an environment at the same time." if ceiling else ""
        self._alarm(
            "runner-concurrency",
            "runner-concurrency",
            runner.lambda_.metric("ConcurrentExecutions", period=_MINUTE, statistic="Maximum"),
            above=int(reserved * 0.8),
            why=f"More than 80 % of the runner's reserved concurrency ({reserved}) is in use.{tenants}",
        )

    def _watch_queue(self, name: str, queue: sqs.Queue, dead_letters: sqs.Queue) -> None:
        consumer = next(source.function for source in EVENT_SOURCES if source.queue == name)
        self._alarm(
            f"{name}-dead-letters",
            "queue-dead-letters",
            dead_letters.metric_approximate_number_of_messages_visible(period=_MINUTE, statistic="Maximum"),
            above=0,
            why=f"{consumer} failed for these messages each time; they wait to be looked at.",
        )
        self._alarm(
            f"{name}-age",
            "queue-age",
            queue.metric_approximate_age_of_oldest_message(period=_PERIOD, statistic="Maximum"),
            above=900,
            why=f"A message has waited for 15 minutes: {consumer} does not keep up or fails.",
        )

    def _watch_database(self, cluster: rds.DatabaseCluster) -> None:
        self._alarm(
            "database-capacity",
            "database-capacity",
            cluster.metric_acu_utilization(period=_PERIOD, statistic="Average"),
            above=90,
            periods=3,
            why="The database is near its maximum capacity.",
        )
        self._alarm(
            "database-connections",
            "database-connections",
            cluster.metric_database_connections(period=_MINUTE, statistic="Maximum"),
            above=int(self._stage.database_max_connections * 0.8),
            why="More than 80 % of the database's connections are open.",
        )

    def _watch_api(self, api: apigateway.HttpApi) -> None:
        self._alarm(
            "api-server-errors",
            "api-server-errors",
            api.metric_server_error(period=_PERIOD, statistic="Sum"),
            above=10,
            why="Requests were answered with a 5xx status.",
        )
        self._alarm(
            "api-client-errors",
            "api-client-errors",
            api.metric_client_error(period=_PERIOD, statistic="Sum"),
            above=self._stage.api_rate_per_s * 30,
            why="Very many requests were answered with a 4xx status: a flood, or a broken client.",
        )

    def _alarm(
        self, name: str, heading: str, metric: cloudwatch.IMetric, *, above: float, why: str, periods: int = 1
    ) -> cloudwatch.Alarm:
        """Add an alarm that goes off when the metric is above a value in so many periods in turn.

        ``heading`` is the one in the runbook that says what to do.
        """
        alarm = cloudwatch.Alarm(
            self,
            "".join(part.capitalize() for part in name.split("-")),
            alarm_name=f"alga-ext-{self._stage.name}-{name}",
            alarm_description=f"{why} See {RUNBOOK}#{heading}",
            metric=metric,
            threshold=above,
            evaluation_periods=periods,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
        alarm.add_alarm_action(actions.SnsAction(self.topic))
        return alarm


def metric_of(own: OwnAlarm) -> cloudwatch.IMetric:
    """Return what an alarm on one of our own metrics compares."""
    period = Duration.minutes(own.minutes)
    metric = cloudwatch.Metric(
        namespace=NAMESPACE,
        metric_name=own.metric,
        dimensions_map=dict(own.dimensions),
        statistic=own.statistic,
        period=period,
    )
    if not own.share_of:
        return metric
    other = cloudwatch.Metric(namespace=NAMESPACE, metric_name=own.share_of, statistic=own.statistic, period=period)
    both = "(FILL(part, 0) + FILL(rest, 0))"
    return cloudwatch.MathExpression(
        expression=f"IF({both} > {own.least}, 100 * FILL(part, 0) / {both}, 0)",
        using_metrics={"part": metric, "rest": other},
        period=period,
        label=f"{own.metric} in per cent",
    )
