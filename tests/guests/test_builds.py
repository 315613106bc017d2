"""Extensions built from source with the real tools."""

import json
from pathlib import Path
from typing import Any

import pytest

from alga_ext.errors import PlatformError
from tests.support.wat import guest
from tools.cli.publishable import RejectedError, pack_publishable
from tools.guests import GuestBuildError, build_component, build_extension, build_host_page, build_ui
from tools.guests.places import ROOT

COMPONENT_PREAMBLE = b"\0asm\x0d\0\x01\0"


def extension(folder: Path, script: str) -> Path:
    (folder / "index.ts").write_text(script)
    (folder / "manifest.json").write_text(
        json.dumps({"name": "test.built", "publisher": "test", "version": "1.0.0", "runtime": "wasm-js@1"})
    )
    return folder


def test_typescript_becomes_a_component_the_same_each_time(tmp_path: Path) -> None:
    source = extension(
        tmp_path,
        """
        import { Router, json } from "@alga/extension-runtime";
        type Greeting = { hello: string };
        export const handler = new Router().get("/", () => json({ hello: "there" } satisfies Greeting)).handler;
        """,
    )
    component = build_component(source)
    assert component.read_bytes().startswith(COMPONENT_PREAMBLE)
    written = component.stat().st_mtime_ns
    assert build_component(source) == component
    assert component.stat().st_mtime_ns == written


def test_other_source_is_another_component(tmp_path: Path) -> None:
    first = build_component(extension(tmp_path, "export const handler = () => ({ status: 200, headers: [] });"))
    second = build_component(extension(tmp_path, "export const handler = () => ({ status: 201, headers: [] });"))
    assert first.read_bytes() != second.read_bytes()


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("export const handler = ;", "Unexpected"),
        ('import { absent } from "./absent.js"; export const handler = absent;', "Could not resolve"),
        ("export const other = 1;", "handler"),
    ],
)
def test_a_failing_tool_is_named_with_its_own_words(tmp_path: Path, script: str, said: str) -> None:
    with pytest.raises(GuestBuildError, match=said):
        build_component(extension(tmp_path, script))


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (
            "type T = {\n  a: string };\nconst f = (t: T) => {\n  throw new RangeError(t.a); };\nf({ a: 'mine' });",
            "mine",
        ),
        ("export const handler = async () => ({ status: 200, headers: [] });", "The exported handler is async"),
        (
            "import { Router, empty } from '@alga/extension-runtime';\n\n"
            "export const handler = new Router().get('/a', async () => empty()).handler;",
            "The handler of GET /a is async",
        ),
    ],
)
def test_a_failing_build_ends_with_the_message_and_the_place_in_the_source(
    tmp_path: Path, script: str, said: str
) -> None:
    if "export" not in script:
        script += "\nexport const handler = () => 1;"
    with pytest.raises(GuestBuildError) as caught:
        build_component(extension(tmp_path, script))
    message = str(caught.value)
    assert said in message
    assert "node_modules" not in message
    assert "component.js" not in message
    assert "extension-runtime" not in message
    if said == "mine":
        assert "index.ts:4:" in message
    elif "Router" in script:
        assert "index.ts:3:" in message


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("import yaml", "'yaml' is neither in"),
        ("\n\nraise ValueError('mine')", "ValueError: mine"),
        ("x = 1", "no class `WitWorld`"),
    ],
)
def test_a_python_guest_is_built_in_a_clean_environment_and_fails_with_its_own_frames(
    tmp_path: Path, script: str, said: str
) -> None:
    (tmp_path / "app.py").write_text(script)
    with pytest.raises(GuestBuildError) as caught:
        build_component(tmp_path)
    message = str(caught.value)
    assert said in message
    assert "alga_guest" not in message
    assert ".venv" not in message
    if "WitWorld" not in said:
        assert f'File "{tmp_path}/app.py", line {len(script.splitlines())}' in message


