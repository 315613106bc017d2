"""A build refuses what publishing would refuse or reject, with the same code and text, and nothing else."""

import itertools
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest
import wasmtime
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alga_ext.bundles import archive as bundle
from alga_ext.bundles.manifest import MANIFEST_NAME
from alga_ext.calls.messages import decode_message
from alga_ext.errors import PlatformError
from alga_ext.trust.policy import TrustBundle, TrustedKey
from alga_ext.trust.signing import LocalSigner
from functions.registry.publishing import finishing
from functions.runner.preparing.compile_worker import Compiler
from functions.runner.preparing.preparation import Prepare
from functions.runner.services import engine
from tests.support import wat
from tests.support.manifests import encoded
from tests.support.registry import RegistryWorld
from tests.support.runner_fixture import MIB, Outbox
from tools.cli.publishable import RejectedError, pack_publishable
from tools.guests import build_extension

OK: Final = "(call $respond (i32.const 200) (i32.const 0) (i32.const 0))"
Refusal = list[tuple[str, str]]
"""Codes with their texts; empty when accepted."""


def bounded(max_examples: int) -> settings:
    return settings(
        max_examples=max_examples,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


class Publishing:
    """A registry and a prepare function, worked as their queues would."""

    def __init__(self, world: RegistryWorld) -> None:
        self.world = world
        world.register()
        key = LocalSigner.generate()
        trust = TrustBundle([TrustedKey(key_id=key.key_id, public_key=key.public_pem, use="artifact")])
        self._outbox = Outbox()
        self._prepare = Prepare(
            store=world.objects,
            queue=self._outbox,
            trust=lambda: trust,
            signer=key,
            engine=engine(),
            compiler=Compiler(240, 3_072 * MIB),
            max_component_bytes=64 * MIB,
            now=lambda: datetime.now(UTC),
        )
        self._numbers = itertools.count(1)

    def fresh_version(self) -> str:
        return f"1.0.{next(self._numbers)}"

    def refusal(self, archive: bytes, document: Any) -> Refusal:
        """Publish an archive as far as it gets; ``document`` is its manifest as JSON, or what was written instead."""
        # A manifest without these is refused for that, whatever the signature says.
        told = document if isinstance(document, dict) else {}
        named = {"publisher": "acme", "name": str(told.get("name")), "version": str(told.get("version"))}
        sent = self.world.send(self.world.signed_archive(archive, named), self.world.admin)
        if sent.status != 202:
            return [(sent.code, sent.body["detail"])]
        for message in self.world.queued():
            self._prepare.handle(message)
        for body in self._outbox.sent:
            finishing.finish_prepared(decode_message(body), self.world.assets())
        self._outbox.sent.clear()
        version = self.world.call("GET", f"/versions/{sent.body['version_id']}", self.world.admin).body
        assert version["state"] in ("ready", "rejected")
        assert (version["state"] == "ready") == (version["state_reasons"] == [])
        return [(reason["code"], reason["detail"]) for reason in version["state_reasons"]]


@pytest.fixture
def publishing(world: RegistryWorld) -> Publishing:
    return Publishing(world)


@contextmanager
def folder_of(files: Mapping[str, bytes]) -> Iterator[Path]:
    """A folder with these files, below another empty one."""
    with tempfile.TemporaryDirectory(prefix="alga-tests-") as work:
        folder = Path(work, "tree")
        for path, data in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(data)
        yield folder


def refusal_by_pack(tree: Path) -> Refusal:
    """What `alga-ext pack` says."""
    try:
        pack_publishable(tree, tree.with_name("checked.tar.zst"))
    except RejectedError as error:
        return [(reason.code, reason.detail) for reason in error.reasons]
    except PlatformError as error:
        return [(error.code, error.detail)]
    return []


def refusal_by_build(source: Path, tree: Path) -> Refusal:
    """What `alga-ext build` says; the tree exists when the sources could be built."""
    try:
        build_extension(source, tree)
    except PlatformError as error:
        return [(error.code, error.detail)]
    return refusal_by_pack(tree)


def refusal_by_archive(tree: Path) -> Refusal:
    """Why no archive can be made of a tree, so that nothing can be published."""
    try:
        packed(tree)
    except PlatformError as error:
        return [(error.code, error.detail)]
    return []


def packed(tree: Path) -> bytes:
    """The archive of a tree, packed without any check of its contents."""
    archive = tree.with_name("sent.tar.zst")
    bundle.pack(tree, archive)
    return archive.read_bytes()


# What is generated


def importing(declaration: str) -> bytes:
    """A guest that also imports what is declared."""
    source = wat.text(OK, (), (), 2, None, "", "")
    return bytes(wasmtime.wat2wasm(source.replace("(component\n", f"(component\n{declaration}\n", 1)))


COMPONENTS: Final = {
    "no imports": wat.guest(OK),
    "storage": wat.guest(OK, imports=["storage.get"]),
    "http and secrets": wat.guest(OK, imports=["http.fetch", "secrets.get"]),
    "another interface": importing('(import "evil:host/exec" (instance (export "run" (func))))'),
    "another function": importing('(import "alga:extension/secrets" (instance (export "get-all" (func))))'),
    "another type": importing(
        '(import "alga:extension/secrets" (instance (export "get" (func (param "p0" u64) (result string)))))'
    ),
    "two misfits": importing(
        '(import "evil:host/exec" (instance (export "run" (func)))) (import "system" (func (param "c" string)))'
    ),
    "no handler": bytes(wasmtime.wat2wasm("(component)")),
    "a trap at its start": wat.guest(OK, extra="(func $begin unreachable) (start $begin)"),
    "too much memory": wat.guest(OK, pages=65_536),
    "cut off": wat.guest(OK)[:100],
    "text": b"(component)",
    "nothing": b"",
}

_scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.text(max_size=8), st.just([]), st.just({})
)


