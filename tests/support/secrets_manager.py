"""An HTTP server that answers as Secrets Manager does, counts what it is asked, and fails when a test says so."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.answering import AnsweringServer, Asked, Reply

AWS = {
    "AWS_REGION": "eu-central-1",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_ACCESS_KEY_ID": "x",
    "AWS_SECRET_ACCESS_KEY": "y",
}


def arn_of(name: str) -> str:
    """Return the ARN of a secret."""
    return f"arn:aws:secretsmanager:eu-central-1:123456789012:secret:{name}-AbCdEf"


def reference(name: str, field: str = "") -> str:
    """Return the reference to a secret, or to a field of it."""
    return f"secretsmanager:{arn_of(name)}" + (f"#{field}" if field else "")


class SecretsManager:
    """The server. ``secrets`` holds the text of each secret by name; None makes it binary."""

    def __init__(self, secrets: dict[str, str | None]) -> None:
        self.secrets = secrets
        self.failure: Reply | None = None
        self.read: list[str] = []
        """The names of the secrets that were asked for."""
        self._server = AnsweringServer(self._answer)
        self.environment = {**AWS, "AWS_ENDPOINT_URL_SECRETS_MANAGER": self._server.url}

    def close(self) -> None:
        """Stop listening."""
        self._server.close()

    def _answer(self, asked: Asked) -> Reply:
        arn = json.loads(asked.body)["SecretId"]
        names = [name for name in self.secrets if arn_of(name) == arn]
        self.read += names
        if self.failure is not None:
            return self.failure
        assert asked.headers["x-amz-target"] == "secretsmanager.GetSecretValue"
        if not names:
            return Reply(400, b'{"__type": "ResourceNotFoundException", "Message": "no such secret-word"}')
        text = self.secrets[names[0]]
        found = {"SecretBinary": "c2VjcmV0LXdvcmQ="} if text is None else {"SecretString": text}
        return Reply(200, json.dumps({"ARN": arn, **found}).encode())


@contextmanager
def secrets_manager(**secrets: str | None) -> Iterator[SecretsManager]:
    """Run a server for the length of a block."""
    made = SecretsManager(secrets)
    try:
        yield made
    finally:
        made.close()
