"""Create and rotate a stage's secrets in AWS Secrets Manager: `alga-ext/STAGE/gateway` and `alga-ext/STAGE/runner`.

Each secret is one JSON object, whose fields are the values of settings. A value that is being replaced has its
successor beside it, in the field with `next_` before its name, and an instant tells when the last step was made. So a
rotation can be continued by anyone, on any machine. No private key and no token is ever shown.
"""

import json
import re
import secrets
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from alga_ext.trust.dated_keys import parse_public_keys, parse_signer
from alga_ext.trust.signing import LocalSigner
from tools.cli.output import CommandError

PRIVATE: Final = "execution_token_private_key"
PUBLIC: Final = "execution_token_public_keys"
CALL_KEY: Final = "ui_proxy_signing_key"
TOKENS: Final = ("ui_proxy_auth_token", "host_api_auth_token")
TOKEN_ACCEPTED: Final = timedelta(seconds=65)
"""For how long the runner accepts an execution token after it was signed."""
_STAGE: Final = re.compile(r"[a-z][a-z0-9-]{0,31}")
_TOKEN_BYTES: Final = 32
_CHANGED: Final = "_changed_at"

Values = dict[str, str]


class Made(NamedTuple):
    """What a step did: a sentence for a terminal, members for JSON, and what comes next (empty after the last step)."""

    line: str
    document: dict[str, Any]
    then: str = ""


class StageSecrets:
    """The two secrets of a stage. Two people must not change them at the same time: the last one wins.

    Every method raises CommandError when Secrets Manager cannot be reached or refuses; the constructor also when
    `stage` is not the name of a stage.
    """

    def __init__(self, stage: str) -> None:
        if not _STAGE.fullmatch(stage):
            raise CommandError(
                f"{stage[:100]!r} is not the name of a stage", "lower-case letters, digits, hyphens; at most 32"
            )
        self._stage = stage
        try:
            self._manager = boto3.session.Session().client("secretsmanager")
        except (BotoCoreError, ClientError) as error:
            raise _refused(error) from error

    def name(self, function: str) -> str:
        """Return the name of a function's secret."""
        return f"alga-ext/{self._stage}/{function}"

    def get(self, function: str) -> Values | None:
        """Return the fields of a function's secret, or None when it does not exist."""
        try:
            answer = self._manager.get_secret_value(SecretId=self.name(function))
        except self._manager.exceptions.ResourceNotFoundException:
            return None
        except (BotoCoreError, ClientError) as error:
            raise _refused(error) from error
        try:
            fields = json.loads(answer["SecretString"])
        except (KeyError, ValueError):
            fields = None
        if not isinstance(fields, dict) or not all(isinstance(value, str) for value in fields.values()):
            raise CommandError(f"{self.name(function)} is not a JSON object of texts", "restore an earlier version")
        return fields

    def load(self, function: str) -> Values:
        """Return the fields of a function's secret. Raises CommandError also when it does not exist."""
        found = self.get(function)
        if found is None:
            raise CommandError(f"{self.name(function)} does not exist", f"`alga-ext keys create --stage {self._stage}`")
        return found

    def create(self, function: str, values: Mapping[str, str]) -> None:
        """Create a function's secret."""
        try:
            self._manager.create_secret(Name=self.name(function), SecretString=json.dumps(values))
        except (BotoCoreError, ClientError) as error:
            raise _refused(error) from error

    def put(self, function: str, values: Mapping[str, str]) -> None:
        """Replace the fields of a function's secret."""
        try:
            self._manager.put_secret_value(SecretId=self.name(function), SecretString=json.dumps(values))
        except (BotoCoreError, ClientError) as error:
            raise _refused(error) from error


def create(stage: StageSecrets, now: datetime) -> Made:
    """Create the secrets of a stage, with new keys and tokens. What exists is never overwritten.

    If an earlier attempt created the gateway's secret only, the runner's is made to fit it.

    Raises CommandError.
    """
    gateway, runner = stage.get("gateway"), stage.get("runner")
    if runner is not None:
        raise CommandError(
            f"{stage.name('runner')} exists already",
            "`alga-ext keys rotate` replaces keys" if gateway is not None else "delete it, and create both again",
        )
    if gateway is None:
        gateway = {PRIVATE: _new_key(now)}
        stage.create("gateway", gateway)
    call_token = _new_key(now)
    tokens = {name: secrets.token_urlsafe(_TOKEN_BYTES) for name in TOKENS}
    stage.create("runner", {PUBLIC: _public_of(gateway[PRIVATE]), CALL_KEY: call_token, **tokens})
    made = {"execution": _id_of(gateway[PRIVATE]), "ui-proxy": _id_of(call_token)}
    line = f"{stage.name('gateway')} and {stage.name('runner')} created; execution key {made['execution']}"
    return Made(line, made, f"give the host application this key for call tokens:\n{_public_of(call_token)}")


