"""Archives made to harm: each is refused with its code, in bounded memory and time."""

import io
import struct
import tarfile
from pathlib import Path
from typing import IO

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from alga_ext.bundles.archive import DEFAULT_QUOTA, Quota, content_hash_of_bytes, extract, read_entries, read_index
from alga_ext.bundles.zstd_frame import BLOCKS_LIMIT, WINDOW_LIMIT_BYTES
from alga_ext.errors import PlatformError
from tests.support.archives import (
    BLOCK,
    END,
    bundle,
    bundle_of,
    compressed,
    compressed_stream,
    header,
    member,
    padded,
    pax,
    pax_record,
    sealed,
    zeros,
)
from tests.support.measures import cpu_s_of, peak_bytes_of
from tests.support.refusals import code_of

MIB = 1 << 20


def refusal(archive: IO[bytes], quota: Quota = DEFAULT_QUOTA) -> PlatformError:
    """What an archive is refused with, read as a whole."""
    with pytest.raises(PlatformError) as caught:
        for _ in read_entries(archive, quota):
            pass
    return caught.value


# Honest archives of several tools pass


@pytest.mark.parametrize("style", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_an_archive_in_any_common_format_is_read(style: int) -> None:
    files = {"manifest.json": b"{}", "ui/index.html": b"<p>", "empty": b"", "d" * 90 + "/" + "f" * 90: b"long"}
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w", format=style) as tar:
        folder = tarfile.TarInfo("ui")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        for path, data in files.items():
            info = tarfile.TarInfo(path)
            info.size = len(data)
            info.mtime = 1_700_000_000.5 if style == tarfile.PAX_FORMAT else 0
            tar.addfile(info, io.BytesIO(data))

    assert {entry.path: entry.data for entry in read_entries(io.BytesIO(compressed(sink.getvalue())))} == files


@pytest.mark.parametrize("kind", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_a_path_too_long_for_a_header_is_read(kind: int) -> None:
    path = "/".join(["é" * 50] * 8)
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w", format=kind) as tar:
        tar.addfile(tarfile.TarInfo(path))

    assert read_index(io.BytesIO(compressed(sink.getvalue()))) == [path]


# Paths


@pytest.mark.parametrize(
    "path",
    ["../x", "a/../../x", "/etc/passwd", "//x", "a//b", ".env", "ui/.git/config", "..", ".", "a/./b", "a\\..\\b",
     "C:/x", "a\nb", "a\x7fb", "a\u202eb", "e\u0301", "/".join("a" * 33)],
)  # fmt: skip
def test_a_path_that_leads_out_or_hides_is_refused(path: str) -> None:
    assert refusal(bundle(member(path))).code == "bundle_unsafe"
    assert refusal(bundle(pax({"path": path}), member("a"))).code == "bundle_unsafe"
    assert refusal(bundle(member("././@LongLink", path.encode() + b"\0", b"L"), member("a"))).code == "bundle_unsafe"


@pytest.mark.parametrize("path", ["../x/", "/x/", ".git/", "./", "a/../b/"])
def test_a_folder_that_leads_out_or_hides_is_refused(path: str) -> None:
    assert refusal(bundle(header(path, 0, b"5"), member("a"))).code == "bundle_unsafe"


def test_a_path_that_is_not_utf8_is_refused() -> None:
    assert refusal(bundle(member(b"\xff\xfe"))).code == "bundle_unsafe"


def test_an_empty_path_is_refused() -> None:
    assert refusal(bundle(member(""))).code == "bundle_unsafe"


def test_a_prefix_cannot_lead_out() -> None:
    fields = bytearray(header("x"))
    fields[345:347] = b".."
    assert refusal(bundle(sealed(fields))).code == "bundle_unsafe"


@pytest.mark.parametrize(
    "pair", [("a", "a"), ("Readme", "README"), ("ui/A.js", "ui/a.js"), ("straße", "STRASSE"), ("é", "É")]
)
def test_a_path_twice_is_refused_whatever_its_letter_case(pair: tuple[str, str]) -> None:
    assert refusal(bundle(*(member(path) for path in pair))).code == "bundle_unsafe"


@pytest.mark.parametrize("pair", [("a", "a/b"), ("a/b", "a"), ("A", "a/b"), ("a/b/c", "a/B")])
def test_a_path_that_is_file_and_folder_is_refused(pair: tuple[str, str], tmp_path: Path) -> None:
    assert refusal(bundle(*(member(path) for path in pair))).code == "bundle_unsafe"
    assert code_of(lambda: extract(bundle(*(member(path) for path in pair)), tmp_path)) == "bundle_unsafe"


def test_a_folder_entry_over_a_file_is_refused() -> None:
    assert refusal(bundle(member("a"), header("a/", 0, b"5"))).code == "bundle_unsafe"
    assert refusal(bundle(header("a/", 0, b"5"), member("a"))).code == "bundle_unsafe"


def test_a_folder_named_twice_is_allowed() -> None:
    assert read_index(bundle(header("a/", 0, b"5"), header("a/", 0, b"5"), member("a/b"))) == ["a/b"]


# Kinds of members


@pytest.mark.parametrize(
    ("kind", "named"),
    [(b"1", "hard link"), (b"2", "symbolic link"), (b"3", "character device"), (b"4", "block device"),
     (b"6", "named pipe"),
     (b"7", "contiguous"), (b"S", "sparse"), (b"K", "long link"), (b"g", "global header"), (b"M", "unknown kind"),
     (b"V", "unknown kind"), (b"D", "unknown kind"), (b"N", "unknown kind"), (b"X", "unknown kind"),
     (b"\xff", "unknown kind")],
)  # fmt: skip
def test_whatever_is_no_plain_file_is_refused_by_name(kind: bytes, named: str) -> None:
    error = refusal(bundle(header("a", 0, kind, link=b"/etc/passwd")))

    assert error.code == "bundle_unsafe"
    assert named in error.detail


@pytest.mark.parametrize("keyword", ["GNU.sparse.major", "GNU.sparse.map", "GNU.sparse.numblocks", "GNU.sparse.size"])
def test_a_sparse_file_in_pax_form_is_refused(keyword: str) -> None:
    assert refusal(bundle(pax({keyword: "1"}), member("a"))).code == "bundle_unsafe"


@pytest.mark.parametrize("keyword", ["size", "linkpath", "hdrcharset"])
def test_an_extended_header_that_changes_the_meaning_is_refused(keyword: str) -> None:
    assert refusal(bundle(pax({keyword: "1"}), member("a"))).code == "bundle_unsafe"


def test_other_extended_records_are_passed_over() -> None:
    assert read_index(bundle(pax({"mtime": "1.5", "path": "b", "comment": "x"}), member("a"))) == ["b"]


# Headers


def test_a_wrong_checksum_is_refused_and_ends_nothing_silently() -> None:
    broken = bytearray(header("b", 1))
    broken[0] ^= 1
    error = refusal(bundle(member("a"), bytes(broken) + padded(b"x"), member("c")))

    assert error.code == "bundle_invalid"
    assert "checksum" in error.detail


@pytest.mark.parametrize(
    "field",
    [
        b"\x80" + bytes(11),
        b"\xff" * 12,
        b"-0000000001\0",
        b"0000000009\0\0",
        b"           \0",
        b"1_0\0\0\0\0\0\0\0\0\0",
    ],
)
def test_a_size_that_is_not_octal_is_refused(field: bytes) -> None:
    fields = bytearray(header("a"))
    fields[124:136] = field
    assert refusal(bundle(sealed(fields))).code == "bundle_invalid"


@pytest.mark.parametrize("magic", [bytes(8), b"ustar\x0001"[:5] + b"\x01\x01\x01", b"USTAR\x0000"])
def test_a_header_of_another_format_is_refused(magic: bytes) -> None:
    assert refusal(bundle(header("a", magic=magic))).code == "bundle_invalid"


def test_a_folder_with_content_is_refused() -> None:
    assert refusal(bundle(member("a", b"x", b"5"))).code == "bundle_invalid"


@pytest.mark.parametrize("records", [
    b"9999 path=a\n", b"5 path=a\n", b"0 path=a\n", b"-1 path=a\n", b"path=a\n", b"12 path=a", b"11 pathXab\n",
    b" path=a\n",
    b"999999999999999999999 path=a\n", b"\xb2 path=a\n", b"11path=abc\n",
])  # fmt: skip
def test_extended_records_that_are_not_well_formed_are_refused(records: bytes) -> None:
    assert refusal(bundle(member("x", records, b"x"), member("a"))).code == "bundle_invalid"


def test_an_extended_header_without_a_member_is_refused() -> None:
    assert refusal(bundle(member("a"), pax({"path": "b"}))).code == "bundle_invalid"


def test_one_extended_header_after_another_is_refused_and_not_followed() -> None:
    chain = b"".join(pax({"comment": "x"}) for _ in range(5_000))
    assert refusal(bundle(chain, member("a"))).code == "bundle_invalid"


def test_a_chain_of_long_names_is_refused_and_not_followed() -> None:
    chain = member("././@LongLink", b"a\0", b"L") * 5_000
    assert refusal(bundle(chain, member("a"))).code == "bundle_invalid"


# Ends


def test_an_archive_without_its_end_is_refused() -> None:
    assert refusal(bundle(member("a"), end=b"")).code == "bundle_invalid"


def test_an_archive_with_half_its_end_is_refused() -> None:
    assert refusal(bundle(member("a"), end=bytes(BLOCK))).code == "bundle_invalid"


def test_a_member_that_ends_early_is_refused() -> None:
    assert refusal(bundle(header("a", 5_000), b"short", end=b"")).code == "bundle_invalid"
    assert code_of(lambda: read_index(bundle(header("a", 5_000), b"short", end=b""))) == "bundle_invalid"


@pytest.mark.parametrize("hidden", [b"x", bytes(100) + b"x", b"\0" * 20_000 + member("evil"), member("evil")])
def test_data_behind_the_archives_end_is_refused(hidden: bytes) -> None:
    error = refusal(bundle(member("a"), END, hidden))

    assert error.code == "bundle_unsafe"
    assert "after the end" in error.detail


def test_an_archive_without_files_is_refused() -> None:
    assert refusal(bundle()).code == "bundle_invalid"
    assert refusal(bundle(header("folder/", 0, b"5"))).code == "bundle_invalid"


@pytest.mark.parametrize("content", [b"", b"x", b"not a tar" * 1000, bytes(100)])
def test_a_frame_that_holds_no_archive_is_refused(content: bytes) -> None:
    assert refusal(io.BytesIO(compressed(content))).code == "bundle_invalid"


# Frames

HONEST = bundle_of({"a": b"x" * 3000, "b/c": bytes(range(256)) * 20}).getvalue()


@pytest.mark.parametrize(
    "data", [b"", b"\x28", b"\x28\xb5\x2f\xfd", b"PK\x03\x04", b"\x1f\x8b\x08\x00", b"\x50\x2a\x4d\x18\0\0\0\0"]
)
def test_bytes_that_are_no_frame_are_refused(data: bytes) -> None:
    assert refusal(io.BytesIO(data)).code == "bundle_invalid"


@pytest.mark.parametrize("cut", [1, 4, 5, len(HONEST) // 2, len(HONEST) - 1])
def test_a_truncated_frame_is_refused(cut: int) -> None:
    assert refusal(io.BytesIO(HONEST[:cut])).code == "bundle_invalid"


@pytest.mark.parametrize(
    "extra",
    [b"\0", b"x", b"\n", HONEST, compressed(b""), b"\x50\x2a\x4d\x18\x04\0\0\0evil", bytes(200_000)],
    ids=["zero", "letter", "line", "archive", "empty-frame", "skippable-frame", "zeros"],
)
def test_anything_behind_the_frame_is_refused(extra: bytes) -> None:
    error = refusal(io.BytesIO(HONEST + extra))

    assert error.code == "bundle_unsafe"
    assert "after the end of its compressed frame" in error.detail


def test_a_skippable_frame_before_the_frame_is_refused() -> None:
    assert refusal(io.BytesIO(b"\x50\x2a\x4d\x18\x04\0\0\0evil" + HONEST)).code == "bundle_invalid"


def test_many_frames_are_refused_at_the_second() -> None:
    assert refusal(io.BytesIO(HONEST * 1000)).code == "bundle_unsafe"


@pytest.mark.parametrize("window_log", [28, 31])
def test_a_frame_that_wants_a_huge_window_is_refused(window_log: int) -> None:
    frame = b"\x28\xb5\x2f\xfd\x00" + bytes([(window_log - 10) << 3]) + b"\x01\0\0"

    assert "window" in refusal(io.BytesIO(frame)).detail


def test_a_single_segment_that_claims_a_huge_size_is_refused() -> None:
    frame = b"\x28\xb5\x2f\xfd\xe0" + struct.pack("<Q", 1 << 62) + b"\x01\0\0"

    assert "window" in refusal(io.BytesIO(frame)).detail


def test_a_frame_within_the_window_limit_costs_no_more_than_it() -> None:
    frame = b"\x28\xb5\x2f\xfd\x00" + bytes([(26 - 10) << 3]) + b"\x01\0\0"
    assert WINDOW_LIMIT_BYTES == 1 << 26

    assert refusal(io.BytesIO(frame)).code == "bundle_invalid"


def test_a_frame_with_a_dictionary_is_refused() -> None:
    assert "dictionary" in refusal(io.BytesIO(b"\x28\xb5\x2f\xfd\x21\x07\x05" + b"\x01\0\0")).detail


@pytest.mark.parametrize("descriptor", [0x08, 0x10, 0x18])
def test_reserved_bits_of_the_frame_are_refused(descriptor: int) -> None:
    assert "reserved" in refusal(io.BytesIO(b"\x28\xb5\x2f\xfd" + bytes([descriptor, 0]) + b"\x01\0\0")).detail


def test_a_reserved_block_is_refused() -> None:
    assert refusal(io.BytesIO(b"\x28\xb5\x2f\xfd\x00\x58" + b"\x07\0\0")).code == "bundle_invalid"


def test_a_block_over_its_largest_size_is_refused() -> None:
    block = ((128 * 1024 + 1) << 3 | 1).to_bytes(3, "little") + bytes(128 * 1024 + 1)
    assert refusal(io.BytesIO(b"\x28\xb5\x2f\xfd\x00\x58" + block)).code == "bundle_invalid"


def test_a_frame_of_countless_empty_blocks_is_refused_soon() -> None:
    frame = b"\x28\xb5\x2f\xfd\x00\x58" + bytes(3) * (BLOCKS_LIMIT + 10)

    assert refusal(io.BytesIO(frame)).code == "bundle_unsafe"
    assert cpu_s_of(lambda: refusal(io.BytesIO(frame))) < 10


def test_a_frame_without_checksum_is_read() -> None:
    content = member("a") + END
    frame = zstandard.ZstdCompressor(write_checksum=False, write_content_size=True).compress(content)

    assert read_index(io.BytesIO(frame)) == ["a"]


def test_a_wrong_checksum_of_the_frame_is_refused() -> None:
    broken = bytearray(HONEST)
    broken[-1] ^= 1

    assert refusal(io.BytesIO(bytes(broken))).code == "bundle_invalid"


# One changed byte


@settings(max_examples=300)
@given(st.integers(0, len(HONEST) - 1), st.integers(1, 255))
def test_one_changed_byte_changes_the_hash_and_reads_the_same_or_is_refused(position: int, change: int) -> None:
    changed = bytearray(HONEST)
    changed[position] ^= change
    files: list[object] = []

    code = code_of(lambda: files.extend(read_entries(io.BytesIO(bytes(changed)))))

    assert content_hash_of_bytes(bytes(changed)) != content_hash_of_bytes(HONEST)
    assert code in ("bundle_invalid", "bundle_unsafe", "bundle_too_large") or (
        code is None and files == list(read_entries(io.BytesIO(HONEST)))
    )


@settings(max_examples=300)
@given(st.binary(max_size=2000))
def test_any_content_of_a_frame_is_read_or_refused_in_our_words(content: bytes) -> None:
    assert code_of(lambda: read_index(io.BytesIO(compressed(content)))) in (
        "bundle_invalid",
        "bundle_unsafe",
        "bundle_too_large",
    )


@settings(max_examples=300)
@given(st.data())
def test_one_changed_byte_of_the_unfolded_archive_is_refused_or_stays_inside(data: st.DataObject) -> None:
    content = bytearray(member("a") + pax({"path": "ui/é"}) + member("b", b"y" * 600) + END)
    content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    paths: list[str] = []

    code = code_of(lambda: paths.extend(read_index(io.BytesIO(compressed(bytes(content))))))

    assert code in (None, "bundle_invalid", "bundle_unsafe", "bundle_too_large")
    assert not any(path.startswith(("/", ".")) or ".." in path.split("/") for path in paths)


# Bombs


def test_a_bomb_is_refused_by_its_ratio(tmp_path: Path) -> None:
    bomb = compressed_stream([header("a", 100 * MIB), *zeros(100 * MIB), END], tmp_path / "bomb")
    assert bomb.stat().st_size < 64 * 1024

    with bomb.open("rb") as archive:
        peak_bytes = peak_bytes_of(lambda: code_of(lambda: read_index(archive)))
        archive.seek(0)
        error = refusal(archive)

    assert error.code == "bundle_too_large"
    assert "times its size" in error.detail
    assert peak_bytes < 4 * MIB


def test_a_bundle_over_its_total_is_refused() -> None:
    files = {f"f{number}": bytes(600) for number in range(20)}
    assert refusal(bundle_of(files), Quota(total_bytes=8_000)).code == "bundle_too_large"


def test_a_file_over_its_size_is_refused_before_it_is_read() -> None:
    archive = bundle(header("a", 0o77777777777), end=b"")
    assert peak_bytes_of(lambda: refusal(archive)) < 4 * MIB
    archive.seek(0)
    assert refusal(archive).code == "bundle_too_large"


def test_more_files_than_allowed_are_refused() -> None:
    assert refusal(bundle_of({f"f{number}": b"" for number in range(11)}), Quota(files=10)).code == "bundle_too_large"


def test_a_million_files_are_refused_soon(tmp_path: Path) -> None:
    def headers() -> list[bytes]:
        return [b"".join(header(f"f{start + at}") for at in range(1000)) for start in range(0, 20_000, 1000)]

    path = compressed_stream([*headers(), *zeros(0)], tmp_path / "many")

    def read() -> str | None:
        with path.open("rb") as archive:
            return code_of(lambda: read_index(archive))

    assert read() == "bundle_too_large"
    assert peak_bytes_of(read) < 16 * MIB
    assert cpu_s_of(read) < 10


def test_folders_count_as_files_do(tmp_path: Path) -> None:
    folders = b"".join(header(f"f{number}/", 0, b"5") for number in range(DEFAULT_QUOTA.files + 1))

    assert refusal(bundle(folders, member("a"))).code == "bundle_too_large"


@pytest.mark.parametrize("kind", [b"x", b"L", b"g"])
def test_an_extended_header_of_hundreds_of_megabytes_is_not_held_in_memory(kind: bytes, tmp_path: Path) -> None:
    size = 300 * MIB
    filler = [header("././@PaxHeader", size, kind), b"%d comment=" % size]
    bomb = compressed_stream([*filler, *(b"z" * MIB for _ in range(20))], tmp_path / "bomb")

    with bomb.open("rb") as archive:
        peak_bytes = peak_bytes_of(lambda: code_of(lambda: read_index(archive)))
        archive.seek(0)
        assert code_of(lambda: read_index(archive)) == "bundle_unsafe"

    assert peak_bytes < 4 * MIB


def test_an_extended_header_that_only_claims_its_size_is_refused() -> None:
    assert refusal(bundle(header("x", 300 * MIB, b"x"), end=b"")).code == "bundle_unsafe"


def test_an_extended_header_of_countless_records_is_refused() -> None:
    records = pax_record("c", "") * 1000
    assert refusal(bundle(member("x", records, b"x"), member("a"))).code == "bundle_invalid"


def test_reading_the_index_of_a_large_file_holds_no_more_than_pieces(tmp_path: Path) -> None:
    noise = bytes(range(256)) * 4096
    path = compressed_stream([header("a", 64 * MIB), *(noise for _ in range(64)), END], tmp_path / "large")
    with path.open("rb") as archive:
        peak_bytes = peak_bytes_of(lambda: read_index(archive, Quota(ratio=100_000)))

    assert peak_bytes < 4 * MIB
