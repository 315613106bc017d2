"""Packing: the same tree gives the same bytes, and what is packed is what is read."""

import os
import tarfile
import zipfile
from pathlib import Path

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alga_ext.bundles import archive as archive_module
from alga_ext.bundles.archive import (
    Quota,
    content_hash_of,
    content_hash_of_bytes,
    extract,
    pack,
    read_entries,
    read_index,
)
from alga_ext.errors import PlatformError
from tests.support.refusals import code_of

_segment = st.from_regex(r"[a-zA-Z0-9_ é-][a-zA-Z0-9._ é-]{0,12}", fullmatch=True)
trees = st.dictionaries(
    st.lists(_segment, min_size=1, max_size=3).map("/".join), st.binary(max_size=600), min_size=1, max_size=6
).filter(lambda files: _is_possible(files))


def _is_possible(files: dict[str, bytes]) -> bool:
    """Whether no path is another's folder, and none differ by letter case only."""
    folded = {path.casefold() for path in files}
    folders = {path.casefold()[:at] for path in files for at, char in enumerate(path.casefold()) if char == "/"}
    return len(folded) == len(files) and not folded & folders


def grow(folder: Path, files: dict[str, bytes]) -> Path:
    """Write files below a new folder, in the mapping's order."""
    folder.mkdir()
    for path, data in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    return folder


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(trees)
def test_what_is_packed_is_what_is_read(tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]) -> None:
    work = tmp_path_factory.mktemp("pack")
    archive = work / "bundle.tar.zst"

    pack(grow(work / "tree", files), archive)

    with archive.open("rb") as stream:
        assert {entry.path: entry.data for entry in read_entries(stream)} == files


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(trees)
def test_order_time_and_mode_of_files_do_not_change_the_bytes(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]
) -> None:
    work = tmp_path_factory.mktemp("pack")
    first = grow(work / "first", files)
    second = grow(work / "second", dict(reversed(files.items())))
    for number, path in enumerate(sorted(second.rglob("*"))):
        if path.is_file():
            path.chmod((0o600, 0o755, 0o444)[number % 3])
            os.utime(path, (number * 1_000_000, number * 1_000_000))

    hashes = {pack(first, work / "first.tar.zst"), pack(second, work / "second.tar.zst")}

    assert len(hashes) == 1
    assert (work / "first.tar.zst").read_bytes() == (work / "second.tar.zst").read_bytes()


def test_the_content_hash_is_of_the_archives_bytes(tmp_path: Path) -> None:
    archive = tmp_path / "bundle.tar.zst"

    packed = pack(grow(tmp_path / "tree", {"a": b"1"}), archive)

    assert packed == content_hash_of(archive) == content_hash_of_bytes(archive.read_bytes())


def test_packing_into_the_packed_folder_gives_the_same_bytes_again(tmp_path: Path) -> None:
    tree = grow(tmp_path / "tree", {"a": b"1", "b/c": b"2"})

    first = pack(tree, tree / "bundle.tar.zst")
    second = pack(tree, tree / "bundle.tar.zst")

    assert first == second
    with (tree / "bundle.tar.zst").open("rb") as stream:
        assert read_index(stream) == ["a", "b/c"]


def test_packing_by_a_relative_name_leaves_the_archive_out_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = grow(tmp_path / "tree", {"a": b"1"})
    monkeypatch.chdir(tree)

    assert pack(tree, Path("bundle.tar.zst")) == pack(tree, Path("bundle.tar.zst"))


def test_hidden_files_and_folders_are_left_out(tmp_path: Path) -> None:
    tree = grow(tmp_path / "tree", {"a": b"1", ".env": b"secret", ".git/config": b"x", "ui/.hidden/x": b"y"})

    pack(tree, tmp_path / "bundle.tar.zst")

    with (tmp_path / "bundle.tar.zst").open("rb") as stream:
        assert read_index(stream) == ["a"]


def test_standard_tools_can_read_a_packed_archive(tmp_path: Path) -> None:
    pack(grow(tmp_path / "tree", {"ui/é.html": b"1", "x" * 120: b"2"}), tmp_path / "bundle.tar.zst")

    with (
        (tmp_path / "bundle.tar.zst").open("rb") as file,
        zstandard.ZstdDecompressor().stream_reader(file) as stream,
        tarfile.open(fileobj=stream, mode="r|") as tar,
    ):
        assert [member.name for member in tar] == ["ui/é.html", "x" * 120]


