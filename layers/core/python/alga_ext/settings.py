"""The base of every function's settings: typed, frozen, read once from an environment mapping.

This is the only module that reads the process's environment. pydantic-settings is not used: it costs 25–90 ms of
import for what these lines do.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, NamedTuple, Self, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, SecretStr, ValidationError
from pydantic.fields import FieldInfo

from alga_ext.errors import PlatformError

PAGE: Final = "docs/reference/settings.md"

Built = TypeVar("Built")


class SettingsError(ValueError):
    """The environment does not fit. The message names each variable, its form and its documentation, never a value."""


class Form(NamedTuple):
    """What the value of a setting looks like, for the message when it is missing or does not fit."""

    text: str


class Settings(BaseModel):
    """Base for settings: field ``foo_ms`` is read from the variable ``FOO_MS``; unknown variables are ignored.

    A required field is annotated with its ``Form``. ``section`` is the heading of ``PAGE`` that documents the class.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    section: ClassVar[str] = ""

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Self:
        """Read the settings; an empty variable counts as absent.

        Raises:
            SettingsError: one or more variables are missing or do not fit; all are named in one message.
        """
        given = {name: environ[name.upper()] for name in cls.model_fields if environ.get(name.upper())}
        faults = [("", reason) for reason in cls.faults_together(given)]
        try:
            settings = cls.model_validate(given)
        except ValidationError as error:
            faults += [(str(fault["loc"][0]), _reason(fault)) for fault in error.errors()]
        else:
            if not faults:
                return settings
        raise SettingsError(cls._message(faults))

    @classmethod
    def faults_together(cls, given: Mapping[str, str]) -> list[str]:  # noqa: ARG003 - for classes that have such a rule
        """Return what is wrong with the given variables taken together, each reason naming them."""
        return []

    def build(self, field: str, make: Callable[[str], Built]) -> Built:
        """Return what ``make`` makes of a field's value, such as a key of its PEM.

        Raises:
            SettingsError: ``make`` refused the value; the message names the variable.
        """
        value = getattr(self, field)
        try:
            return make(value.get_secret_value() if isinstance(value, SecretStr) else value)
        except PlatformError as error:
            reason = error.detail
        except OSError as error:
            reason = f"it names a file that cannot be read ({error.strerror or type(error).__name__})"
        except (ValueError, TypeError, KeyError):
            reason = "it does not fit"
        raise SettingsError(self._message([(field, reason)]))

    @classmethod
    def _message(cls, faults: list[tuple[str, str]]) -> str:
        lines = [f"The settings of {cls.section or cls.__name__} do not fit; see {PAGE}#{_anchor(cls.section)}."]
        for field, reason in faults:
            form = _form(cls.model_fields[field]) if field in cls.model_fields else ""
            lines.append(
                f"  {field.upper()}: {reason}" + (f"; give {form}" if form else "") if field else f"  {reason}"
            )
        return "\n".join(lines)


def environment() -> Mapping[str, str]:
    """Return the environment of this process."""
    return os.environ


def is_path(setting: str) -> bool:
    """Tell whether key material or a document is given as the path of a file, and not in place."""
    return not (setting.lstrip().startswith(("{", "[")) or "-----BEGIN" in setting)


def read_material(setting: str) -> str:
    """Return key material or a document given either in place or as the path of a file.

    Text that starts with ``{`` or ``[``, or holds ``-----BEGIN``, is the content itself; all else is a path.
    """
    return Path(setting).read_text(encoding="utf-8") if is_path(setting) else setting


def _reason(fault: Any) -> str:
    if fault["type"] == "missing":
        return "it is missing or empty"
    text = str(fault["msg"]).removeprefix("Value error, ")
    return text[:1].lower() + text[1:]


def _form(field: FieldInfo) -> str:
    return next((part.text for part in field.metadata if isinstance(part, Form)), "")


def _anchor(section: str) -> str:
    return section.lower().replace(" ", "-")


def _check_database_url(url: SecretStr) -> SecretStr:
    parts = urlsplit(url.get_secret_value())
    if parts.scheme not in ("postgresql", "postgres") or not parts.username or parts.port == 0:
        message = "it is not the URL of a PostgreSQL database with a role"
        raise ValueError(message)
    return url


def _check_store_base(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme != "s3" or not parts.netloc:
        message = "it is not the address of a bucket"
        raise ValueError(message)
    return text


def _check_http_url(text: str) -> str:
    parts = urlsplit(text)  # reading its port raises ValueError when that is not a number up to 65535
    if text and (parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0 or parts.query):
        message = "it is not an http or https URL without a query"
        raise ValueError(message)
    return text


DatabaseUrl = Annotated[
    SecretStr, AfterValidator(_check_database_url), Form("postgresql://role:password@host:5432/database")
]
StoreBase = Annotated[str, AfterValidator(_check_store_base), Form("s3://bucket or s3://bucket/prefix")]
HttpUrl = Annotated[str, AfterValidator(_check_http_url), Form("a URL such as https://host.example.com/path")]
QueueUrl = Annotated[str, AfterValidator(_check_http_url), Form("the queue's URL, https://sqs.REGION.amazonaws.com/…")]
TrustBundleSetting = Annotated[str, Form("the trust bundle as JSON or PEM, or the path of its file")]
SigningKey = Annotated[SecretStr, Form("a PEM private key, the path of its file, or kms:KEY-ID")]
PrivateKey = Annotated[SecretStr, Form("an Ed25519 private key in PEM, or the path of its file")]
