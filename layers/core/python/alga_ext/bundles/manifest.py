"""Manifest v2: the description of an extension, ``manifest.json`` in the bundle.

These pydantic models are the parser, the documentation and the source of the published JSON Schema
(docs/reference/manifest.schema.json, written by ``make schema``). An unknown member is an error with a suggestion, so
that a spelling mistake never drops a setting silently.
"""

import difflib
import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Final, Literal, TypeVar, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from alga_ext import strict_json
from alga_ext.bundles import request_headers
from alga_ext.bundles.endpoint_paths import normal_path
from alga_ext.bundles.paths import PathError, check_relative
from alga_ext.calls import capabilities, configured_hosts, metrics
from alga_ext.errors import PlatformError
from alga_ext.strict_json import JsonError

MANIFEST_NAME: Final = "manifest.json"
MANIFEST_LIMIT_BYTES: Final = 256 * 1024
CALL_TIMEOUT_LIMIT_MS: Final = 29_000
"""API Gateway waits for 30 seconds."""
EVENT_TIMEOUT_LIMIT_MS: Final = 60_000

_NUMBER = r"(?:0|[1-9][0-9]*)"
_IDENTIFIER = rf"(?:{_NUMBER}|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*)"
SEMVER: Final = (
    rf"^{_NUMBER}\.{_NUMBER}\.{_NUMBER}"
    rf"(?:-{_IDENTIFIER}(?:\.{_IDENTIFIER})*)?"
    r"(?:\+[0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*)?$"
)
r"""Strict semantic version. It avoids ``\d``, because in pydantic's engine ``\d`` matches the digits of every script.

Source: https://semver.org/#is-there-a-suggested-regular-expression-regex-to-check-a-semver-string.
"""

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_NAME = rf"^{_LABEL}(?:\.{_LABEL})+$"
_EGRESS = re.compile(rf"(?:(https?)://)?(\*\.)?({_LABEL}(?:\.{_LABEL})*)(?::([1-9]\d{{0,4}}))?\Z")
_HOST_LIMIT_CHARS: Final = 253

_GLOB_LIMIT_SEGMENTS: Final = 16

DEFAULT_SECRET_HEADER: Final = "authorization"  # noqa: S105 - the name of a header
_HEADER = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]{1,64}\Z")
_CONNECTION_HEADERS: Final = frozenset({
    "host", "content-length", "connection", "keep-alive", "proxy-authenticate", "proxy-authorization",
    "proxy-connection", "te", "trailer", "trailers", "transfer-encoding", "upgrade", "expect",
})  # fmt: skip
_RETURNED_HEADERS: Final = frozenset({
    "origin", "access-control-request-headers", "access-control-request-method", "accept-encoding", "x-request-id",
    "x-correlation-id", "traceparent", "tracestate", "range", "if-range",
})  # fmt: skip
"""Headers that change or appear in a response by their nature. A secret must not go there."""


_SLUG = r"^[a-z0-9-]{1,63}$"
_SECRET_NAME = r"^[A-Za-z][A-Za-z0-9_.-]{0,63}$"  # noqa: S105 - the form of a name
_TOPIC = r"^[A-Za-z0-9][A-Za-z0-9._*-]{0,127}$"
_HOOK_NAME = r"^[a-z][A-Za-z0-9]{0,63}$"
_DOCUMENT = r"\.[xX]?[hH][tT][mM][lL]?$"
PATTERN_RULES: Final = {
    SEMVER: "must be a semantic version: three numbers, such as 1.0.0 or 1.2.0-beta.1",
    _NAME: "must be a reverse-domain name of at least two labels, in lower-case letters, digits and hyphens, such as "
    "com.example.notes",
    _SLUG: "must be 1 to 63 lower-case letters, digits or hyphens",
    _SECRET_NAME: "must begin with a letter; up to 63 letters, digits, '_', '.' or '-' may follow",
    _TOPIC: "must begin with a letter or digit; up to 127 letters, digits, '.', '_', '*' or '-' may follow",
    _DOCUMENT: "must be an HTML document, whose name ends with .html, .htm or .xhtml",
    _HOOK_NAME: "must begin with a lower-case letter; up to 63 letters or digits may follow",
}
"""What each pattern asks for, in the words of an error message."""
_TYPES: Final = {
    "missing": "is missing",
    "tuple_type": "must be a list",
    "string_type": "must be text in quotes",
    "bool_type": "must be true or false, without quotes",
    "int_type": "must be a whole number, without quotes",
    "int_from_float": "must be a whole number",
    "dict_type": "must be an object",
    "model_type": "must be an object",
}
"""The words for pydantic's kinds of errors that speak of Python types."""
_NEAR: Final = 0.7