def package(source: Path, name: str, description: dict[str, str], files: dict[str, str]) -> None:
    """Install an npm package into an extension's folder."""
    folder = source / "node_modules" / name
    for path, text in {"package.json": json.dumps({"name": name, **description}), **files}.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)


def test_npm_packages_without_exports_resolve_and_a_change_in_one_is_another_build(tmp_path: Path) -> None:
    package(
        tmp_path, "with-main", {"main": "dist/a.js"}, {"dist/a.js": "module.exports = { a: process.env.NODE_ENV };"}
    )
    package(tmp_path, "with-module", {"module": "b.mjs", "main": "no.js"}, {"b.mjs": "export const b = typeof global;"})
    source = extension(
        tmp_path,
        """
        import { a } from "with-main";
        import { b } from "with-module";
        export const handler = () => ({ status: 200, headers: [{ name: a, value: b }] });
        """,
    )
    first = build_component(source)
    package(tmp_path, "with-main", {"main": "dist/a.js"}, {"dist/a.js": "module.exports = { a: 'other' };"})
    assert build_component(source) != first


def test_the_sdks_hooks_use_the_extensions_own_react(tmp_path: Path) -> None:
    names = ("useCallback", "useEffect", "useRef", "useState", "useSyncExternalStore")
    package(tmp_path, "react", {"main": "a.js"}, {"a.js": "".join(f"exports.{name} = 'own react'; " for name in names)})
    (tmp_path / "ui").mkdir()
    (tmp_path / "ui" / "index.html").write_text("<script src=app.js></script>")
    (tmp_path / "ui" / "app.jsx").write_text(
        'import "@alga/extension-iframe-sdk/base.css"; import { useHost } from "@alga/extension-iframe-sdk/react";'
        'import { useState } from "react"; document.title = useHost + useState;'
    )
    (tmp_path / "build.toml").write_text('[ui]\nscripts = ["app.jsx"]\n')

    script = (build_ui(extension(tmp_path, "")) / "app.js").read_text()

    assert script.count("own react") == len(names)
    assert "react.transitional.element" not in script
    assert "--alga-primary-soft" in script


def test_styles_and_pictures_that_a_ui_script_imports_are_part_of_it(tmp_path: Path) -> None:
    ui = tmp_path / "ui"
    ui.mkdir()
    (ui / "index.html").write_text("<script src=app.js></script>")
    (ui / "dot.png").write_bytes(b"PNG")
    (ui / "own.css").write_text('p { background: url("dot.png"); quotes: "\\"" }')
    (ui / "app.tsx").write_text('import "./own.css"; import dot from "./dot.png"; document.title = dot as string;')
    (tmp_path / "build.toml").write_text('[ui]\nscripts = ["app.tsx"]\n')
    built = build_ui(extension(tmp_path, ""))
    script = (built / "app.js").read_text()
    assert script.startswith("document.head.append(")
    assert "data:image/png,PNG" in script
    assert {path.name for path in built.iterdir()} == {"app.js", "dot.png", "index.html", "own.css"}


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"limits": {"timeout_ms": 60_000}}, "at most 29000"),
        ({"config": {"type": "objekt"}}, "objekt"),
        ({"ui": {"type": "iframe", "entry": "ui/index.js"}}, "HTML document"),
    ],
)
def test_a_manifest_that_the_registry_would_refuse_is_refused_before_anything_is_compiled(
    tmp_path: Path, members: dict[str, Any], said: str
) -> None:
    source = extension(tmp_path, "this is not a script")
    manifest = json.loads((source / "manifest.json").read_text())
    (source / "manifest.json").write_text(json.dumps(manifest | members))
    with pytest.raises(PlatformError, match=said) as caught:
        build_extension(source, tmp_path / "tree")
    assert caught.value.code == "manifest_invalid"


def test_what_the_hash_does_not_cover_cannot_be_imported(tmp_path: Path) -> None:
    (tmp_path / "beside.ts").write_text("export const handler = () => null;")
    inside = tmp_path / "inside"
    inside.mkdir()
    with pytest.raises(GuestBuildError, match="outside"):
        build_component(extension(inside, 'export { handler } from "../beside.js";'))


