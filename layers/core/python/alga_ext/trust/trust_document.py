"""Parse the trust bundle that an operator wrote, in JSON or PEM (docs/reference/trust-bundle.md).

JSON::

    {"version": 1,
     "keys": [{"key_id": "sha256:…", "public_key": "-----BEGIN PUBLIC KEY-----…", "use": "publisher",
               "publishers": ["acme"], "valid_from": "2026-01-01T00:00:00Z", "valid_until": null}],
     "revocations": [{"key_id": "sha256:…", "from": "2026-06-01T00:00:00Z", "reason": "lost laptop"}]}

PEM: the same data in attribute lines above each key. RFC 7468 allows explanatory text there, so other PEM parsers can
read the keys too::

    # Acme's laptop
    Key-Id: sha256:…
    Use: publisher
    Publishers: acme
    Revoked-From: 2026-06-01T00:00:00Z
    -----BEGIN PUBLIC KEY-----
    …
    -----END PUBLIC KEY-----

Signed, as it is in the object store (docs/adr/0029-a-signed-trust-bundle.md), it is always JSON. Then ``version``
counts up, and ``expires`` says until when the bundle may be used::

    {"version": 7, "expires": "2026-07-01T00:00:00Z", "keys": […], "revocations": […]}

An unknown name makes the whole document invalid: a revocation with a misspelt name must not be ignored. An error
message names the line and never quotes its content, which may be a private key that was put there by mistake.
"""

import json
import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Annotated, Final, Literal, NamedTuple, TypeVar

import msgspec

from alga_ext import json_shape, strict_json
from alga_ext.errors import PlatformError
from alga_ext.json_shape import ShapeError
from alga_ext.strict_json import JsonError
from alga_ext.trust.policy import Revocation, TrustBundle, TrustedKey, Use
from alga_ext.trust.signing import PublicKey

TRUST_BUNDLE_LIMIT_BYTES: Final = 1 << 20
VERSION_LIMIT: Final = 2**53 - 1
"""The largest version: every JSON parser reads an integer up to it exactly."""

_BEGIN, _END = "-----BEGIN PUBLIC KEY-----", "-----END PUBLIC KEY-----"
_BASE64_LINE: Final = re.compile(r"[A-Za-z0-9+/]{1,76}={0,2}")
_ATTRIBUTE: Final = re.compile(r"([A-Za-z][A-Za-z-]*):(.*)")
_ATTRIBUTES: Final = {
    "Key-Id": "key_id",
    "Use": "use",
    "Publishers": "publishers",
    "Valid-From": "valid_from",
    "Valid-Until": "valid_until",
    "Revoked-From": "from",
    "Revoked-Reason": "reason",
}
"""Names of attribute lines, each with its member of the JSON form."""

_INSTANT_FORM: Final = "it must be an instant with time zone, such as 2026-06-01T00:00:00Z"
_FORMS: Final = {
    "version": "it must be 1 or, in a signed bundle, an integer from 1 on",
    "key_id": "it must be 'sha256:' and 64 lower-case hex digits",
    "use": "it must be 'publisher', 'release', 'artifact' or 'log'",
    "publishers": "it must be a list of publishers' names (1 to 63 of a-z, 0-9 and '-'), or '*' for all publishers",
    "valid_from": _INSTANT_FORM,
    "valid_until": _INSTANT_FORM,
    "from": _INSTANT_FORM,
    "expires": _INSTANT_FORM,
}
"""What a member must be, by its name."""

_KeyId = Annotated[str, msgspec.Meta(pattern=r"^sha256:[0-9a-f]{64}\Z")]
_PublisherName = Annotated[str, msgspec.Meta(pattern=r"^(\*|[a-z0-9-]{1,63})\Z")]
_Instant = Annotated[
    str,
    msgspec.Meta(pattern=r"^[0-9]{4}(-[0-9]{2}){2}T[0-9]{2}(:[0-9]{2}){2}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})\Z"),
]
"""RFC 3339, with one spelling of each separator and at most the six digits that a ``datetime`` keeps."""