Slug = Annotated[str, Field(pattern=_SLUG)]
RelativePath = Annotated[str, Field(min_length=1, max_length=512)]
SecretName = Annotated[str, Field(pattern=_SECRET_NAME)]
Method = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


CapabilityName = Annotated[
    str,
    Field(
        json_schema_extra={"enum": sorted({*capabilities.KNOWN, *(n.removeprefix("cap:") for n in capabilities.KNOWN)})}
    ),
]


class CapabilityRequest(_Part):
    """A capability that the extension asks for. The tenant's admin is shown the purpose."""

    name: CapabilityName
    purpose: str = Field(default="", max_length=500)

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        return _capability(name)


class SecretDeclaration(_Part):
    """A secret that the tenant's admin sets. With ``hosts`` it is only injected into requests to these hosts.

    It is then put into one header only, ``header``, which the admin is shown.
    """

    name: SecretName
    description: str = Field(default="", max_length=500)
    required: bool = False
    hosts: tuple[str, ...] = Field(default=(), fail_fast=True)
    header: str = Field(default=DEFAULT_SECRET_HEADER, max_length=64)

    @field_validator("header")
    @classmethod
    def _header(cls, header: str) -> str:
        return check_secret_header(header)

    @field_validator("hosts")
    @classmethod
    def _hosts(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_asked_host(host) for host in hosts)

    @model_validator(mode="after")
    def _header_has_hosts(self) -> "SecretDeclaration":
        if self.header != DEFAULT_SECRET_HEADER and not self.hosts:
            message = "header: a secret is injected into a header only for 'hosts'; name the hosts, or leave header out"
            raise ValueError(message)
        return self


class MetricDeclaration(_Part):
    """A metric that the extension may emit, with its unit. Metrics that are not declared are dropped."""

    name: str = Field(pattern=metrics.NAME_PATTERN)
    unit: metrics.Unit


class Endpoint(_Part):
    """One route of the extension; each segment of its path is literal text or a ``:param``.

    The path is stored in its normal form, so ``/a%2Db`` becomes ``/a-b``. ``audience`` says who may call the endpoint:
    users of the host application (``internal``), users of its client portal (``client``), or both (``any``).
    """

    method: Method
    path: str = Field(max_length=512)
    handler: str | None = Field(default=None, max_length=512)
    schedulable: bool | None = Field(
        default=None,
        validate_default=True,
        description="Default: true for GET and POST without a parameter in the path",
    )
    audience: Literal["internal", "client", "any"] | None = Field(
        default=None,
        description="Default: internal; or any, if the manifest has ui.hooks.clientPortalMenu and no endpoint has one",
    )

    @field_validator("method", mode="before")
    @classmethod
    def _upper(cls, method: object) -> object:
        return method.upper() if isinstance(method, str) else method

    @field_validator("path")
    @classmethod
    def _path(cls, path: str) -> str:
        return normal_path(path, parameters=True)

    @field_validator("schedulable")
    @classmethod
    def _schedulable(cls, value: bool | None, info: ValidationInfo) -> bool:
        if value is not None:
            return value
        return info.data.get("method") in ("GET", "POST") and "/:" not in info.data.get("path", "")