def nested(depth: int, keyword: str) -> dict[str, Any]:
    """A schema that consists of ``depth`` schemas, each in the ``keyword`` of the one around it."""
    schema: dict[str, Any] = {}
    for _ in range(depth):
        schema = {keyword: [schema] if keyword == "allOf" else schema}
    return schema


schemas = st.one_of(
    st.sampled_from(
        [
            {"type": "object", "properties": {"base": {"type": "string", "format": "uri"}}},
            {"type": "objekt"},
            {"properties": {"a": {"pattern": "(a"}}},
            {"properties": {"a": {"pattern": "(?=a)"}}},
            {"properties": {"a": {"pattern": "[ab]{5000}[ab]{5000}"}}},
            {"properties": {"a": {"default": "x" * 70_000}}},
            {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}},
            {"$ref": "https://elsewhere.test/schema"},
            {"$schema": "http://json-schema.org/draft-07/schema#"},
            {"unevaluatedProperties": False},
            {"required": [["a"]]},
            {"minimum": "1"},
            {"enum": list(range(3_000))},
        ]
    ),
    st.builds(nested, st.integers(1, 70), st.sampled_from(["not", "allOf", "items", "additionalProperties"])),
    st.dictionaries(st.sampled_from(["type", "properties", "items", "multipleOf", "x"]), _scalars, max_size=3),
)

