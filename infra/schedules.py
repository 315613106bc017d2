"""The schedules of the topology, in EventBridge Scheduler."""

from typing import Final

from aws_cdk import Duration
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_scheduler_targets as targets
from constructs import Construct

from infra.stages import StageSettings
from topology.schedules import SCHEDULES

_EVENT_AGE: Final = Duration.minutes(1)
_LAMBDA_RETRIES: Final = 2
"""What Lambda does for an asynchronous invocation that nothing else is configured for."""


class Schedules(Construct):
    """Each schedule invokes its function once per interval.

    A delivery that fails is not repeated, because the next one follows. The topology says how often Lambda repeats an
    invocation that fails.
    """

    def __init__(self, scope: Construct, name: str, stage: StageSettings, functions: dict[str, lambda_.Alias]) -> None:
        super().__init__(scope, name)
        for schedule in SCHEDULES:
            every_s = max(int(schedule.every_s), stage.sweep_every_s)
            if schedule.retries != _LAMBDA_RETRIES:
                functions[schedule.function].configure_async_invoke(
                    retry_attempts=schedule.retries, max_event_age=_EVENT_AGE
                )
            scheduler.Schedule(
                self,
                f"{schedule.function.capitalize()}Schedule",
                schedule=scheduler.ScheduleExpression.rate(Duration.minutes(every_s / 60)),
                target=targets.LambdaInvoke(
                    functions[schedule.function],
                    retry_attempts=0,
                    max_event_age=_EVENT_AGE,
                    input=scheduler.ScheduleTargetInput.from_object({}),
                ),
            )
