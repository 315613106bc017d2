"""The requests to SQS, Lambda, KMS and CodeDeploy that functions make in calls, without the SDK."""

import base64
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from alga_ext.errors import PlatformError, Progress
from alga_ext.stores.aws_api import AwsApi, RequestFailed, error_of
from alga_ext.stores.http_requests import HttpError, NoAnswerError, NotConnectedError, ReadTimeoutError
from alga_ext.stores.sealing import DataKey

_NOT_RUN: Final = "Extensions cannot be run at the moment; try again."
_THROTTLED: Final = "Too many calls of extensions run at the moment; try again."
_NOT_SENT: Final = "The queue cannot be reached; try again."
_SHOWN_CHARACTERS: Final = 500
_THROTTLED_S: Final = 2
"""When to call again after Lambda has throttled a call, and has not said when."""
_LONGEST_WAIT_S: Final = 60
_RESTORED_S: Final = 10
_MESSAGES_AT_ONCE: Final = 10
"""SQS takes no more in one request."""
_BEING_RESTORED: Final = frozenset(
    {
        "EC2ThrottledException",
        "EC2UnexpectedException",
        "ENILimitReachedException",
        "ResourceConflictException",
        "ResourceNotReadyException",
        "SubnetIPAddressLimitReachedException",
    }
)
"""Errors of Invoke that end by themselves. A function that was idle for a long time becomes inactive: Lambda removes
its network interfaces, its next invocation fails with ``ResourceNotReadyException``, and Lambda makes them again (AWS
Lambda, "Lambda function states")."""


class QueuedMessage(NamedTuple):
    """One message to send: ``body`` and ``group`` as for ``SqsQueue.send``.

    ``delay_s`` is for how many seconds it is hidden at first, at most 900.
    """

    body: bytes
    group: str
    delay_s: int = 0


class SqsQueue:
    """Sends messages to one queue, and hides received ones.

    Args:
        url: of the queue.
        api: signs the requests.

    Raises:
        ValueError: ``api`` knows neither an endpoint nor a region.
    """

    def __init__(self, url: str, api: AwsApi) -> None:
        api.endpoint("sqs")
        self._url = url
        self._api = api

    def send(self, body: bytes, group: str) -> None:
        """Send one message and return when the queue has acknowledged it.

        Args:
            body: UTF-8 JSON of at most 256 KiB.
            group: the tenant, for SQS fair queues: a tenant that sends many messages does not delay the others.

        Raises:
            PlatformError: ``queue_unavailable``.
        """
        self._ask("SendMessage", {"MessageBody": body.decode(), "MessageGroupId": group})

    def send_all(self, messages: Iterable[QueuedMessage]) -> None:
        """Send messages, ten in each request, and return when the queue has acknowledged all of them.

        Raises:
            PlatformError: ``queue_unavailable`` when the queue did not take some of them. The others are sent.
        """
        waiting = [
            {"MessageBody": body.decode(), "MessageGroupId": group, "DelaySeconds": delay_s}
            for body, group, delay_s in messages
        ]
        refused: Exception | None = None
        for first in range(0, len(waiting), _MESSAGES_AT_ONCE):
            entries = [{**entry, "Id": str(place)} for place, entry in enumerate(waiting[first:][:_MESSAGES_AT_ONCE])]
            try:
                answer = self._ask("SendMessageBatch", {"Entries": entries})
            except PlatformError as error:
                refused = error
                continue
            if failed := answer.get("Failed"):
                cause = f"{len(failed)} of {len(entries)} messages, {failed[0].get('Code')}"
                refused = PlatformError("queue_unavailable", _NOT_SENT, cause=cause)
        if refused is not None:
            raise refused

    def hide(self, receipt_handle: str, seconds: int) -> None:
        """Hide a received message for so many seconds from now, at most twelve hours after it was received.

        Raises:
            PlatformError: ``queue_unavailable``; the message then stays hidden as long as it was before.
        """
        self._ask("ChangeMessageVisibility", {"ReceiptHandle": receipt_handle, "VisibilityTimeout": seconds})

    def _ask(self, operation: str, document: Mapping[str, Any]) -> Any:
        asked = {"QueueUrl": self._url, **document}
        try:
            return self._api.ask("sqs", f"AmazonSQS.{operation}", asked, version="1.0")
        except (HttpError, RequestFailed) as error:
            raise PlatformError("queue_unavailable", _NOT_SENT, cause=error) from error