def test_a_whole_extension_has_manifest_component_and_bundled_ui(tmp_path: Path) -> None:
    out = tmp_path / "tree"
    manifest = build_extension(ROOT / "samples" / "hello-js", out)
    assert manifest.name == "dev.alga.hello"
    files = sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())
    assert files == ["dist/main.wasm", "manifest.json", "ui/app.js", "ui/icon.svg", "ui/index.html", "ui/style.css"]
    script = (out / "ui" / "app.js").read_text()
    assert "import" not in script.split("(", 1)[0], "a classic script loads in a frame of opaque origin"
    assert str(ROOT) not in script


def test_what_the_manifest_names_is_taken_from_the_source_folder(tmp_path: Path) -> None:
    source = extension(tmp_path, "export const handler = () => ({ status: 204, headers: [] });")
    named = ["static/x.css", "static/deep/y.css", "dist/page.html", "bill.json", "native/x.cwasm"]
    for path in [*named, "notes.txt", "node_modules/static/z.css", "dist/main.wasm"]:
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        (source / path).write_text("from the source folder")
    manifest = json.loads((source / "manifest.json").read_text())
    manifest |= {"assets": ["static/**", "di**t/*"], "sbom": "bill.json", "precompiled": {"x": "native/x.cwasm"}}
    (source / "manifest.json").write_text(json.dumps(manifest))
    out = tmp_path / "tree"

    build_extension(source, out)

    files = sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())
    assert files == sorted([*named, "dist/main.wasm", "manifest.json"])
    assert (out / "dist/main.wasm").read_bytes().startswith(COMPONENT_PREAMBLE), "what was built is kept"


@pytest.mark.parametrize(
    ("members", "missing"),
    [
        ({"ui": {"type": "iframe", "entry": "ui/index.html"}}, "ui.entry 'ui/index.html'"),
        ({"sbom": "bill.json"}, "sbom 'bill.json'"),
        ({"precompiled": {"x": "native/x.cwasm"}}, "precompiled for x 'native/x.cwasm'"),
    ],
)
def test_a_file_that_the_manifest_names_and_nobody_made_is_missing(
    tmp_path: Path, members: dict[str, Any], missing: str
) -> None:
    source = extension(tmp_path, "export const handler = () => ({ status: 204, headers: [] });")
    manifest = json.loads((source / "manifest.json").read_text())
    (source / "manifest.json").write_text(json.dumps(manifest | members))
    build_extension(source, tmp_path / "tree")
    with pytest.raises(PlatformError, match=missing) as caught:
        pack_publishable(tmp_path / "tree", tmp_path / "bundle.tar.zst")
    assert caught.value.code == "bundle_incomplete"
    assert not (tmp_path / "bundle.tar.zst").exists()


def test_a_capability_that_the_component_does_not_import_is_refused_before_publishing(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "dist").mkdir(parents=True)
    (tree / "dist/main.wasm").write_bytes(guest("(call $respond (i32.const 204) (i32.const 0) (i32.const 0))"))
    manifest = {"name": "test.built", "publisher": "test", "version": "1.0.0", "runtime": "wasm-component@1"}
    (tree / "manifest.json").write_text(json.dumps(manifest | {"capabilities": ["storage.kv"]}))
    with pytest.raises(RejectedError) as caught:
        pack_publishable(tree, tmp_path / "bundle.tar.zst")
    assert [reason.code for reason in caught.value.reasons] == ["capability_not_imported"]
    assert not (tmp_path / "bundle.tar.zst").exists()


def test_an_extension_without_pages_has_no_ui_to_build(tmp_path: Path) -> None:
    with pytest.raises(GuestBuildError, match="no UI folder"):
        build_ui(extension(tmp_path, ""))


def test_the_host_page_is_whole() -> None:
    page = build_host_page()
    assert {path.name for path in page.iterdir()} == {"icon.svg", "index.html", "main.js", "style.css"}
