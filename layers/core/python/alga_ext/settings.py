"""Base class of every function's settings: typed, frozen, read once from environment variables.

This is the only module that reads the process's environment. pydantic-settings is not used: its import takes 25 to 90
milliseconds, and these few lines do the same.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, NamedTuple, Self, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, SecretStr, ValidationError
from pydantic.fields import FieldInfo

from alga_ext.database_url import parse_database_url
from alga_ext.errors import PlatformError

PAGE: Final = "docs/reference/settings.md"

Built = TypeVar("Built")


class SettingsError(ValueError):
    """The settings are not valid. The message names each wrong variable, its form and its documentation.

    It never contains a value.
    """


class Form(NamedTuple):
    """What the value of a setting looks like, for the message when it is missing or not valid."""

    text: str


class Settings(BaseModel):
    """Base class for settings: field ``foo_ms`` is read from the variable ``FOO_MS``; unknown variables are ignored.

    A required field is annotated with its ``Form``. ``section`` is the heading on the page ``PAGE`` that documents
    the class.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    section: ClassVar[str] = ""

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Self:
        """Read the settings; an empty variable counts as absent.

        Raises:
            SettingsError: one or more variables are missing or not valid; one message names all of them.
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
        """Call ``make`` with a field's value and return the result, such as the key that a PEM text contains.

        Raises:
            SettingsError: ``make`` raised an error for this value; the message names the variable.
        """
        value = getattr(self, field)
        try:
            return make(value.get_secret_value() if isinstance(value, SecretStr) else value)
        except PlatformError as error:
            reason = error.detail
        except OSError as error:
            reason = f"it names a file that cannot be read ({error.strerror or type(error).__name__})"
        except (ValueError, TypeError, KeyError):
            reason = "it is not valid"
        raise SettingsError(self._message([(field, reason)]))

    @classmethod
    def _message(cls, faults: list[tuple[str, str]]) -> str:
        lines = [f"The settings of {cls.section or cls.__name__} are not valid; see {PAGE}#{_anchor(cls.section)}."]
        for field, reason in faults:
            form = _form(cls.model_fields[field]) if field in cls.model_fields else ""
            lines.append(
                f"  {field.upper()}: {reason}" + (f"; give {form}" if form else "") if field else f"  {reason}"
            )
        return "\n".join(lines)


def development_faults(given: Mapping[str, str]) -> list[str]:
    """Check that a function in AWS Lambda is not told to show a developer what only a local platform may show."""
    if given.get("lambda_task_root") and "explain_failures" in given:  # Lambda and its images set the first
        return ["EXPLAIN_FAILURES: it is for local platforms only and must not be set in AWS Lambda; remove it"]
    return []


def environment() -> Mapping[str, str]:
    """Return the environment of this process."""
    return os.environ


def loader_environment() -> dict[str, str]:
    """Return what the interpreter of a confined process may need to start at all, and nothing else.

    In AWS Lambda, the loader finds the interpreter's own library through ``LD_LIBRARY_PATH`` only. The confined process
    clears its environment once it runs.
    """
    return {name: value for name, value in os.environ.items() if name == "LD_LIBRARY_PATH"}


def is_path(setting: str) -> bool:
    """Tell whether a setting is the path of a file, and not the key or document itself."""
    return not (setting.lstrip().startswith(("{", "[")) or "-----BEGIN" in setting)


def read_material(setting: str) -> str:
    """Return the key or document that a setting contains or names.

    Text that starts with ``{`` or ``[``, or contains ``-----BEGIN``, is the content itself. Any other text is the path
    of a UTF-8 file.
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
    parse_database_url(url.get_secret_value())
    return url


def _check_store_base(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme != "s3" or not parts.netloc:
        message = "it is not the address of a bucket"
        raise ValueError(message)
    return text


def _check_http_url(text: str) -> str:
    parts = urlsplit(text)  # parts.port raises ValueError when the port is not a number up to 65535
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
