"""Base class of every function's settings: typed, frozen, read once from environment variables.

Only this module reads the process's environment, and ``alga_ext.loader`` one variable. It uses neither pydantic nor
pydantic-settings: every cold start would pay 70 to 100 milliseconds of CPU time for their import (ADR 0031).
"""

import os
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, NamedTuple, NoReturn, Self, TypeVar, get_args
from urllib.parse import SplitResult, urlsplit

import msgspec

from alga_ext.database_url import parse_database_url
from alga_ext.errors import PlatformError

PAGE: Final = "docs/reference/settings.md"

_TRUTH: Final = {
    **dict.fromkeys(("true", "1", "yes", "on", "t", "y"), True),
    **dict.fromkeys(("false", "0", "no", "off", "f", "n"), False),
}

_KEY_IDS_LIMIT: Final = 4
"""The most KMS keys at the same time: two are enough for a rotation."""

Built = TypeVar("Built")


class SettingsError(ValueError):
    """The settings are not valid. The message names each wrong variable, its form and its documentation.

    It never contains a value.
    """


class SecretStr:
    """A text that is not shown: ``repr`` and ``str`` give asterisks. It is false when it is empty."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def get_secret_value(self) -> str:
        """Return the text."""
        return self._text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __repr__(self) -> str:
        return "SecretStr('**********')"

    def __reduce__(self) -> NoReturn:
        message = "a secret is not serialised"
        raise TypeError(message)


class Form(NamedTuple):
    """What the value of a setting looks like, for the message when it is missing or not valid."""

    text: str


class Range(NamedTuple):
    """The least and the greatest value of an integer; None means no limit."""

    least: int | None = None
    most: int | None = None


class Check(NamedTuple):
    """A check of a value that has the right type.

    ``refuse`` raises ``ValueError`` with a reason that begins with "it". It gets the text of a secret.
    """

    refuse: Callable[[Any], object]


class Setting(NamedTuple):
    """How one variable is read.

    Attributes:
        kind: ``str``, ``int``, ``bool`` or ``SecretStr``.
        default: the value without the variable; ``msgspec.NODEFAULT`` when the variable is required.
        range: the limits of an integer.
        form: what a value looks like, or an empty text.
        checks: what else is checked.
    """

    kind: type
    default: Any
    range: Range
    form: str
    checks: tuple[Callable[[Any], object], ...]

    @property
    def is_required(self) -> bool:
        """Whether the start fails without the variable."""
        return self.default is msgspec.NODEFAULT

    def parse(self, text: str) -> Any:
        """Return the value of a text that is not empty.

        Raises:
            ValueError: with the reason; it does not contain the text.
        """
        value: Any = text
        if self.kind is int:
            value = _integer(text, self.range)
        elif self.kind is bool:
            value = _TRUTH.get(text.lower())
            if value is None:
                message = "it must be true or false"
                raise ValueError(message)
        for refuse in self.checks:
            refuse(value)
        return SecretStr(value) if self.kind is SecretStr else value


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Base class for settings: field ``foo_ms`` is read from the variable ``FOO_MS``; unknown variables are ignored.

    A field is a ``str``, ``int``, ``bool`` or ``SecretStr``. It may be annotated with its ``Form`` (a required field
    is), its ``Range`` and a ``Check``. A class repeats ``frozen=True, kw_only=True``. ``section`` is the heading on the
    page ``PAGE`` that documents the class.
    """

    section: ClassVar[str] = ""

    @classmethod
    @cache
    def fields(cls) -> Mapping[str, Setting]:
        """Return how each field is read, by its name."""
        return {field.name: _setting(field) for field in msgspec.structs.fields(cls)}

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Self:
        """Read the settings; an empty variable counts as absent.

        Raises:
            SettingsError: one or more variables are missing or not valid; one message names all of them.
        """
        fields = cls.fields()
        given = {name: environ[name.upper()] for name in fields if environ.get(name.upper())}
        faults = [("", reason) for reason in cls.faults_together(given)]
        values = {}
        for name, field in fields.items():
            if name in given:
                try:
                    values[name] = field.parse(given[name])
                except ValueError as error:
                    faults.append((name, str(error)))
            elif field.is_required:
                faults.append((name, "it is missing or empty"))
        if faults:
            raise SettingsError(cls._message(faults))
        return cls(**values)

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
        fields = cls.fields()
        lines = [f"The settings of {cls.section or cls.__name__} are not valid; see {PAGE}#{_anchor(cls.section)}."]
        for field, reason in faults:
            form = fields[field].form if field else ""
            lines.append(
                f"  {field.upper()}: {reason}" + (f"; give {form}" if form else "") if field else f"  {reason}"
            )
        return "\n".join(lines)


def development_faults(given: Mapping[str, str]) -> list[str]:
    """Check that a function in AWS Lambda is not told to show a developer what only a local platform may show."""
    if given.get("lambda_task_root") and "explain_failures" in given:  # Lambda and its images set the first
        return ["EXPLAIN_FAILURES: it is for local platforms only and must not be set in AWS Lambda; remove it"]
    return []


