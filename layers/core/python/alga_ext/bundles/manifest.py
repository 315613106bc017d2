"""Manifest v2: the description of an extension, ``manifest.json`` in the bundle.

These pydantic models are the parser, the documentation and the source of the published JSON Schema
(docs/reference/manifest.schema.json, written by ``make schema``). An unknown member is an error with a suggestion, so
that a spelling mistake never drops a setting silently.
"""

import re
from typing import Annotated, Any, Final, Literal, TypeVar

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
from alga_ext.bundles.declared_headers import (
    DEFAULT_SECRET_HEADER,
    HEADERS_LIMIT,
    check_secret_header,
    request_header_fault,
)
from alga_ext.bundles.egress_hosts import check_asked_host
from alga_ext.bundles.endpoint_paths import normal_path
from alga_ext.bundles.manifest_errors import explain, suggestion
from alga_ext.bundles.manifest_patterns import (
    ATTRIBUTE,
    DOCUMENT,
    HOOK_NAME,
    ICON,
    NAME,
    PAGE_PATH,
    SECRET_NAME,
    SEMVER,
    SLUG,
    TOPIC,
)
from alga_ext.bundles.paths import PathError, check_relative
from alga_ext.calls import capabilities, configured_hosts, metrics
from alga_ext.errors import PlatformError
from alga_ext.strict_json import JsonError

MANIFEST_NAME: Final = "manifest.json"
MANIFEST_LIMIT_BYTES: Final = 256 * 1024
CALL_TIMEOUT_LIMIT_MS: Final = 29_000
"""API Gateway waits for 30 seconds."""
EVENT_TIMEOUT_LIMIT_MS: Final = 60_000

_GLOB_LIMIT_SEGMENTS: Final = 16

Slug = Annotated[str, Field(pattern=SLUG)]
RelativePath = Annotated[str, Field(min_length=1, max_length=512)]
SecretName = Annotated[str, Field(pattern=SECRET_NAME)]
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

    It is then put into one header only, ``header``, which the admin is shown. A value that is older than
    ``max_age_days`` is not used any more.
    """

    name: SecretName
    description: str = Field(default="", max_length=500)
    required: bool = False
    hosts: tuple[str, ...] = Field(default=(), fail_fast=True)
    header: str = Field(default=DEFAULT_SECRET_HEADER, max_length=64)
    max_age_days: int | None = Field(default=None, ge=1, le=3_650)

    @field_validator("header")
    @classmethod
    def _header(cls, header: str) -> str:
        return check_secret_header(header)

    @field_validator("hosts")
    @classmethod
    def _hosts(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(check_asked_host(host) for host in hosts)

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

    @property
    def can_be_scheduled(self) -> bool:
        """Whether a schedule may call it: GET or POST, without parameters, and not excluded by the manifest."""
        return bool(self.schedulable) and self.method in ("GET", "POST") and "/:" not in self.path


class Api(_Part):
    """The routes that the extension answers, and the further request headers that it reads."""

    endpoints: tuple[Endpoint, ...] = Field(default=(), max_length=500, fail_fast=True)
    headers: tuple[str, ...] = Field(
        default=(),
        max_length=HEADERS_LIMIT,
        fail_fast=True,
        description="Names of request headers that reach the guest, in addition to those that always do",
    )

    @field_validator("headers")
    @classmethod
    def _headers(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            fault = request_header_fault(name.lower())
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


FilterText = Annotated[str, Field(max_length=256)]
AttributeName = Annotated[str, Field(pattern=ATTRIBUTE)]
FieldName = Annotated[str, Field(min_length=1, max_length=128)]


class EventFilter(_Part):
    """What an event must have for the handler to receive it: every value, exactly as it is here."""

    attributes: dict[AttributeName, FilterText | int | bool] = Field(
        default={}, max_length=10, description="Attributes of the CloudEvent, compared as text"
    )
    data: dict[FieldName, FilterText | int | float | bool | None] = Field(
        default={}, max_length=10, description="Top-level fields of the data, compared as JSON values"
    )


class EventSubscription(_Part):
    """An event topic and the path that receives it as ``POST application/cloudevents+json``.

    A topic that ends with ``.*`` stands for all topics that begin with what is before the asterisk.
    """

    topic: str = Field(pattern=TOPIC)
    handler: str = Field(pattern=r"^/", max_length=512)
    filter: EventFilter | None = None
    timeout_ms: int | None = Field(default=None, ge=1, le=EVENT_TIMEOUT_LIMIT_MS, description="At most 60 seconds")

    @field_validator("handler")
    @classmethod
    def _path(cls, handler: str) -> str:
        return normal_path(handler, parameters=False)


class Hook(_Part):
    """A place in the host application's user interface where the extension appears."""

    label: str = Field(min_length=1, max_length=80)
    icon: str | None = Field(
        default=None, min_length=1, max_length=512, pattern=ICON, description="A published file of the UI"
    )
    order: int = Field(default=0, ge=-1_000, le=1_000, description="Entries with a lower number come first")
    paths: tuple[Annotated[str, Field(pattern=PAGE_PATH)], ...] = Field(
        default=(),
        max_length=16,
        fail_fast=True,
        description="Paths of the page that belong to this entry; it opens the first one",
    )

    @field_validator("icon")
    @classmethod
    def _icon(cls, icon: str | None) -> str | None:
        return None if icon is None else _relative(icon)