class LambdaFunction:
    """Invokes one Lambda function synchronously.

    Args:
        name: function name or ARN.
        api: signs the requests.

    Raises:
        ValueError: ``api`` knows neither an endpoint nor a region.
    """

    def __init__(self, name: str, api: AwsApi) -> None:
        api.endpoint("lambda")
        self._path = f"/2015-03-31/functions/{quote(name, safe='')}/invocations"
        self._api = api

    def invoke(self, payload: bytes, tenant_id: str | None, timeout_s: float) -> bytes:
        """Invoke once and return the function's answer.

        Args:
            payload: the event.
            tenant_id: the tenant (Lambda tenant isolation), or None.
            timeout_s: how long to wait for the answer.

        Raises:
            PlatformError: ``runner_throttled`` when too many invocations run; ``runner_unavailable`` when the function
                cannot be invoked for another reason, or when the invocation itself failed; ``gateway_timeout`` when it
                did not respond in time. The ``progress`` in the context (``Progress``) says whether it has run.
        """
        headers = {"content-type": "application/json"}
        if tenant_id is not None:
            headers["x-amz-tenant-id"] = tenant_id
        try:
            answer = self._api.request(
                "lambda", "POST", self._path, headers=headers, body=payload, read_timeout_s=timeout_s, attempts=1
            )
            body = answer.read()
        except HttpError as error:
            raise not_reached(error) from error
        if answer.status != 200:
            raise _not_invoked(answer.status, answer.headers, body)
        if "x-amz-function-error" in answer.headers:
            raise PlatformError("runner_unavailable", _NOT_RUN, cause=body[:_SHOWN_CHARACTERS])
        return body


def not_reached(error: HttpError) -> PlatformError:
    """Return the error for a call whose answer did not arrive: ``gateway_timeout`` or ``runner_unavailable``."""
    if isinstance(error, ReadTimeoutError):
        return PlatformError("gateway_timeout", "The extension did not respond in time.", cause=error)
    if isinstance(error, NotConnectedError):
        return PlatformError("runner_unavailable", _NOT_RUN, cause=error, progress=Progress.NOT_SENT)
    if isinstance(error, NoAnswerError):
        return PlatformError("runner_unavailable", _NOT_RUN, cause=error, progress=Progress.NO_ANSWER)
    return PlatformError("runner_unavailable", _NOT_RUN, cause=error)


def _not_invoked(status: int, headers: Mapping[str, str], body: bytes) -> PlatformError:
    """Return the error for an invocation that Lambda has refused.

    Lambda answers 429 also when a tenant-isolated function has too many environments; it does not tell the two apart.
    ``at_least_s`` in the context is how long Lambda itself asks to wait, 0 when it does not say.
    """
    kind = headers.get("x-amzn-errortype", "").partition(":")[0]
    cause = f"{error_of(status, body)} {kind[:_SHOWN_CHARACTERS]}".strip()
    if status == 429:
        asked = headers.get("retry-after", "")
        told_s = int(asked) if re.fullmatch("[0-9]{1,4}", asked) else None
        wait_s = min(max(_THROTTLED_S if told_s is None else told_s, 1), _LONGEST_WAIT_S)
        at_least_s = 0 if told_s is None else wait_s
        return PlatformError(
            "runner_throttled",
            _THROTTLED,
            cause=cause,
            progress=Progress.REFUSED,
            retry_after_s=wait_s,
            at_least_s=at_least_s,
        )
    if kind in _BEING_RESTORED:
        return PlatformError(
            "runner_unavailable", _NOT_RUN, cause=cause, progress=Progress.REFUSED, retry_after_s=_RESTORED_S
        )
    if 400 <= status < 500:
        return PlatformError("runner_unavailable", _NOT_RUN, cause=cause, progress=Progress.REFUSED)
    return PlatformError("runner_unavailable", _NOT_RUN, cause=cause)


