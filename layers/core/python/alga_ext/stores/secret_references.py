"""Read the settings that are references to AWS Secrets Manager: ``secretsmanager:ARN#FIELD``.

``FIELD`` names a text in the JSON object of the secret. Without ``#FIELD``, the whole secret is the value. A function
without references loads nothing but this module.
"""

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from alga_ext.settings import PAGE, SettingsError

if TYPE_CHECKING:
    from alga_ext.stores.aws_api import AwsApi

_PREFIX: Final = "secretsmanager:"
_REFERENCE: Final = re.compile(
    r"secretsmanager:(?P<arn>arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[\w/+=.@-]+)(?:#(?P<field>.+))?",
    re.ASCII,
)


class _UnreadableError(Exception):
    """A value cannot be read. The text says why; it contains neither the value nor the ARN."""


class Reference(NamedTuple):
    """Where the value of a setting is: the ARN of a secret, and a field of its JSON object; empty for all of it."""

    arn: str
    field: str


def references_in(environ: Mapping[str, str]) -> dict[str, Reference]:
    """Return the variables that are references.

    Raises:
        SettingsError: a variable begins like a reference but is not one.
    """
    found, faults = {}, {}
    for name, value in environ.items():
        if not value.startswith(_PREFIX):
            continue
        if match := _REFERENCE.fullmatch(value):
            found[name] = Reference(match["arn"], match["field"] or "")
        else:
            faults[name] = "it is not a reference to a secret; give secretsmanager:ARN or secretsmanager:ARN#FIELD"
    _refuse(faults)
    return found


def read_values(environ: Mapping[str, str], references: Mapping[str, Reference], *, attempts: int) -> dict[str, str]:
    """Return the values of the variables that are references. Each secret is read once.

    Args:
        environ: see ``AwsApi``.
        references: by variable.
        attempts: how often a request may be sent when it fails.

    Raises:
        SettingsError: one or more values cannot be read. The message names each variable and the reason, and contains
            neither a value nor an ARN.
    """
    from alga_ext.stores.aws_api import AwsApi

    api = AwsApi(environ)
    values: dict[str, str] = {}
    faults: dict[str, str] = {}
    for arn in dict.fromkeys(reference.arn for reference in references.values()):
        fields = {name: reference.field for name, reference in references.items() if reference.arn == arn}
        try:
            text = _secret(api, arn, attempts)
        except _UnreadableError as error:
            faults |= dict.fromkeys(fields, str(error))
            continue
        for name, field in fields.items():
            try:
                values[name] = _value_of(text, field)
            except _UnreadableError as error:
                faults[name] = str(error)
    _refuse(faults)
    return values


def _secret(api: "AwsApi", arn: str, attempts: int) -> str:
    from alga_ext.stores.aws_api import NotSignedError, RequestFailed
    from alga_ext.stores.http_requests import HttpError

    try:
        answer = api.ask("secretsmanager", "secretsmanager.GetSecretValue", {"SecretId": arn}, attempts=attempts)
    except RequestFailed as error:
        message = f"Secrets Manager does not give its secret: {error}"
        raise _UnreadableError(message) from error
    except (NotSignedError, ValueError) as error:  # no credentials, or neither a region nor an endpoint
        message = f"its secret cannot be read: {error}"
        raise _UnreadableError(message) from error
    except HttpError as error:
        message = f"Secrets Manager does not answer ({type(error).__name__})"
        raise _UnreadableError(message) from error
    text = answer.get("SecretString") if isinstance(answer, dict) else None
    if not isinstance(text, str):
        message = "its secret is binary; only a text can be used"
        raise _UnreadableError(message)
    return text


def _value_of(text: str, field: str) -> str:
    if not field:
        return text
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        message = "its secret has no fields, because it is not a JSON object"
        raise _UnreadableError(message)
    if not isinstance(value := document.get(field), str):
        message = "the field of its secret is not a text" if field in document else "its secret has no such field"
        raise _UnreadableError(message)
    return value


def _refuse(faults: Mapping[str, str]) -> None:
    if faults:
        lines = [f"The settings in Secrets Manager cannot be used; see {PAGE}#values-in-secrets-manager."]
        raise SettingsError("\n".join([*lines, *(f"  {name}: {reason}" for name, reason in faults.items())]))