class Ui(_Part):
    """The static user interface, shown in a sandboxed iframe."""

    type: Literal["iframe"]
    entry: str = Field(min_length=1, max_length=512, pattern=DOCUMENT)
    hooks: dict[Annotated[str, Field(pattern=HOOK_NAME)], Hook] = {}
    routes: Any = Field(
        default=None, exclude=True, description="Of manifests for AlgaPSA's extension system: accepted and ignored"
    )

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

    name: str = Field(pattern=NAME, max_length=255, description="Reverse-domain name, unique in the registry")
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
        return tuple(sorted({check_asked_host(item) for item in value}))

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
    def notes(self) -> tuple[str, ...]:
        """What the author should know although the manifest is valid, in sentences."""
        if self.ui is None or self.ui.routes is None:
            return ()
        return (
            "ui.routes has no effect here. The page reaches its handlers by the paths in api.endpoints; remove it.",
        )

    @property
    def component_path(self) -> str | None:
        """Path of the component inside the bundle; None for an extension that is only UI."""
        return self.entry if self.runtime is not None else None


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
        manifest = Manifest.model_validate_json(data, strict=True)
    except ValidationError as error:
        faults = [explain(fault, Manifest) for fault in error.errors()[:5]]
        text = "; ".join(faults)
        raise PlatformError("manifest_invalid", f"{MANIFEST_NAME}: {text}{'' if text.endswith('?') else '.'}") from None
    _check_subscriptions(manifest)
    return manifest


def _check_subscriptions(manifest: Manifest) -> None:
    """Refuse a handler that subscribes twice to a topic. Versions that were published before this rule have some."""
    pairs = [(one.topic, one.handler) for one in manifest.events]
    for topic, handler in pairs:
        if pairs.count((topic, handler)) > 1:
            detail = f"{MANIFEST_NAME}: events: {handler[:100]} subscribes to {topic} twice; keep one of the two."
            raise PlatformError("manifest_invalid", detail)


def json_schema() -> dict[str, Any]:
    """Return the published JSON Schema (2020-12) of the manifest."""
    schema = Manifest.model_json_schema(mode="validation")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://alga.dev/schemas/manifest-v2.json",
        **schema,
    }


def _capability(name: str) -> str:
    full = capabilities.canonical(name)
    if full not in capabilities.KNOWN:
        # Compared without the prefix, which all have in common.
        known = {name.removeprefix("cap:"): name for name in capabilities.KNOWN}
        hint = suggestion(full.removeprefix("cap:"), known)
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
