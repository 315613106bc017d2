"""Extensions built from source with the real tools."""

import json
from pathlib import Path

import pytest

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
    assert files == ["dist/main.wasm", "manifest.json", "ui/app.js", "ui/index.html", "ui/style.css"]
    script = (out / "ui" / "app.js").read_text()
    assert "import" not in script.split("(", 1)[0], "a classic script loads in a frame of opaque origin"
    assert str(ROOT) not in script


def test_a_manifest_that_names_a_page_nobody_made_is_refused(tmp_path: Path) -> None:
    source = extension(tmp_path, "export const handler = () => ({ status: 204, headers: [] });")
    manifest = json.loads((source / "manifest.json").read_text())
    manifest |= {"ui": {"type": "iframe", "entry": "ui/index.html"}}
    (source / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(GuestBuildError, match="no such file"):
        build_extension(source, tmp_path / "tree")
    assert not (tmp_path / "tree").exists()


def test_an_extension_without_pages_has_no_ui_to_build(tmp_path: Path) -> None:
    with pytest.raises(GuestBuildError, match="no UI folder"):
        build_ui(extension(tmp_path, ""))


def test_the_host_page_is_whole() -> None:
    page = build_host_page()
    assert {path.name for path in page.iterdir()} == {"icon.svg", "index.html", "main.js", "style.css"}