def test_a_link_is_refused_and_leaves_no_archive(tmp_path: Path) -> None:
    tree = grow(tmp_path / "tree", {"a": b"1"})
    (tree / "link").symlink_to("/etc/passwd")

    assert code_of(lambda: pack(tree, tmp_path / "bundle.tar.zst")) == "bundle_unsafe"
    assert [path.name for path in tmp_path.iterdir()] == ["tree"]


def test_a_link_to_a_folder_is_refused(tmp_path: Path) -> None:
    tree = grow(tmp_path / "tree", {"a": b"1"})
    (tree / "link").symlink_to("/etc", target_is_directory=True)

    assert code_of(lambda: pack(tree, tmp_path / "bundle.tar.zst")) == "bundle_unsafe"


def test_a_named_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    tree = grow(tmp_path / "tree", {"a": b"1"})
    os.mkfifo(tree / "pipe")

    assert code_of(lambda: pack(tree, tmp_path / "bundle.tar.zst")) == "bundle_unsafe"


@pytest.mark.parametrize("name", ["a:b", "a\\b", "a\nb", b"\xff".decode("utf-8", "surrogateescape"), "e\u0301"])
def test_a_file_name_that_no_bundle_may_hold_is_refused(tmp_path: Path, name: str) -> None:
    tree = grow(tmp_path / "tree", {name: b"1"})

    assert code_of(lambda: pack(tree, tmp_path / "bundle.tar.zst")) == "bundle_unsafe"


def test_names_that_differ_by_letter_case_only_are_refused_at_once(tmp_path: Path) -> None:
    tree = grow(tmp_path / "tree", {"README": b"1", "readme": b"2"})

    assert code_of(lambda: pack(tree, tmp_path / "bundle.tar.zst")) == "bundle_unsafe"
    assert not (tmp_path / "bundle.tar.zst").exists()


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    assert code_of(lambda: pack(grow(tmp_path / "tree", {}), tmp_path / "bundle.tar.zst")) == "bundle_invalid"


def test_a_failed_packing_keeps_the_archive_that_was_there(tmp_path: Path) -> None:
    archive = tmp_path / "bundle.tar.zst"
    tree = grow(tmp_path / "tree", {"a": b"1"})
    before = pack(tree, archive)
    (tree / "link").symlink_to("a")

    assert code_of(lambda: pack(tree, archive)) == "bundle_unsafe"
    assert content_hash_of(archive) == before


def test_a_folder_that_is_not_empty_is_not_extracted_into(tmp_path: Path) -> None:
    archive = tmp_path / "bundle.tar.zst"
    pack(grow(tmp_path / "tree", {"a": b"1"}), archive)
    target = grow(tmp_path / "target", {"already": b"here"})

    with archive.open("rb") as stream, pytest.raises(ValueError, match="empty"):
        extract(stream, target)


def test_a_subtree_is_extracted_alone(tmp_path: Path) -> None:
    archive = tmp_path / "bundle.tar.zst"
    pack(
        grow(tmp_path / "tree", {"ui/index.html": b"1", "ui/js/a.js": b"2", "dist/main.wasm": b"3", "uix": b"4"}),
        archive,
    )
    target = tmp_path / "target"
    target.mkdir()

    with archive.open("rb") as stream:
        assert extract(stream, target, "ui/") == ["ui/index.html", "ui/js/a.js"]
    assert sorted(path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file()) == [
        "ui/index.html",
        "ui/js/a.js",
    ]


def test_paths_that_are_not_kept_are_still_checked(tmp_path: Path) -> None:
    archive = tmp_path / "bundle.tar.zst"
    pack(grow(tmp_path / "tree", {"a": b"1", "b": b"22"}), archive)

    def read() -> None:
        with archive.open("rb") as stream:
            list(read_entries(stream, Quota(file_bytes=1), keep=lambda _: False))

    assert code_of(read) == "bundle_too_large"


def test_a_zip_is_no_bundle(tmp_path: Path) -> None:
    path = tmp_path / "bundle.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a", "1")

    with path.open("rb") as stream, pytest.raises(PlatformError, match="bundle_invalid"):
        read_index(stream)


def test_an_archive_over_the_limit_is_refused_and_not_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive_module, "ARCHIVE_LIMIT_BYTES", 10)
    folder = grow(tmp_path / "tree", {"a": b"content"})

    assert code_of(lambda: pack(folder, tmp_path / "a.tar.zst")) == "bundle_too_large"
    assert [path.name for path in tmp_path.iterdir()] == ["tree"]
