"""What a bundle must hold, and which of its files are published."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alga_ext.errors import PlatformError
from functions.registry.publishing import bundle_contents
from functions.registry.publishing.bundle_contents import (
    UI_FILE_LIMIT_BYTES,
    matches,
    read_contents,
    ui_paths,
)
from functions.registry.schemas.config_schema import check_schema
from tests.support.archives import bundle_of
from tests.support.manifests import encoded, manifest, server_document, ui_document
from tests.support.measures import cpu_s_of

PAGE = {"ui/index.html": b"<p>"}
COMPONENT = {"dist/main.wasm": b"\0asm"}


def refusal(document: Any, files: dict[str, bytes]) -> PlatformError:
    given = {"manifest.json": document if isinstance(document, bytes) else encoded(document), **files}
    with pytest.raises(PlatformError) as caught:
        read_contents(bundle_of(given), check_schema)
    return caught.value


def test_a_whole_bundle_is_read() -> None:
    document = server_document(ui={"type": "iframe", "entry": "ui/index.html"})
    contents = read_contents(bundle_of({**PAGE, **COMPONENT, "manifest.json": encoded(document)}), check_schema)

    assert contents.component == b"\0asm"
    assert contents.manifest.name == "com.acme.notes"
    assert json.loads(contents.manifest_bytes) == document
    assert contents.paths == ("dist/main.wasm", "manifest.json", "ui/index.html")


def test_a_bundle_of_ui_alone_has_no_component() -> None:
    assert (
        read_contents(bundle_of({"manifest.json": encoded(ui_document()), **PAGE, **COMPONENT}), check_schema).component
        is None
    )


def test_a_bundle_without_manifest_is_incomplete() -> None:
    with pytest.raises(PlatformError, match=r"bundle_incomplete.*no manifest\.json"):
        read_contents(bundle_of({"package/manifest.json": encoded(ui_document()), **PAGE}), check_schema)


def test_a_manifest_that_is_none_is_refused_as_such() -> None:
    assert refusal(b"{", PAGE).code == "manifest_invalid"


@pytest.mark.parametrize(
    ("document", "files", "missing"),
    [
        (server_document(), {}, "component 'dist/main.wasm'"),
        (server_document(entry="build/x.wasm"), COMPONENT, "component 'build/x.wasm'"),
        (ui_document(), {"ui/other.html": b""}, "ui.entry 'ui/index.html', which is not in the bundle"),
        (ui_document(sbom="sbom.json"), PAGE, "sbom 'sbom.json'"),
        (
            server_document(precompiled={"x86_64-linux": "p/x.cwasm"}),
            COMPONENT,
            "precompiled for x86_64-linux 'p/x.cwasm'",
        ),
        (ui_document(assets=["ui/**", "static/**"]), PAGE, "pattern 'static/**'"),
        (ui_document(assets=["ui/*.css"]), {**PAGE, "ui/a.css": b""}, "ui.entry 'ui/index.html' must"),
        (
            ui_document(ui={"type": "iframe", "entry": "index.html"}),
            {"index.html": b"", **PAGE},
            "must lie below 'ui/'",
        ),
        (ui_document(ui={"type": "iframe", "entry": "UI/index.html"}), PAGE, "ui.entry"),
    ],
)
def test_what_the_manifest_names_must_be_there(document: Any, files: dict[str, bytes], missing: str) -> None:
    error = refusal(document, files)

    assert error.code == "bundle_incomplete"
    assert missing in error.detail


@pytest.mark.parametrize(
    ("icon", "files", "told"),
    [
        ("ui/icon.svg", {}, "ui.hooks.appMenu.icon 'ui/icon.svg', which is not in the bundle"),
        ("icon.svg", {"icon.svg": b""}, "ui.hooks.appMenu.icon 'icon.svg' must lie below 'ui/'"),
        ("ui/icon.svg", {"ui/icon.svg": b""}, "must lie below 'ui/' and match a pattern of 'assets'"),
    ],
)
def test_an_icon_must_be_a_published_file(icon: str, files: dict[str, bytes], told: str) -> None:
    ui = {**ui_document()["ui"], "hooks": {"appMenu": {"label": "Notes", "icon": icon}}}
    error = refusal(ui_document(ui=ui, assets=["ui/*.html"]), {**PAGE, **files})

    assert error.code == "bundle_incomplete"
    assert told in error.detail


def test_a_ui_file_up_to_4_mib_passes_and_one_byte_more_does_not() -> None:
    assert UI_FILE_LIMIT_BYTES == 4 * 1024 * 1024
    noise = bytes(range(256)) * (UI_FILE_LIMIT_BYTES // 256)
    document = {"manifest.json": encoded(ui_document()), **PAGE}

    assert read_contents(bundle_of({**document, "ui/large.bin": noise}), check_schema)
    assert refusal(ui_document(), {**PAGE, "ui/large.bin": noise + b"x"}).code == "bundle_too_large"


@pytest.mark.parametrize("character", [" ", "+", "@", "(", "%", "&", "ü", "'", "=", ",", "#", "?", "[", "中"])
@pytest.mark.parametrize("place", ["ui/a{}b.js", "ui/a{}b/c.js"])
def test_a_ui_file_whose_url_would_need_an_escape_is_refused_by_name(character: str, place: str) -> None:
    path = place.format(character)
    error = refusal(ui_document(), {**PAGE, path: b""})

    assert error.code == "bundle_unsafe"
    assert repr(path) in error.detail
    assert "letters (A-Z, a-z), digits and '.', '_', '~', '-' only" in error.detail


def test_every_other_character_of_a_url_is_allowed_in_the_name_of_a_ui_file() -> None:
    path = "ui/AZ/az/09._~-/x"

    assert (
        path
        in read_contents(bundle_of({"manifest.json": encoded(ui_document()), **PAGE, path: b""}), check_schema).paths
    )


def test_a_published_file_that_browsers_would_misread_is_refused_by_name() -> None:
    error = refusal(ui_document(), {**PAGE, "ui/js/app.js": "größe".encode("latin-1")})

    assert error.code == "bundle_misread"
    assert error.detail.startswith("Browsers would misread the UI file 'ui/js/app.js': ")


def test_a_file_that_is_not_published_may_be_unreadable() -> None:
    files = {"manifest.json": encoded(ui_document(assets=["ui/*.html"])), **PAGE, "ui/a.txt": b"\xff", "a.js": b"\xff"}

    assert "ui/a.txt" in read_contents(bundle_of(files), check_schema).paths


def test_a_file_that_is_not_published_may_have_any_name() -> None:
    document = {"manifest.json": encoded(ui_document(assets=["ui/*.html"])), **PAGE}
    files = {**document, "ui/a b.txt": b"", "docs/ü+.md": b""}

    assert "ui/a b.txt" in read_contents(bundle_of(files), check_schema).paths


def test_a_file_that_is_not_ui_may_be_larger() -> None:
    noise = bytes(range(256)) * (UI_FILE_LIMIT_BYTES // 256) + b"x"
    files = {"manifest.json": encoded(server_document()), "dist/main.wasm": noise, "docs/uix": noise}

    assert read_contents(bundle_of(files), check_schema).component == noise


def test_a_configuration_schema_that_is_not_safe_is_refused() -> None:
    assert refusal(ui_document(config={"$ref": "http://127.0.0.1/x"}), PAGE).code == "manifest_invalid"


# Globs, against a slow reference


def slow_matches(path: str, pattern: str) -> bool:
    """The rule as a regular expression over the whole path."""
    expression = ""
    parts = pattern.split("/")
    for at, part in enumerate(parts):
        last = at == len(parts) - 1
        if part == "**":
            expression += r"(?:[^/]+(?:/[^/]+)*)?" if last else r"(?:[^/]+/)*"
        else:
            expression += "".join({"*": "[^/]*", "?": "[^/]"}.get(char, re.escape(char)) for char in part)
            expression += "" if last else "/"
    if parts[-1] == "**" and len(parts) > 1:
        # "a/**" names what lies below "a", and "a" itself.
        return bool(re.fullmatch(expression, path)) or matches_without_end(path, parts[:-1])
    return bool(re.fullmatch(expression, path))


def matches_without_end(path: str, parts: list[str]) -> bool:
    return slow_matches(path, "/".join(parts))


segments = st.sampled_from(["a", "b", "ab", "index.html", "a.js"])
parts = st.sampled_from(["**", "*", "a", "b", "a*", "*.js", "?", "*b", "index.html"])


@given(st.lists(segments, min_size=1, max_size=4).map("/".join), st.lists(parts, min_size=1, max_size=5).map("/".join))
def test_a_glob_matches_what_the_slow_rule_says(path: str, pattern: str) -> None:
    assert matches(path, pattern) == slow_matches(path, pattern)


@pytest.mark.parametrize(
    ("path", "pattern", "does"),
    [
        ("ui/index.html", "ui/**", True),
        ("ui/a/b/c.js", "ui/**", True),
        ("uix/a", "ui/**", False),
        ("a/ui/x", "ui/**", False),
        ("ui/a.js", "ui/*.js", True),
        ("ui/a/b.js", "ui/*.js", False),
        ("ui/a/b.js", "ui/**/*.js", True),
        ("ui/b.js", "ui/**/*.js", True),
        ("ui/A.js", "ui/a.js", False),
        ("ui/a.js", "ui/[ab].js", False),
        ("ui/[ab].js", "ui/[ab].js", True),
        ("ui/a+b(1).js", "ui/a+b(1).js", True),
        ("ui/aab1.js", "ui/a+b(1).js", False),
        ("ui/é.js", "ui/?.js", True),
        ("ui/ab.js", "ui/?.js", False),
        ("ui/a.js", "ui/a.js/**", True),
        ("ui/", "ui", False),
        ("ui/a.js", "**", True),
        ("ui/a.js", "*", False),
        ("a[b]", "a[b]", True),
    ],
)
def test_globs_by_example(path: str, pattern: str, does: bool) -> None:
    assert matches(path, pattern) is does


def test_patterns_made_to_cost_time_do_not() -> None:
    deep = [f"ui/{'/'.join(['a'] * 30)}/f{number}" for number in range(5_000)]
    asked = manifest(
        ui={"type": "iframe", "entry": "ui/index.html"},
        assets=["/".join(["**", "*a*"] * 7 + [f"x{number}"]) for number in range(32)],
    )

    assert ui_paths(tuple(deep), asked) == []
    assert cpu_s_of(lambda: ui_paths(tuple(deep), asked)) < 10


def test_only_ui_files_are_published_whatever_the_patterns() -> None:
    asked = manifest(ui={"type": "iframe", "entry": "ui/index.html"}, assets=["**"])

    assert ui_paths(("dist/main.wasm", "manifest.json", "ui/index.html", "uix"), asked) == ["ui/index.html"]


def test_nothing_is_published_without_a_ui() -> None:
    assert ui_paths(("ui/index.html",), manifest()) == []


def test_a_component_over_the_limit_is_refused_with_limit_and_size(monkeypatch: pytest.MonkeyPatch) -> None:
    assert bundle_contents.COMPONENT_LIMIT_BYTES == 64 * 1024 * 1024
    monkeypatch.setattr(bundle_contents, "COMPONENT_LIMIT_BYTES", 4)

    refused = refusal(server_document(), {"dist/main.wasm": b"\0asm1"})

    assert (refused.code, refused.status) == ("bundle_too_large", 413)
    assert "is 5 bytes; at most 4 are allowed" in refused.detail
    archive = bundle_of({"manifest.json": encoded(server_document()), **COMPONENT})
    assert read_contents(archive, check_schema).component == COMPONENT["dist/main.wasm"]


def test_asset_patterns_that_cost_too_much_for_the_paths_are_refused_by_steps() -> None:
    pattern = "ui/*a" + "?" * 240
    document = ui_document()
    document["assets"] = ["ui/**", *(pattern[:-number] for number in range(1, 31))]
    names = ["/".join(["ui", *(f"{part}{'a' * 150}" for part in range(3)), f"{number}"]) for number in range(80)]

    refused = refusal(document, {**PAGE, **dict.fromkeys(names, b"")})

    assert refused.code == "bundle_too_large"
    assert "steps; at most 200000000 are allowed" in refused.detail


def test_a_step_of_matching_is_a_position_of_a_pattern_for_a_byte_of_a_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of these patterns has 7 positions, and each of the paths has 13 bytes and its end."""
    document = ui_document(assets=["ui/**", "ui/*"])
    monkeypatch.setattr(bundle_contents, "MATCHING_STEPS_LIMIT", 14 * 28)
    assert read_contents(bundle_of({"manifest.json": encoded(document), **PAGE}), check_schema)

    monkeypatch.setattr(bundle_contents, "MATCHING_STEPS_LIMIT", 391)
    assert "(14 positions) with all paths (28 bytes) takes 392 steps" in refusal(document, PAGE).detail
    longer = refusal(document, {"ui/index.html": b"", "ä": b""})
    assert "(31 bytes)" in longer.detail


def test_the_last_256_patterns_are_kept_as_expressions() -> None:
    kept = [bundle_contents._expression(f"kept/{number}") for number in range(256)]

    assert all(bundle_contents._expression(f"kept/{number}") is made for number, made in enumerate(kept))
    matches("", "one/more")
    assert bundle_contents._expression("kept/1") is kept[1]
    assert bundle_contents._expression("kept/0") is not kept[0]
