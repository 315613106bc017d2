"""Manifests for tests: a small valid one of each kind, and a Hypothesis strategy of valid documents."""

import json
from typing import Any

from hypothesis import strategies as st

from alga_ext.bundles.manifest import Manifest, parse_manifest
from alga_ext.calls import capabilities, metrics

UI: dict[str, Any] = {"type": "iframe", "entry": "ui/index.html"}


def ui_document(**members: Any) -> dict[str, Any]:
    """A manifest document of an extension that is only UI, with ``members`` added or replaced."""
    return {"name": "com.acme.notes", "publisher": "acme", "version": "1.0.0", "ui": UI, **members}


def server_document(**members: Any) -> dict[str, Any]:
    """A manifest document of an extension with server handlers."""
    return {
        "name": "com.acme.notes",
        "publisher": "acme",
        "version": "1.0.0",
        "runtime": "wasm-component@1",
        "api": {"endpoints": [{"method": "GET", "path": "/notes/:id"}]},
        **members,
    }


def encoded(document: object) -> bytes:
    """The document as a bundle would hold it."""
    return json.dumps(document, ensure_ascii=False).encode()


def manifest(**members: Any) -> Manifest:
    """A parsed manifest with server handlers."""
    return parse_manifest(encoded(server_document(**members)))


_label = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True)
_text = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
_number = st.integers(0, 99).map(str)
_segment = st.from_regex(r"[a-z0-9._~-]{1,8}|:[a-z_][a-z0-9_]{0,6}", fullmatch=True).filter(
    lambda segment: segment not in (".", "..")
)
_literal = _segment.filter(lambda segment: not segment.startswith(":"))
_file = st.lists(st.from_regex(r"[a-z0-9_-][a-zA-Z0-9._-]{0,8}", fullmatch=True), min_size=1, max_size=4).map("/".join)

names = st.lists(_label, min_size=2, max_size=4).map(".".join)
slugs = st.from_regex(r"[a-z0-9-]{1,20}", fullmatch=True)
versions = st.builds(
    lambda core, pre, build: ".".join(core) + (f"-{pre}" if pre else "") + (f"+{build}" if build else ""),
    st.tuples(_number, _number, _number),
    st.sampled_from(["", "alpha", "alpha.1", "0", "rc-1", "0a.x-"]),
    st.sampled_from(["", "001", "build.7"]),
)