class Deployments:
    """Tells CodeDeploy what became of a lifecycle hook.

    Args:
        api: signs the requests.

    Raises:
        ValueError: ``api`` knows neither an endpoint nor a region.
    """

    def __init__(self, api: AwsApi) -> None:
        api.endpoint("codedeploy")
        self._api = api

    def report(self, deployment_id: str, hook_execution_id: str, status: str) -> None:
        """Report ``Succeeded`` or ``Failed``.

        Raises:
            PlatformError: ``internal`` when CodeDeploy did not take it. The deployment waits for an hour, then fails.
        """
        told = {
            "deploymentId": deployment_id,
            "lifecycleEventHookExecutionId": hook_execution_id,
            "status": status,
        }
        try:
            self._api.ask("codedeploy", "CodeDeploy_20141006.PutLifecycleEventHookExecutionStatus", told, version="1.1")
        except (HttpError, RequestFailed) as error:
            raise PlatformError("internal", "CodeDeploy did not take the result.", cause=error) from error


class KmsDataKeys:
    """``DataKeys`` from symmetric KMS keys; the context is the encryption context of KMS.

    What one key of several has wrapped does not say which it was, so they are tried in their order.

    Args:
        key_ids: of the keys, separated by commas. The first wraps, all unwrap, so that a key can be replaced.
        api: signs the requests.

    Raises:
        ValueError: ``api`` knows neither an endpoint nor a region.
    """

    def __init__(self, key_ids: str, api: AwsApi) -> None:
        api.endpoint("kms")
        self._key_ids = key_ids.split(",")
        self._api = api

    def generate(self, context: Mapping[str, str]) -> DataKey:
        """See ``DataKeys.generate``."""
        asked = {"KeyId": self._key_ids[0], "KeySpec": "AES_256", "EncryptionContext": dict(context)}
        try:
            answer = self._ask("GenerateDataKey", asked)
        except (HttpError, RequestFailed) as error:
            raise PlatformError(
                "secret_unavailable", "Secrets cannot be sealed at the moment; try again.", cause=error
            ) from error
        return DataKey(base64.b64decode(answer["Plaintext"]), base64.b64decode(answer["CiphertextBlob"]))

    def unwrap(self, wrapped: bytes, context: Mapping[str, str]) -> bytes:
        """See ``DataKeys.unwrap``."""
        refused: Exception | None = None
        for key_id in self._key_ids:
            asked = {
                "KeyId": key_id,
                "CiphertextBlob": base64.b64encode(wrapped).decode(),
                "EncryptionContext": dict(context),
            }
            try:
                return base64.b64decode(self._ask("Decrypt", asked)["Plaintext"])
            except RequestFailed as error:  # such as IncorrectKeyException
                refused = refused or error
            except HttpError as error:
                refused = error
                break
        raise PlatformError("secret_unavailable", "The sealed secret cannot be opened.", cause=refused) from refused

    def rewrap(self, wrapped: bytes, context: Mapping[str, str]) -> bytes | None:
        """Return a wrapped key wrapped by the first key, or None when that key has wrapped it.

        The plain key does not leave KMS.

        Raises:
            PlatformError: ``secret_unavailable``.
        """
        asked = {
            "CiphertextBlob": base64.b64encode(wrapped).decode(),
            "SourceEncryptionContext": dict(context),
            "DestinationKeyId": self._key_ids[0],
            "DestinationEncryptionContext": dict(context),
        }
        try:
            answer = self._ask("ReEncrypt", asked)
        except (HttpError, RequestFailed) as error:
            raise PlatformError(
                "secret_unavailable", "The key of a sealed secret cannot be encrypted again.", cause=error
            ) from error
        return None if answer["SourceKeyId"] == answer["KeyId"] else base64.b64decode(answer["CiphertextBlob"])

    def _ask(self, operation: str, document: Mapping[str, Any]) -> Any:
        return self._api.ask("kms", f"TrentService.{operation}", document)
