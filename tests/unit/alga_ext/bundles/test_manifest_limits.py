"""Each limit of the manifest, tried exactly at the limit and one beyond. The numbers are written out on purpose."""

from collections.abc import Callable
from typing import Any

import pytest

from alga_ext.bundles.manifest import parse_manifest
from alga_ext.errors import PlatformError
from tests.support.manifests import encoded, server_document, ui_document

Made = Callable[[int], dict[str, Any]]


def _capability(purpose: int) -> dict[str, Any]:
    return server_document(capabilities=[{"name": "cap:storage.kv", "purpose": "p" * purpose}])


def _secret(**members: Any) -> dict[str, Any]:
    return server_document(secrets=[{"name": "KEY", **members}])


def _endpoints(*endpoints: dict[str, Any], **members: Any) -> dict[str, Any]:
    return server_document(api={"endpoints": list(endpoints), **members})


def _event(**members: Any) -> dict[str, Any]:
    return server_document(events=[{"topic": "t", "handler": "/e", **members}])


def _ui(**members: Any) -> dict[str, Any]:
    return {**ui_document(), "ui": {"type": "iframe", "entry": "ui/index.html", **members}}


def _path_of(chars: int, ending: str) -> str:
    """A relative path of this many characters."""
    return "a" * (chars - len(ending)) + ending


def _name_of(chars: int) -> str:
    """A reverse-domain name of this many characters."""
    return ".".join(["a" * 61] * 5)[: chars - 2] + ".b"


LONGEST: dict[str, tuple[Made, int]] = {
    "purpose of a capability": (_capability, 500),
    "description of a secret": (lambda n: _secret(description="d" * n), 500),
    "name of a secret": (lambda n: server_document(secrets=[{"name": "K" * n}]), 64),
    "header of a secret": (lambda n: _secret(hosts=["api.example.com"], header="x" * n), 64),
    "path of an endpoint": (lambda n: _endpoints({"method": "GET", "path": "/" + "a" * (n - 1)}), 512),
    "handler of an endpoint": (lambda n: _endpoints({"method": "GET", "path": "/a", "handler": "h" * n}), 512),
    "endpoints": (lambda n: _endpoints(*({"method": "GET", "path": f"/{i}"} for i in range(n))), 500),
    "headers": (lambda n: _endpoints(headers=[f"x-{i}" for i in range(n)]), 16),
    "name of a header": (lambda n: _endpoints(headers=["x" * n]), 64),
    "topic of an event": (lambda n: _event(topic="t" * n), 128),
    "handler of an event": (lambda n: _event(handler="/" + "a" * (n - 1)), 512),
    "timeout of an event": (lambda n: _event(timeout_ms=n), 60_000),
    "events": (lambda n: server_document(events=[{"topic": f"t{i}", "handler": "/e"} for i in range(n)]), 100),
    "label of a hook": (lambda n: _ui(hooks={"appMenu": {"label": "l" * n}}), 80),
    "icon of a hook": (lambda n: _ui(hooks={"appMenu": {"label": "l", "icon": _path_of(n, ".svg")}}), 512),
    "order of a hook": (lambda n: _ui(hooks={"appMenu": {"label": "l", "order": n}}), 1_000),
    "path of a hook": (lambda n: _ui(hooks={"appMenu": {"label": "l", "paths": ["/" + "p" * (n - 1)]}}), 256),
    "paths of a hook": (lambda n: _ui(hooks={"appMenu": {"label": "l", "paths": [f"/{i}" for i in range(n)]}}), 16),
    "name of a hook": (lambda n: _ui(hooks={"h" * n: {"label": "l"}}), 64),
    "entry of a UI": (lambda n: _ui(entry=_path_of(n, ".html")), 512),
    "timeout of a call": (lambda n: server_document(limits={"timeout_ms": n}), 29_000),
    "memory of a call": (lambda n: server_document(limits={"memory_mb": n}), 4096),
    "name": (lambda n: server_document(name=_name_of(n)), 255),
    "publisher": (lambda n: server_document(publisher="p" * n), 63),
    "version": (lambda n: server_document(version="1.0.0-" + "a" * (n - 6)), 128),
    "title": (lambda n: server_document(title="t" * n), 120),
    "description": (lambda n: server_document(description="d" * n), 2000),
    "entry": (lambda n: server_document(entry=_path_of(n, ".wasm")), 512),
    "sbom": (lambda n: server_document(sbom=_path_of(n, ".json")), 512),
    "precompiled file": (lambda n: server_document(precompiled={"x86_64": _path_of(n, ".cwasm")}), 512),
    "egress": (lambda n: server_document(egress=[f"h{i}.example.com" for i in range(n)]), 100),
    "secrets": (lambda n: server_document(secrets=[{"name": f"K{i}"} for i in range(n)]), 50),
    "metrics": (lambda n: server_document(metrics=[{"name": f"m{i}", "unit": "Count"} for i in range(n)]), 20),
    "asset patterns": (lambda n: server_document(assets=[f"ui/{i}" for i in range(n)]), 32),
    "an asset pattern": (lambda n: server_document(assets=["a" * n]), 256),
    "segments of an asset pattern": (lambda n: server_document(assets=["/".join("a" * n)]), 16),
}
SHORTEST: dict[str, tuple[Made, int]] = {
    "timeout of an event": (lambda n: _event(timeout_ms=n), 1),
    "timeout of a call": (lambda n: server_document(limits={"timeout_ms": n}), 1),
    "memory of a call": (lambda n: server_document(limits={"memory_mb": n}), 1),
    "label of a hook": (lambda n: _ui(hooks={"appMenu": {"label": "l" * n}}), 1),
    "an asset pattern": (lambda n: server_document(assets=["a" * n]), 1),
    "entry": (lambda n: server_document(entry="a" * n), 1),
}


