"""Create bucket, queues and KMS key of the local platform, as a deployment creates them in AWS."""

import json
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config

from topology.queues import QUEUES, Queue

BUCKET = "alga-ext"
LOCAL_CREDENTIALS = {
    "AWS_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "local",
    "AWS_SECRET_ACCESS_KEY": "local",  # moto accepts any
}


@dataclass(frozen=True, slots=True)
class Cloud:
    """The local platform's AWS resources: endpoint, bucket, queue URLs by queue name, the KMS key of secrets."""

    endpoint_url: str
    bundle_store_base: str
    queue_urls: dict[str, str]
    secrets_key_id: str


def aws_client(service: str, endpoint_url: str, read_timeout_s: float = 5.0) -> Any:
    """Return a boto3 client of the local platform. It does not retry, so a stopped service is noticed immediately."""
    return boto3.session.Session().client(
        service,
        endpoint_url=endpoint_url,
        region_name=LOCAL_CREDENTIALS["AWS_REGION"],
        aws_access_key_id=LOCAL_CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=LOCAL_CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        config=Config(
            connect_timeout=1.0,
            read_timeout=read_timeout_s,
            retries={"total_max_attempts": 1},
            max_pool_connections=16,
            proxies={},  # not those of HTTP_PROXY and HTTPS_PROXY, because the endpoint is on loopback
            s3={"addressing_style": "path"},
        ),
    )


def make_cloud(endpoint_url: str) -> Cloud:
    """Create bucket, key and the topology's queues with their dead-letter queues."""
    s3, sqs, kms = (aws_client(service, endpoint_url) for service in ("s3", "sqs", "kms"))
    with closing(s3), closing(sqs), closing(kms):
        s3.create_bucket(Bucket=BUCKET)
        urls = {name: url for queue in QUEUES for name, url in _make_queue(sqs, queue).items()}
        key = kms.create_key(Description="Data keys of tenants' secrets")["KeyMetadata"]
    return Cloud(endpoint_url, f"s3://{BUCKET}", urls, key["KeyId"])


def _make_queue(sqs: Any, queue: Queue) -> dict[str, str]:
    """Create a queue and its dead-letter queue; return the URL of each by name."""
    kept = {"MessageRetentionPeriod": str(queue.dead_letter_retention_s)}
    dead_letters = sqs.create_queue(QueueName=queue.dead_letter_queue, Attributes=kept)["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=dead_letters, AttributeNames=["QueueArn"])["Attributes"]
    redrive = {"deadLetterTargetArn": attributes["QueueArn"], "maxReceiveCount": queue.max_receive_count}
    settings = {
        "VisibilityTimeout": str(queue.visibility_timeout_s),
        "MessageRetentionPeriod": str(queue.retention_s),
        "RedrivePolicy": json.dumps(redrive),
    }
    url = sqs.create_queue(QueueName=queue.name, Attributes=settings)["QueueUrl"]
    return {queue.dead_letter_queue: dead_letters, queue.name: url}