def rotate_execution(stage: StageSecrets, now: datetime, refresh: timedelta) -> Made:
    """Do the next of three steps that replace the key of execution tokens.

    1. Make the next key, and let the runner accept it too.
    2. Let the gateway sign with it. Every runner must have read the setting since step 1.
    3. Let the runner accept no other key. Every gateway must have read the setting since step 2, and the last token
       that one signed with the old key must have ended.

    `refresh` is how long a function may use a setting that it has read. An interrupted step is done again.

    Raises CommandError when the previous step has not been in effect for long enough.
    """
    gateway, runner = stage.load("gateway"), stage.load("runner")
    accepted = [dated.key.key_id for dated in parse_public_keys(runner[PUBLIC])]
    waiting = gateway.get(f"next_{PRIVATE}")
    present = _id_of(gateway[PRIVATE])
    if present not in accepted:
        raise CommandError(
            f"the runner does not accept the key {present} that the gateway signs with", "restore earlier versions"
        )
    if waiting is not None and _id_of(waiting) in accepted:  # (2)
        _wait(runner.get(PUBLIC + _CHANGED), refresh, now, "the runner accepts the next key")
        rest = {name: value for name, value in gateway.items() if name != f"next_{PRIVATE}"}
        stage.put("gateway", {**rest, PRIVATE: waiting, PRIVATE + _CHANGED: now.isoformat()})
        return _step(2, f"the gateway signs with {_id_of(waiting)}", refresh + TOKEN_ACCEPTED)
    if waiting is None and len(accepted) > 1:  # (3)
        _wait(gateway.get(PRIVATE + _CHANGED), refresh + TOKEN_ACCEPTED, now, "the gateway signs with the new key")
        stage.put("runner", {**runner, PUBLIC: _public_of(gateway[PRIVATE]), PUBLIC + _CHANGED: now.isoformat()})
        return _step(3, f"the runner accepts {present} alone")
    if waiting is None:  # (1)
        waiting = _new_key(now)
        stage.put("gateway", {**gateway, f"next_{PRIVATE}": waiting})
    both = runner[PUBLIC].rstrip("\n") + "\n" + _public_of(waiting)
    stage.put("runner", {**runner, PUBLIC: both, PUBLIC + _CHANGED: now.isoformat()})
    return _step(1, f"the runner accepts {_id_of(waiting)} too", refresh)


def rotate_call_token_key(stage: StageSecrets, now: datetime, refresh: timedelta) -> Made:
    """Do the next of two steps that replace the key of call tokens: make it, then sign with it.

    In between, the host application must be given the public key.

    Raises CommandError when the first step was not made long enough ago.
    """
    key, switched = _succeed(stage, CALL_KEY, _new_key, now, refresh)
    if switched:
        return Made(
            f"the runner signs with {_id_of(key)}",
            {"step": 2, "key_id": _id_of(key)},
            f"remove the old public key from the host application after {_seconds(refresh + timedelta(seconds=60))} s",
        )
    return Made(
        f"the next key is {_id_of(key)}",
        {"step": 1, "key_id": _id_of(key), "public_key": _public_of(key)},
        f"give the host application this key, and when it has it, run the command again:\n{_public_of(key)}",
    )


def rotate_token(stage: StageSecrets, name: str, now: datetime, refresh: timedelta) -> Made:
    """Do the next of two steps that replace a static token of the host application: make it, then send it.

    In between, the host application must accept it. It reads it in the field `next_…` of the runner's secret.

    Raises CommandError when the first step was not made long enough ago.
    """

    def new_token(_now: datetime) -> str:
        return secrets.token_urlsafe(_TOKEN_BYTES)

    _, switched = _succeed(stage, name, new_token, now, refresh)
    if switched:
        then = f"the host application may refuse the old token after {_seconds(refresh)} s"
        return Made(f"the runner sends the new {name}", {"step": 2}, then)
    then = (
        f"let the host application accept the field next_{name} of {stage.name('runner')} too, and when it does, "
        "run the command again"
    )
    return Made(f"the next {name} is made", {"step": 1}, then)


def _succeed(
    stage: StageSecrets, name: str, make: Callable[[datetime], str], now: datetime, refresh: timedelta
) -> tuple[str, bool]:
    """Make the successor of a field of the runner's secret or, in the next run, put it in its place.

    Returns the successor, and whether it is in its place.
    """
    runner = stage.load("runner")
    waiting = runner.get(f"next_{name}")
    if waiting is None:
        made = make(now)
        stage.put("runner", {**runner, f"next_{name}": made, f"next_{name}{_CHANGED}": now.isoformat()})
        return made, False
    _wait(runner.get(f"next_{name}{_CHANGED}"), refresh, now, "its successor was made")
    rest = {field: value for field, value in runner.items() if not field.startswith(f"next_{name}")}
    stage.put("runner", {**rest, name: waiting})
    return waiting, True


def _wait(since: str | None, needed: timedelta, now: datetime, what: str) -> None:
    """Raise CommandError unless a step was made at least `needed` ago. An instant that is missing counts as now."""
    passed = now - datetime.fromisoformat(since) if since is not None else timedelta(0)
    if passed < needed:
        raise CommandError(
            f"{what} since {_seconds(passed)} s; the next step needs {_seconds(needed)} s",
            f"run the command again in {_seconds(needed - passed)} s" if since is not None else "see the how-to",
        )


def _step(number: int, line: str, needed: timedelta | None = None) -> Made:
    then = f"run the command again in {_seconds(needed)} s for step {number + 1}" if needed is not None else ""
    return Made(f"step {number} of 3: {line}", {"step": number}, then)


def _seconds(time: timedelta) -> int:
    return -int(-time.total_seconds() // 1)


def _new_key(now: datetime) -> str:
    return f"Created: {now.isoformat(timespec='seconds')}\n{LocalSigner.generate().private_pem}"


def _public_of(private: str) -> str:
    signer, created_at = parse_signer(private)
    return (f"Created: {created_at.isoformat()}\n" if created_at else "") + signer.public_pem


def _id_of(private: str) -> str:
    return parse_signer(private).signer.key_id


def _refused(error: BotoCoreError | ClientError) -> CommandError:
    """Translate an error of the SDK, without its message, which may quote the request."""
    code = error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
    return CommandError(
        f"Secrets Manager cannot be used: {code}",
        "check AWS_REGION, the credentials, and the permissions for secretsmanager of alga-ext/STAGE/…",
    )