MEMBERS: Final[dict[str, st.SearchStrategy[Any]]] = {
    "capabilities": st.lists(
        st.sampled_from(["storage.kv", "cap:http.fetch", "secrets.get", "log.emit", "client.read", "storage.k"]),
        max_size=3,
    ),
    "egress": st.lists(
        st.sampled_from(["api.example.com", "*.example.com", "10.0.0.1", "config:base", "config:none", "a"]), max_size=2
    ),
    "secrets": st.lists(
        st.sampled_from(
            [
                {"name": "KEY"},
                {"name": "KEY", "hosts": ["api.example.com"]},
                {"name": "OTHER", "header": "x-key"},
                {"name": "BAD", "hosts": ["api.example.com"], "header": "host"},
                {"name": "1"},
            ]
        ),
        max_size=2,
    ),
    "config": schemas,
    "limits": st.fixed_dictionaries(
        {},
        optional={
            "timeout_ms": st.sampled_from([0, 1, 28_999, 29_000, 29_001, 60_000, "5"]),
            "memory_mb": st.sampled_from([0, 1, 128, 4_096, 4_097, 1.5]),
            "fuel": st.just(1),
        },
    ),
    "events": st.lists(
        st.fixed_dictionaries(
            {
                "topic": st.sampled_from(["ticket.created", "*", "No"]),
                "handler": st.sampled_from(["/on", "on", "/:id"]),
            },
            optional={"timeout_ms": st.sampled_from([1, 60_000, 60_001])},
        ),
        max_size=2,
    ),
    "api": st.fixed_dictionaries(
        {
            "endpoints": st.lists(
                st.fixed_dictionaries(
                    {
                        "method": st.sampled_from(["GET", "post", "TRACE"]),
                        "path": st.sampled_from(["/a", "/a%20b", "/:x", "/:y", "a", "/%zz", "/a//b", "/../x"]),
                    }
                ),
                max_size=3,
            )
        },
        optional={"headers": st.lists(st.sampled_from(["x-mine", "cookie", "x-alga-tenant", "a b"]), max_size=2)},
    ),
    "ui": st.one_of(
        st.none(),
        st.fixed_dictionaries(
            {
                "type": st.sampled_from(["iframe", "page"]),
                "entry": st.sampled_from(["ui/index.html", "ui/app.js", "ui/none.html", "index.html", "../ui/x.html"]),
            }
        ),
    ),
    "assets": st.lists(
        st.sampled_from(["ui/**", "ui/*.html", "**", "**/*.css", "static/**", "a**b/*", "/x", ".git/*", "x/" * 17]),
        max_size=3,
    ),
    "sbom": st.sampled_from(["sbom.json", "none.json", "/sbom.json", "a\\b"]),
    "precompiled": st.sampled_from([{"x86_64-linux": "static/x.cwasm"}, {"x86_64-linux": "none.cwasm"}, {"x": ""}]),
    "entry": st.sampled_from(["dist/main.wasm", "main.wasm", "../main.wasm", "static/x.cwasm"]),
    "runtime": st.sampled_from(["wasm-component@1", "wasm-js@1", "wasm-component@2", None]),
    "name": st.sampled_from(["com.acme.notes", "notes", "Com.acme", ""]),
    "publisher": st.sampled_from(["acme", "ACME", ""]),
    "title": st.text(max_size=3),
}


@st.composite
def manifests(draw: st.DrawFn, *, server: bool = True) -> dict[str, Any]:
    """A manifest with up to two members changed, and now and then one that is missing or of any type."""
    document: dict[str, Any] = {
        "name": "com.acme.notes",
        "publisher": "acme",
        "ui": {"type": "iframe", "entry": "ui/index.html"},
        "assets": ["ui/**"],
        **({"runtime": "wasm-component@1"} if server else {}),
    }
    names = sorted(MEMBERS if server else MEMBERS.keys() - {"runtime"})
    changed = draw(st.lists(st.sampled_from(names), max_size=2, unique=True))
    document |= {name: draw(MEMBERS[name]) for name in changed}
    match draw(st.integers(0, 15)):
        case 3:
            document.pop(draw(st.sampled_from(sorted(document))))
        case 5:
            document[draw(st.sampled_from(sorted(document)))] = draw(_scalars)
        case 7:
            document[draw(st.sampled_from(["unknown", "capabilites"]))] = draw(_scalars)
    return document