@pytest.mark.parametrize("what", LONGEST)
def test_what_is_at_a_limit_is_accepted_and_one_more_is_refused(what: str) -> None:
    made, limit = LONGEST[what]

    parse_manifest(encoded(made(limit)))
    with pytest.raises(PlatformError) as refused:
        parse_manifest(encoded(made(limit + 1)))

    assert refused.value.code == "manifest_invalid"


@pytest.mark.parametrize("what", SHORTEST)
def test_the_least_is_accepted_and_one_less_is_refused(what: str) -> None:
    made, limit = SHORTEST[what]

    parse_manifest(encoded(made(limit)))
    with pytest.raises(PlatformError):
        parse_manifest(encoded(made(limit - 1)))


def test_a_manifest_of_256_kib_is_accepted_and_one_byte_more_is_refused() -> None:
    document = encoded(server_document())
    whole = document + b" " * (262_144 - len(document))

    parse_manifest(whole)
    with pytest.raises(PlatformError, match="262145 bytes; at most 262144"):
        parse_manifest(whole + b" ")


def test_a_parsed_manifest_cannot_be_changed() -> None:
    manifest = parse_manifest(encoded(server_document()))

    with pytest.raises(ValueError, match="frozen"):
        manifest.name = "com.example.other"  # type: ignore[misc]


CONFIGURED = server_document(capabilities=["cap:http.fetch"], egress=["config:url"])


@pytest.mark.parametrize(
    "config",
    [None, {}, {"properties": {}}, {"properties": {"urls": {}}}, {"properties": ["url"]}, {"properties": "url"}],
)
def test_a_configured_host_needs_a_property_in_the_schema(config: dict[str, Any] | None) -> None:
    with pytest.raises(PlatformError, match="the schema under 'config' has no property 'url'"):
        parse_manifest(encoded({**CONFIGURED, "config": config}))


def test_a_property_in_the_schema_may_name_an_egress_host() -> None:
    config = {"type": "object", "properties": {"url": {"type": "string"}}}

    assert parse_manifest(encoded({**CONFIGURED, "config": config})).egress == ("config:url",)


def test_a_secret_may_be_bound_to_a_configured_host() -> None:
    manifest = parse_manifest(encoded(_secret(hosts=["config:url"]) | {"config": {"properties": {"url": {}}}}))

    assert manifest.secrets[0].hosts == ("config:url",)