class _Key(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    key_id: _KeyId
    public_key: str
    use: Use = "publisher"
    publishers: tuple[_PublisherName, ...] = ("*",)
    valid_from: _Instant = "1970-01-01T00:00:00Z"
    valid_until: _Instant | None = None


class _Revocation(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    key_id: _KeyId
    revoked_from: _Instant = msgspec.field(name="from")
    reason: str = ""


class _Members(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    keys: list[_Key]
    revocations: list[_Revocation] = []


class _Document(_Members, kw_only=True, forbid_unknown_fields=True):
    version: Literal[1]


class _VersionedDocument(_Members, kw_only=True, forbid_unknown_fields=True):
    version: Annotated[int, msgspec.Meta(ge=1, le=VERSION_LIMIT)]
    expires: _Instant


class VersionedTrust(NamedTuple):
    """What a root key signs: a trust bundle, its version, and the instant from which it may not be used."""

    version: int
    expires_at: datetime
    trust: TrustBundle


_Kind = TypeVar("_Kind", _Document, _VersionedDocument)


class _Block(NamedTuple):
    """One PEM key, the number of its first line (from 1), and the attributes above it."""

    line: int
    pem: str
    attributes: dict[str, str]


def parse_trust_bundle(text: str) -> TrustBundle:
    """Parse a trust bundle of at most ``TRUST_BUNDLE_LIMIT_BYTES``.

    Raises:
        PlatformError: ``trust_bundle_invalid``, with the place of the error and how to fix it; ``key_invalid`` for a
            ``public_key`` in JSON that is not a valid key.
    """
    data = text[: TRUST_BUNDLE_LIMIT_BYTES + 1].encode(errors="surrogatepass")
    if len(data) > TRUST_BUNDLE_LIMIT_BYTES:
        size = max(len(text), len(data))
        raise _invalid(f"it is at least {size} bytes; at most {TRUST_BUNDLE_LIMIT_BYTES} are allowed")
    is_json = text.lstrip().startswith(("{", "["))
    if not is_json and _BEGIN not in text:
        raise _invalid(f"it is neither a JSON object nor PEM keys; a PEM key begins with {_BEGIN!r}")
    if not is_json:
        return _bundle(*_parse_pem(text))
    document = _read(_Document, data)
    return _bundle(*_members(document))


def parse_versioned(data: bytes) -> VersionedTrust:
    """Parse the payload of a signed trust bundle.

    Raises:
        PlatformError: as ``parse_trust_bundle``.
    """
    if len(data) > TRUST_BUNDLE_LIMIT_BYTES:
        raise _invalid(f"it is {len(data)} bytes; at most {TRUST_BUNDLE_LIMIT_BYTES} are allowed")
    document = _read(_VersionedDocument, data)
    try:
        expires_at = _instant(document.expires, "expires")
    except ShapeError as error:
        raise _invalid_at(error) from None
    return VersionedTrust(document.version, expires_at, _bundle(*_members(document)))


def encode_versioned(document: VersionedTrust) -> bytes:
    """Return the payload that ``parse_versioned`` reads.

    Raises:
        PlatformError: ``trust_bundle_invalid`` when the version or the size is out of range.
    """
    keys = [
        {
            "key_id": key.key_id,
            "public_key": key.public_key,
            "use": key.use,
            "publishers": list(key.publishers),
            "valid_from": key.valid_from.isoformat(),
            "valid_until": key.valid_until and key.valid_until.isoformat(),
        }
        for key in document.trust.keys
    ]
    revocations = [
        {"key_id": entry.key_id, "from": entry.revoked_from.isoformat(), "reason": entry.reason}
        for entry in document.trust.revocations
    ]
    members = {
        "version": document.version,
        "expires": document.expires_at.isoformat(),
        "keys": keys,
        "revocations": revocations,
    }
    data = json.dumps(members, separators=(",", ":")).encode()
    parse_versioned(data)
    return data


def _bundle(keys: Sequence[TrustedKey], revocations: Sequence[Revocation]) -> TrustBundle:
    for key in keys:
        if key.valid_until is not None and key.valid_until <= key.valid_from:
            raise _invalid(f"key {key.key_id} ends before it begins: its valid_until must be after its valid_from")
        if key.use != "publisher" and key.publishers != ("*",):
            raise _invalid(
                f"key {key.key_id} has the use {key.use}, which is for every publisher: its publishers must be '*'"
            )
    return TrustBundle(keys, revocations)


def _read(kind: type[_Kind], data: bytes) -> _Kind:
    try:
        return json_shape.convert(strict_json.parse(data), kind)
    except JsonError as error:
        raise _invalid(f"it is not JSON: {error}") from None
    except ShapeError as error:
        raise _invalid_at(error) from None


def _members(document: _Members) -> tuple[list[TrustedKey], list[Revocation]]:
    try:
        keys = [_trusted(key, f"keys.{number}.") for number, key in enumerate(document.keys)]
        revocations = [_revoked(entry, f"revocations.{number}.") for number, entry in enumerate(document.revocations)]
    except ShapeError as error:
        raise _invalid_at(error) from None
    return keys, revocations


def _parse_pem(text: str) -> tuple[list[TrustedKey], list[Revocation]]:
    try:
        text.encode()
    except UnicodeEncodeError:  # a variable of the environment can have such bytes
        raise _invalid("it has bytes that are not UTF-8") from None
    keys, revocations = [], []
    for block in _blocks(text):
        key, revocation = _key_of(block)
        keys.append(key)
        revocations += [revocation] if revocation is not None else []
    return keys, revocations


def _blocks(text: str) -> Iterator[_Block]:
    """Split PEM text into keys with their attributes; a line that is not understood is an error."""
    attributes: dict[str, str] = {}
    begun, body = 0, list[str]()
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        if begun:
            if line == _END:
                yield _Block(begun, "\n".join((_BEGIN, *body, _END, "")), attributes)
                attributes, begun, body = {}, 0, []
            elif _BASE64_LINE.fullmatch(line):
                body.append(line)
            else:
                raise _invalid(f"line {number} of the key that begins at line {begun} is neither base64 nor {_END!r}")
        elif line == _BEGIN:
            begun = number
        elif line.strip() and not line.startswith("#"):
            name, value = _attribute(line, number)
            if name in attributes:
                raise _invalid(f"line {number} repeats {name} for the same key")
            attributes[name] = value
    if begun:
        raise _invalid(f"the key that begins at line {begun} has no {_END!r}")
    if attributes:
        raise _invalid(f"no key follows the attributes at its end ({', '.join(attributes)})")


def _attribute(line: str, number: int) -> tuple[str, str]:
    match = _ATTRIBUTE.fullmatch(line)
    if match is None:
        raise _invalid(f"line {number} must be an attribute 'Name: value', a comment '# …' or {_BEGIN!r}")
    name, value = match[1], match[2].strip()
    if name not in _ATTRIBUTES:
        raise _invalid(f"line {number} is not a known attribute; known are {', '.join(_ATTRIBUTES)}")
    if not value:
        raise _invalid(f"line {number} has no value for {name}")
    return name, value


def _key_of(block: _Block) -> tuple[TrustedKey, Revocation | None]:
    given, where = block.attributes, f"the key that begins at line {block.line}"
    try:
        public_key = PublicKey.from_pem(block.pem)
    except PlatformError as error:
        raise _invalid(f"{where} cannot be read: {error.detail.removesuffix('.')}") from None
    if "Key-Id" not in given:
        raise _invalid(f"{where} has no Key-Id; if it is the right key, write 'Key-Id: {public_key.key_id}' above it")
    if "Use" not in given:
        raise _invalid(f"{where} has no Use; write 'Use: publisher', 'release', 'artifact' or 'log' above it")
    if given["Use"] == "publisher" and "Publishers" not in given:
        raise _invalid(f"{where} has no Publishers; write 'Publishers:' above it with names, or '*' for all publishers")
    if "Revoked-Reason" in given and "Revoked-From" not in given:
        raise _invalid(f"{where} has a Revoked-Reason but no Revoked-From; write the instant of the revocation")
    members: dict[str, object] = {_ATTRIBUTES[name]: value for name, value in given.items()}
    if "Publishers" in given:
        members["publishers"] = [name.strip() for name in given["Publishers"].split(",")]
    of_revocation = {name: members.pop(name) for name in ("from", "reason") if name in members}
    try:
        key = _trusted(json_shape.convert({**members, "public_key": public_key.pem}, _Key))
        if not of_revocation:
            return key, None
        return key, _revoked(json_shape.convert({"key_id": members["key_id"], **of_revocation}, _Revocation))
    except ShapeError as error:
        name = next(name for name, member in _ATTRIBUTES.items() if member == error.where.split(".")[0])
        raise _invalid(f"{name} of {where}: {_reason(error)}") from None


def _trusted(key: _Key, place: str = "") -> TrustedKey:
    return TrustedKey(
        key_id=key.key_id,
        public_key=key.public_key,
        use=key.use,
        publishers=key.publishers,
        valid_from=_instant(key.valid_from, f"{place}valid_from"),
        valid_until=None if key.valid_until is None else _instant(key.valid_until, f"{place}valid_until"),
    )


def _revoked(entry: _Revocation, place: str = "") -> Revocation:
    revoked_from = _instant(entry.revoked_from, f"{place}from")
    return Revocation(key_id=entry.key_id, revoked_from=revoked_from, reason=entry.reason)


def _instant(text: str, where: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:  # such as the thirteenth month
        raise ShapeError(where, _INSTANT_FORM) from None


def _reason(error: ShapeError) -> str:
    """Return what the member must be, or what else is wrong."""
    names = [part for part in error.where.split(".") if not part.isdecimal()]
    return _FORMS.get(names[-1], error.why) if names else error.why


def _invalid_at(error: ShapeError) -> PlatformError:
    return _invalid(f"at {error.where or 'document'}: {_reason(error)}")


def _invalid(why: str) -> PlatformError:
    return PlatformError("trust_bundle_invalid", f"The trust bundle cannot be used: {why}.")