files = st.fixed_dictionaries(
    {"ui/index.html": st.just(b"<!doctype html><title>x</title>")},
    optional={
        "ui/app.css": st.just(b"p { color: red }" * 40),
        "ui/large.bin": st.sampled_from([bytes(4 * MIB), bytes(4 * MIB + 1)]),
        "static/x.cwasm": st.just(b"x"),
        "static/deep/er.css": st.just(b""),
        "sbom.json": st.just(b"{}"),
        "a-b/x": st.just(b"x"),
    },
)
odd_files = st.sampled_from(
    [*([{}] * 9), {"ui/A.js": b"", "ui/a.js": b""}, {"ui/a:b.js": b""}, {"ui/" + "d/" * 40 + "x": b""}]
)
components = st.one_of(st.just("storage"), st.just("http and secrets"), st.sampled_from(sorted(COMPONENTS)))


@given(document=manifests(), given_files=files, odd=odd_files, component=components)
@bounded(15)
def test_pack_refuses_what_publishing_refuses(
    publishing: Publishing,
    document: dict[str, Any],
    given_files: dict[str, bytes],
    odd: dict[str, bytes],
    component: str,
) -> None:
    document["version"] = publishing.fresh_version()
    tree_files = {
        **given_files,
        **odd,
        "dist/main.wasm": COMPONENTS[component],
        MANIFEST_NAME: encoded(document),
    }
    with folder_of(tree_files) as tree:
        said = refusal_by_pack(tree)
        assert said == (refusal_by_archive(tree) or publishing.refusal(packed(tree), document))


def test_every_component_is_refused_as_publishing_refuses_it(publishing: Publishing) -> None:
    codes = set()
    for component in COMPONENTS.values():
        document = {
            "name": "com.acme.notes",
            "publisher": "acme",
            "version": publishing.fresh_version(),
            "runtime": "wasm-component@1",
            "capabilities": ["storage.kv"],
        }
        with folder_of({"dist/main.wasm": component, MANIFEST_NAME: encoded(document)}) as tree:
            said = refusal_by_pack(tree)
            assert said == publishing.refusal(packed(tree), document)
            codes |= {code for code, _ in said}
    assert codes == {"component_invalid", "component_world_mismatch", "capability_not_imported"}


@pytest.mark.parametrize("depth", [20, 40, 60])
def test_a_nested_schema_is_judged_as_publishing_judges_it(publishing: Publishing, depth: int) -> None:
    for keyword in ("allOf", "not", "items"):
        version = publishing.fresh_version()
        config = nested(depth, keyword)
        document = {"name": "com.acme.notes", "publisher": "acme", "version": version, "config": config}
        document["ui"] = {"type": "iframe", "entry": "ui/index.html"}
        with folder_of({"ui/index.html": b"x", MANIFEST_NAME: encoded(document)}) as source:
            tree = source.with_name("built")
            assert refusal_by_build(source, tree) == publishing.refusal(packed(source), document)


@given(data=st.one_of(st.binary(max_size=12), manifests().map(encoded)), cut=st.integers(0, 40))
@bounded(12)
def test_a_manifest_that_is_broken_is_refused_alike(publishing: Publishing, data: bytes, cut: int) -> None:
    broken = data[: len(data) - cut]
    with folder_of({MANIFEST_NAME: broken, "ui/index.html": b"x"}) as tree:
        assert refusal_by_pack(tree) == publishing.refusal(packed(tree), None) != []


@given(document=manifests(server=False), given_files=files)
@bounded(10)
def test_build_refuses_what_publishing_refuses(
    publishing: Publishing, document: dict[str, Any], given_files: dict[str, bytes]
) -> None:
    """Without server handlers, because each manifest would have its own component built."""
    document["version"] = publishing.fresh_version()
    with folder_of({**given_files, MANIFEST_NAME: encoded(document)}) as source:
        tree = source.with_name("built")
        said = refusal_by_build(source, tree)

        assert said == publishing.refusal(packed(tree if tree.exists() else source), document)
        if not said:
            expected = {path for path in given_files if path.startswith("ui/")}
            assert expected <= {path.relative_to(tree).as_posix() for path in tree.rglob("*")}