def trust_faults(given: Mapping[str, str]) -> list[str]:
    """Check that a trust bundle in the object store names an object and a root key, and that no other one names a key.

    Root keys beside a bundle that nobody checks with them would look like a protection.
    """
    bundle, has_roots = given.get("signing_trust_bundle", ""), "trust_root_keys" in given
    if not bundle.startswith("s3://"):
        unchecked = "TRUST_ROOT_KEYS: only a SIGNING_TRUST_BUNDLE in s3:// is checked with it; remove one of the two"
        return [unchecked] if has_roots else []
    bucket, _, key = bundle.removeprefix("s3://").partition("/")
    faults = [] if bucket and key else ["SIGNING_TRUST_BUNDLE: it names no object; give s3://bucket/key"]
    if not has_roots:
        faults.append("TRUST_ROOT_KEYS: it is missing or empty; a SIGNING_TRUST_BUNDLE in s3:// needs it")
    return faults


def environment() -> Mapping[str, str]:
    """Return the environment of this process."""
    return os.environ


def is_path(setting: str) -> bool:
    """Tell whether a setting is the path of a file, and not the key or document itself."""
    return not (setting.lstrip().startswith(("{", "[")) or "-----BEGIN" in setting)


def read_material(setting: str) -> str:
    """Return the key or document that a setting contains or names.

    Text that starts with ``{`` or ``[``, or contains ``-----BEGIN``, is the content itself. Any other text is the path
    of a UTF-8 file.
    """
    return Path(setting).read_text(encoding="utf-8") if is_path(setting) else setting


def _setting(field: msgspec.structs.FieldInfo) -> Setting:
    parts = getattr(field.type, "__metadata__", ())
    kind = get_args(field.type)[0] if parts else field.type
    if kind not in (str, int, bool, SecretStr):
        message = f"{field.name}: a setting is a str, int, bool or SecretStr, not {kind}"
        raise TypeError(message)
    return Setting(
        kind=kind,
        default=field.default,
        range=next((part for part in parts if isinstance(part, Range)), Range()),
        form=next((part.text for part in parts if isinstance(part, Form)), ""),
        checks=tuple(part.refuse for part in parts if isinstance(part, Check)),
    )


def _integer(text: str, limits: Range) -> int:
    least, most = limits
    try:
        value = int(text)
    except ValueError:
        value = None
    if value is None or (least is not None and value < least) or (most is not None and value > most):
        above = "" if least is None else f" of at least {least}" if most is None else f" from {least} to {most}"
        message = f"it must be an integer{above}"
        raise ValueError(message)
    return value


def _anchor(section: str) -> str:
    return section.lower().replace(" ", "-")


def _split(text: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018 - raises ValueError when the port is not a number up to 65535
    except ValueError:  # its text may quote a part of the URL
        message = "it is not a URL, or its port is not a number from 1 to 65535"
        raise ValueError(message) from None
    return parts


def _check_store_base(text: str) -> None:
    parts = _split(text)
    if parts.scheme != "s3" or not parts.netloc:
        message = "it is not the address of a bucket"
        raise ValueError(message)


def _check_http_url(text: str) -> None:
    parts = _split(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0 or parts.query:
        message = "it is not an http or https URL without a query"
        raise ValueError(message)


def _check_key_ids(text: str) -> None:
    ids = text.split(",")
    if not all(ids) or len(ids) > _KEY_IDS_LIMIT or any(character.isspace() for character in text):
        message = f"it is not a list of 1 to {_KEY_IDS_LIMIT} key ids, separated by commas without spaces"
        raise ValueError(message)


DatabaseUrl = Annotated[SecretStr, Check(parse_database_url), Form("postgresql://role:password@host:5432/database")]
StoreBase = Annotated[str, Check(_check_store_base), Form("s3://bucket or s3://bucket/prefix")]
HttpUrl = Annotated[str, Check(_check_http_url), Form("a URL such as https://host.example.com/path")]
QueueUrl = Annotated[str, Check(_check_http_url), Form("the queue's URL, https://sqs.REGION.amazonaws.com/…")]
TrustBundleSetting = Annotated[
    str, Form("the trust bundle as JSON or PEM, the path of its file, or s3://bucket/key of a signed one")
]
RootKeys = Annotated[str, Form("the root keys' public keys in PEM, or the path of their file")]
KeyAge = Annotated[int, Range(1, 36_500)]
"""How many days old a key may get before it is reported."""
KmsKeyIds = Annotated[str, Check(_check_key_ids), Form("ids of KMS keys, separated by commas; the first encrypts")]
SigningKey = Annotated[SecretStr, Form("a PEM private key, the path of its file, or kms:KEY-ID")]
PrivateKey = Annotated[SecretStr, Form("an Ed25519 private key in PEM, or the path of its file")]