@st.composite
def egress_rules(draw: st.DrawFn) -> str:
    """An egress rule as somebody might write it: any scheme, wildcard, port and letter case."""
    scheme = draw(st.sampled_from(["", "http://", "https://", "HTTPS://"]))
    host = ".".join(draw(st.lists(_label, min_size=2, max_size=4)))
    wildcard = draw(st.sampled_from(["", "*."]))
    port = draw(st.sampled_from(["", ":80", ":443", ":8443", ":1", ":65535"]))
    shout = draw(st.booleans())
    return scheme + wildcard + (host.upper() if shout else host) + port


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """A valid manifest document, with every kind of member now and then."""
    document: dict[str, Any] = {"name": draw(names), "publisher": draw(slugs), "version": draw(versions)}
    optional = {
        "title": _text,
        "description": _text,
        "entry": _file,
        "sbom": _file,
        "precompiled": st.dictionaries(_label, _file, max_size=2),
        "assets": st.lists(st.sampled_from(["ui/**", "ui/*.html", "**/*.css", "static/[a-c]?.js"]), max_size=4),
        "limits": st.fixed_dictionaries(
            {}, optional={"timeout_ms": st.integers(1, 29_000), "memory_mb": st.integers(1, 4096)}
        ),
        "config": st.just({"type": "object", "properties": {"a": {"type": "string", "default": "x"}}}),
        "secrets": st.lists(
            st.fixed_dictionaries(
                {"name": st.from_regex(r"[A-Za-z][A-Za-z0-9_.-]{0,8}", fullmatch=True)},
                optional={
                    "description": _text,
                    "required": st.booleans(),
                    "hosts": st.lists(egress_rules(), max_size=3),
                    "header": st.just("authorization"),
                },
            ),
            max_size=3,
            unique_by=lambda secret: secret["name"],
        ),
        "metrics": st.lists(
            st.fixed_dictionaries(
                {
                    "name": st.from_regex(r"[A-Za-z][A-Za-z0-9_.-]{0,8}", fullmatch=True),
                    "unit": st.sampled_from(sorted(metrics.UNITS)),
                }
            ),
            max_size=3,
            unique_by=lambda metric: metric["name"],
        ),
        "egress": st.lists(egress_rules(), min_size=1, max_size=4),
    }
    for name, strategy in optional.items():
        if draw(st.booleans()):
            document[name] = draw(strategy)
    asked = draw(st.lists(st.sampled_from(sorted(capabilities.KNOWN)), unique=True, max_size=4))
    if "egress" not in document:
        asked = [name for name in asked if name != "cap:http.fetch"]
    document["capabilities"] = [draw(_capability_spelling(name)) for name in asked]
    kind = draw(st.sampled_from(["server", "ui", "both"]))
    if kind != "ui":
        document["runtime"] = draw(st.sampled_from(["wasm-component@1", "wasm-js@1"]))
        header_names = st.from_regex(r"[xX]-[A-Za-z0-9-]{1,12}", fullmatch=True).filter(
            lambda name: not name.lower().startswith("x-alga-")
        )
        document["api"] = {"endpoints": draw(_endpoints()), "headers": draw(st.lists(header_names, max_size=3))}
        document["events"] = draw(
            st.lists(
                st.fixed_dictionaries(
                    {
                        "topic": st.from_regex(r"[a-z][a-z.*]{0,10}", fullmatch=True),
                        "handler": st.lists(_literal, max_size=3).map(lambda parts: "/" + "/".join(parts)),
                    },
                    optional={
                        "timeout_ms": st.integers(1, 60_000),
                        "filter": st.fixed_dictionaries(
                            {},
                            optional={
                                "attributes": st.dictionaries(st.sampled_from(["subject", "own"]), st.integers(0, 9)),
                                "data": st.dictionaries(
                                    _text.filter(bool), st.none() | st.booleans() | _text, max_size=10
                                ),
                            },
                        ),
                    },
                ),
                max_size=2,
                unique_by=lambda event: event["topic"],
            )
        )
    if kind != "server":
        hooks = st.dictionaries(
            st.from_regex(r"[a-z][A-Za-z0-9]{0,8}", fullmatch=True),
            st.fixed_dictionaries(
                {"label": _text.filter(bool)},
                optional={
                    "icon": _file.map(lambda path: path + ".svg"),
                    "order": st.integers(-1_000, 1_000),
                    "paths": st.lists(st.sampled_from(["/", "/settings", "/a/b~c"]), max_size=2),
                },
            ),
            max_size=2,
        )
        document["ui"] = {
            "type": "iframe",
            "entry": draw(_file) + draw(st.sampled_from([".html", ".HTM", ".xhtml"])),
            "hooks": draw(hooks),
        }
    return document


def _capability_spelling(name: str) -> st.SearchStrategy[Any]:
    short = name.removeprefix("cap:")
    return st.sampled_from([name, short, {"name": name}, {"name": short, "purpose": "Because."}])


def _endpoints() -> st.SearchStrategy[list[dict[str, Any]]]:
    endpoint = st.fixed_dictionaries(
        {
            "method": st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"]),
            "path": st.lists(_segment, max_size=4).map(lambda parts: "/" + "/".join(parts)),
        },
        optional={
            "handler": st.just("notes"),
            "schedulable": st.booleans(),
            "audience": st.sampled_from(["internal", "client", "any"]),
        },
    )

    def route(entry: dict[str, Any]) -> tuple[str, ...]:
        parts = entry["path"].split("/")
        return (entry["method"], *(":" if part.startswith(":") else part for part in parts))

    return st.lists(endpoint, max_size=5, unique_by=route)
