"""The gateway's part behind admission, with a real queue and a server that answers as the runner."""

import base64
import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import pytest

from alga_ext.calls.envelope import ExecuteError, ExecuteRequest, ExecuteResponse, decode_request, encode
from alga_ext.calls.messages import decode_message
from alga_ext.errors import PlatformError
from alga_ext.trust.signing import LocalSigner
from functions.gateway import call
from functions.gateway.idempotency import once
from functions.gateway.idempotency.keys import idempotency_key
from functions.gateway.services import Services
from tests.support.answering import AnsweringServer, Asked, Reply, answering
from tests.support.gateway import admitted, request
from tools.local.tokens import key_set

SIGNER = LocalSigner.generate()
KEY_SET = key_set({"host": LocalSigner.generate().raw.public_key()})


class Door:
    """The gateway's part behind admission, with its queue and its runner."""

    def __init__(
        self, queue_url: str, server: AnsweringServer, services: Services, environment: dict[str, str]
    ) -> None:
        self.services = services
        self.environment = environment
        self._sqs = boto3.client("sqs")
        self._queue_url = queue_url
        self.server = server
        self.waiting_when_asked: list[int] = []

    def runner_answers(self, answer: ExecuteResponse | Reply | Callable[[Asked], Reply]) -> None:
        def reply(asked: Asked) -> Reply:
            self.waiting_when_asked.append(self.waiting())
            if isinstance(answer, ExecuteResponse):
                return Reply(200, encode(answer))
            return answer if isinstance(answer, Reply) else answer(asked)

        self.server.answer = reply

    def call(
        self,
        method: str = "GET",
        path: str = "/api/ext/acme.notes/notes",
        installed: dict[str, Any] | None = None,
        **members: Any,
    ) -> tuple[int, dict[str, str], bytes]:
        asked = admitted(request(method, path, **members), **(installed or {}))
        key = idempotency_key(method, asked.headers)
        return call.run(asked, self.services) if key is None else once.run(asked, key, self.services)

    def refusal(self, **members: Any) -> PlatformError:
        with pytest.raises(PlatformError) as caught:
            self.call(**members)
        return caught.value

    def envelope(self) -> ExecuteRequest:
        return decode_request(self.server.asked[-1].body)

    def waiting(self) -> int:
        names = ["ApproximateNumberOfMessages"]
        found = self._sqs.get_queue_attributes(QueueUrl=self._queue_url, AttributeNames=names)["Attributes"]
        return int(found[names[0]])

    def records(self) -> list[Any]:
        found = self._sqs.receive_message(QueueUrl=self._queue_url, MaxNumberOfMessages=10).get("Messages", [])
        return [decode_message(message["Body"]) for message in found]

    def taken(self) -> list[Any]:
        """Return all messages that wait, and delete them, so that none comes again when its time is up."""
        taken: list[Any] = []
        while found := self._sqs.receive_message(QueueUrl=self._queue_url, MaxNumberOfMessages=10).get("Messages"):
            taken += [decode_message(message["Body"]) for message in found]
            receipts = [{"Id": str(n), "ReceiptHandle": one["ReceiptHandle"]} for n, one in enumerate(found)]
            self._sqs.delete_message_batch(QueueUrl=self._queue_url, Entries=receipts)
        return taken


@contextmanager
def call_door(database_url: str = "postgresql://fn_gateway@127.0.0.1/unused", **settings: str) -> Iterator[Door]:
    """A door with a queue and a runner's server of its own; AWS is what the environment names."""
    queue_url = boto3.client("sqs").create_queue(QueueName=f"executions-{uuid.uuid4().hex[:8]}")["QueueUrl"]
    with answering(lambda _: Reply(500)) as server:
        environment = {
            **os.environ,
            "DATABASE_URL": database_url,
            "RUNNER_BASE_URL": server.url,
            "EXECUTIONS_QUEUE_URL": queue_url,
            "EXECUTION_TOKEN_PRIVATE_KEY": SIGNER.private_pem,
            "AUTH_JWKS": KEY_SET,
            "AUTH_ISSUER": "i",
            "AUTH_AUDIENCE": "a",
            **settings,
        }
        built = Services.build(environment)
        made = Door(queue_url, server, built, environment)
        yield made
        for services in (built, made.services):  # a test may have replaced them
            services.database.close()


def answer(**members: Any) -> ExecuteResponse:
    """What the runner answers for a guest that says hello."""
    return ExecuteResponse(**{"status": 200, "body_b64": base64.b64encode(b"hello").decode(), **members})


def error(code: str, status: int = 502) -> ExecuteResponse:
    """What the runner answers instead of a guest."""
    return ExecuteResponse(status=status, error=ExecuteError(code=code, message="What happened."))
