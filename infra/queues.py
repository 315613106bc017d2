"""The queues of the topology with their dead-letter queues, and the bus for the host application's events."""

from aws_cdk import Aws, Duration
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.places import Queue
from topology.events import BUS_QUEUE, EVENT_BUS
from topology.queues import QUEUES


class Queues(Construct):
    """Every queue is encrypted and accepts requests over TLS only.

    Attributes:
        queues, dead_letters: by the queue's name in the topology.
        bus: takes the host application's events.
    """

    def __init__(self, scope: Construct, name: str, stage: str) -> None:
        super().__init__(scope, name)
        self.queues: dict[str, sqs.Queue] = {}
        self.dead_letters: dict[str, sqs.Queue] = {}
        for queue in QUEUES:
            dead_letters = sqs.Queue(
                self,
                f"{queue.name.capitalize()}DeadLetters",
                queue_name=f"alga-ext-{stage}-{queue.dead_letter_queue}",
                retention_period=Duration.seconds(queue.dead_letter_retention_s),
                encryption=sqs.QueueEncryption.SQS_MANAGED,
                enforce_ssl=True,
            )
            self.dead_letters[queue.name] = dead_letters
            self.queues[queue.name] = sqs.Queue(
                self,
                queue.name.capitalize(),
                queue_name=f"alga-ext-{stage}-{queue.name}",
                visibility_timeout=Duration.seconds(queue.visibility_timeout_s),
                retention_period=Duration.seconds(queue.retention_s),
                dead_letter_queue=sqs.DeadLetterQueue(max_receive_count=queue.max_receive_count, queue=dead_letters),
                encryption=sqs.QueueEncryption.SQS_MANAGED,
                enforce_ssl=True,
            )
        self.bus = events.EventBus(self, "Bus", event_bus_name=f"alga-ext-{stage}-{EVENT_BUS}")
        # The target's policy lets EventBridge send from this rule alone. What it cannot deliver for a day goes to the
        # dead-letter queue, whose alarm tells of it.
        events.Rule(
            self,
            "FromBus",
            event_bus=self.bus,
            rule_name=f"alga-ext-{stage}-{EVENT_BUS}",
            event_pattern=events.EventPattern(account=[Aws.ACCOUNT_ID]),
            targets=[
                targets.SqsQueue(
                    self.queues[BUS_QUEUE],
                    dead_letter_queue=self.dead_letters[BUS_QUEUE],
                    max_event_age=Duration.days(1),
                )
            ],
        )

    def places(self) -> dict[str, Queue]:
        """Return URL and ARN of each queue."""
        return {name: Queue(queue.queue_url, queue.queue_arn) for name, queue in self.queues.items()}