class Api(_Part):
    """The routes that the extension answers, and the further request headers that it reads."""

    endpoints: tuple[Endpoint, ...] = Field(default=(), max_length=500, fail_fast=True)
    headers: tuple[str, ...] = Field(
        default=(),
        max_length=request_headers.HEADERS_LIMIT,
        fail_fast=True,
        description="Names of request headers that reach the guest, in addition to those that always do",
    )

    @field_validator("headers")
    @classmethod
    def _headers(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            fault = request_headers.request_header_fault(name.lower())
            if fault is not None:
                message = f"the header {name[:100]!r} {fault}"
                raise ValueError(message)
        return tuple(sorted({name.lower() for name in names}))

    @field_validator("endpoints")
    @classmethod
    def _unique(cls, endpoints: tuple[Endpoint, ...]) -> tuple[Endpoint, ...]:
        seen: set[tuple[str, str]] = set()
        for endpoint in endpoints:
            pair = (endpoint.method, re.sub("/:[^/]+", "/:", endpoint.path))
            if pair in seen:
                message = f"{endpoint.method} {endpoint.path} is declared twice"
                raise ValueError(message)
            seen.add(pair)
        return endpoints


class EventSubscription(_Part):
    """An event topic and the path that receives it as ``POST application/cloudevents+json``."""

    topic: str = Field(pattern=_TOPIC)
    handler: str = Field(pattern=r"^/", max_length=512)
    timeout_ms: int | None = Field(default=None, ge=1, le=EVENT_TIMEOUT_LIMIT_MS, description="At most 60 seconds")

    @field_validator("handler")
    @classmethod
    def _path(cls, handler: str) -> str:
        return normal_path(handler, parameters=False)


class Hook(_Part):
    """A place in the host application's user interface where the extension appears."""

    label: str = Field(min_length=1, max_length=80)


class Ui(_Part):
    """The static user interface, shown in a sandboxed iframe."""

    type: Literal["iframe"]
    entry: str = Field(min_length=1, max_length=512, pattern=_DOCUMENT)
    hooks: dict[Annotated[str, Field(pattern=_HOOK_NAME)], Hook] = {}

    @field_validator("entry")
    @classmethod
    def _entry(cls, entry: str) -> str:
        return _relative(entry)


_Named = TypeVar("_Named", CapabilityRequest, SecretDeclaration, MetricDeclaration)


def _short_form(value: object) -> object:
    return CapabilityRequest.model_construct(name=_capability(value)) if isinstance(value, str) else value


CapabilityEntry = Annotated[
    CapabilityRequest, BeforeValidator(_short_form, json_schema_input_type=CapabilityName | CapabilityRequest)
]
"""A capability in a manifest: only its name, or an object with name and purpose."""

Glob = Annotated[str, Field(min_length=1, max_length=256)]


# Every list fails fast. Otherwise a hundred thousand wrong members would give one error each, 200 MB in all.


class Limits(_Part):
    """Limits that the extension asks for; the platform's maxima are upper limits."""

    timeout_ms: int | None = Field(
        default=None,
        ge=1,
        le=CALL_TIMEOUT_LIMIT_MS,
        description="Of a call; at most 29 seconds, because API Gateway waits for 30",
    )
    memory_mb: int | None = Field(default=None, ge=1, le=4096)


class Manifest(_Part):
    """The manifest of an extension."""

    name: str = Field(pattern=_NAME, max_length=255, description="Reverse-domain name, unique in the registry")
    publisher: Slug
    version: str = Field(pattern=SEMVER, max_length=128, description="Strict semantic version")
    title: str = Field(default="", max_length=120, description="What people call it")
    description: str = Field(default="", max_length=2000)
    runtime: Literal["wasm-component@1", "wasm-js@1"] | None = None
    entry: RelativePath = "dist/main.wasm"
    capabilities: tuple[CapabilityEntry, ...] = Field(default=(), max_length=50, fail_fast=True)
    egress: tuple[str, ...] = Field(default=(), max_length=100, fail_fast=True)
    secrets: tuple[SecretDeclaration, ...] = Field(default=(), max_length=50, fail_fast=True)
    metrics: tuple[MetricDeclaration, ...] = Field(default=(), max_length=metrics.DECLARED_LIMIT, fail_fast=True)
    config: dict[str, Any] | None = Field(default=None, description="JSON Schema of the install's configuration")
    api: Api = Api()
    events: tuple[EventSubscription, ...] = Field(default=(), max_length=100, fail_fast=True)
    ui: Ui | None = None
    assets: tuple[Glob, ...] = Field(default=("ui/**",), max_length=32, fail_fast=True)
    precompiled: dict[str, RelativePath] = {}
    limits: Limits = Limits()
    sbom: RelativePath | None = None

    @field_validator("capabilities")
    @classmethod
    def _no_capability_twice(cls, value: tuple[CapabilityRequest, ...]) -> tuple[CapabilityRequest, ...]:
        return _unique_names(value)

    @field_validator("secrets")
    @classmethod
    def _no_secret_twice(cls, value: tuple[SecretDeclaration, ...]) -> tuple[SecretDeclaration, ...]:
        return _unique_names(value)

    @field_validator("metrics")
    @classmethod
    def _no_metric_twice(cls, value: tuple[MetricDeclaration, ...]) -> tuple[MetricDeclaration, ...]:
        return _unique_names(value)

    @field_validator("egress")
    @classmethod
    def _egress(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(sorted({_asked_host(item) for item in value}))

    @field_validator("entry")
    @classmethod
    def _entry(cls, value: str) -> str:
        return _relative(value)

    @field_validator("sbom")
    @classmethod
    def _sbom(cls, value: str | None) -> str | None:
        return None if value is None else _relative(value)

    @field_validator("precompiled")
    @classmethod
    def _precompiled(cls, value: dict[str, str]) -> dict[str, str]:
        return {target: _relative(path) for target, path in value.items()}

    @field_validator("assets")
    @classmethod
    def _assets(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in value:
            if any(part.startswith(".") for part in pattern.split("/")) or pattern.startswith("/"):
                message = f"asset pattern {pattern!r} must be relative and name no hidden file"
                raise ValueError(message)
            if pattern.count("/") >= _GLOB_LIMIT_SEGMENTS:
                message = f"asset pattern {pattern!r} has more than {_GLOB_LIMIT_SEGMENTS} segments"
                raise ValueError(message)
        return value

    @model_validator(mode="after")
    def _together(self) -> "Manifest":
        asked = {capability.name for capability in self.capabilities}
        if "cap:http.fetch" in asked and not self.egress:
            message = "egress: cap:http.fetch needs at least one host under 'egress'"
            raise ValueError(message)
        for rule in [*self.egress, *(host for secret in self.secrets for host in secret.hosts)]:
            self._check_configured(rule)
        if self.runtime is None:
            if self.ui is None:
                message = "runtime: an extension needs a 'runtime' (server handlers), a 'ui', or both"
                raise ValueError(message)
            if self.api.endpoints or self.events:
                message = "runtime: endpoints and events need a 'runtime' that handles them"
                raise ValueError(message)
        return self

    def _check_configured(self, rule: str) -> None:
        """Check that a rule ``config:KEY`` names a property that the configuration's schema describes."""
        key = configured_hosts.key_of(rule)
        properties = (self.config or {}).get("properties")
        if key is not None and not (isinstance(properties, dict) and key in properties):
            message = f"{rule}: the schema under 'config' has no property {key!r}"
            raise ValueError(message)

    @property
    def component_path(self) -> str | None:
        """Path of the component inside the bundle; None for an extension that is only UI."""
        return self.entry if self.runtime is not None else None


def check_egress(text: str) -> str:
    """Return an egress host in its canonical form: lower case, without ``https://`` and without the default port.

    Raises:
        ValueError: it is not ``host[:port]``, ``*.host`` or ``http://host``. A bare ``*`` is refused.
    """
    match = _EGRESS.match(text.lower()) if text.isascii() else None
    if match is None:
        message = f"{text!r} is not an egress host; write host, host:port, *.host or http://host, never a bare '*'"
        raise ValueError(message)
    scheme, wildcard, host, port = match.groups()
    if len(host) > _HOST_LIMIT_CHARS:
        message = f"{text[:100]!r} has a host of {len(host)} characters; at most {_HOST_LIMIT_CHARS} are allowed"
        raise ValueError(message)
    if wildcard and "." not in host:
        message = f"{text!r} is too wide; a wildcard needs at least two labels after it, as in *.example.com"
        raise ValueError(message)
    if port is not None and int(port) > 65535:
        message = f"{text!r} has a port above 65535, the highest port number"
        raise ValueError(message)
    plain = scheme == "http"
    default_port = "80" if plain else "443"
    suffix = f":{port}" if port and port != default_port else ""
    return f"{'http://' if plain else ''}{wildcard or ''}{host}{suffix}"


def check_secret_header(name: str) -> str:
    """Return the name of a header that a secret may be put into, in lower case.

    Raises:
        ValueError: it is not the name of a header, it belongs to the connection or the platform, or servers return it.
    """
    header = name.lower()
    if not _HEADER.match(header):
        message = f"{name[:100]!r} is not the name of a header (1 to 64 characters), such as authorization or x-api-key"
    elif header in _CONNECTION_HEADERS or header.startswith("x-alga-"):
        message = f"header {header} belongs to the connection or to the platform; use another one, such as x-api-key"
    elif header in _RETURNED_HEADERS:
        message = f"header {header} changes or appears in responses; use another one, such as x-api-key"
    else:
        return header
    raise ValueError(message)


def _asked_host(text: str) -> str:
    """Return an egress host that a manifest asks for: as ``check_egress`` has it, or ``config:KEY``."""
    if text.startswith(configured_hosts.PREFIX):
        return configured_hosts.check_request(text)
    return check_egress(text)


def parse_manifest(data: bytes) -> Manifest:
    """Parse a manifest.

    Raises:
        PlatformError: ``manifest_invalid``; the detail names the first wrong members and how to fix them.
    """
    if len(data) > MANIFEST_LIMIT_BYTES:
        raise PlatformError(
            "manifest_invalid", f"The manifest is {len(data)} bytes; at most {MANIFEST_LIMIT_BYTES} are allowed."
        )
    try:
        document = strict_json.parse(data)
    except JsonError as error:
        raise PlatformError("manifest_invalid", f"{MANIFEST_NAME} is not JSON: {error}.") from None
    if not isinstance(document, dict):
        raise PlatformError("manifest_invalid", f"{MANIFEST_NAME} must be a JSON object.")
    try:
        # Strict: "5" is not 5 and "yes" is not true, so that the published schema and this parser agree.
        return Manifest.model_validate_json(data, strict=True)
    except ValidationError as error:
        faults = [_explain(fault) for fault in error.errors()[:5]]
        raise PlatformError("manifest_invalid", f"{MANIFEST_NAME}: {'; '.join(faults)}.") from None


def json_schema() -> dict[str, Any]:
    """Return the published JSON Schema (2020-12) of the manifest."""
    schema = Manifest.model_json_schema(mode="validation")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://alga.dev/schemas/manifest-v2.json",
        **schema,
    }


def _explain(fault: Any) -> str:
    where = ".".join(str(part) for part in fault["loc"])[:200]
    kind, context = fault["type"], fault.get("ctx", {})
    if kind == "extra_forbidden":
        known = _members_at(fault["loc"][:-1])
        near = difflib.get_close_matches(str(fault["loc"][-1]), known, n=1, cutoff=_NEAR)
        hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(sorted(known))}"
        return f"{where}: unknown member; {hint}"
    if kind == "string_pattern_mismatch":
        message = PATTERN_RULES.get(context["pattern"], "must begin with '/'")
    elif kind in ("less_than_equal", "greater_than_equal"):
        bound = f"at most {context['le']}" if "le" in context else f"at least {context['ge']}"
        message = f"must be {bound}; this is {str(fault['input'])[:40]}"
    else:
        message = _TYPES.get(kind) or str(fault["msg"]).removeprefix("Value error, ")[:300]
    return f"{where}: {message}" if where else message


def _members_at(place: Sequence[str | int]) -> list[str]:
    """Return the names that the object at a place of the manifest may have."""
    model: type[BaseModel] = Manifest
    for part in place:
        field = model.model_fields.get(str(part))
        if field is not None:  # else an index of a list, or a name that the author chose
            model = next(iter(_models_in(field.annotation)), model)
    return list(model.model_fields)


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)


def _capability(name: str) -> str:
    full = capabilities.canonical(name)
    if full not in capabilities.KNOWN:
        # Compared without the prefix, which all have in common.
        short = {known.removeprefix("cap:"): known for known in capabilities.KNOWN}
        near = difflib.get_close_matches(full.removeprefix("cap:"), short, n=1, cutoff=_NEAR)
        hint = f"did you mean {short[near[0]]!r}?" if near else f"known are {', '.join(sorted(capabilities.KNOWN))}"
        message = f"{name[:100]!r} is not a capability; {hint}"
        raise ValueError(message)
    return full


def _relative(path: str) -> str:
    try:
        return check_relative(path)
    except PathError as error:
        raise ValueError(str(error)) from None


def _unique_names(items: tuple[_Named, ...]) -> tuple[_Named, ...]:
    names = [item.name for item in items]
    for name in names:
        if names.count(name) > 1:
            message = f"{name!r} is listed twice"
            raise ValueError(message)
    return items
